//! Keeping the source's primary private address: `finalize --keep-private-ip`.
//!
//! A primary private address belongs to an interface, and a primary interface to its instance for as long as that is there. So
//! the only way to keep it is to terminate the source and to start another instance with its interface. That instance, the
//! *final* one, takes over from the run's target, which goes in the end.
//!
//! ```text
//! before    the target stops ▸ snapshots ▸ an image of them ▸ its volumes come off ▸ the interface is told to stay
//!           each with an undo: what fails here is taken back, and the run is complete as before
//! ───────   the source is terminated: no way back to it, but an instance of the image
//! after     the final instance starts with the interface ▸ its own root is swapped for the source's ▸ it is proven ▸
//!           the rest of what leads to the target moves over
//! ```
//!
//! Everything is an [`Action`], so that a process may be killed anywhere and another goes on.

mod anew;
mod carry;
mod free;
pub(crate) mod image;
mod launch;
mod preserve;
mod refuse;

use comeback_cloud::calls::{Action as Call, actions as calls};
use comeback_cloud::ids::VolumeId;
use serde::{Deserialize, Serialize};

use crate::action::{Action, Context};
use crate::actions::{assemble, identity, start, swap, verify};
use crate::finalize::{self, Keep};
use crate::plan::{Device, Plan};
use anew::Anew;

pub use image::{Registered, way_back};
pub use refuse::refusals;

/// What is done, in order.
#[allow(missing_debug_implementations, reason = "actions have none")]
pub struct Way {
    /// Up to the point of no return. All of it can be taken back.
    pub before: Vec<Box<dyn Action>>,
    /// That point.
    pub point: Box<dyn Action>,
    /// From there on.
    pub after: Vec<Box<dyn Action>>,
}

impl Way {
    /// All of it.
    pub fn all(self) -> Vec<Box<dyn Action>> {
        self.before.into_iter().chain([self.point]).chain(self.after).collect()
    }
}

/// The way of a plan. `keep` is what `finalize` is to keep afterwards.
pub fn way(plan: &Plan, keep: Keep) -> Way {
    let devices = || plan.target.devices.iter().cloned();
    let mut before: Vec<Box<dyn Action>> = vec![
        Box::new(preserve::Agree { keep }),
        Box::new(preserve::StopTarget),
        Box::new(preserve::Snapshots),
        Box::new(preserve::Register),
    ];
    before.extend(devices().map(|device| -> Box<dyn Action> { Box::new(free::Vacate::new(device)) }));
    before.push(Box::new(free::Retain));
    if plan.source.attributes.termination_protected {
        before.push(Box::new(free::Unprotect));
    }

    let mut after: Vec<Box<dyn Action>> =
        vec![Box::new(launch::Launch), Box::new(launch::Flag), Box::new(launch::Stop)];
    let mut anew: Vec<Box<dyn Action>> = vec![Box::new(swap::HostRoot)];
    anew.extend(devices().map(|device| -> Box<dyn Action> { Box::new(assemble::Volume { device }) }));
    anew.push(Box::new(assemble::Attributes));
    // Before it starts: by its public address it may have to be reached to be proven.
    anew.extend(identity::private_addresses(plan));
    anew.extend(identity::elastic_ips(plan));
    anew.push(Box::new(start::Target));
    anew.extend(verify::all(plan));
    anew.extend(identity::interfaces(plan));
    anew.extend(identity::balancers(plan));
    after.extend(
        anew.into_iter()
            .map(|action| -> Box<dyn Action> { Box::new(Anew(action)) }),
    );
    Way {
        before,
        point: Box::new(free::Terminate),
        after,
    }
}

/// All actions of a plan, in order.
pub fn actions(plan: &Plan) -> Vec<Box<dyn Action>> {
    way(plan, Keep::default()).all()
}

/// The calls of every action that a plan can have, of its undo, and of what `finalize` does afterwards.
pub(crate) fn calls() -> Vec<&'static Call> {
    let device = || Device {
        volume: VolumeId::from_api(""),
        was: String::new(),
        becomes: String::new(),
        delete_on_termination: false,
    };
    let every: Vec<Box<dyn Action>> = vec![
        Box::new(preserve::Agree { keep: Keep::default() }),
        Box::new(preserve::StopTarget),
        Box::new(preserve::Snapshots),
        Box::new(preserve::Register),
        Box::new(free::Vacate::new(device())),
        Box::new(free::Retain),
        Box::new(free::Unprotect),
        Box::new(free::Terminate),
        Box::new(launch::Launch),
        Box::new(launch::Flag),
        Box::new(launch::Stop),
        Box::new(swap::HostRoot),
        Box::new(assemble::Volume { device: device() }),
        Box::new(assemble::Attributes),
        Box::new(start::Target),
    ];
    let mut needed: Vec<_> = every.iter().flat_map(|action| action.calls()).collect();
    // Places in target groups are taken, and never given back.
    let moves = identity::calls();
    needed.extend(
        moves
            .into_iter()
            .filter(|call| call.name != calls::DEREGISTER_TARGETS.name),
    );
    needed.extend(verify::calls());
    needed.extend(refuse::calls());
    needed.extend(finalize::calls());
    needed
}

/// What was agreed to, and what was so then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Agreed {
    /// Whether the snapshots of step 0 are kept.
    pub(crate) keep_snapshots: bool,
    /// Whether the target ran.
    pub(crate) ran: bool,
}

/// What was agreed to, if anything was.
pub(crate) fn agreed(context: &Context) -> Option<Agreed> {
    context.earlier(preserve::AGREE).ok().flatten()
}
