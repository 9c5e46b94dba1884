//! From an instance to the machine that carries it out.

use base64::Engine as _;

use super::instance::{Instance, State, Virtualization};
use super::{Region, World, aki, catalogue};
use crate::backend::{Condition, Disk, Machine, Platform};

/// The most TCP ports that are led to a machine.
const PORTS: usize = 16;

/// The machine of an instance, with its disks as they are attached now.
pub(crate) fn machine(world: &World, region: &Region, instance: &Instance) -> Machine {
    let disk = |volume: &super::volume::Volume| Disk {
        volume: volume.id.clone(),
        path: world.files.path(&volume.id),
        device: volume
            .attachment
            .as_ref()
            .map(|at| at.device.clone())
            .unwrap_or_default(),
    };
    let root = region.root_of(instance);
    let interface = region.interfaces_of(&instance.id).into_iter().next();
    let private = interface.and_then(|interface| interface.primary());
    let user_data = instance.user_data.as_deref().and_then(|text| {
        let decoded = base64::engine::general_purpose::STANDARD.decode(text);
        decoded.ok().filter(|data| !data.is_empty())
    });
    let key = instance.key_name.as_ref().and_then(|name| region.keys.get(name));
    Machine {
        instance: instance.id.clone(),
        platform: platform(region, instance),
        memory_mib: catalogue::find(&instance.kind).map_or(1024, |kind| kind.memory_mib),
        root: root.map(disk),
        disks: region
            .volumes_of(&instance.id)
            .filter(|volume| Some(&volume.id) != root.map(|root| &root.id))
            .map(disk)
            .collect(),
        user_data,
        hostname: private
            .map(|address| instance.private_dns(address, &region.name))
            .and_then(|name| name.split('.').next().map(str::to_owned))
            .unwrap_or_else(|| instance.id.clone()),
        ssh_keys: key
            .map(|key| key.public.clone())
            .filter(|key| !key.is_empty())
            .into_iter()
            .collect(),
        addresses: region.addresses_of(instance),
        ports: ports(region, instance),
        mac: interface.map(|interface| interface.mac.clone()).unwrap_or_default(),
        first_boot_unchecked: instance.unchecked,
    }
}

/// What starts it: of a PV instance its kernel image, of an HVM instance its type.
fn platform(region: &Region, instance: &Instance) -> Platform {
    match instance.virtualization {
        Virtualization::Paravirtual => {
            let kernel = instance.kernel.as_deref().and_then(|id| aki::find(&region.name, id));
            kernel.map_or(Platform::OtherKernel, |kernel| Platform::PvGrub {
                version: kernel.version,
                hd00: kernel.hd00,
                bits: kernel.bits(),
            })
        }
        Virtualization::Hvm if catalogue::find(&instance.kind).is_some_and(|kind| kind.nitro) => Platform::Nitro,
        Virtualization::Hvm => Platform::XenHvm,
    }
}

/// The TCP ports that its security groups open one by one; 22 is always there, and ranges are left out.
fn ports(region: &Region, instance: &Instance) -> Vec<u16> {
    let interfaces = region.interfaces_of(&instance.id);
    let groups = interfaces.iter().flat_map(|interface| &interface.groups);
    let rules = groups
        .filter_map(|id| region.groups.get(id))
        .flat_map(|group| &group.ingress)
        .filter(|rule| rule.protocol == "tcp" && rule.from == rule.to);
    let mut ports = vec![22];
    for port in rules.filter_map(|rule| rule.from.and_then(|port| u16::try_from(port).ok())) {
        if port != 0 && ports.len() < PORTS && !ports.contains(&port) {
            ports.push(port);
        }
    }
    ports
}

/// Tells the backend which addresses lead to an instance, after they have changed.
pub(crate) fn readdress(world: &World, region: &Region, id: &str) {
    let Some(instance) = region
        .instances
        .get(id)
        .filter(|instance| instance.state == State::Running)
    else {
        return;
    };
    if let Err(error) = world.backend.addresses(id, &region.addresses_of(instance)) {
        crate::log(format_args!("{error}"));
    }
}

/// How an instance's machine is doing, faults and the doom of machines that do not exist included.
pub(crate) fn condition(world: &World, region: &Region, instance: &Instance) -> Condition {
    let subject = crate::fault::Subject {
        action: "DescribeInstanceStatus",
        region: &region.name,
        resources: &[&instance.id, &instance.kind, instance.virtualization.name()],
    };
    if world.faults.holds(&subject, &crate::fault::FaultKind::Impaired) {
        return Condition::Dead {
            line: "the lab was told that this instance never passes its checks".to_owned(),
        };
    }
    match instance.doomed() {
        Some(line) if world.instant => Condition::Dead { line: line.to_owned() },
        _ => world.backend.condition(&instance.id),
    }
}

/// What an instance's console shows.
pub(crate) fn console(world: &World, instance: &Instance) -> Vec<u8> {
    match instance.doomed() {
        Some(line) if world.instant && instance.state == State::Running => {
            format!("Xen Minimal OS!\n{line}\n").into_bytes()
        }
        _ => world.backend.console(&instance.id),
    }
}
