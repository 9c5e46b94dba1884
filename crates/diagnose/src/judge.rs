//! From what was seen to what is wrong with it.

use comeback_cloud::kernels::{Kernel, Version};
use comeback_cloud::model::{AutoRecovery, CheckState, InstanceState};
use comeback_console::{Reading, Says, reading};
use comeback_convert::platform::Platform;
use comeback_convert::verdict::Outcome;
use jiff::Timestamp;

use crate::diagnosis::{Cost, Diagnosis, Due, Evidence, Health, Outage, Problem, VERSION, Waiting};
use crate::seen::Seen;
use crate::{problem, waiting, way};

/// Judges what was seen of an instance.
pub fn judge(seen: &Seen) -> Diagnosis {
    let reading = seen.console.as_deref().map(reading::read);
    let reading = reading.as_ref();
    let mut problem = problem::of_state(seen, reading).or_else(|| problem::of_running(seen, reading));
    let coming = is_coming(seen);
    let waiting = wait(seen, reading, problem.as_ref(), coming);
    let mut notes = seen.unread.clone();
    if let Some(problem) = &mut problem {
        add_disk(seen, problem);
    }
    notes.extend(unproven(seen, problem.as_ref()));
    notes.extend(held(seen));
    let health = match &problem {
        Some(_) => Health::Wrong,
        None if coming => Health::Coming,
        None => Health::Well,
    };
    let advice = way::of(seen, reading, problem.as_ref(), &waiting);
    let explains = |id: &str| problem.as_ref().is_none_or(|problem| problem.id != id);
    Diagnosis {
        version: VERSION,
        at: seen.now,
        instance: seen.instance.id.clone(),
        name: seen.instance.name().map(str::to_owned),
        region: seen.region.clone(),
        state: seen.instance.state.clone(),
        instance_type: seen.instance.instance_type.clone(),
        virtualization: seen.instance.virtualization.clone(),
        loader: loader(seen),
        health,
        outage: problem.as_ref().and_then(|_| outage(seen)),
        waiting,
        advice,
        reached: reading
            .filter(|reading| reading.last.is_some())
            .map(|reading| reading.stage),
        signs: reading.map_or_else(Vec::new, |reading| {
            reading.signs.iter().filter(|sign| explains(sign.id)).cloned().collect()
        }),
        harmless: reading.map_or_else(Vec::new, |reading| reading.harmless.clone()),
        events: events(seen),
        notes,
        problem,
    }
}

/// Whether it is on its way up, as far as EC2 knows.
fn is_coming(seen: &Seen) -> bool {
    match seen.instance.state {
        InstanceState::Pending => true,
        InstanceState::Running => seen.status.as_ref().is_none_or(|status| {
            !status.is_ok() && status.guest.state != CheckState::Impaired && status.system.state != CheckState::Impaired
        }),
        _ => false,
    }
}

fn wait(seen: &Seen, reading: Option<&Reading>, problem: Option<&Problem>, coming: bool) -> Waiting {
    let says = reading.map(|reading| &reading.says);
    match (problem, says) {
        // What it is at work on keeps it from answering; or EC2 has not looked yet.
        (Some(problem), Some(Says::Working(work))) if problem.id == work.id => waiting::for_work(seen, work),
        (None, Some(Says::Working(work))) if coming => waiting::for_work(seen, work),
        (None, _) if coming => waiting::for_boot(seen),
        (None, _) => Waiting::no("there is nothing to wait for"),
        (Some(problem), _) => match problem.id {
            // Silence is no sign as long as EC2 may not have shown it yet.
            "no-console"
            | "kernel-stands-still"
            | "init-stands-still"
            | "boot-loader-stands-still"
            | "root-device-waits"
            | "network-wait" => waiting::for_boot(seen),
            "stopping" => Waiting {
                right: true,
                until: None,
                why: "it will be stopped".to_owned(),
            },
            "stopped" | "terminated" => Waiting::no("nothing is going on that would bring it back"),
            "host-impaired" => Waiting::no("nobody can say when its host is repaired"),
            _ => Waiting::no("it has come to its end, and nothing goes on by itself"),
        },
    }
}

