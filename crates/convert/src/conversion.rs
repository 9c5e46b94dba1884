//! A conversion: plan, patch, and the proof that the patched disk would boot.
//!
//! ```text
//! disk ─ view ─ guest ─ plan ─ edits in the view ─ the same inspection again ─ patch
//! ```
//!
//! Nothing is written to the disk here. Whoever applies the patch knows that the inspection of the result said `boots`.

use std::sync::Arc;

use comeback_disk::boot::assets::{Assets, PREFIX};
use comeback_disk::boot::{self, BootError, BootSector, Run, SECTOR};
use comeback_disk::ext::{Access, ExtError, NewFile};
use comeback_disk::io::{ReadAt, WriteAt};
use comeback_disk::patch::Patch;
use comeback_disk::tree::{FileTree, TreeError};
use comeback_disk::view::View;
use comeback_guest::inspect::Guest;
use comeback_guest::kernels::KernelReader;
use comeback_guest::system::{System, SystemError};

use crate::edits::{Action, FileChange};
use crate::finding::Finding;
use crate::plan::{self, Placement, Plan, PlanError, Target};
use crate::platform::Platform;
use crate::verdict::{Assessment, Outcome};

/// Why a disk was not converted. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// The system on the disk cannot be opened.
    #[error(transparent)]
    System(#[from] SystemError),
    /// There is no plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A file could not be written in the view.
    #[error("writing {path} in the view: {source}")]
    Write {
        /// Path within the guest.
        path: String,
        /// What the file system said.
        source: ExtError,
    },
    /// The file system could not be read or completed in the view.
    #[error("the file system in the view: {0}")]
    FileSystem(#[from] ExtError),
    /// Boot code could not be installed in the view.
    #[error(transparent)]
    Boot(#[from] BootError),
    /// The disk could not be read.
    #[error("reading the disk: {0}")]
    Io(#[from] std::io::Error),
    /// The inspection of the result says that it would not do.
    #[error(
        "the converted disk would not be known to boot on {target}, so nothing was written: {}",
        .findings.iter().map(|finding| finding.title.as_str()).collect::<Vec<_>>().join("; ")
    )]
    NotProven {
        /// The platform.
        target: Platform,
        /// What the inspection of the result found.
        findings: Vec<Finding>,
    },
    /// The result would do worse as PV than the disk does now.
    #[error(
        "whether the disk boots on {platform} would change from `{was}` to `{is}`, so there would be no way back, and nothing was written"
    )]
    NoWayBack {
        /// The platform that would be lost.
        platform: Platform,
        /// The verdict as the disk is.
        was: Outcome,
        /// The verdict as it would be.
        is: Outcome,
    },
}

/// A disk as it was inspected.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// What is on it.
    pub guest: Guest,
    /// What that means.
    pub assessment: Assessment,
}

/// A conversion that is ready to be applied.
#[derive(Debug)]
pub struct Conversion {
    /// What is done, and why.
    pub plan: Plan,
    /// The bytes that change.
    pub patch: Patch,
    /// The disk before.
    pub before: Inspection,
    /// The disk as it would be afterwards, by the same inspection.
    pub after: Inspection,
    /// The view in which all this was done.
    pub view: Arc<View>,
}

/// Reads what is on a disk. Whatever has to be made consistent first is done in the view.
///
/// # Errors
/// [`SystemError`].
pub fn inspect(view: &Arc<View>, kernels: &mut KernelReader, now: i64) -> Result<(System, Inspection), SystemError> {
    let system = System::open(Arc::clone(view), Access::Read, now)?;
    let guest = Guest::read(&system, kernels);
    let assessment = Assessment::of(&guest, now);
    Ok((system, Inspection { guest, assessment }))
}

/// Converts a disk in a view on top of it, in place. `now` is in seconds since 1970.
///
/// # Errors
/// [`ConvertError`]; nothing is written to `disk` in any case.
pub fn convert(disk: Arc<dyn ReadAt>, target: Target, assets: &Assets, now: i64) -> Result<Conversion, ConvertError> {
    let view = Arc::new(View::new(disk));
    let mut kernels = KernelReader::default();
    let (system, before) = inspect(&view, &mut kernels, now)?;
    let core_size = boot::installed_size(assets);
    let plan = plan::make(&before.guest, &system, &before.assessment, target, core_size)?;
    drop(system);
    if plan.is_empty() && view.patch()?.is_empty() {
        // Not a byte differs, so there is nothing that a second inspection could see.
        let after = before.clone();
        return proven(plan, before, after, view);
    }
    let system = System::open(Arc::clone(&view), Access::Write, now)?;
    write(&system, &plan, assets, now)?;
    drop(system);
    let after = inspect(&view, &mut kernels, now)?.1;
    proven(plan, before, after, view)
}

