//! The summary for a chat: what Slack's incoming webhooks take, and those that are compatible
//! (<https://docs.slack.dev/reference/block-kit/blocks>).

use comeback_audit::model::{Audit, Entry, Finding, Subject};
use serde_json::{Value, json};

use crate::catalogue::Texts;
use crate::changes::{Changes, changes};
use crate::harmless::{harmless, shortened};
use crate::options::Options;
use crate::present::{self, finding_row, label};
use crate::view::Report;
use crate::when;

/// Most lines of one kind: a message in a chat is read at a glance.
const MOST: usize = 10;

/// Longest text of a section, in characters, of the 3000 that Slack takes.
const LONGEST_SECTION: usize = 2900;

/// Longest headline, in characters.
const LONGEST_HEADLINE: usize = 150;

/// The summary of an audit.
pub fn summary(audit: &Audit, options: &Options) -> Value {
    let report = Report::of(audit);
    let page = present::page(&report, options);
    let shown = report.audit_for(options);
    // A headline is often all that is read, so it must not look cleaner than what was read.
    let title = if page.complete {
        "notify-title"
    } else {
        "notify-title-incomplete"
    };
    let headline = page
        .texts
        .with(title, &[("risk", present::size(shown.at_risk().count()))]);
    let mut sections = vec![page.coverage.clone()];
    sections.extend(page.summary.iter().cloned());
    let rows = shown.instances.iter().zip(&page.rows);
    let rows = rows.filter_map(|(subject, row)| subject.risk.is_at_risk().then_some(row));
    let lines = rows.map(|row| {
        let mut line = format!("[{}] {} ({}): {}", row.risk, shortened(&row.name, 60), row.id, row.act);
        if let Some(by) = &row.by {
            line.push_str(", ");
            line.push_str(&page.texts.with("by-when", &[("when", by.text.clone().into())]));
        }
        line
    });
    let mut blocks: Vec<String> = vec![sections.join("\n")];
    blocks.extend(list(&page.texts, lines.collect()));
    message(&headline, &blocks)
}

/// What changed between two audits, or nothing if nothing did: nobody is called for that.
pub fn difference(old: &Audit, new: &Audit, options: &Options) -> Option<Value> {
    let texts = Texts::new(options);
    let blocks = blocks_of_changes(&texts, old, new, options)?;
    Some(message(&texts.text("notify-changes"), &blocks))
}

/// The changes in lines, for a terminal.
pub fn difference_text(old: &Audit, new: &Audit, options: &Options) -> String {
    let texts = Texts::new(options);
    match blocks_of_changes(&texts, old, new, options) {
        Some(blocks) => format!("{}\n\n{}\n", texts.text("notify-changes"), blocks.join("\n\n")),
        None => format!("{}\n", texts.text("notify-nothing")),
    }
}

/// What changed, as far as this reader may see it; nothing if nothing did.
fn blocks_of_changes(texts: &Texts, old: &Audit, new: &Audit, options: &Options) -> Option<Vec<String>> {
    let (old, new) = (Report::of(old), Report::of(new));
    let (old, new) = (old.audit_for(options), new.audit_for(options));
    let changes = changes(&old, &new);
    (!changes.is_empty()).then(|| change_blocks(texts, &changes))
}

fn change_blocks(texts: &Texts, changes: &Changes<'_>) -> Vec<String> {
    let finding = |(subject, finding): &(&Subject, &Finding)| {
        let row = finding_row(texts, finding);
        format!("[{}] {}: {}", row.level, label(subject), row.title)
    };
    let entry = |entry: &&Entry| {
        let account = entry
            .account
            .as_ref()
            .map_or(entry.via.as_str(), |account| account.as_str());
        let region = entry.region.as_ref();
        let region = region.map_or_else(
            || texts.text("coverage-all-regions"),
            |region| harmless(region.as_str()),
        );
        format!("{} {region}", harmless(account))
    };
    let when =
        |time: Option<jiff::Timestamp>| time.map_or_else(|| texts.text("no-date"), |time| when::both(texts, time));
    let moved = changes.moved.iter().map(|moved| {
        let row = finding_row(texts, moved.finding);
        texts.with(
            "change-moved-line",
            &[
                ("level", row.level.into()),
                ("instance", label(moved.subject).into()),
                ("event", row.title.into()),
                ("old", when(moved.was).into()),
                ("new", when(moved.is).into()),
            ],
        )
    });
    let kinds: [(&str, Vec<String>); 5] = [
        ("change-unread", changes.unread.iter().map(entry).collect()),
        ("change-new", changes.new.iter().map(finding).collect()),
        ("change-moved", moved.collect()),
        ("change-gone", changes.gone.iter().map(finding).collect()),
        ("change-read-again", changes.read_again.iter().map(entry).collect()),
    ];
    kinds
        .into_iter()
        .filter_map(|(title, lines)| Some(format!("{}\n{}", texts.text(title), list(texts, lines)?)))
        .collect()
}

/// Lines with a dot each, the first of them; nothing if there are none.
fn list(texts: &Texts, lines: Vec<String>) -> Option<String> {
    let count = lines.len();
    let mut text: Vec<String> = lines.into_iter().take(MOST).map(|line| format!("• {line}")).collect();
    if count > MOST {
        let more = i64::try_from(count - MOST).unwrap_or(i64::MAX);
        text.push(texts.with("notify-more", &[("count", more.into())]));
    }
    (count > 0).then(|| text.join("\n"))
}

fn message(headline: &str, sections: &[String]) -> Value {
    let mut blocks = vec![json!({
        "type": "header",
        "text": {"type": "plain_text", "text": shortened(headline, LONGEST_HEADLINE - 1), "emoji": false},
    })];
    for section in sections {
        blocks
            .push(json!({"type": "section", "text": {"type": "plain_text", "text": bounded(section), "emoji": false}}));
    }
    // The fallback is read as markup: nobody is to be called by a name that says <!channel>.
    let text = escaped(&format!("{headline}\n{}", sections.join("\n")));
    json!({"text": bounded(&text), "blocks": blocks})
}

fn bounded(text: &str) -> String {
    if text.chars().count() <= LONGEST_SECTION {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(LONGEST_SECTION).collect();
    short.push('…');
    short
}

/// Slack's three marks: <https://docs.slack.dev/messaging/formatting-message-text#escaping>.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
