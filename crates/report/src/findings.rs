//! The rules that the catalogue has texts for, and the page of documentation that is made from them.

use std::fmt::Write as _;

use jiff::tz::TimeZone;

use crate::catalogue::{Texts, message_id};
use crate::options::Lang;

/// Ids of the rules, in the order in which they are explained.
pub const RULES: [&str; 19] = [
    "already-dead",
    "pv-grub-1.03",
    "pv-grub-1.04",
    "pv-grub-1.05",
    "other-kernel-image",
    "ramdisk-image",
    "no-kernel-id",
    "event-reboot",
    "event-system-reboot",
    "event-maintenance",
    "event-retirement",
    "event-stop",
    "auto-recovery",
    "reboot-migration",
    "instance-store-root",
    "long-uptime",
    "previous-generation",
    "not-nitro-ready",
    "address-lost-on-stop",
];

/// The message that explains a rule: a rule of a newer program has one in common.
pub fn message(rule: &str) -> String {
    if RULES.contains(&rule) {
        format!("rule-{}", message_id(rule))
    } else {
        "rule-unknown".to_owned()
    }
}

/// `docs/findings.md`.
pub fn documentation() -> String {
    let texts = Texts::of(Lang::En, TimeZone::UTC);
    let mut page = format!("# {}\n\n{}\n", texts.text("docs-title"), texts.text("docs-intro"));
    for rule in RULES {
        let message = message(rule);
        let _ = write!(
            page,
            "\n## {}\n\n`{rule}`\n\n{}: {}\n\n{}: {}\n",
            texts.text(&message),
            texts.text("docs-meaning"),
            texts.text(&format!("{message}.meaning")),
            texts.text("docs-remedy"),
            texts.text(&format!("{message}.remedy")),
        );
    }
    page
}
