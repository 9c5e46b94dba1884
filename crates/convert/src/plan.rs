//! The plan: what would be done to a disk, and why. Computed from what is on the disk, without touching it.

use comeback_disk::boot::assets::PREFIX;
use comeback_disk::boot::{BootCode, SECTOR};
use comeback_disk::tree::FileTree;
use comeback_guest::inspect::Guest;
use serde::Serialize;

use crate::edits::{self, Action, FileChange, Reason, own};
use crate::finding::{Effect, Finding};
use crate::platform::Platform;
use crate::rules;
use crate::verdict::Assessment;

/// Where the data ends up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// No data moves: boot code goes where the file system leaves room for it.
    InPlace,
    /// A new disk with a GPT, the root file system from 1 MiB on.
    Partitioned,
}

/// The platform that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// Nitro where the guest can, else Xen HVM.
    Auto,
    /// Xen HVM.
    XenHvm,
    /// Nitro.
    Nitro,
}

/// Where GRUB's core image goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Placement {
    /// Into a file of the guest, whose blocks are pinned by the immutable flag.
    File,
    /// Between the MBR and the first partition.
    Gap {
        /// First byte.
        start: u64,
    },
    /// Into a BIOS-boot partition.
    BiosBoot {
        /// First byte.
        start: u64,
    },
}

/// What is done about boot code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BootCodePlan {
    /// What was there.
    pub before: BootCode,
    /// Where the core image goes.
    pub placement: Placement,
    /// Size of the core image in bytes.
    pub core_size: u64,
    /// The partition that GRUB looks for its files in.
    pub partition: Option<u8>,
}

/// What would be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The platform that the disk is made for.
    pub target: Platform,
    /// Paths that change, with the reasons.
    pub files: Vec<FileChange>,
    /// Boot code, if it has to be installed.
    pub boot_code: Option<BootCodePlan>,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.boot_code.is_none()
    }
}

/// Why no plan could be made.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Something is wrong with the disk that must be mended first.
    #[error("this disk must not be converted as it is: {}", titles(.0))]
    Forbidden(Vec<Finding>),
    /// The guest lacks something that no edit can give it.
    #[error("the guest cannot boot on {target}: {}", titles(.findings))]
    Blocked {
        /// The platform.
        target: Platform,
        /// What keeps it from booting.
        findings: Vec<Finding>,
    },
}

fn titles(findings: &[Finding]) -> String {
    findings
        .iter()
        .map(|finding| finding.title.as_str())
        .collect::<Vec<_>>()
        .join("; ")
}

impl PlanError {
    /// The findings that stand against a conversion.
    pub fn findings(&self) -> &[Finding] {
        match self {
            PlanError::Forbidden(findings) | PlanError::Blocked { findings, .. } => findings,
        }
    }
}

/// Findings that no edit of comeback's can change: they keep a target from being chosen.
const BEYOND_REPAIR: [&str; 19] = [
    "boot-menu-missing",
    "boot-menu-bls",
    "boot-entry-missing",
    "boot-entry-broken",
    "boot-entry-uuid",
    "fs-features-grub",
    "kernel-none",
    "kernel-unreadable",
    "kernel-pv-only",
    "kernel-hvm-unknown",
    "kernel-32bit",
    "kernel-architecture-unknown",
    "initramfs-unreadable",
    "disk-driver-missing",
    "disk-driver-unknown",
    "net-driver-missing",
    "net-driver-unknown",
    "net-mac-matched",
    "root-finder-unknown",
];

fn beyond_repair(assessment: &Assessment, platform: Platform) -> Vec<Finding> {
    assessment
        .against(platform)
        .filter(|finding| finding.effect(platform) >= Some(Effect::Unknown) && BEYOND_REPAIR.contains(&finding.id))
        .cloned()
        .collect()
}

