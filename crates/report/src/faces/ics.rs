//! A calendar of what AWS has scheduled (RFC 5545).
//!
//! An entry has the same UID in every audit: the event's name and the instance. SEQUENCE grows with the time of the audit, so
//! that a program that imports a newer file takes the newer entry. An event that is gone is in no file any more; the calendar
//! keeps it until somebody removes it.

use chrono::Duration;
use comeback_audit::model::{Coverage, Subject};
use icalendar::{Alarm, Calendar, Component as _, Event, EventLike as _, Property};
use jiff::Timestamp;

use crate::catalogue::Texts;
use crate::harmless::harmless;
use crate::options::Options;
use crate::present::{self, Row, label};
use crate::view::Report;

/// The calendar. Times are in UTC: programs show them in their own zone.
pub fn render(report: &Report<'_>, options: &Options) -> Vec<u8> {
    let page = present::page(report, options);
    let audit = report.audit_for(options);
    let mut calendar = Calendar::empty();
    calendar.append_property(("VERSION", "2.0"));
    calendar.append_property(("PRODID", "-//comeback//audit//EN"));
    calendar.append_property(("CALSCALE", "GREGORIAN"));
    calendar.append_property(("METHOD", "PUBLISH"));
    calendar.name(&page.texts.text("ics-name"));
    calendar.description(&page.coverage);
    for (subject, row) in audit.instances.iter().zip(&page.rows) {
        if let Some(event) = of_instance(&page.texts, subject, row, audit.finished) {
            calendar.push(event);
        }
    }
    let unread = audit
        .ledger
        .entries
        .iter()
        .filter(|entry| matches!(entry.coverage, Coverage::Unread { .. }) || !entry.gaps.is_empty())
        .count();
    if unread > 0 {
        let count = i64::try_from(unread).unwrap_or(i64::MAX);
        let mut event = begun("coverage@comeback", audit.finished);
        event.append_property(("DTSTART", basic(audit.finished).as_str()));
        event.summary(&page.texts.with("ics-coverage", &[("unread", count.into())]));
        event.description(&page.coverage);
        event.add_property("TRANSP", "TRANSPARENT");
        calendar.push(event.done());
    }
    calendar.to_string().into_bytes()
}

fn of_instance(texts: &Texts, subject: &Subject, row: &Row, stamp: Timestamp) -> Option<Event> {
    let deadline = subject.deadline.as_ref()?;
    let begins = deadline.not_before?;
    let shown = row.deadline.as_ref()?;
    let name = match &deadline.event {
        Some(event) => event.as_str().to_owned(),
        // Some old events have no name; what they do and the instance are as good.
        None => deadline.code.as_str().to_owned(),
    };
    let uid: String = format!("{name}-{}@comeback", subject.id)
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '-' | '@' | '.') {
                c
            } else {
                '_'
            }
        })
        .collect();
    let mut event = begun(&uid, stamp);
    event.append_property(("DTSTART", basic(begins).as_str()));
    if let Some(ends) = deadline.not_after.filter(|ends| *ends > begins) {
        event.append_property(("DTEND", basic(ends).as_str()));
    }
    event.summary(&texts.with(
        "ics-title",
        &[
            ("instance", label(subject).into()),
            ("what", shown.effect.clone().into()),
        ],
    ));
    let mut lines = vec![format!("[{}] {}", row.risk, row.act)];
    lines.extend(
        row.by
            .as_ref()
            .map(|by| texts.with("by-when", &[("when", by.text.clone().into())])),
    );
    lines.push(shown.movable.clone());
    lines.extend(row.command.clone());
    lines.extend(
        row.findings
            .iter()
            .map(|finding| format!("[{}] {}", finding.level, finding.title)),
    );
    event.description(&lines.join("\n"));
    event.location(&format!("{} {}", row.account, row.region));
    event.add_property("STATUS", "CONFIRMED");
    event.add_property("TRANSP", "TRANSPARENT");
    event.append_multi_property(Property::new("CATEGORIES", harmless(subject.risk.as_str())));
    for days in [7, 1] {
        let text = texts.with("ics-alarm", &[("instance", label(subject).into())]);
        let mut alarm = Alarm::display(&text, -Duration::days(days));
        // Without these the library writes the clock and a random name.
        alarm.add_property("UID", format!("alarm-{days}-{uid}"));
        alarm.add_property("DTSTAMP", basic(stamp));
        event.alarm(alarm.done());
    }
    Some(event.done())
}

fn begun(uid: &str, stamp: Timestamp) -> Event {
    let mut event = Event::with_uid(uid);
    event.add_property("DTSTAMP", basic(stamp));
    event.add_property("LAST-MODIFIED", basic(stamp));
    // Minutes fit into the 31 bits that programs keep for it until the year 6053.
    event.sequence(u32::try_from(stamp.as_second() / 60).unwrap_or(0));
    event
}

/// `20180104T120000Z`.
fn basic(time: Timestamp) -> String {
    time.strftime("%Y%m%dT%H%M%SZ").to_string()
}
