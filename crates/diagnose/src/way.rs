//! How it comes back: the shortest way that is safe.
//!
//! A paravirtual instance is never told to start, to reboot or to go to another host as if nothing were wrong with that: it is
//! what killed it, or may. Its ways are a newer PV-GRUB where that is known to be what it lacks, and else the nine steps, which
//! need nothing of the guest but its disk.

use comeback_cloud::kernels::Version;
use comeback_cloud::model::{InstanceState, RootDeviceType};
use comeback_console::{Reading, Says};
use comeback_convert::platform::Platform;
use comeback_convert::verdict::Outcome;

use crate::diagnosis::{Advice, Problem, Waiting, Way};
use crate::seen::Seen;

/// What no other machine mends: it is in the guest's own files, and the nine steps leave it as it is.
const IN_ITS_FILES: &[&str] = &[
    "boot-menu-names-missing-file",
    "init-not-found",
    "kernel-too-old",
    "fsck-device-missing",
    "fsck-failed",
    "mountall-failed",
    "mountall-asks",
    "dependency-failed",
    "device-timeout",
    "emergency-mode",
    "maintenance-prompt",
    "selinux-policy",
    "filesystem-unmountable",
    "disk-full",
    "init-died",
];

/// The first kernels that a distribution compressed by what no PV-GRUB unpacks (lz4: Ubuntu 19.10 with Linux 5.3).
const FIRST_LZ4: (u32, u32) = (5, 3);

fn advice(way: Way, why: impl Into<String>) -> Advice {
    Advice {
        way,
        why: why.into(),
        commands: Vec::new(),
        risks: Vec::new(),
    }
}

impl Advice {
    fn with(mut self, command: String) -> Self {
        self.commands.push(command);
        self
    }

    fn risk(mut self, risk: impl Into<String>) -> Self {
        self.risks.push(risk.into());
        self
    }
}

/// The way back.
pub(crate) fn of(seen: &Seen, reading: Option<&Reading>, problem: Option<&Problem>, waiting: &Waiting) -> Advice {
    let instance = &seen.instance;
    let Some(problem) = problem else {
        return if waiting.right {
            advice(Way::Wait, waiting.why.clone())
        } else {
            advice(
                Way::Nothing,
                "what can be seen from outside is well. If it cannot be reached, look at its security groups, the network ACLs and \
                 routes of its subnet, its DNS name, and whether its service runs",
            )
        };
    };
    match problem.id {
        "terminated" => {
            return advice(
                Way::NotOurs,
                "a terminated instance does not come back: make a new one from its latest snapshot or image",
            );
        }
        "stopping" => {
            return advice(
                Way::Wait,
                "its volumes are safe; by force, the guest is not asked any more",
            )
            .with(format!(
                "aws ec2 stop-instances --region {} --instance-ids {} --force",
                seen.region, instance.id
            ));
        }
        _ => {}
    }
    if waiting.right {
        return advice(Way::Wait, waiting.why.clone()).with(seen.command("rescue"));
    }
    if instance.root_device_type == RootDeviceType::InstanceStore {
        return advice(
            Way::LookInside,
            "its root is on its host's own disk: to stop it would lose everything. Reboot it if all else fails; what matters is a \
             copy of the data",
        )
        .risk("a reboot may not bring it back, and nobody can read its disk from outside");
    }
    if seen.is_pv() {
        pv(seen, reading, problem)
    } else {
        hvm(seen, reading, problem)
    }
}

fn pv(seen: &Seen, reading: Option<&Reading>, problem: &Problem) -> Advice {
    if let Some(finding) = seen.disk.as_ref().and_then(|disk| disk.assessment.forbidding().next()) {
        return look_inside(
            seen,
            format!("its disk cannot be converted as it is: {}", finding.title),
        );
    }
    if seen.instance.ramdisk.is_some() || seen.pv_grub().is_none() && seen.instance.kernel.is_some() {
        return look_inside(
            seen,
            "its kernel image is not known to be PV-GRUB: the kernel may not be on its disk at all".to_owned(),
        );
    }
    if let Some(why) = newer_pv_grub_is_enough(seen, reading, problem) {
        return advice(Way::BumpKernel, why)
            .with(seen.command("rescue"))
            .with(seen.command("bump-kernel"))
            .risk("the stop and start are what the guest has not survived yet: if it does not come up, the nine steps are next")
            .risk("EC2 may have no room for its old type when it is started")
            .risk("it stays paravirtual: plan its migration");
    }
    let mends = IN_ITS_FILES.contains(&problem.id) && !says_boots(seen, Platform::XenHvm);
    if mends {
        return look_inside(
            seen,
            "what is wrong is in the guest's own files, which neither another PV-GRUB nor HVM mends".to_owned(),
        )
        .with(format!("{} --way migrate", seen.command("rescue")))
        .risk("the nine steps make it HVM and leave these files as they are: they end where the boot ends now, and are taken back");
    }
    let why = match seen.instance.state {
        InstanceState::Stopped => {
            "to start it as it is would be the boot that has not been proven; the nine steps begin with snapshots, and need \
             nothing of the guest but its disk"
        }
        _ => {
            "it need never run again as it is: its disk is converted on an HVM host and becomes its root; snapshots come first, \
             and all of it can be taken back"
        }
    };
    advice(Way::NineSteps, why)
        .with(seen.command("rescue"))
        .risk("the target has another instance id and another primary private address")
}

