//! What can be said on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use comeback_convert::plan::Target;
use comeback_protocol::VolumeId;

/// Convert the disk of another machine, attached to this one. Every line of output is a JSON object.
///
/// This is what comeback sends to the machine that carries the disk; `comeback` itself is for people.
#[derive(Debug, Parser)]
#[command(
    name = "comeback-agent",
    version,
    after_help = "Exit codes:\n  0   done\n  1   something blocks, or no device can be told\n  3   the operation failed; what was \
                  said tells what to do\n  64  wrong usage"
)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the block devices.
    Disks,
    /// Tell which device a volume is, and wait for it to appear.
    Find(FindArguments),
    /// Say what is on a disk and where it boots; read only.
    Inspect(InspectArguments),
    /// Make a disk boot as HVM. It still boots as PV, and `revert` takes it back.
    Convert(ConvertArguments),
    /// Put back the bytes that `convert` saved.
    Revert(RevertArguments),
    /// Write the folder of the saved bytes to standard output, as a tar archive.
    Pack(PackArguments),
}

/// `find`
#[derive(Debug, Args)]
pub(crate) struct FindArguments {
    /// The volume, as EC2 names it.
    #[arg(long)]
    pub(crate) volume: VolumeId,
    /// Its size in bytes.
    #[arg(long)]
    pub(crate) size: u64,
    /// The devices that were there before it was attached: paths between commas, or a file with one a line.
    #[arg(long, value_name = "FILE|LIST")]
    pub(crate) known: Option<String>,
    /// The name that it was attached by, such as /dev/sdf. Only Xen's device number is compared with it.
    #[arg(long)]
    pub(crate) device: Option<String>,
    /// Seconds to wait for it to appear.
    #[arg(long, value_name = "S", default_value_t = 30)]
    pub(crate) timeout: u64,
}

/// `inspect`
#[derive(Debug, Args)]
pub(crate) struct InspectArguments {
    /// Block device or image file.
    pub(crate) disk: PathBuf,
}

/// `convert`
#[derive(Debug, Args)]
pub(crate) struct ConvertArguments {
    /// Block device or image file.
    pub(crate) disk: PathBuf,
    /// The platform to convert for. `auto` is Nitro where the guest can, else Xen HVM.
    #[arg(long, value_enum, default_value = "auto")]
    pub(crate) target: TargetArgument,
    /// Folder for the saved bytes, by which `revert` works.
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: PathBuf,
    /// Make the plan and write nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
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

impl From<TargetArgument> for Target {
    fn from(argument: TargetArgument) -> Target {
        match argument {
            TargetArgument::Auto => Target::Auto,
            TargetArgument::XenHvm => Target::XenHvm,
            TargetArgument::Nitro => Target::Nitro,
        }
    }
}

/// `revert`
#[derive(Debug, Args)]
pub(crate) struct RevertArguments {
    /// Block device or image file.
    pub(crate) disk: PathBuf,
    /// Folder of the saved bytes.
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: PathBuf,
    /// Also when the disk was written to since: puts back only what is still as the conversion left it, and lists the rest.
    #[arg(long)]
    pub(crate) force: bool,
}

/// `pack`
#[derive(Debug, Args)]
pub(crate) struct PackArguments {
    /// Folder of the saved bytes.
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: PathBuf,
}
