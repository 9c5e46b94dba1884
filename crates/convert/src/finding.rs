//! One thing seen on a disk that matters.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::platform::Platform;

/// How much a finding matters; the worst effect that it has on any platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Good to know, or what a verdict of `boots` rests on.
    Info,
    /// The guest boots, but something will not be as it was.
    Warning,
    /// The guest does not boot on some platform, or comeback must not convert it.
    Blocker,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Level::Info => "info",
            Level::Warning => "warning",
            Level::Blocker => "blocker",
        })
    }
}

/// What a finding means for one platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// A reason why it boots.
    Supports,
    /// It boots, but not as before.
    Warns,
    /// Whether it boots cannot be told.
    Unknown,
    /// It does not boot.
    Blocks,
}

/// Where something was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// Path within the guest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Line number, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Offset from the start of the disk, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// What stands there.
    pub text: String,
}

impl Evidence {
    /// A line of a file.
    pub fn line(path: impl Into<String>, line: usize, text: impl Into<String>) -> Self {
        Evidence {
            path: Some(path.into()),
            line: Some(line),
            offset: None,
            text: text.into(),
        }
    }

    /// A file as a whole.
    pub fn file(path: impl Into<String>, text: impl Into<String>) -> Self {
        Evidence {
            path: Some(path.into()),
            text: text.into(),
            ..Evidence::default()
        }
    }

    /// Bytes of the disk.
    pub fn offset(offset: u64, text: impl Into<String>) -> Self {
        Evidence {
            offset: Some(offset),
            text: text.into(),
            ..Evidence::default()
        }
    }
}

impl From<&comeback_guest::drivers::Evidence> for Evidence {
    fn from(evidence: &comeback_guest::drivers::Evidence) -> Self {
        Evidence {
            path: Some(evidence.path.clone()),
            line: evidence.line,
            offset: None,
            text: evidence.text.clone(),
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.path, self.line, self.offset) {
            (Some(path), Some(line), _) => write!(f, "{path}:{line}: ")?,
            (Some(path), None, _) => write!(f, "{path}: ")?,
            (None, _, Some(offset)) => write!(f, "byte {offset}: ")?,
            _ => {}
        }
        f.write_str(&self.text)
    }
}

/// One thing seen, with what it means and what can be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Stable id, in kebab-case.
    pub id: &'static str,
    /// The worst that it means anywhere.
    pub level: Level,
    /// One sentence.
    pub title: String,
    /// Where it was seen.
    pub evidence: Vec<Evidence>,
    /// What to do; empty where nothing needs to be done.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remedy: String,
    /// What it means for which platform.
    pub effects: BTreeMap<Platform, Effect>,
    /// Whether a conversion must not be tried, whatever the platform.
    pub forbids_conversion: bool,
}

impl Finding {
    /// A finding that means nothing yet.
    pub fn new(id: &'static str, title: impl Into<String>) -> Self {
        Finding {
            id,
            level: Level::Info,
            title: title.into(),
            evidence: Vec::new(),
            remedy: String::new(),
            effects: BTreeMap::new(),
            forbids_conversion: false,
        }
    }

    /// Adds where it was seen.
    #[must_use]
    pub fn at(mut self, evidence: impl Into<Evidence>) -> Self {
        self.evidence.push(evidence.into());
        self
    }

    /// Adds all places where it was seen.
    #[must_use]
    pub fn at_all(mut self, evidence: impl IntoIterator<Item = Evidence>) -> Self {
        self.evidence.extend(evidence);
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }

    /// Says what it means for some platforms; the worst of several counts.
    #[must_use]
    pub fn on(mut self, platforms: &[Platform], effect: Effect) -> Self {
        for &platform in platforms {
            let entry = self.effects.entry(platform).or_insert(effect);
            *entry = effect.max(*entry);
        }
        let level = match effect {
            Effect::Supports => Level::Info,
            Effect::Warns | Effect::Unknown => Level::Warning,
            Effect::Blocks => Level::Blocker,
        };
        self.level = self.level.max(level);
        self
    }

    /// Says that it is worth a warning although it does not concern booting.
    #[must_use]
    pub fn warning(mut self) -> Self {
        self.level = self.level.max(Level::Warning);
        self
    }

    /// Says that comeback must not convert the disk.
    #[must_use]
    pub fn forbids_conversion(mut self) -> Self {
        self.forbids_conversion = true;
        self.level = Level::Blocker;
        self
    }

    /// What it means for a platform.
    pub fn effect(&self, platform: Platform) -> Option<Effect> {
        self.effects.get(&platform).copied()
    }
}