/// Believes nothing but the second inspection.
fn proven(plan: Plan, before: Inspection, after: Inspection, view: Arc<View>) -> Result<Conversion, ConvertError> {
    let outcome = after.assessment.outcome(plan.target);
    if outcome != Outcome::Boots {
        return Err(ConvertError::NotProven {
            target: plan.target,
            findings: after.assessment.against(plan.target).cloned().collect(),
        });
    }
    for platform in Platform::PV {
        let (was, is) = (before.assessment.outcome(platform), after.assessment.outcome(platform));
        if is < was {
            return Err(ConvertError::NoWayBack { platform, was, is });
        }
    }
    Ok(Conversion {
        patch: view.patch()?,
        plan,
        before,
        after,
        view,
    })
}

/// Carries the plan out in the view.
fn write(system: &System, plan: &Plan, assets: &Assets, now: i64) -> Result<(), ConvertError> {
    for change in &plan.files {
        write_file(system, change, now).map_err(|source| ConvertError::Write {
            path: change.path.clone(),
            source,
        })?;
    }
    let Some(boot_code) = &plan.boot_code else {
        return Ok(system.flush()?);
    };
    system.flush()?;
    let view = system.view();
    let runs = match boot_code.placement {
        Placement::File => file_runs(system)?,
        Placement::Gap { start } | Placement::BiosBoot { start } => vec![Run {
            start: start / SECTOR,
            sectors: boot_code.core_size / SECTOR,
        }],
    };
    let core = boot::install_core(assets, &runs, boot_code.partition)?;
    let mut at = 0;
    for run in &runs {
        let len = (run.sectors * SECTOR).min((core.len() - at) as u64) as usize;
        view.write_at(run.start * SECTOR, &core[at..at + len])?;
        at += len;
    }
    let mut existing = [0; SECTOR as usize];
    view.read_at(0, &mut existing)?;
    let first = runs.first().map_or(0, |run| run.start);
    view.write_at(0, &BootSector::install(assets.boot(), &existing, first).0)?;
    Ok(())
}

/// Where the blocks of the core image's file are on the disk.
fn file_runs(system: &System) -> Result<Vec<Run>, ConvertError> {
    let path = crate::edits::own::core_path();
    let (ext, place, inner) = system.locate(&path);
    let ranges: Vec<_> = ext
        .extents(inner)?
        .iter()
        .map(|extent| place.start + extent.physical..place.start + extent.physical + extent.len)
        .collect();
    Ok(boot::runs_of(&ranges)?)
}

fn write_file(system: &System, change: &FileChange, now: i64) -> Result<(), ExtError> {
    let (ext, _, path) = system.locate(&change.path);
    let new = |mode, immutable| -> NewFile {
        NewFile {
            mode,
            uid: 0,
            gid: 0,
            time: now,
            immutable,
            contiguous: immutable,
            xattrs: label_of_parent(system, &change.path),
        }
    };
    let parent = || -> Result<(), ExtError> {
        let own = change.path.starts_with(PREFIX);
        let folder = path
            .rsplit_once('/')
            .map_or("/", |(folder, _)| if folder.is_empty() { "/" } else { folder });
        if own
            && ext
                .symlink_metadata(folder)
                .is_err_and(|error: TreeError| error.is_not_found())
        {
            ext.create_dir(folder, &new(0o755, false))?;
        }
        Ok(())
    };
    match &change.action {
        Action::Edit { new, .. } => ext.write_file(path, new, false),
        Action::Create { content, mode } => {
            parent()?;
            ext.create_file(path, content, &new(*mode, false))
        }
        Action::Link { target } => ext.create_symlink(path, target, &new(0o777, false)),
        Action::CoreImage { size } => {
            parent()?;
            if ext.symlink_metadata(path).is_ok() {
                ext.remove_file(path, true)?;
            }
            // Bytes that are not zero, so that no block is left out; the core image overwrites them.
            ext.create_file(path, &vec![0xff; *size as usize], &new(0o444, true))
        }
    }
}

/// The SELinux label that a new file gets: that of the nearest folder above it that has one.
fn label_of_parent(system: &System, path: &str) -> Vec<(String, Vec<u8>)> {
    const LABEL: &str = "security.selinux";
    let mut folder = path;
    while let Some((above, _)) = folder.rsplit_once('/') {
        folder = above;
        let (ext, _, inner) = system.locate(if above.is_empty() { "/" } else { above });
        if let Ok(xattrs) = ext.xattrs(inner) {
            return xattrs.into_iter().filter(|(name, _)| name == LABEL).collect();
        }
    }
    Vec::new()
}
