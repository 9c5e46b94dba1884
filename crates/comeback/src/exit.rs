//! Exit codes.

use std::process::ExitCode;

use comeback_convert::refusal;
use comeback_migrate::engine::RunError;
use comeback_migrate::stopgap::{RecordError, StopgapError};
use comeback_migrate::store::StoreError;

/// How the program ends. Scripts rely on these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, or it boots.
    Done = 0,
    /// The verdict is negative, or something blocks.
    Blocked = 1,
    /// An audit could not read all that it was to read.
    Incomplete = 2,
    /// The operation failed.
    Failed = 3,
    /// Wrong usage.
    Usage = 64,
}

macro_rules! codes {
    ($examples:literal) => {
        concat!(
            "Examples:\n",
            $examples,
            "\n\nExit codes:\n",
            "  0   done, or what was looked at is well\n",
            "  1   what was looked at is not well, or something stands against what was to be done\n",
            "  3   the operation failed; what was said tells what to do\n",
            "  64  wrong usage"
        )
    };
}

/// The part of `--help` that shows the way, and documents the exit codes.
pub(crate) const HELP: &str = codes!(
    "  comeback inspect disk.img            what is on it, and where does it boot?
  comeback convert disk.img --dry-run  what would be changed?
  comeback convert disk.img            change it
  comeback rehearse disk.img           boot it in a virtual machine
  comeback revert disk.img             take the change back"
);

/// As [`HELP`], of `audit`, whose codes say more.
pub(crate) const AUDIT: &str = "Examples:
  comeback audit                                   the account of these credentials, all regions
  comeback audit --profile a --profile b --region ap-northeast-1
  comeback audit --accounts clients.toml --format json -o audit.json
  comeback audit --lang ja --format html -o report.html
  comeback audit --organization-role OrganizationAccountAccessRole

It changes nothing; `comeback iam-policy audit` prints the policy that it needs.

Exit codes:
  0   nothing is at risk
  1   something is
  2   not all could be read; what was is in the report, and the ledger says what was not
  3   the operation failed; what was said tells what to do
  64  wrong usage";

/// As [`HELP`], of `report`.
pub(crate) const REPORT: &str = codes!(
    "  comeback report audit.json                                 the table
  comeback report audit.json --client Hanako --lang ja --format html -o hanako.html
  comeback report audit.json --plans plan.json --format md"
);

/// As [`HELP`], of `notify`.
pub(crate) const NOTIFY: &str = codes!(
    "  export COMEBACK_WEBHOOK=https://hooks.example.com/…
  comeback audit --format json -o today.json; comeback notify today.json
  comeback notify today.json --since yesterday.json --dry-run"
);

/// As [`HELP`], of `diagnose`, whose codes say more.
pub(crate) const DIAGNOSE: &str = "Examples:
  comeback diagnose i-0123456789abcdef0
  comeback diagnose shop --region ap-northeast-1 --json | jq .advice
  comeback diagnose shop --disk /dev/xvdf      with its root volume, or a copy of it, at this machine

It changes nothing; `comeback iam-policy diagnose` prints the policy that it needs.

Exit codes:
  0   nothing is wrong that can be seen from outside, or it is on its way up
  1   something is wrong
  3   the operation failed; what was said tells what to do
  64  wrong usage";

/// As [`HELP`], of `rescue`, whose codes say more.
pub(crate) const RESCUE: &str = "Examples:
  comeback rescue shop --region ap-northeast-1
  comeback rescue shop --yes --verify-port 443
  comeback rescue shop --way migrate

It says first what is wrong, which way it takes, and why; then it asks once. A newer PV-GRUB that does not bring the instance up is
followed by the nine steps, unless --way says kernel. What the nine steps do is taken back by `comeback rollback`; the kernel image by
`comeback bump-kernel INSTANCE --undo`.

Exit codes:
  0   it is up, or nothing was wrong
  1   it is not: it needs somebody to look, or what was begun was taken back
  3   the operation failed; what was said tells what to do
  64  wrong usage";

/// As [`HELP`], of `postpone`.
pub(crate) const POSTPONE: &str = codes!(
    "  comeback postpone shop
  comeback postpone shop --to 2027-01-10T03:00:00+09:00"
);

/// As [`HELP`], of `hold`.
pub(crate) const HOLD: &str = codes!(
    "  comeback hold shop
  comeback hold shop --release       what there was before

What AWS has scheduled it still does: see `comeback postpone`."
);

