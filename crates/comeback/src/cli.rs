//! What can be said on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::exit;

/// Bring servers back: make the disk of a paravirtual (PV) guest boot as HVM, prove it by booting it, and take it back.
///
/// DISK is a raw image, a qcow2 image or a block device. Reading and converting an image file needs no root. Only
/// `convert` and `revert` write to DISK, and neither does while anything else uses it.
#[derive(Debug, Parser)]
#[command(name = "comeback", version, after_help = exit::HELP)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say what is on a disk and where it boots; read only.
    #[command(after_help = exit::INSPECT)]
    Inspect(InspectArguments),
    /// Make a disk boot as HVM. It still boots as PV, and `revert` takes it back.
    #[command(after_help = exit::CONVERT)]
    Convert(ConvertArguments),
    /// Put back the bytes that `convert` saved: the disk is bit for bit what it was.
    #[command(after_help = exit::REVERT)]
    Revert(RevertArguments),
    /// Boot a disk in a virtual machine without network and judge its console; the disk is not written to.
    #[command(after_help = exit::REHEARSE)]
    Rehearse(RehearseArguments),
}

/// How to open a disk.
#[derive(Debug, Args)]
pub(crate) struct DiskArguments {
    /// Raw image, qcow2 image or block device.
    pub(crate) disk: PathBuf,
    /// Format of an image file. Found out by its first bytes if not given; name it where the guest is not trusted.
    #[arg(long, value_enum)]
    pub(crate) format: Option<FormatArgument>,
}

/// Formats of image files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FormatArgument {
    /// The bytes themselves.
    Raw,
    /// QEMU's format.
    Qcow2,
}

/// `inspect`
#[derive(Debug, Args)]
pub(crate) struct InspectArguments {
    #[command(flatten)]
    pub(crate) disk: DiskArguments,
    /// The platform that the exit code is about: 0 if the disk boots there, else 1. Without it: any HVM platform.
    #[arg(long = "as", value_enum)]
    pub(crate) platform: Option<PlatformArgument>,
    /// Print everything as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Platforms that a verdict is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlatformArgument {
    /// PV on PV-GRUB 1.03 or earlier.
    #[value(name = "pv-grub-1.03")]
    PvGrub103,
    /// PV on PV-GRUB 1.04 or 1.05.
    #[value(name = "pv-grub-1.05")]
    PvGrub105,
    /// HVM on Xen.
    XenHvm,
    /// HVM on Nitro.
    Nitro,
}

/// `convert`
#[derive(Debug, Args)]
pub(crate) struct ConvertArguments {
    #[command(flatten)]
    pub(crate) disk: DiskArguments,
    /// Where the data ends up. `in-place` moves none of it; `partitioned` makes a new disk with a GPT.
    #[arg(long, value_enum, default_value = "in-place")]
    pub(crate) layout: LayoutArgument,
    /// The platform to convert for. `auto` is Nitro where the guest can, else Xen HVM.
    #[arg(long, value_enum, default_value = "auto")]
    pub(crate) target: TargetArgument,
    /// The new disk of the partitioned layout: a file that is not there yet (qcow2 if its name ends in .qcow2, else raw), or
    /// an empty block device.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Print the plan (files as diffs with reasons, byte ranges) and write nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) keep: KeepArguments,
    /// Print everything as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where the saved bytes are.
#[derive(Debug, Args)]
pub(crate) struct KeepArguments {
    /// Folder for the saved bytes, by which `revert` works. Default: DISK.comeback beside an image, and a folder in
    /// $XDG_STATE_HOME/comeback for a block device.
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
}

/// Layouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LayoutArgument {
    /// No data moves.
    InPlace,
    /// A new disk with a GPT; needs --output.
    Partitioned,
}

/// Targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TargetArgument {
    /// Nitro where the guest can, else Xen HVM.
    Auto,
    /// HVM on Xen.
    XenHvm,
    /// HVM on Nitro.
    Nitro,
}

/// `revert`
#[derive(Debug, Args)]
pub(crate) struct RevertArguments {
    #[command(flatten)]
    pub(crate) disk: DiskArguments,
    #[command(flatten)]
    pub(crate) keep: KeepArguments,
    /// Also when the disk was written to since: puts back only what is still as the conversion left it, and lists the rest.
    #[arg(long)]
    pub(crate) force: bool,
    /// Print the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `rehearse`
#[derive(Debug, Args)]
pub(crate) struct RehearseArguments {
    #[command(flatten)]
    pub(crate) disk: DiskArguments,
    /// The machine to stand in for: `nitro` has an NVMe disk, `xen-hvm` an IDE disk.
    #[arg(long = "as", value_enum, default_value = "nitro")]
    pub(crate) platform: MachineArgument,
    /// Seconds to wait for a verdict.
    #[arg(long, value_name = "S", default_value_t = comeback_rehearse::Rehearsal::DEFAULT_TIMEOUT.as_secs(), value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) timeout: u64,
    /// Save a picture of the screen.
    #[arg(long, value_name = "FILE.png")]
    pub(crate) screenshot: Option<PathBuf>,
    /// Save the serial console.
    #[arg(long, value_name = "FILE")]
    pub(crate) console: Option<PathBuf>,
    /// Print the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MachineArgument {
    /// An IDE disk.
    XenHvm,
    /// An NVMe disk.
    Nitro,
}