/// Makes a plan. `core_size` is the size in bytes of GRUB's core image as it would be installed.
///
/// # Errors
/// [`PlanError`], with the findings that stand against it.
pub fn make(
    guest: &Guest,
    tree: &dyn FileTree,
    assessment: &Assessment,
    target: Target,
    core_size: u64,
) -> Result<Plan, PlanError> {
    let forbidding: Vec<Finding> = assessment.forbidding().cloned().collect();
    if !forbidding.is_empty() {
        return Err(PlanError::Forbidden(forbidding));
    }
    let target = choose(assessment, target)?;
    let mut files = edits::all(guest, target);
    let boot_code = boot_code(guest, core_size);
    if rules::loader(guest, target) == comeback_guest::boot::Loader::Comeback || boot_code.is_some() {
        own_files(guest, tree, boot_code.as_ref(), &mut files);
    }
    Ok(Plan {
        target,
        files,
        boot_code,
    })
}

fn choose(assessment: &Assessment, target: Target) -> Result<Platform, PlanError> {
    let check = |platform| match beyond_repair(assessment, platform) {
        findings if findings.is_empty() => Ok(platform),
        findings => Err(PlanError::Blocked {
            target: platform,
            findings,
        }),
    };
    match target {
        Target::Nitro => check(Platform::Nitro),
        Target::XenHvm => check(Platform::XenHvm),
        Target::Auto => check(Platform::Nitro).or_else(|_| check(Platform::XenHvm)),
    }
}

/// What has to be done about boot code; none where there is some that works.
fn boot_code(guest: &Guest, core_size: u64) -> Option<BootCodePlan> {
    let disk = &guest.disk;
    let partition = disk.boot_place().partition.and_then(|number| u8::try_from(number).ok());
    match &disk.boot_code {
        BootCode::Grub2 { problem: None } => return None,
        BootCode::Comeback {
            partition: installed,
            problem: None,
        } if *installed == partition => return None,
        _ => {}
    }
    let placement = match disk.bios_boot {
        Some((start, size)) if size >= core_size => Placement::BiosBoot { start },
        _ if disk.gap >= core_size => Placement::Gap { start: SECTOR },
        _ => Placement::File,
    };
    Some(BootCodePlan {
        before: disk.boot_code.clone(),
        placement,
        core_size,
        partition,
    })
}

fn own_files(guest: &Guest, tree: &dyn FileTree, boot_code: Option<&BootCodePlan>, files: &mut Vec<FileChange>) {
    let Some(selection) = guest.selection(comeback_guest::boot::Loader::Comeback) else {
        return;
    };
    let reason = |text: &str| {
        vec![Reason {
            line: None,
            text: text.to_owned(),
        }]
    };
    // GRUB's prefix is the same on all disks; on a /boot of its own, /boot/comeback is found through the link that the
    // Red Hat family has there, too.
    if guest.disk.boot.is_some() && tree.symlink_metadata("/boot/boot").is_err() {
        files.push(FileChange {
            path: "/boot/boot".to_owned(),
            action: Action::Link { target: ".".to_owned() },
            reasons: reason("GRUB sees this file system as its root, and looks for /boot/comeback"),
        });
    }
    let config = own::config(guest, selection).into_bytes();
    let path = own::config_path();
    match guest.texts.get(&path) {
        Some(old) if *old == config => {}
        Some(old) => files.push(FileChange {
            path,
            action: Action::Edit {
                old: old.clone(),
                new: config,
            },
            reasons: reason("what GRUB hands over to has changed"),
        }),
        None => files.push(FileChange {
            path,
            action: Action::Create {
                content: config,
                mode: 0o644,
            },
            reasons: reason("GRUB reads this first, and hands over to the guest's own boot menu"),
        }),
    }
    if let Some(plan) = boot_code.filter(|plan| plan.placement == Placement::File) {
        files.push(FileChange {
            path: own::core_path(),
            action: Action::CoreImage { size: plan.core_size },
            reasons: reason(&format!(
                "GRUB itself; the first sector leads to its blocks, which the immutable flag pins ({PREFIX})"
            )),
        });
    }
}