/// Why a newer PV-GRUB is enough, if it is.
fn newer_pv_grub_is_enough(seen: &Seen, reading: Option<&Reading>, problem: &Problem) -> Option<String> {
    let (now, next) = (seen.pv_grub()?, seen.successor.as_ref()?);
    if now > Version::LAST_OLD || next.version < Version::LOOKS_EVERYWHERE {
        return None;
    }
    let from_to = format!("PV-GRUB {now} fails where {} does not", next.version);
    match seen
        .disk
        .as_ref()
        .map(|disk| (disk, disk.assessment.outcome(Platform::PvGrub105)))
    {
        // Only where the old one is what fails.
        Some((disk, Outcome::Boots)) if disk.assessment.outcome(Platform::PvGrub103) != Outcome::Boots => {
            return Some(format!("{from_to}: so says what is on {}", disk.name));
        }
        Some(_) => return None,
        None => {}
    }
    match problem.id {
        "pv-mmu-update" | "pv-no-boot-menu" => Some(from_to),
        "pv-kernel-compression" => {
            let file = reading?.kernel.as_deref()?;
            // A line that names what it cannot unpack has tried: xz it could.
            let tried = problem
                .evidence
                .first()
                .is_some_and(|evidence| evidence.text.contains("decompress kernel"));
            let old = version_of(file).is_some_and(|version| version < FIRST_LZ4);
            (old && !tried).then(|| {
                format!(
                    "{from_to}: {file} is older than any kernel that was compressed by lz4 or zstd, so it is xz, which {} unpacks",
                    next.version
                )
            })
        }
        _ => None,
    }
}

/// `/boot/vmlinuz-3.2.0-58-virtual` is of Linux 3.2.
fn version_of(file: &str) -> Option<(u32, u32)> {
    let name = file.rsplit('/').next()?;
    let version = name.get(name.find(|c: char| c.is_ascii_digit())?..)?;
    let mut parts = version.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

fn says_boots(seen: &Seen, platform: Platform) -> bool {
    seen.disk
        .as_ref()
        .is_some_and(|disk| disk.assessment.outcome(platform) == Outcome::Boots)
}

fn hvm(seen: &Seen, reading: Option<&Reading>, problem: &Problem) -> Advice {
    let aws = |verb: &str| {
        format!(
            "aws ec2 {verb}-instances --region {} --instance-ids {}",
            seen.region, seen.instance.id
        )
    };
    let booted = reading.is_some_and(|reading| matches!(reading.says, Says::Login(_)));
    match problem.id {
        "stopped" => advice(Way::Start, "nothing is known against its boot").with(aws("start")),
        "host-impaired" => advice(Way::StopStart, "its host is at fault, and a stop and start takes it to another one")
            .with(aws("stop"))
            .with(aws("start"))
            .risk("what is on the host's own disks is lost, and so is a public address that is not an Elastic IP"),
        _ if booted && !IN_ITS_FILES.contains(&problem.id) && !matches!(problem.id, "network-not-up" | "mac-address") => advice(
            Way::Reboot,
            "it has booted and no longer answers: a reboot ends what hangs, and it has come up from this disk before",
        )
        .with(aws("reboot"))
        .risk("a kernel that was installed since its last boot was never tried"),
        _ => look_inside(
            seen,
            "it is HVM already, so what is wrong is on its disk".to_owned(),
        ),
    }
}

fn look_inside(seen: &Seen, why: String) -> Advice {
    let mut advice = advice(
        Way::LookInside,
        format!(
            "{why}. Attach its root volume, or a volume made from a snapshot of it, to another machine, and mend it there"
        ),
    );
    if seen.disk.is_none() {
        advice = advice
            .with("comeback inspect /dev/xvdf".to_owned())
            .with(format!("{} --disk /dev/xvdf", seen.command("diagnose")));
    }
    advice
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_tell_their_version() {
        for (file, version) in [
            ("/boot/vmlinuz-3.2.0-58-virtual", Some((3, 2))),
            ("/vmlinuz-2.6.32-342-ec2", Some((2, 6))),
            ("/boot/vmlinuz-5.15", Some((5, 15))),
            ("/boot/vmlinuz", None),
            ("/boot/vmlinuz-4", None),
            ("/boot/vmlinuz-99999999999.1", None),
        ] {
            assert_eq!(version_of(file), version, "{file}");
        }
    }
}
