//! What can be said to `diagnose` and `rescue`, and to what buys time.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{AccountArguments, CarryArguments, FormatArgument, StateArguments, WishArguments};

/// `diagnose`
#[derive(Debug, Args)]
pub(crate) struct DiagnoseArguments {
    /// The instance, by id or by the tag Name.
    pub(crate) instance: String,
    #[command(flatten)]
    pub(crate) disk: CopyArguments,
    /// Print everything as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) account: AccountArguments,
}

/// A copy of an instance's disk.
#[derive(Debug, Args)]
pub(crate) struct CopyArguments {
    /// Its root disk, or a copy of it, at this machine: a raw image, a qcow2 image or a block device. EC2 shows nobody the disk of
    /// an instance; without this it is read when the host of the nine steps has it.
    #[arg(long, value_name = "FILE|DEVICE")]
    pub(crate) disk: Option<PathBuf>,
    /// Format of that disk, if it is an image file.
    #[arg(long, value_enum, requires = "disk")]
    pub(crate) format: Option<FormatArgument>,
}

/// `rescue`
#[derive(Debug, Args)]
pub(crate) struct RescueArguments {
    /// The instance, by id or by the tag Name.
    pub(crate) instance: String,
    /// The way to take, whatever the diagnosis advises.
    #[arg(long, value_enum)]
    pub(crate) way: Option<WayArgument>,
    #[command(flatten)]
    pub(crate) disk: CopyArguments,
    #[command(flatten)]
    pub(crate) carry: CarryArguments,
    #[command(flatten)]
    pub(crate) account: AccountArguments,
    #[command(flatten)]
    pub(crate) wishes: WishArguments,
    #[command(flatten)]
    pub(crate) state: StateArguments,
}

/// Ways back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum WayArgument {
    /// Wait until it is up, or until waiting is no longer right.
    Wait,
    /// A newer PV-GRUB, as a stop-gap.
    Kernel,
    /// The nine steps.
    Migrate,
}

/// `postpone`
#[derive(Debug, Args)]
pub(crate) struct PostponeArguments {
    /// The instance, by id or by the tag Name.
    pub(crate) instance: String,
    /// The event. Default: every one that can be put off.
    #[arg(long, value_name = "ID")]
    pub(crate) event: Option<comeback_cloud::EventId>,
    /// To when, such as 2027-01-04T03:00:00+09:00. Default: as late as AWS allows.
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<jiff::Timestamp>,
    #[command(flatten)]
    pub(crate) change: ChangeArguments,
    #[command(flatten)]
    pub(crate) account: AccountArguments,
}

/// `hold`
#[derive(Debug, Args)]
pub(crate) struct HoldArguments {
    /// The instance, by id or by the tag Name.
    pub(crate) instance: String,
    /// Put back what there was before.
    #[arg(long)]
    pub(crate) release: bool,
    #[command(flatten)]
    pub(crate) change: ChangeArguments,
    #[command(flatten)]
    pub(crate) account: AccountArguments,
    #[command(flatten)]
    pub(crate) state: StateArguments,
}

/// `bump-kernel`
#[derive(Debug, Args)]
pub(crate) struct BumpKernelArguments {
    /// The instance, by id or by the tag Name.
    pub(crate) instance: String,
    /// Put back the kernel image that there was before.
    #[arg(long)]
    pub(crate) undo: bool,
    /// Seconds that the guest may take from its start until EC2's checks pass.
    #[arg(long, value_name = "S", default_value_t = 900, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    pub(crate) within: u64,
    #[command(flatten)]
    pub(crate) change: ChangeArguments,
    #[command(flatten)]
    pub(crate) account: AccountArguments,
    #[command(flatten)]
    pub(crate) state: StateArguments,
}

/// How something is changed.
#[derive(Debug, Args)]
pub(crate) struct ChangeArguments {
    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
}
