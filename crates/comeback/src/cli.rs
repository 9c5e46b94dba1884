//! What can be said on the command line.

pub(crate) mod audit;
pub(crate) mod report;
pub(crate) mod rescue;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::exit;
use crate::given::Given;

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
    /// Say which instances will not come back, by which date, and what could not be looked at; changes nothing.
    #[command(after_help = exit::AUDIT)]
    Audit(audit::AuditArguments),
    /// Show an audit again: in another format, in another language, or for one client.
    #[command(after_help = exit::REPORT)]
    Report(report::ReportArguments),
    /// Post to a webhook what changed since the last audit.
    #[command(after_help = exit::NOTIFY)]
    Notify(report::NotifyArguments),
    /// Say what a migration of instances would do; changes nothing.
    #[command(after_help = exit::PLAN)]
    Plan(PlanArguments),
    /// Move paravirtual instances to HVM, in nine steps that can be taken up and taken back.
    #[command(after_help = exit::MIGRATE)]
    Migrate(MigrateArguments),
    /// Go on with a run that was interrupted, or that failed.
    Resume(ResumeArguments),
    /// Take a run back: the source gets its own volumes, names, settings and addresses.
    Rollback(RollbackArguments),
    /// Delete what a run no longer needs, after showing it. There is no way back from there.
    Finalize(FinalizeArguments),
    /// Say how a run stands, and what can be done.
    Status(StatusArguments),
    /// List the runs.
    Runs(RunsArguments),
    /// Say what is wrong with an instance, the line that shows it, and how it comes back; changes nothing.
    #[command(after_help = exit::DIAGNOSE)]
    Diagnose(rescue::DiagnoseArguments),
    /// Bring a dead instance back by the shortest safe way: wait, a newer PV-GRUB, or the nine steps.
    #[command(after_help = exit::RESCUE)]
    Rescue(Box<rescue::RescueArguments>),
    /// Put a scheduled event off, as late as AWS allows.
    #[command(after_help = exit::POSTPONE)]
    Postpone(rescue::PostponeArguments),
    /// Keep AWS from moving an instance by itself: no automatic recovery, no migration by a reboot.
    #[command(after_help = exit::HOLD)]
    Hold(rescue::HoldArguments),
    /// Give a paravirtual instance the newest PV-GRUB: the documented stop-gap, with a stop and a start.
    #[command(after_help = exit::BUMP_KERNEL)]
    BumpKernel(rescue::BumpKernelArguments),
    /// Print the least IAM policy that a command needs.
    IamPolicy(IamPolicyArguments),
    /// An EC2 endpoint on this machine, to try things on: `eval "$(comeback lab up)"`.
    #[command(after_help = exit::LAB)]
    Lab(LabArguments),
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
    /// Where the data ends up. `in-place` moves none of it; `partitioned` makes a disk with a GPT: a new one with --output, else
    /// DISK itself, which must be 2 MiB larger than its file system.
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
    /// A disk with a GPT: a new one with --output, else DISK itself.
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

/// `lab`
#[derive(Debug, Args)]
pub(crate) struct LabArguments {
    /// The folder that the lab keeps its state in. Default: $XDG_STATE_HOME/comeback/lab.
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) state: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: LabCommand,
}

