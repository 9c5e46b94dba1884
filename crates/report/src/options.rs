//! Who reads a report.

use std::str::FromStr;

use jiff::tz::TimeZone;

/// The reader's language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// Japanese.
    Ja,
}

impl Lang {
    /// Both.
    pub const ALL: [Self; 2] = [Self::En, Self::Ja];

    /// Its code in BCP 47.
    pub fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Ja => "ja",
        }
    }
}

/// What a report is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For a terminal, the worst last.
    #[default]
    Table,
    /// The audit itself; its schema is `docs/schema/audit-1.json`.
    Json,
    /// For a spreadsheet.
    Csv,
    /// Markdown with tables, as GitHub reads it.
    Md,
    /// One file that needs nothing else.
    Html,
    /// OCSF 1.8, Detection Finding.
    Ocsf,
    /// For a continuous integration.
    Junit,
    /// A calendar of deadlines.
    Ics,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Table,
        Self::Json,
        Self::Csv,
        Self::Md,
        Self::Html,
        Self::Ocsf,
        Self::Junit,
        Self::Ics,
    ];

    /// Its word on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Md => "md",
            Self::Html => "html",
            Self::Ocsf => "ocsf",
            Self::Junit => "junit",
            Self::Ics => "ics",
        }
    }
}

/// A word that is none of those that were expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{given}\" is not {what}: expected one of {expected}")]
pub struct WordError {
    given: String,
    what: &'static str,
    expected: String,
}

impl FromStr for Format {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        Self::ALL
            .into_iter()
            .find(|format| format.as_str() == text)
            .ok_or_else(|| WordError {
                given: text.to_owned(),
                what: "a format",
                expected: Self::ALL.map(Self::as_str).join(", "),
            })
    }
}

impl FromStr for Lang {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        Self::ALL
            .into_iter()
            .find(|lang| lang.code() == text)
            .ok_or_else(|| WordError {
                given: text.to_owned(),
                what: "a language",
                expected: Self::ALL.map(Self::code).join(", "),
            })
    }
}

/// Who reads a report, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// The reader's language.
    pub lang: Lang,
    /// The reader's time zone. UTC always stands beside it.
    pub zone: TimeZone,
    /// Only what is this client's, by the name in the accounts file. Nothing else of the audit is in the report then.
    pub client: Option<String>,
    /// Width of the terminal in columns, for [`Format::Table`].
    pub width: usize,
    /// Whether [`Format::Table`] may use colours.
    pub colour: bool,
    /// Whether [`Format::Csv`] begins with a byte order mark. Japanese spreadsheet programs take a file for Shift JIS without.
    pub bom: bool,
}

impl Options {
    /// For a reader of a language, in the time zone that people who read it usually live in: UTC for English, Tokyo for
    /// Japanese where this machine knows it.
    pub fn new(lang: Lang) -> Self {
        let zone = match lang {
            Lang::En => TimeZone::UTC,
            Lang::Ja => TimeZone::get("Asia/Tokyo").unwrap_or(TimeZone::UTC),
        };
        Self {
            lang,
            zone,
            client: None,
            width: 100,
            colour: false,
            bom: lang == Lang::Ja,
        }
    }
}
