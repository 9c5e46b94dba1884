//! What time does: whatever is due happens before a request is looked at.

use jiff::{SignedDuration, Timestamp};

use super::event::Code;
use super::instance::{Reason, State};
use super::machine::{machine, readdress};
use super::volume::{AttachState, VolumeState};
use super::{Region, World};
use crate::backend::Condition;
use crate::log;

/// How long a terminated instance is still shown.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(1);

/// Lets happen what is due. Says whether anything did.
pub(crate) fn settle(world: &World, region: &mut Region) -> bool {
    let now = world.now();
    let due = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
    let mut changed = false;

    for volume in region.volumes.values_mut() {
        if volume.state == VolumeState::Creating && due(volume.due) {
            volume.state = VolumeState::Ready;
            volume.due = None;
            changed = true;
        }
        let Some(attachment) = &mut volume.attachment else {
            continue;
        };
        if !due(attachment.due) {
            continue;
        }
        match attachment.state {
            AttachState::Attaching => {
                attachment.state = AttachState::Attached;
                attachment.due = None;
            }
            AttachState::Detaching => volume.attachment = None,
            AttachState::Attached | AttachState::Busy => attachment.due = None,
        }
        changed = true;
    }
    for snapshot in region.snapshots.values_mut() {
        if due(snapshot.due) {
            snapshot.due = None;
            changed = true;
        }
    }
    for interface in region.interfaces.values_mut() {
        let Some(attachment) = &mut interface.attachment else {
            continue;
        };
        if due(attachment.leaving) {
            interface.attachment = None;
            changed = true;
        } else if due(attachment.due) {
            attachment.due = None;
            changed = true;
        }
    }
    let ids: Vec<String> = region.instances.keys().cloned().collect();
    for id in ids {
        changed |= settle_instance(world, region, &id, now);
    }
    changed
}

fn settle_instance(world: &World, region: &mut Region, id: &str, now: Timestamp) -> bool {
    let Some(instance) = region.instances.get(id) else {
        return false;
    };
    let due = instance.due.is_none_or(|at| at <= now);
    match instance.state {
        State::Pending if due => {
            set_state(region, id, State::Running);
            readdress(world, region, id);
            true
        }
        State::Stopping if due && world.backend.condition(id) == Condition::Off => {
            set_state(region, id, State::Stopped);
            true
        }
        State::ShuttingDown if due && world.backend.condition(id) == Condition::Off => {
            bury(world, region, id);
            true
        }
        // The guest shut itself down.
        State::Running if !world.instant && world.backend.condition(id) == Condition::Off => {
            let reason = Reason {
                code: "Client.InstanceInitiatedShutdown".to_owned(),
                message: "Client.InstanceInitiatedShutdown: Instance initiated shutdown".to_owned(),
            };
            if instance.on_shutdown == "terminate" {
                shut(world, region, id, State::ShuttingDown, false, reason);
            } else {
                shut(world, region, id, State::Stopping, false, reason);
            }
            true
        }
        State::Running => {
            let event = instance
                .events
                .iter()
                .find(|event| event.is_open() && event.not_before <= now);
            match event.map(|event| event.id.clone()) {
                Some(event) => {
                    fire(world, region, id, &event);
                    true
                }
                None => false,
            }
        }
        State::Terminated if instance.ended.is_some_and(|at| now.duration_since(at) > REMEMBERED) => {
            region.instances.remove(id);
            region.tags.remove(id);
            true
        }
        _ => false,
    }
}

fn set_state(region: &mut Region, id: &str, state: State) {
    if let Some(instance) = region.instances.get_mut(id) {
        instance.state = state;
        instance.due = None;
    }
}

/// Gives an instance power: as a new one (`fresh`), or after a stop, on a new host.
pub(crate) fn power_on(world: &World, region: &mut Region, id: &str, fresh: bool) {
    let now = world.now();
    let host = region.new_host();
    // An instance with an Elastic IP, or with an address already, is lent none.
    let wants_public = region
        .instances
        .get(id)
        .is_some_and(|instance| instance.wants_public && region.public_of(instance).is_none());
    let public = wants_public.then(|| region.new_public());
    let Some(instance) = region.instances.get_mut(id) else {
        return;
    };
    instance.state = State::Pending;
    instance.due = Some(world.after(world.timings.start));
    instance.launched = now;
    instance.powered = Some(now);
    instance.reason = None;
    instance.transition.clear();
    instance.unchecked = false;
    instance.host = host;
    if public.is_some() {
        instance.public = public;
    }
    let Some(instance) = region.instances.get(id) else {
        return;
    };
    if let Err(error) = world.backend.start(&machine(world, region, instance)) {
        fail_start(
            world,
            region,
            id,
            fresh,
            "Server.InternalError",
            &format!("Server.InternalError: {error}"),
        );
    }
}

/// An instance that does not start goes back to `stopped`, or is gone if it is new.
pub(crate) fn fail_start(world: &World, region: &mut Region, id: &str, fresh: bool, code: &str, message: &str) {
    log(format_args!("{id} did not start: {message}"));
    let after = world.after(0);
    if let Some(instance) = region.instances.get_mut(id) {
        instance.state = if fresh { State::ShuttingDown } else { State::Stopping };
        instance.due = Some(after);
        instance.public = None;
        instance.reason = Some(Reason {
            code: code.to_owned(),
            message: message.to_owned(),
        });
        instance.transition = code.to_owned();
    }
}