/// The commands of `lab`.
#[derive(Debug, Subcommand)]
pub(crate) enum LabCommand {
    /// Start it in the background, and print the variables that an AWS client needs.
    Up(LabUp),
    /// Be the lab, in the foreground.
    #[command(hide = true)]
    Serve(LabUp),
    /// Show what there is.
    Status {
        /// Print it as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the console of an instance.
    Console {
        /// Its id, or its tag Name.
        instance: String,
    },
    /// Scheduled events.
    Event {
        #[command(subcommand)]
        command: LabEvent,
    },
    /// Make things go wrong.
    Fault {
        #[command(subcommand)]
        command: LabFault,
    },
    /// Let an access key do only what a policy allows.
    Policy {
        /// An access key id, or the ARN of a role.
        key: String,
        /// An IAM policy document.
        #[arg(required_unless_present = "clear")]
        document: Option<PathBuf>,
        /// Let it do everything again.
        #[arg(long)]
        clear: bool,
    },
    /// End it. Its state stays.
    Down,
    /// End it and remove its state.
    Reset,
}

/// `lab event`
#[derive(Debug, Subcommand)]
pub(crate) enum LabEvent {
    /// Do to an instance what its event says, now.
    Fire {
        /// The event's id, or the id or the tag Name of an instance.
        name: String,
    },
}

/// `lab up`
#[derive(Debug, Args)]
pub(crate) struct LabUp {
    /// What there is at the start: tokyo, estate, fleet, clients, or a file. Default: tokyo.
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) scenario: Option<String>,
    /// No virtual machines: instances are state alone.
    #[arg(long)]
    pub(crate) instant: bool,
    /// The port on 127.0.0.1; 0 is any that is free.
    #[arg(long, value_name = "P", default_value_t = 0)]
    pub(crate) port: u16,
    /// The port on each instance's address that leads to its port 22.
    #[arg(long, value_name = "N", default_value_t = 22)]
    pub(crate) ssh_port: u16,
    /// Limit requests to this part of EC2's documented rates, such as 1.
    #[arg(long, value_name = "PART", value_parser = part)]
    pub(crate) rates: Option<f64>,
    /// The region that the printed variables name.
    #[arg(long, value_name = "NAME", default_value = "ap-northeast-1")]
    pub(crate) region: String,
}

/// A part of something that is more than nothing.
fn part(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(part) if part > 0.0 && part.is_finite() => Ok(part),
        _ => Err("it has to be a number above 0".to_owned()),
    }
}

impl LabUp {
    /// Itself, to be parsed again.
    pub(crate) fn to_arguments(&self) -> Vec<String> {
        let mut words = vec![
            format!("--port={}", self.port),
            format!("--ssh-port={}", self.ssh_port),
            format!("--region={}", self.region),
        ];
        words.extend(self.scenario.iter().map(|name| format!("--scenario={name}")));
        words.extend(self.rates.iter().map(|part| format!("--rates={part}")));
        if self.instant {
            words.push("--instant".to_owned());
        }
        words
    }
}

/// `lab fault`
#[derive(Debug, Subcommand)]
pub(crate) enum LabFault {
    /// Set a fault and print its number.
    Set(Box<LabFaultSet>),
    /// Print those that are set.
    List,
    /// Take one away, or all.
    Clear {
        /// Its number; all if not given.
        id: Option<u64>,
    },
}

/// `lab fault set`
#[derive(Debug, Args)]
pub(crate) struct LabFaultSet {
    /// What goes wrong.
    #[arg(value_parser = ["latency", "throttle", "internal", "unavailable", "capacity", "refuse", "dropped", "lost", "lag",
        "stuck-attaching", "stuck-detaching", "impaired", "busy-device", "kms", "snapshot-error"])]
    kind: String,
    /// Which actions, as a pattern such as `Describe*`.
    #[arg(long, value_name = "PATTERN")]
    action: Option<String>,
    /// A pattern that a value in the request has to fit: an id, a device name, an instance type.
    #[arg(long, value_name = "PATTERN")]
    resource: Option<String>,
    /// How many matching requests are spared first.
    #[arg(long, value_name = "N")]
    skip: Option<u64>,
    /// How often it strikes; always if not given.
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// Of how many of the matching requests, 0 to 1.
    #[arg(long, value_name = "P")]
    probability: Option<f64>,
    /// Of `latency` and `lag`.
    #[arg(long, value_name = "MS", required_if_eq_any([("kind", "latency"), ("kind", "lag")]))]
    milliseconds: Option<u64>,
    /// Of `refuse`: the error's code.
    #[arg(long, required_if_eq("kind", "refuse"))]
    code: Option<String>,
    /// Of `refuse`: what the person reads.
    #[arg(long, default_value = "The lab was told to refuse this.")]
    message: String,
}

impl LabFaultSet {
    /// As the lab takes it.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        let fields = [
            ("kind", Some(self.kind.clone().into())),
            ("action", self.action.clone().map(Into::into)),
            ("resource", self.resource.clone().map(Into::into)),
            ("skip", self.skip.map(Into::into)),
            ("count", self.count.map(Into::into)),
            ("probability", self.probability.map(Into::into)),
            ("milliseconds", self.milliseconds.map(Into::into)),
            ("code", self.code.clone().map(Into::into)),
            ("message", Some(self.message.clone().into())),
        ];
        let given = fields
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)));
        serde_json::Value::Object(given.collect())
    }
}

