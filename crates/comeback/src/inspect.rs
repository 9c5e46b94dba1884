//! `comeback inspect`

use std::fmt::Write as _;
use std::sync::Arc;

use anyhow::{Context, Result};
use comeback_convert::conversion::{self, Inspection};
use comeback_convert::platform::Platform;
use comeback_convert::verdict::Outcome;
use comeback_disk::image::{Access, Format};
use comeback_disk::io::ReadAt;
use comeback_disk::view::View;
use comeback_guest::drivers::Driver;
use comeback_guest::inspect::Guest;
use comeback_guest::kernels::{Kernel, KernelReader};
use comeback_guest::system::Place;
use comeback_guest::tri::Tri;
use serde::Serialize;

use crate::cli::{InspectArguments, KeepArguments, PlatformArgument};
use crate::disk::{now, open};
use crate::exit::Exit;
use crate::keep;
use crate::output::{self, printable};

/// What is printed as JSON.
#[derive(Serialize)]
struct Report<'a> {
    version: u32,
    disk: &'a std::path::Path,
    format: Format,
    /// Bytes.
    size: u64,
    /// What else uses the disk: what was read may be half of a change.
    users: &'a [String],
    /// Whether a conversion or a revert of it was cut off.
    interrupted: bool,
    guest: &'a Guest,
    #[serde(flatten)]
    assessment: &'a comeback_convert::verdict::Assessment,
}

pub(crate) fn run(arguments: &InspectArguments) -> Result<Exit> {
    let image = Arc::new(open(&arguments.disk, Access::Read)?);
    let view = Arc::new(View::new(Arc::clone(&image) as Arc<dyn ReadAt>));
    let (_, Inspection { guest, assessment }) = conversion::inspect(&view, &mut KernelReader::default(), now())
        .with_context(|| format!("inspecting {}", arguments.disk.disk.display()))?;
    let none = KeepArguments { keep: None };
    let interrupted = keep::folder(&none, &image).is_ok_and(|folder| keep::interrupted(&folder, &image));
    if arguments.json {
        output::json(&Report {
            version: 1,
            disk: image.path(),
            format: image.format(),
            size: image.size(),
            users: image.users(),
            interrupted,
            guest: &guest,
            assessment: &assessment,
        })?;
    } else {
        let mut text = String::new();
        let _ = writeln!(
            text,
            "{}: {}, {}",
            image.path().display(),
            image.format(),
            output::size(image.size())
        );
        for user in image.users() {
            let _ = writeln!(text, "  in use     {user}; what is read may be half of a change");
        }
        if interrupted {
            let _ = writeln!(text, "  half done  {}", keep::INTERRUPTED);
        }
        describe(&mut text, &guest);
        output::assessment(&mut text, &assessment);
        output::print(&text)?;
    }
    let boots = |platform| assessment.outcome(platform) == Outcome::Boots;
    let good = match arguments.platform {
        Some(PlatformArgument::PvGrub103) => boots(Platform::PvGrub103),
        Some(PlatformArgument::PvGrub105) => boots(Platform::PvGrub105),
        Some(PlatformArgument::XenHvm) => boots(Platform::XenHvm),
        Some(PlatformArgument::Nitro) => boots(Platform::Nitro),
        None => Platform::HVM.into_iter().any(boots),
    };
    Ok(if good { Exit::Done } else { Exit::Blocked })
}

fn describe(text: &mut String, guest: &Guest) {
    let disk = &guest.disk;
    let table = match disk.scheme {
        comeback_disk::table::Scheme::None => "none: the file system fills the disk",
        comeback_disk::table::Scheme::Mbr => "MBR",
        comeback_disk::table::Scheme::Gpt => "GPT",
    };
    let _ = writeln!(text, "  table      {table}");
    let _ = writeln!(text, "  root       {}", place(&disk.root));
    if let Some(boot) = &disk.boot {
        let _ = writeln!(text, "  /boot      {}", place(boot));
    }
    for other in &disk.others {
        let _ = writeln!(text, "  partition {} {}", other.partition, other.content);
    }
    if let Some(release) = &guest.release {
        let _ = writeln!(text, "  release    {}", printable(&release.name));
    }
    for menu in guest.menus.lst.iter().chain(&guest.menus.conf) {
        let link = menu
            .link
            .as_ref()
            .map(|link| format!(" -> {}", printable(link)))
            .unwrap_or_default();
        let _ = writeln!(
            text,
            "  boot menu  {}{link}, {} entries",
            menu.path,
            menu.menu.entries.len()
        );
    }
    if let Some(menu) = &guest.menus.cfg {
        let _ = writeln!(text, "  boot menu  {}, {} entries", menu.path, menu.menu.entries.len());
    }
    for kernel in &guest.kernels {
        describe_kernel(text, kernel);
    }
}

fn place(place: &Place) -> String {
    let superblock = &place.superblock;
    let label = match superblock.label.as_str() {
        "" => String::new(),
        label => format!(", LABEL={}", printable(label)),
    };
    let used = (superblock.blocks - superblock.free_blocks.min(superblock.blocks)) * u64::from(superblock.block_size);
    format!(
        "{} on {}, UUID={}{label}, {} of {} used, {}-byte inodes",
        superblock.kind,
        place.name(),
        superblock.uuid,
        output::size(used),
        output::size(superblock.size),
        superblock.inode_size,
    )
}

fn describe_kernel(text: &mut String, kernel: &Kernel) {
    let Some(image) = &kernel.image else {
        let _ = writeln!(
            text,
            "  modules    {} (no kernel for them)",
            kernel.modules.as_deref().map(printable).unwrap_or_default()
        );
        return;
    };
    let compression = image
        .content
        .ok()
        .map_or("unreadable", |image| image.compression.name());
    let architecture = kernel
        .architecture
        .map_or("unknown architecture", |architecture| architecture.name());
    let can = |what: &str, tri: Tri| match tri {
        Tri::Yes => format!("{what} yes"),
        Tri::No => format!("{what} no"),
        Tri::Unknown => format!("{what} unknown"),
    };
    let release = kernel.release.as_deref().unwrap_or("unknown release");
    let _ = writeln!(
        text,
        "  kernel     {} ({}), {architecture}, {compression}, {}, {}",
        printable(release),
        printable(&image.path),
        can("PV", kernel.runs_pv),
        can("HVM", kernel.runs_hvm),
    );
    if let Some(initramfs) = &kernel.initramfs {
        let what = match &initramfs.content {
            comeback_guest::kernels::Reading::Read(content) => {
                format!(
                    "{}, {} files, {} modules",
                    content.generator.name(),
                    content.files,
                    content.modules.len()
                )
            }
            comeback_guest::kernels::Reading::Failed(reason) => printable(reason),
        };
        let _ = writeln!(text, "    initramfs  {}: {what}", printable(&initramfs.path));
    }
    let shown = [
        Driver::XenBlkfront,
        Driver::XenNetfront,
        Driver::XenPlatformPci,
        Driver::AtaPiix,
        Driver::Nvme,
        Driver::Ena,
    ];
    let drivers: Vec<String> = shown
        .into_iter()
        .map(|driver| format!("{} {}", driver.name(), kernel.driver(driver).short()))
        .collect();
    let _ = writeln!(text, "    drivers    {}", drivers.join(", "));
}
