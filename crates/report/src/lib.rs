//! Shows an audit, plans and runs: to people, in English and Japanese, and to other programs.
//!
//! One model, many faces. A [`Report`] borrows what is to be shown; each module of [`faces`] turns it into bytes and does
//! nothing else: no file, no clock, no account. All sentences are in the [`catalogue`]; the audit itself has none.
//!
//! Names, tags and console lines are somebody else's text. [`harmless`] takes from them what steers a terminal or a reader's
//! eye; each face then escapes for its own format.

pub mod catalogue;
pub mod changes;
pub mod faces;
pub mod findings;
pub mod harmless;
mod identity;
pub mod notify;
pub mod options;
pub mod present;
pub mod values;
pub mod view;
mod when;

pub use options::{Format, Lang, Options};
pub use view::{PlanView, Report, RunState, RunView};

/// A report that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A value that does not go into JSON.
    #[error("writing the report as JSON: {0}")]
    Json(#[from] std::io::Error),
    /// The CSV writer.
    #[error("writing the report as CSV: {0}")]
    Csv(#[from] csv::Error),
    /// The template.
    #[error("writing the report as HTML: {0}")]
    Html(#[from] askama::Error),
    /// The JUnit writer.
    #[error("writing the report as JUnit: {0}")]
    Junit(#[from] quick_junit::SerializeError),
}

/// The report in a format.
///
/// # Errors
/// Only where a library that writes the format refuses; none is known to.
pub fn render(format: Format, report: &Report<'_>, options: &Options) -> Result<Vec<u8>, ReportError> {
    match format {
        Format::Table => Ok(faces::table::render(report, options)),
        Format::Json => faces::json::render(report, options),
        Format::Csv => faces::csv::render(report, options),
        Format::Md => Ok(faces::markdown::render(report, options)),
        Format::Html => faces::html::render(report, options),
        Format::Ocsf => faces::ocsf::render(report, options),
        Format::Junit => faces::junit::render(report, options),
        Format::Ics => Ok(faces::ics::render(report, options)),
    }
}