/// Whose account, and how to reach it. What is not said comes from where the AWS command line takes it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Account")]
pub(crate) struct AccountArguments {
    /// Profile of the AWS command line.
    #[arg(long)]
    pub(crate) profile: Option<String>,
    /// Region, such as ap-northeast-1.
    #[arg(long)]
    pub(crate) region: Option<comeback_cloud::RegionName>,
    /// Role to take on, such as one in a client's account.
    #[arg(long, value_name = "ARN")]
    pub(crate) role_arn: Option<String>,
    /// Part of EC2's documented request rates that is used; the rest is left to the account's own automation.
    #[arg(long, value_name = "PART", default_value_t = 0.5)]
    pub(crate) rate_share: f64,
}

/// What the target is to be, and how it is proven.
#[derive(Debug, Args)]
#[command(next_help_heading = "Migration")]
pub(crate) struct WishArguments {
    /// Instance type of the target. Without it the cheapest that is as large is taken.
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) instance_type: Option<String>,
    /// Platform of the target. `auto` is Xen, where every guest that can be converted runs.
    #[arg(long, value_enum, default_value = "auto")]
    pub(crate) target: TargetArgument,
    /// Go on with the source's own volumes, or with copies of them.
    #[arg(long, value_enum, default_value = "original")]
    pub(crate) on: OnArgument,
    /// Image of the host that converts. Default: the newest Amazon Linux 2023.
    #[arg(long, value_name = "AMI")]
    pub(crate) host_image: Option<comeback_cloud::ImageId>,
    /// User of that image. Default: the one that is customary.
    #[arg(long, value_name = "USER")]
    pub(crate) host_user: Option<String>,
    /// Address by which host and target are reached from here.
    #[arg(long, value_enum, default_value = "public")]
    pub(crate) reach: ReachArgument,
    /// Port of SSH at the host.
    #[arg(long, value_name = "PORT", env = "COMEBACK_SSH_PORT", default_value_t = 22)]
    pub(crate) ssh_port: u16,
    /// Port that has to answer at the target; can be given several times.
    #[arg(long = "verify-port", value_name = "PORT")]
    pub(crate) verify_ports: Vec<u16>,
    /// Command that has to succeed here; it finds the target in $COMEBACK_ADDRESS and $COMEBACK_INSTANCE.
    #[arg(long, value_name = "COMMAND")]
    pub(crate) verify_command: Option<String>,
    /// Seconds that the target may take until all of that passes.
    #[arg(long, value_name = "S", default_value_t = 900)]
    pub(crate) verify_within: u64,
}

/// Which volumes go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnArgument {
    /// The source's own.
    Original,
    /// Copies of them.
    Copy,
}

/// By which address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReachArgument {
    /// The public one.
    Public,
    /// The private one.
    Private,
}

/// Where runs are kept.
#[derive(Debug, Args)]
pub(crate) struct StateArguments {
    /// Folder of runs and their journal. Default: $XDG_STATE_HOME/comeback.
    #[arg(long, value_name = "DIR", env = "COMEBACK_STATE")]
    pub(crate) state: Option<PathBuf>,
}

/// `plan`
#[derive(Debug, Args)]
pub(crate) struct PlanArguments {
    /// Instances, by id or by the tag Name.
    #[arg(required = true, value_name = "INSTANCE")]
    pub(crate) instances: Vec<String>,
    /// Save the plans, for `comeback migrate FILE`.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Print the plans as JSON. User data is in there, which may hold secrets.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) disk: rescue::CopyArguments,
    #[command(flatten)]
    pub(crate) account: AccountArguments,
    #[command(flatten)]
    pub(crate) wishes: WishArguments,
}

