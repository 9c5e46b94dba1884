//! A plan, for people.

use std::fmt::Write as _;

use comeback_cloud::model::Instance;
use comeback_migrate::actions;
use comeback_migrate::plan::PlanError;
use comeback_migrate::plan::disk::DiskSeen;
use comeback_migrate::plan::{Level, Plan, Volumes};
use comeback_migrate::step::Step;

use crate::output::{self, printable};

/// The whole plan.
pub(crate) fn plan(plan: &Plan) -> String {
    let source = &plan.source.instance;
    let mut text = String::new();
    let name = named(source);
    let _ = writeln!(
        text,
        "Plan for {}{name}, {} in {}",
        source.id, plan.account, plan.region
    );
    difference(&mut text, plan);
    let _ = writeln!(text, "\nWhy {}", plan.target.instance_type);
    for why in &plan.target.why {
        let _ = writeln!(text, "  {why}");
    }
    if let Some(disk) = &plan.disk {
        disk_seen(&mut text, disk);
    }
    steps(&mut text, plan);
    let _ = writeln!(text, "\nTo know before agreeing");
    for notice in &plan.notices {
        let level = match notice.level {
            Level::Info => "info",
            Level::Warning => "warning",
        };
        let _ = writeln!(text, "  {level:<8} {}: {}", notice.id, printable(&notice.text));
        if let Some(remedy) = &notice.remedy {
            let _ = writeln!(text, "           remedy: {}", printable(remedy));
        }
    }
    let dollars = |amount: Option<f64>| amount.map_or("unknown".to_owned(), |amount| format!("{amount:.2} USD"));
    let _ = writeln!(
        text,
        "\nCost      now {} a month, then {}; the migration itself up to {} and the host's disk and snapshots until `finalize`",
        dollars(plan.cost.source_monthly),
        dollars(plan.cost.target_monthly),
        dollars(plan.cost.migration)
    );
    let _ = writeln!(text, "          ({})", plan.cost.prices);
    let minutes = |seconds: u64| seconds.div_ceil(60);
    let _ = writeln!(
        text,
        "Downtime  about {} minutes, at most {} before it turns back",
        minutes(plan.downtime_s.usual),
        minutes(plan.downtime_s.longest)
    );
    text
}

fn disk_seen(text: &mut String, disk: &DiskSeen) {
    let boots: Vec<&str> = disk.boots.iter().map(|platform| platform.name()).collect();
    let _ = writeln!(
        text,
        "\nDisk      {} was converted in memory: by its inspection it boots on {} then (`comeback rehearse` proves it); what was found on it is below",
        printable(&disk.name),
        boots.join(" and ")
    );
}

/// What people know an instance by, behind its id.
fn named(instance: &Instance) -> String {
    instance
        .name()
        .map(|name| format!(" ({})", printable(name)))
        .unwrap_or_default()
}

/// A plan that was read before, in one line.
pub(crate) fn line(plan: &Plan) -> String {
    let source = &plan.source.instance;
    let name = named(source);
    let warnings = plan
        .notices
        .iter()
        .filter(|notice| notice.level == Level::Warning)
        .count();
    format!(
        "{}{name}: {} -> {} ({}), {}, about {} minutes away, {}; planned {}\n",
        source.id,
        source.instance_type,
        plan.target.instance_type,
        plan.target.platform.name(),
        output::count(plan.target.devices.len(), "volume"),
        plan.downtime_s.usual.div_ceil(60),
        output::count(warnings, "warning"),
        output::minute(plan.made)
    )
}

/// The instance as a diff.
fn difference(text: &mut String, plan: &Plan) {
    let source = &plan.source.instance;
    let mut line = |sign: &str, what: &str, value: String| {
        let _ = writeln!(text, "  {sign} {what:<16} {}", printable(&value));
    };
    line("~", "instance id", format!("{} -> a new one", source.id));
    line("~", "virtualization", "paravirtual -> hvm".to_owned());
    line(
        "~",
        "type",
        format!(
            "{} -> {} ({})",
            source.instance_type,
            plan.target.instance_type,
            plan.target.platform.name()
        ),
    );
    if let Some(kernel) = &source.kernel {
        line(
            "-",
            "kernel image",
            format!("{kernel}; the disk has a boot loader of its own"),
        );
    }
    for device in &plan.target.devices {
        let what = if Some(device) == plan.root() { "root" } else { "volume" };
        let copy = match plan.volumes {
            Volumes::Original => "",
            Volumes::Copy => ", a copy of it",
        };
        let (sign, change) = if device.was == device.becomes {
            (" ", device.was.clone())
        } else {
            ("~", format!("{} -> {}", device.was, device.becomes))
        };
        line(sign, what, format!("{}{copy}: {change}", device.volume));
    }
    if let Some(private) = source.private_ip {
        line("~", "private address", format!("{private} -> a new one"));
    }
    for (_, address) in plan.moving_addresses() {
        line(" ", "Elastic IP", format!("{} moves along", address.public));
    }
    for (interface, index) in plan.moving_interfaces() {
        line(" ", "interface", format!("{interface} (number {index}) moves along"));
    }
    for registration in &plan.source.registrations {
        line(" ", "target group", format!("{}", registration.group));
    }
    line(" ", "tags", format!("{} kept", source.tags.len()));
    line("+", "host image", format!("{} {}", plan.host.image, plan.host.name));
}

fn steps(text: &mut String, plan: &Plan) {
    let actions = actions::all(plan);
    let _ = writeln!(text, "\nSteps");
    for step in Step::ALL {
        let of_step: Vec<_> = actions.iter().filter(|action| action.step() == step).collect();
        if of_step.is_empty() {
            continue;
        }
        let _ = writeln!(text, "  {step}");
        for action in of_step {
            let mut calls: Vec<&str> = action
                .calls()
                .into_iter()
                .filter(|call| call.changes)
                .map(|call| call.name.rsplit(':').next().unwrap_or(call.name))
                .collect();
            calls.dedup();
            let calls = if calls.is_empty() {
                String::new()
            } else {
                format!("  [{}]", calls.join(", "))
            };
            let _ = writeln!(text, "      {}{calls}", printable(&action.title()));
        }
    }
}

/// Why there is no plan.
pub(crate) fn refusal(error: &PlanError) -> String {
    let PlanError::Refused { instance, reasons } = error else {
        return format!("comeback: {}\n", printable(&error.to_string()));
    };
    let mut text = format!("{instance} cannot be migrated:\n");
    for refusal in reasons {
        let _ = writeln!(text, "  {}: {}", refusal.id, printable(&refusal.reason));
        let _ = writeln!(text, "      instead: {}", printable(&refusal.instead));
    }
    text
}
