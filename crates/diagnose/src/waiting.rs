//! Whether it may still come up by itself.

use comeback_console::Finding;
use jiff::{SignedDuration, Timestamp};

use crate::diagnosis::Waiting;
use crate::seen::Seen;

/// A boot without anything unusual, until EC2 has looked at it twice and shown its console; its checks are minutes apart.
const BOOT: SignedDuration = SignedDuration::from_mins(15);
/// What is waited for beside a file system check: labels, a network, another boot.
const WORK: SignedDuration = SignedDuration::from_mins(30);
/// MiB a second in which the slowest kind of volume is read
/// (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/EBSVolumeTypes_piops.html>, magnetic: 40 to 90). A check reads the
/// metadata alone, so that reading all of the volume is more than it takes.
const SLOWEST_MIB: u64 = 40;

impl Waiting {
    fn until(seen: &Seen, until: Timestamp, why: String, over: &str) -> Self {
        let right = seen.now < until;
        Self {
            right,
            until: Some(until),
            why: if right { why } else { format!("{why}; but {over}") },
        }
    }

    pub(crate) fn no(why: impl Into<String>) -> Self {
        Self {
            right: false,
            until: None,
            why: why.into(),
        }
    }
}

/// When the boot began that is on the console, as far as EC2 tells: a check fails from then on, or it was started then.
fn begun(seen: &Seen) -> Timestamp {
    let failing = seen
        .status
        .iter()
        .filter_map(|status| status.guest.impaired_since)
        .max();
    failing.max(seen.instance.launch_time).unwrap_or(seen.now).min(seen.now)
}

fn after(begun: Timestamp, time: SignedDuration) -> Timestamp {
    begun.checked_add(time).unwrap_or(Timestamp::MAX)
}

/// For a boot of which nothing bad is known.
pub(crate) fn for_boot(seen: &Seen) -> Waiting {
    Waiting::until(
        seen,
        after(begun(seen), BOOT),
        "a boot takes minutes, and EC2's checks and its console are minutes late".to_owned(),
        "it has had the time for that",
    )
}

/// For something that the console says is under way.
pub(crate) fn for_work(seen: &Seen, work: &Finding) -> Waiting {
    if work.id != "fsck-running" {
        return Waiting::until(
            seen,
            after(begun(seen), WORK),
            format!("{}, and it comes up by itself", work.title),
            "it has had half an hour for that",
        );
    }
    let largest = seen
        .volumes
        .iter()
        .map(|volume| u64::from(volume.size_gib))
        .max()
        .unwrap_or(0);
    let seconds = i64::try_from(largest * 1024 / SLOWEST_MIB).unwrap_or(i64::MAX);
    let whole = BOOT
        .checked_add(SignedDuration::from_secs(seconds))
        .unwrap_or(SignedDuration::MAX);
    Waiting::until(
        seen,
        after(begun(seen), whole),
        format!(
            "a forced file system check looks like death and is not. To reboot or stop it now would only begin it anew. It takes \
             less than reading the whole of its largest volume ({largest} GiB) from the slowest kind of disk"
        ),
        "that time is over: look whether the check asks for something, or whether the volume is throttled",
    )
}
