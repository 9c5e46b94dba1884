//! The rules that the catalogue has texts for, and the page of documentation that is made from them.

use std::fmt::Write as _;

use comeback_audit::rules;
use jiff::tz::TimeZone;

use crate::catalogue::{Texts, message_id};
use crate::options::Lang;

/// The message that explains a rule: a rule of a newer program has one in common.
pub fn message(rule: &str) -> String {
    if rules::all().iter().any(|known| known.id == rule) {
        format!("rule-{}", message_id(rule))
    } else {
        "rule-unknown".to_owned()
    }
}

/// `docs/findings.md`.
pub fn documentation() -> String {
    let texts = Texts::of(Lang::En, TimeZone::UTC);
    let mut page = format!("# {}\n\n{}\n", texts.text("docs-title"), texts.text("docs-intro"));
    for rule in rules::all() {
        let message = message(rule.id);
        let _ = write!(
            page,
            "\n## {}\n\n`{}`\n\n{}: {}\n\n{}: {}\n",
            texts.text(&message),
            rule.id,
            texts.text("docs-meaning"),
            texts.text(&format!("{message}.meaning")),
            texts.text("docs-remedy"),
            texts.text(&format!("{message}.remedy")),
        );
    }
    page
}
