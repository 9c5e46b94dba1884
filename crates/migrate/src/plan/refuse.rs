//! What cannot be migrated, with the reason and what to do instead. All reasons are told at once.

use comeback_cloud::model::{InstanceState, Lifecycle, RootDeviceType, ScalingState, Virtualization, VolumeState};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Source;
use crate::lease;

/// A reason against a migration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Refusal {
    /// Stable name, such as `instance-store-root`.
    pub id: String,
    /// What stands against it.
    pub reason: String,
    /// What to do instead.
    pub instead: String,
}

impl Refusal {
    pub(crate) fn new(id: &str, reason: impl Into<String>, instead: impl Into<String>) -> Self {
        Self {
            id: id.to_owned(),
            reason: reason.into(),
            instead: instead.into(),
        }
    }
}

/// Every reason against migrating an instance.
pub fn reasons(source: &Source, now: Timestamp) -> Vec<Refusal> {
    let instance = &source.instance;
    let mut reasons = Vec::new();
    let mut refuse = |id: &str, reason: String, instead: &str| reasons.push(Refusal::new(id, reason, instead));

    if instance.virtualization != Virtualization::Paravirtual {
        refuse(
            "not-paravirtual",
            format!("it is {} already", instance.virtualization),
            "a move from Xen to Nitro needs no conversion: change its type while it is stopped",
        );
    }
    match instance.state {
        InstanceState::Running | InstanceState::Stopped => {}
        InstanceState::Terminated | InstanceState::ShuttingDown => refuse(
            "terminated",
            format!("it is {}", instance.state),
            "make a new one from its latest snapshot or image",
        ),
        _ => refuse(
            "in-transition",
            format!("it is {}", instance.state),
            "wait until it runs or is stopped",
        ),
    }
    if instance.root_device_type == RootDeviceType::InstanceStore {
        refuse(
            "instance-store-root",
            "its root is on its host's own disk: it cannot be stopped, and is gone when its host is".to_owned(),
            "copy its root to an EBS volume from inside while it runs (rsync), and convert that with `comeback convert`",
        );
    } else if instance.root().is_none() {
        refuse(
            "no-root-volume",
            format!(
                "it has no volume at its root, {}",
                instance.root_device_name.as_deref().unwrap_or("which has no name")
            ),
            "attach its root volume there first",
        );
    }
    if instance.lifecycle != Lifecycle::Normal {
        refuse(
            "not-on-demand",
            format!(
                "it is a {} instance, which cannot be stopped and started at will",
                instance.lifecycle
            ),
            "make an image of it, launch that on demand, and migrate the copy",
        );
    }
    let in_standby = source
        .scaling
        .as_ref()
        .is_some_and(|member| member.state == ScalingState::Standby);
    if let Some(group) = instance.auto_scaling_group().filter(|_| !in_standby) {
        refuse(
            "auto-scaling",
            format!("it belongs to the Auto Scaling group {group}, which replaces it as soon as it stops"),
            "put it into standby (aws autoscaling enter-standby), or detach it (aws autoscaling detach-instances)",
        );
    }
    if !instance.product_codes.is_empty() {
        let codes: Vec<_> = instance.product_codes.iter().map(|code| code.code.as_str()).collect();
        refuse(
            "marketplace",
            format!(
                "it carries product codes ({}), which bind its volumes to its subscription",
                codes.join(", ")
            ),
            "subscribe to the seller's HVM image, and move the data there",
        );
    }
    if instance.windows {
        refuse(
            "windows",
            "it runs Windows".to_owned(),
            "AWS has a runbook of its own: AWSSupport-UpgradeWindowsAWSDrivers",
        );
    }
    if let Some(ramdisk) = &instance.ramdisk {
        let kernel = instance
            .kernel
            .as_ref()
            .map_or("a kernel image", |kernel| kernel.as_str());
        refuse(
            "kernel-not-on-disk",
            format!("it is started by {kernel} with {ramdisk}: its kernel may not be on its disk at all"),
            "install a kernel and a boot menu, start it once by PV-GRUB (aws ec2 modify-instance-attribute --kernel), then migrate",
        );
    }
    if source.attributes.stop_protected {
        refuse(
            "stop-protected",
            "it is protected from being stopped".to_owned(),
            "lift that first: aws ec2 modify-instance-attribute --no-disable-api-stop",
        );
    }
    if instance.hibernation {
        refuse(
            "hibernation",
            "it can hibernate, and what it sleeps on fits no other kernel".to_owned(),
            "stop it without hibernation, and launch an image of it without",
        );
    }
    for volume in &source.volumes {
        if volume.multi_attach {
            refuse(
                "multi-attach",
                format!("{} can be attached to several instances at once", volume.id),
                "detach it from all, and attach it again after the migration",
            );
        }
        if volume.state != VolumeState::InUse {
            refuse(
                "volume-state",
                format!("{} is {}", volume.id, volume.state),
                "wait until it is in use, or detach it",
            );
        }
    }
    if source.volumes.len() < instance.block_devices.len() {
        refuse(
            "volumes-unreadable",
            "not all of its volumes can be read".to_owned(),
            "see whether the credentials allow ec2:DescribeVolumes for all of them",
        );
    }
    if let Some(run) = lease::held_by(instance, now) {
        refuse(
            "held",
            format!("run {run} has it"),
            "finish that run: comeback status, resume, rollback or finalize",
        );
    }
    reasons
}