/// Begins to stop or to terminate an instance (`state` says which).
pub(crate) fn shut(world: &World, region: &mut Region, id: &str, state: State, force: bool, reason: Reason) {
    let now = world.now();
    let due = world.after(world.timings.stop);
    let Some(instance) = region.instances.get_mut(id) else {
        return;
    };
    let was = instance.state;
    instance.state = state;
    instance.due = Some(due);
    instance.transition = format!("User initiated ({})", now.strftime("%Y-%m-%d %H:%M:%S GMT"));
    instance.reason = Some(reason);
    // A public address that is not an Elastic IP goes back.
    instance.public = None;
    // Whatever was going to be done to the host is done without it.
    for event in &mut instance.events {
        event.complete();
    }
    if matches!(was, State::Running | State::Pending | State::Stopping)
        && let Err(error) = world.backend.stop(id, force)
    {
        log(format_args!("{error}"));
    }
}

/// Reboots a running instance in place or on another host. Its boot chain runs again.
pub(crate) fn reboot(world: &World, region: &mut Region, id: &str) {
    let now = world.now();
    let host = region.hosts + 1;
    let Some(instance) = region.instances.get_mut(id) else {
        return;
    };
    let moves = instance.reboot_migration != "disabled"
        && instance
            .events
            .iter()
            .any(|event| event.is_open() && event.code == Code::SystemReboot);
    instance.unchecked = false;
    instance.powered = Some(now);
    if moves {
        instance.host = host;
    }
    for event in &mut instance.events {
        let done = match event.code {
            Code::InstanceReboot => true,
            Code::SystemReboot => moves,
            _ => false,
        };
        if done {
            event.complete();
        }
    }
    if moves {
        region.hosts = host;
    }
    let Some(instance) = region.instances.get(id) else {
        return;
    };
    if let Err(error) = world.backend.reboot(&machine(world, region, instance)) {
        log(format_args!("{error}"));
    }
}

/// Does to an instance what AWS does when an event's time has come.
pub(crate) fn fire(world: &World, region: &mut Region, id: &str, event: &str) {
    let Some(instance) = region.instances.get_mut(id) else {
        return;
    };
    let Some(code) = instance
        .events
        .iter()
        .find(|each| each.id == event)
        .map(|event| event.code)
    else {
        return;
    };
    let root_type = instance.root_type.clone();
    let running = instance.state == State::Running;
    if running {
        let reason = Reason {
            code: "Server.ScheduledStop".to_owned(),
            message: "Server.ScheduledStop: Stopped due to a scheduled retirement".to_owned(),
        };
        match code {
            Code::InstanceReboot | Code::SystemReboot => {
                if code == Code::SystemReboot {
                    // AWS moves it even where the user's own reboots do not.
                    instance.host = region.hosts + 1;
                    region.hosts += 1;
                }
                reboot(world, region, id);
            }
            Code::SystemMaintenance => {}
            Code::InstanceRetirement if root_type != "ebs" => {
                shut(world, region, id, State::ShuttingDown, true, reason);
            }
            Code::InstanceRetirement | Code::InstanceStop => shut(world, region, id, State::Stopping, false, reason),
        }
    }
    if let Some(instance) = region.instances.get_mut(id) {
        for each in instance.events.iter_mut().filter(|each| each.id == event) {
            each.complete();
        }
    }
}

/// Ends an instance: what is to be deleted with it goes, the rest is free again.
fn bury(world: &World, region: &mut Region, id: &str) {
    let volumes: Vec<(String, bool)> = region
        .volumes_of(id)
        .map(|volume| {
            let goes = volume.attachment.as_ref().is_some_and(|at| at.delete_on_termination);
            (volume.id.clone(), goes)
        })
        .collect();
    for (volume, goes) in volumes {
        if goes {
            region.volumes.remove(&volume);
            region.tags.remove(&volume);
            if let Err(error) = world.files.remove(&volume) {
                log(format_args!("{error}"));
            }
        } else if let Some(volume) = region.volumes.get_mut(&volume) {
            volume.attachment = None;
        }
    }
    let interfaces: Vec<(String, bool)> = region
        .interfaces_of(id)
        .into_iter()
        .map(|interface| {
            let goes = interface.attachment.as_ref().is_some_and(|at| at.delete_on_termination);
            (interface.id.clone(), goes)
        })
        .collect();
    for (interface, goes) in interfaces {
        if goes {
            region.interfaces.remove(&interface);
            region.tags.remove(&interface);
            for address in region.addresses.values_mut() {
                if address.association.as_ref().is_some_and(|to| to.interface == interface) {
                    address.association = None;
                }
            }
        } else if let Some(interface) = region.interfaces.get_mut(&interface) {
            interface.attachment = None;
        }
    }
    for group in region.target_groups.values_mut() {
        group.targets.retain(|target| target.id != id);
    }
    let now = world.now();
    if let Some(instance) = region.instances.get_mut(id) {
        instance.state = State::Terminated;
        instance.due = None;
        instance.ended = Some(now);
        instance.events.clear();
    }
}
