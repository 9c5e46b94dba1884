//! `comeback audit`

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use comeback_audit::audit;
use comeback_audit::model::{Audit, Coverage};
use comeback_audit::progress::{Event, Progress};
use comeback_audit::read::Reading;
use comeback_audit::scope::{self, Scope, Way};
use comeback_audit::silence::Silences;
use comeback_cloud::Options;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;

use crate::cli::audit::AuditArguments;
use crate::exit::{Exit, Expected};
use crate::{account, output, report};

/// The most bytes that a file of accounts or silences may have.
const MOST: u64 = 4 << 20;

pub(crate) fn run(arguments: &AuditArguments) -> Result<Exit> {
    account::check_share(arguments.rate_share)?;
    // What cannot be shown is better known before thousands of calls than after.
    let plans = report::prepare(&arguments.report)?;
    let scope = scope(arguments)?;
    let silences = match &arguments.silence {
        Some(path) => Silences::parse(&text(path)?).map_err(|error| wrong(path, &error))?,
        None => Silences::default(),
    };
    for expired in silences.expired(Timestamp::now()) {
        let (subject, until) = (output::printable(&expired.subject()), expired.until);
        output::say(&format!(
            "The silence of {subject} has ended on {until}: its findings are shown again.\n"
        ));
    }
    let reading = Reading {
        options: Options {
            share: arguments.rate_share,
            ..Options::default()
        },
    };
    let bar = Arc::new(Bar::new());
    let made = account::wait(async {
        Ok(audit::run(&scope, &reading, &silences, Arc::clone(&bar) as Arc<dyn Progress>).await)
    })?;
    bar.0.finish_and_clear();
    report::write(&made, &plans, &arguments.report)?;
    summary(&made);
    Ok(exit(&made))
}

/// What the reports' readers do not see, and its caller should.
fn exit(audit: &Audit) -> Exit {
    if !audit.ledger.is_complete() {
        Exit::Incomplete
    } else if audit.at_risk().next().is_some() {
        Exit::Blocked
    } else {
        Exit::Done
    }
}

/// Says how many calls were made, and what was not read.
fn summary(audit: &Audit) {
    let total: u64 = audit.ledger.calls.values().sum();
    let mut calls = output::count(total, "call");
    if total > 0 {
        let each: Vec<String> = audit
            .ledger
            .calls
            .iter()
            .map(|(name, count)| format!("{count} {name}"))
            .collect();
        let _ = write!(calls, " ({})", each.join(", "));
    }
    let read: Vec<_> = audit
        .ledger
        .entries
        .iter()
        .filter(|entry| entry.coverage == Coverage::Read)
        .collect();
    let accounts: BTreeSet<_> = read.iter().filter_map(|entry| entry.account.as_ref()).collect();
    let (instances, at_risk) = (audit.ledger.instances(), audit.at_risk().count());
    output::say(&format!(
        "Read {} in {} of {} with {calls}; at risk: {at_risk}.\n",
        output::count(instances, "instance"),
        output::count(read.len(), "region"),
        output::count(accounts.len(), "account"),
    ));
    for entry in &audit.ledger.entries {
        let account = entry
            .account
            .as_ref()
            .map_or(entry.via.as_str(), |account| account.as_str());
        let place = match &entry.region {
            Some(region) => format!("{account} {region}"),
            None => account.to_owned(),
        };
        if let Coverage::Unread { detail, .. } = &entry.coverage {
            output::say(&output::printable(&format!("Not read: {place}: {detail}")));
            output::say("\n");
        }
        for gap in &entry.gaps {
            output::say(&output::printable(&format!(
                "Not read in {place}: {}: {}",
                gap.action, gap.detail
            )));
            output::say("\n");
        }
    }
}

fn scope(arguments: &AuditArguments) -> Result<Scope> {
    let mut ways: Vec<Way> = arguments
        .profile
        .iter()
        .map(|name| Way::profile(Some(name.clone())))
        .collect();
    if let Some(path) = &arguments.accounts {
        ways.extend(scope::accounts(&text(path)?).map_err(|error| wrong(path, &error))?);
    }
    if ways.is_empty() {
        ways.push(Way::profile(None));
    }
    if let Some(role) = &arguments.organization_role {
        for way in &mut ways {
            way.organization_role = Some(role.clone());
        }
    }
    Ok(Scope {
        ways,
        regions: arguments.region.clone(),
    })
}

/// A file that somebody wrote for this command: whatever is wrong with it is a matter of usage.
fn text(path: &Path) -> Result<String> {
    let size = fs::metadata(path).map_err(|error| wrong(path, &error))?.len();
    if size > MOST {
        return Err(wrong(
            path,
            &format!("it has {size} bytes, more than such a file can have"),
        ));
    }
    fs::read_to_string(path).map_err(|error| wrong(path, &error))
}

fn wrong(path: &Path, why: &dyn std::fmt::Display) -> anyhow::Error {
    Expected::Usage(format!("{}: {why}", path.display())).into()
}

/// A line that says what is being read, where somebody looks.
struct Bar(ProgressBar);

impl Bar {
    fn new() -> Self {
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos} of {len} regions  {msg}") {
            bar.set_style(style);
        }
        Self(bar)
    }
}

impl Progress for Bar {
    fn tell(&self, event: Event) {
        match event {
            Event::Begun { ways } => self.0.set_message(format!("entering {ways} accounts")),
            Event::Entered { account, regions } => {
                self.0.inc_length(u64::try_from(regions).unwrap_or(0));
                self.0.set_message(account.to_string());
            }
            Event::Shut { via } => self
                .0
                .set_message(output::printable(&format!("{via} cannot be entered"))),
            Event::Region { account, region, .. } => {
                self.0.set_message(format!("{account} {region}"));
                self.0.inc(1);
            }
            Event::Details { region } => self.0.set_message(format!("kernel images and types of {region}")),
        }
    }
}
