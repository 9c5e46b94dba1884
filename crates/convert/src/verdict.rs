//! Whether a guest boots, platform by platform.

use std::fmt;

use comeback_guest::inspect::Guest;
use serde::Serialize;

use crate::finding::{Effect, Finding, Level};
use crate::platform::Platform;
use crate::rules;

/// Whether it boots; the better is the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Something that it needs is missing.
    DoesNotBoot,
    /// Something that decides it could not be seen.
    Unknown,
    /// Everything that decides it was seen and is as it should be.
    Boots,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Outcome::Boots => "boots",
            Outcome::DoesNotBoot => "does not boot",
            Outcome::Unknown => "unknown",
        })
    }
}

/// The verdict for one platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The platform.
    pub platform: Platform,
    /// Whether it boots there.
    pub outcome: Outcome,
    /// The ids of the findings that decide it.
    pub decided_by: Vec<&'static str>,
}

/// What must be seen for a verdict of `boots`: one finding of each group has to support the platform.
const NEEDED: [&[&str]; 4] = [
    &["boot-code", "boot-menu-read"],
    &["boot-entry"],
    &["disk-driver"],
    &["root"],
];

/// All findings and verdicts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Assessment {
    /// One verdict a platform.
    pub verdicts: Vec<Verdict>,
    /// Everything that was found, the worst last.
    pub findings: Vec<Finding>,
}

impl Assessment {
    /// Judges a guest. `now` is in seconds since 1970: some findings are about what is due.
    pub fn of(guest: &Guest, now: i64) -> Self {
        let mut findings = rules::all(guest, now);
        findings.sort_by_key(|finding| finding.level);
        let verdicts = Platform::ALL.map(|platform| judge(platform, &findings)).to_vec();
        Assessment { verdicts, findings }
    }

    /// The verdict for a platform.
    pub fn outcome(&self, platform: Platform) -> Outcome {
        self.verdicts
            .iter()
            .find(|verdict| verdict.platform == platform)
            .map_or(Outcome::Unknown, |verdict| verdict.outcome)
    }

    /// The findings that keep a platform from booting, or from being known to boot.
    pub fn against(&self, platform: Platform) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(move |finding| finding.effect(platform).is_some_and(|effect| effect >= Effect::Unknown))
    }

    /// The findings for which nothing may be converted.
    pub fn forbidding(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.forbids_conversion)
    }

    /// The worst level of all findings.
    pub fn level(&self) -> Level {
        self.findings
            .iter()
            .map(|finding| finding.level)
            .max()
            .unwrap_or(Level::Info)
    }
}

fn judge(platform: Platform, findings: &[Finding]) -> Verdict {
    let with = |effect: Effect| -> Vec<&'static str> {
        let mut ids: Vec<_> = findings
            .iter()
            .filter(|finding| finding.effect(platform) == Some(effect))
            .map(|finding| finding.id)
            .collect();
        ids.dedup();
        ids
    };
    let (blocks, unknown, supports) = (with(Effect::Blocks), with(Effect::Unknown), with(Effect::Supports));
    let lacks = NEEDED.iter().any(|ids| !ids.iter().any(|id| supports.contains(id)));
    let (outcome, decided_by) = if !blocks.is_empty() {
        (Outcome::DoesNotBoot, blocks)
    } else if !unknown.is_empty() || lacks {
        (Outcome::Unknown, unknown)
    } else {
        (Outcome::Boots, supports)
    };
    Verdict {
        platform,
        outcome,
        decided_by,
    }
}