/// `migrate`
#[derive(Debug, Args)]
pub(crate) struct MigrateArguments {
    /// Instances, by id or by the tag Name; or a file of `comeback plan --output`.
    #[arg(required = true, value_name = "INSTANCE|FILE")]
    pub(crate) instances: Vec<String>,
    #[command(flatten)]
    pub(crate) carry: CarryArguments,
    /// What to do when a step fails for good.
    #[arg(long, value_enum, default_value = "rollback")]
    pub(crate) on_failure: OnFailureArgument,
    #[command(flatten)]
    pub(crate) account: AccountArguments,
    #[command(flatten)]
    pub(crate) wishes: Given<WishArguments>,
    #[command(flatten)]
    pub(crate) state: StateArguments,
}

/// How something is carried out.
#[derive(Debug, Args)]
pub(crate) struct CarryArguments {
    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Print what happens as JSON, one event a line.
    #[arg(long)]
    pub(crate) json: bool,
    /// Seconds that a host may take from its start until it answers by SSH.
    #[arg(long, value_name = "S", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) host_within: u64,
}

/// What to do when a step fails for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnFailureArgument {
    /// Take everything back.
    Rollback,
    /// Stop there, for a person to look.
    Stop,
}

/// `resume`
#[derive(Debug, Args)]
pub(crate) struct ResumeArguments {
    /// The run, or the beginning of its name.
    pub(crate) run: String,
    #[command(flatten)]
    pub(crate) carry: CarryArguments,
    /// What to do when a step fails for good.
    #[arg(long, value_enum, default_value = "rollback")]
    pub(crate) on_failure: OnFailureArgument,
    #[command(flatten)]
    pub(crate) account: AccountArguments,
    #[command(flatten)]
    pub(crate) state: StateArguments,
}

/// `rollback`
#[derive(Debug, Args)]
pub(crate) struct RollbackArguments {
    /// The run, or the beginning of its name.
    pub(crate) run: String,
    /// Start the source when it has everything back.
    #[arg(long)]
    pub(crate) start: bool,
    #[command(flatten)]
    pub(crate) carry: CarryArguments,
    #[command(flatten)]
    pub(crate) account: AccountArguments,
    #[command(flatten)]
    pub(crate) state: StateArguments,
}

/// `finalize`
#[derive(Debug, Args)]
pub(crate) struct FinalizeArguments {
    /// The run, or the beginning of its name.
    pub(crate) run: String,
    /// Keep the snapshots of the source's volumes.
    #[arg(long)]
    pub(crate) keep_snapshots: bool,
    /// Keep the source, stopped as it is.
    #[arg(long)]
    pub(crate) keep_source: bool,
    /// Keep the source's primary private address: the source is terminated, and the target is replaced by an instance with the
    /// source's network interface. A second outage, of minutes; an image of the source stays as the way back.
    #[arg(long, conflicts_with = "keep_source")]
    pub(crate) keep_private_ip: bool,
    #[command(flatten)]
    pub(crate) carry: CarryArguments,
    #[command(flatten)]
    pub(crate) account: AccountArguments,
    #[command(flatten)]
    pub(crate) state: StateArguments,
}

/// `status`
#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    /// The run, or the beginning of its name. Default: the latest.
    pub(crate) run: Option<String>,
    /// Print it as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) state: StateArguments,
}

/// `runs`
#[derive(Debug, Args)]
pub(crate) struct RunsArguments {
    /// Print them as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) state: StateArguments,
}

/// `iam-policy`
#[derive(Debug, Args)]
pub(crate) struct IamPolicyArguments {
    /// The command.
    #[arg(value_enum)]
    pub(crate) command: PolicyArgument,
}

/// Commands that need a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PolicyArgument {
    /// `comeback plan`: reads only.
    Plan,
    /// `comeback audit` in one account: reads only.
    Audit,
    /// `comeback audit` in the account that speaks for an organization: it takes on the roles of the others.
    AuditOrganization,
    /// `comeback migrate`, `resume` and `rollback`.
    Migrate,
    /// `comeback finalize`.
    Finalize,
    /// `comeback finalize --keep-private-ip`.
    KeepPrivateIp,
    /// `comeback diagnose`: reads only.
    Diagnose,
    /// `comeback rescue`, whichever way it takes; and `resume` and `rollback` of what it begins.
    Rescue,
    /// `comeback postpone`.
    Postpone,
    /// `comeback hold`, and its release.
    Hold,
    /// `comeback bump-kernel`, and its undo.
    BumpKernel,
}
