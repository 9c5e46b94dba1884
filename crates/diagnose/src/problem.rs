//! What is wrong.

use comeback_cloud::model::{Check, CheckState, InstanceState};
use comeback_console::{Finding, Reading, Says, Stage};

use crate::diagnosis::{Evidence, Problem};
use crate::seen::Seen;

/// Signs that explain why a guest that booted does not answer; the first that was seen is named.
const UNANSWERED: &[&str] = &[
    "network-not-up",
    "mac-address",
    "task-hangs",
    "out-of-memory",
    "disk-full",
    "filesystem-read-only",
];

pub(crate) fn of(finding: &Finding) -> Problem {
    Problem {
        id: finding.id,
        title: finding.title.to_owned(),
        evidence: vec![Evidence::console(&finding.line)],
        remedy: Some(finding.remedy.to_owned()),
    }
}

fn named(id: &'static str, title: impl Into<String>, evidence: Vec<Evidence>) -> Problem {
    Problem {
        id,
        title: title.into(),
        evidence,
        remedy: None,
    }
}

fn check(name: &str, check: &Check) -> Evidence {
    let since = check
        .impaired_since
        .map(|since| format!(" since {since}"))
        .unwrap_or_default();
    Evidence::new(
        format!("DescribeInstanceStatus {name}"),
        format!("{}{since}", check.state),
    )
}

pub(crate) fn state(seen: &Seen) -> Evidence {
    let reason = seen
        .instance
        .state_transition_reason
        .as_deref()
        .filter(|reason| !reason.is_empty());
    let reason = seen.instance.state_reason.as_deref().or(reason);
    let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    Evidence::new("DescribeInstances State", format!("{}{reason}", seen.instance.state))
}

/// What is wrong with an instance that neither runs nor is on its way up.
pub(crate) fn of_state(seen: &Seen, reading: Option<&Reading>) -> Option<Problem> {
    let (id, title) = match seen.instance.state {
        InstanceState::Terminated | InstanceState::ShuttingDown => ("terminated", "it was terminated and is gone"),
        InstanceState::Stopping => (
            "stopping",
            "it is being stopped; a guest that hangs takes ten minutes and more",
        ),
        InstanceState::Stopped => ("stopped", "it is stopped"),
        _ => return None,
    };
    // It may be stopped because it did not come up.
    let failed = match reading.map(|reading| &reading.says) {
        Some(Says::Failure(finding)) if seen.instance.state == InstanceState::Stopped => Some(of(finding)),
        _ => None,
    };
    Some(match failed {
        Some(mut problem) => {
            problem.title = format!("it is stopped, and its last boot failed: {}", problem.title);
            problem.evidence.push(state(seen));
            problem
        }
        None => named(id, title, vec![state(seen)]),
    })
}

/// What is wrong with a running instance. `reading` is that of its console.
pub(crate) fn of_running(seen: &Seen, reading: Option<&Reading>) -> Option<Problem> {
    let status = seen.status.as_ref()?;
    if status.system.state == CheckState::Impaired {
        let mut problem = named(
            "host-impaired",
            "its host has a fault: power, network or hardware of AWS's own",
            vec![
                check("SystemStatus", &status.system),
                check("InstanceStatus", &status.guest),
            ],
        );
        problem.remedy = Some("another host; AWS may recover it by itself where the type allows it".to_owned());
        return Some(problem);
    }
    let impaired = status.guest.state == CheckState::Impaired;
    // While EC2 is still looking, the console may know already. Once its checks have passed, an old console does not count.
    let failure = match reading.map(|reading| &reading.says) {
        Some(Says::Failure(finding)) if !status.is_ok() => Some(of(finding)),
        Some(Says::Working(finding)) if impaired => Some(of(finding)),
        _ => None,
    };
    let mut problem = match failure {
        Some(problem) => problem,
        None if impaired => unexplained(seen, reading),
        None => return None,
    };
    problem.evidence.push(check("InstanceStatus", &status.guest));
    Some(problem)
}

/// It does not answer, and no known failure is on its console.
fn unexplained(seen: &Seen, reading: Option<&Reading>) -> Problem {
    let Some(reading) = reading else {
        return named(
            "unanswered",
            "it does not answer, and its console could not be read",
            Vec::new(),
        );
    };
    let last: Vec<Evidence> = reading.last.as_deref().map(Evidence::console).into_iter().collect();
    if let Says::Login(line) = &reading.says {
        let sign = reading.signs.iter().find(|sign| UNANSWERED.contains(&sign.id));
        return match sign {
            Some(sign) => {
                let mut problem = of(sign);
                problem.title = format!("it has booted and does not answer: {}", problem.title);
                problem
            }
            None => named(
                "booted-and-silent",
                "it has booted, and its network does not answer: it hangs, or its network settings are wrong",
                vec![Evidence::console(line)],
            ),
        };
    }
    if reading.last.is_none() {
        return named(
            "no-console",
            "it does not answer, and nothing is on its console",
            Vec::new(),
        );
    }
    if let Some(line) = reading
        .handed_over
        .as_deref()
        .filter(|_| reading.stage <= Stage::BootLoader)
    {
        let mut problem = named(
            "pv-handed-over",
            "PV-GRUB handed over to the kernel, which said nothing: it does not run on this host, or has no console",
            vec![Evidence::console(line)],
        );
        problem.remedy =
            Some("compare the kernel with the one that ran last; as HVM it starts without PV-GRUB".to_owned());
        return problem;
    }
    if let Some(sign) = reading.signs.iter().find(|sign| sign.id != "pv-handed-over") {
        return of(sign);
    }
    let (id, title) = match reading.stage {
        Stage::Firmware | Stage::BootLoader if seen.is_pv() && reading.pv_grub => (
            "pv-grub-stands-still",
            "PV-GRUB stands still before any kernel was started",
        ),
        Stage::Firmware | Stage::BootLoader => ("boot-loader-stands-still", "no kernel was seen on the console"),
        Stage::Kernel => (
            "kernel-stands-still",
            "the kernel was started, and nothing came after it",
        ),
        Stage::Init | Stage::Login => ("init-stands-still", "the system was on its way up, and came no further"),
    };
    named(id, title, last)
}