/// As [`HELP`], of `bump-kernel`.
pub(crate) const BUMP_KERNEL: &str = codes!(
    "  comeback bump-kernel shop
  comeback bump-kernel shop --undo   the kernel image that there was before

The stop and the start are themselves what the instance may not come back from; snapshots of all of its volumes are complete
before it stops. It stays paravirtual: only `comeback migrate` ends that."
);

/// As [`HELP`], of `plan`.
pub(crate) const PLAN: &str = codes!(
    "  comeback plan i-0123456789abcdef0
  comeback plan web1 web2 --region ap-northeast-1 --verify-port 443 -o plan.json"
);

/// As [`HELP`], of `migrate`.
pub(crate) const MIGRATE: &str = codes!(
    "  comeback migrate web1 --verify-port 443
  comeback migrate plan.json --yes
  comeback status; comeback rollback RUN --start; comeback finalize RUN

Nothing is deleted before `comeback finalize`. A run that was interrupted goes on by `comeback resume RUN`."
);

/// As [`HELP`], of `inspect`.
pub(crate) const INSPECT: &str = codes!(
    "  comeback inspect disk.img
  comeback inspect /dev/xvdf --as nitro && echo boots on Nitro
  comeback inspect disk.qcow2 --json | jq .verdicts"
);

/// As [`HELP`], of `convert`.
pub(crate) const CONVERT: &str = codes!(
    "  comeback convert disk.img --dry-run
  comeback convert /dev/xvdf --target xen-hvm
  comeback convert disk.img --layout partitioned --output new.qcow2
  comeback convert /dev/xvdf --layout partitioned

The last one moves all data on the disk itself, which takes as long as reading and writing all of it, and needs a disk that
was grown before. Meanwhile the disk neither boots nor mounts. Ctrl-C stops it between two steps.
A conversion that was interrupted is completed by the same command, or taken back by `comeback revert`.
GRUB's boot code is looked for in $COMEBACK_BOOT_ASSETS, beside the program, and in /usr/lib/comeback; else it is
built from GRUB's modules in /usr/lib/grub/i386-pc or $COMEBACK_GRUB_MODULES (Debian: grub-pc-bin, grub-common)."
);

/// As [`HELP`], of `revert`.
pub(crate) const REVERT: &str = codes!(
    "  comeback revert disk.img
  comeback revert /dev/xvdf --keep /srv/saved

A converted disk still boots as PV: nothing has to be reverted to go back."
);

/// As [`HELP`], of `rehearse`.
pub(crate) const REHEARSE: &str = codes!(
    "  comeback rehearse disk.img
  comeback rehearse disk.img --as xen-hvm --timeout 900 --screenshot screen.png --console console.txt"
);

/// As [`HELP`], of `lab`.
pub(crate) const LAB: &str = codes!(
    "  eval \"$(comeback lab up)\"                    start it, and lead AWS clients of this shell to it
  aws ec2 describe-instances
  comeback lab status
  comeback lab event fire shop                  what AWS has scheduled happens now
  comeback lab fault set capacity --count 1
  comeback lab down"
);

impl Exit {
    /// Tells what blocks from what failed.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        if let Some(Expected::Usage(_)) = error.downcast_ref() {
            return Exit::Usage;
        }
        let blocked = error.chain().any(|cause| {
            refusal::is_refusal(cause)
                || cause.is::<Expected>()
                || matches!(
                    cause.downcast_ref(),
                    Some(RunError::State { .. } | RunError::Refused { .. })
                )
                || matches!(cause.downcast_ref(), Some(StoreError::Busy { .. }))
                || matches!(cause.downcast_ref(), Some(StopgapError::Refused { .. }))
                || matches!(cause.downcast_ref(), Some(RecordError::Busy { .. }))
        });
        if blocked { Exit::Blocked } else { Exit::Failed }
    }
}

/// Why nothing is done, where that is no failure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Expected {
    /// What was said on the command line cannot be followed.
    #[error("{0}")]
    Usage(String),
    /// What is there forbids it.
    #[error("{0}")]
    Refused(String),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// Prints what clap has to say. Help and version are no errors.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    // Nothing can be done about a terminal that is gone.
    let _ = error.print();
    if error.use_stderr() {
        Exit::Usage.into()
    } else {
        Exit::Done.into()
    }
}
