//! The actions of a run, in order: one file per step.

pub(crate) mod assemble;
pub(crate) mod attach;
pub(crate) mod convert;
pub(crate) mod detach;
pub(crate) mod host;
pub(crate) mod identity;
pub(crate) mod keys;
pub(crate) mod place;
pub(crate) mod power;
pub(crate) mod protect;
pub(crate) mod start;
pub(crate) mod stop;
pub(crate) mod swap;
pub(crate) mod verify;

use comeback_cloud::calls::Action as Call;
use comeback_cloud::ids::VolumeId;

use crate::action::Action;
use crate::plan::{Device, Plan, Volumes};

/// All actions of a plan, in order.
pub fn all(plan: &Plan) -> Vec<Box<dyn Action>> {
    let mut actions: Vec<Box<dyn Action>> = vec![
        Box::new(protect::Lease),
        Box::new(protect::Hold),
        Box::new(protect::Snapshots { stopped: false }),
    ];
    actions.extend(keys::all(plan));
    actions.push(Box::new(stop::Source));
    match plan.volumes {
        Volumes::Original => {
            let volumes = plan.target.devices.iter().cloned();
            actions.extend(volumes.map(|device| -> Box<dyn Action> { Box::new(detach::Detach { device }) }));
        }
        Volumes::Copy => {
            actions.push(Box::new(protect::Snapshots { stopped: true }));
            let volumes = plan.target.devices.iter().cloned();
            actions.extend(volumes.map(|device| -> Box<dyn Action> { Box::new(detach::Copy { device }) }));
        }
    }
    actions.extend([
        Box::new(host::Launch) as Box<dyn Action>,
        Box::new(host::Answer),
        Box::new(attach::Root),
        Box::new(convert::Root),
        Box::new(stop::Host),
        Box::new(swap::Release),
        Box::new(swap::HostRoot),
    ]);
    let volumes = plan.target.devices.iter().cloned();
    actions.extend(volumes.map(|device| -> Box<dyn Action> { Box::new(assemble::Volume { device }) }));
    actions.extend([
        Box::new(assemble::Attributes) as Box<dyn Action>,
        Box::new(start::Target),
    ]);
    actions.extend(verify::all(plan));
    actions.extend(identity::all(plan));
    actions
}

/// The calls of every action that a plan can have, and of its undo.
pub(crate) fn calls() -> Vec<&'static Call> {
    let device = || Device {
        volume: VolumeId::from_api(""),
        was: String::new(),
        becomes: String::new(),
        delete_on_termination: false,
    };
    let every: Vec<Box<dyn Action>> = vec![
        Box::new(protect::Lease),
        Box::new(protect::Hold),
        Box::new(protect::Snapshots { stopped: false }),
        Box::new(keys::Try),
        Box::new(keys::Discard),
        Box::new(stop::Source),
        Box::new(detach::Detach { device: device() }),
        Box::new(detach::Copy { device: device() }),
        Box::new(host::Launch),
        Box::new(host::Answer),
        Box::new(attach::Root),
        Box::new(convert::Root),
        Box::new(stop::Host),
        Box::new(swap::Release),
        Box::new(swap::HostRoot),
        Box::new(assemble::Volume { device: device() }),
        Box::new(assemble::Attributes),
        Box::new(start::Target),
    ];
    let mut calls: Vec<_> = every.iter().flat_map(|action| action.calls()).collect();
    calls.extend(verify::calls());
    calls.extend(identity::calls());
    calls
}