/// What the disk shows beside the console: why its own PV-GRUB does not start it.
fn add_disk(seen: &Seen, problem: &mut Problem) {
    let (Some(disk), Some(platform)) = (&seen.disk, platform(seen)) else {
        return;
    };
    if disk.assessment.outcome(platform) != Outcome::DoesNotBoot {
        return;
    }
    problem
        .evidence
        .extend(disk.assessment.against(platform).map(|finding| {
            let shown = finding
                .evidence
                .first()
                .map(|evidence| format!(": {evidence}"))
                .unwrap_or_default();
            Evidence::new(format!("disk {}", disk.name), format!("{}{shown}", finding.title))
        }));
}

/// Where its disk has to boot as it is.
fn platform(seen: &Seen) -> Option<Platform> {
    let version = seen.pv_grub()?;
    Some(if version <= Version::LAST_OLD {
        Platform::PvGrub103
    } else {
        Platform::PvGrub105
    })
}

/// What a reboot would do to one that runs well.
fn unproven(seen: &Seen, problem: Option<&Problem>) -> Option<String> {
    if problem.is_some() || seen.instance.state != InstanceState::Running || !seen.is_pv() {
        return None;
    }
    let says = match (&seen.disk, platform(seen)) {
        (Some(disk), Some(platform)) => match disk.assessment.outcome(platform) {
            Outcome::Boots => return None,
            Outcome::DoesNotBoot => format!("what is on {} does not boot with {}", disk.name, platform.name()),
            Outcome::Unknown => format!("nobody can say of {} that it boots with {}", disk.name, platform.name()),
        },
        _ => "it is paravirtual, and nothing of this proves its next boot".to_owned(),
    };
    Some(format!(
        "{says}: do not reboot or stop it before `{}`",
        seen.command("plan")
    ))
}

/// What would move it by itself.
fn held(seen: &Seen) -> Option<String> {
    let moves = seen.is_pv()
        && seen.instance.state == InstanceState::Running
        && seen.instance.maintenance_options.auto_recovery != AutoRecovery::Disabled;
    moves.then(|| {
        format!(
            "automatic recovery would move it to another host, where it boots: `{}` keeps that away",
            seen.command("hold")
        )
    })
}

fn loader(seen: &Seen) -> Option<String> {
    let id = seen.instance.kernel.as_ref()?;
    Some(match &seen.kernel {
        Some(Kernel::PvGrub { version, .. }) => format!("PV-GRUB {version} ({id})"),
        Some(Kernel::Other { name: Some(name) }) => format!("{name} ({id})"),
        _ => id.to_string(),
    })
}

fn events(seen: &Seen) -> Vec<Due> {
    let due = seen.status.iter().flat_map(|status| status.due_events());
    let mut events: Vec<Due> = due
        .map(|event| Due {
            event: event.id.clone(),
            code: event.code.clone(),
            not_before: event.not_before,
            deadline: event.deadline,
        })
        .collect();
    events.sort_by_key(|event| event.not_before);
    events
}

fn outage(seen: &Seen) -> Option<Outage> {
    let since = match seen.instance.state {
        InstanceState::Running => seen
            .status
            .iter()
            .flat_map(|status| [status.guest.impaired_since, status.system.impaired_since])
            .flatten()
            .min()?,
        _ => transition(seen.instance.state_transition_reason.as_deref()?)?,
    };
    let seconds = seen.now.duration_since(since).as_secs().max(0);
    // A stopped instance costs its volumes alone.
    let billed = seen.instance.state == InstanceState::Running;
    let cost = seen.hourly.filter(|_| billed).map(|hourly| Cost {
        micros: hourly.micros.saturating_mul(u64::try_from(seconds).unwrap_or(0)) / 3600,
        currency: hourly.currency,
        hourly_micros: hourly.micros,
        source: hourly.source,
    });
    Some(Outage { since, seconds, cost })
}

/// The time in `User initiated (2026-01-04 10:00:00 GMT)`.
fn transition(reason: &str) -> Option<Timestamp> {
    let (_, rest) = reason.rsplit_once('(')?;
    let time = rest.strip_suffix(')')?.strip_suffix("GMT")?.trim();
    let (date, clock) = time.split_once(' ')?;
    format!("{date}T{clock}Z").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ec2_tells_when_the_state_changed_in_words() {
        let at = |reason| transition(reason).map(|at| at.to_string());
        assert_eq!(
            at("User initiated (2026-01-04 10:00:00 GMT)").as_deref(),
            Some("2026-01-04T10:00:00Z")
        );
        for other in [
            "User initiated",
            "",
            "(now GMT)",
            "Server.ScheduledStop: Stopped (2026-01-04)",
        ] {
            assert_eq!(at(other), None, "{other}");
        }
    }
}
