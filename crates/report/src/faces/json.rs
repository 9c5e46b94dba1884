//! The audit itself. Its schema is `docs/schema/audit-1.json`.

use std::fmt::Write as _;

use crate::ReportError;
use crate::harmless::steers;
use crate::options::Options;
use crate::view::Report;

/// The audit as JSON, indented.
///
/// # Errors
/// If the audit holds what JSON cannot.
pub fn render(report: &Report<'_>, options: &Options) -> Result<Vec<u8>, ReportError> {
    let text = serde_json::to_string_pretty(report.audit_for(options).as_ref())?;
    let mut bytes = quiet(&text).into_bytes();
    bytes.push(b'\n');
    Ok(bytes)
}

/// JSON with every character that steers a terminal or an eye as an escape: the same values for a program, and harmless for a
/// person who looks at the file. The writer itself escapes only what is below a blank.
pub(crate) fn quiet(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    let mut units = [0; 2];
    for c in json.chars() {
        // Line feeds are the writer's own, between values: inside of texts they are escaped already.
        if c != '\n' && steers(c) {
            for unit in c.encode_utf16(&mut units) {
                let _ = write!(text, "\\u{unit:04x}");
            }
        } else {
            text.push(c);
        }
    }
    text
}
