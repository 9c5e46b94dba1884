//! The audit itself. Its schema is `docs/schema/audit-1.json`.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::{Formatter, PrettyFormatter};

use crate::ReportError;
use crate::harmless::steers;
use crate::options::Options;
use crate::view::Report;

/// The audit as JSON, indented.
///
/// # Errors
/// If the audit holds what JSON cannot.
pub fn render(report: &Report<'_>, options: &Options) -> Result<Vec<u8>, ReportError> {
    let mut bytes = Vec::new();
    write(report, options, &mut bytes)?;
    Ok(bytes)
}

/// The same piece by piece: the text of thousands of instances need not be in memory as a whole.
///
/// # Errors
/// If it cannot be written.
pub fn write(report: &Report<'_>, options: &Options, out: impl Write) -> io::Result<()> {
    indented(report.audit_for(options).as_ref(), out)
}

/// Any value, indented, with every character that steers a terminal or an eye as an escape: the same values for a program, and
/// harmless for a person who looks at the file. A line feed ends it.
pub(crate) fn indented(value: &impl Serialize, mut out: impl Write) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(&mut out, Quiet(PrettyFormatter::new())))?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Escapes in texts what the writer itself, which escapes only what is below a blank, leaves as it is.
struct Quiet(PrettyFormatter<'static>);

impl Formatter for Quiet {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| steers(*c)) {
            out.write_all(&rest.as_bytes()[..at])?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
            rest = &rest[at + c.len_utf8()..];
        }
        out.write_all(rest.as_bytes())
    }

    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_array(out)
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array(out)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(out, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array_value(out)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object(out)
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object(out)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(out, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object_value(out)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object_value(out)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn what_steers_is_escaped_and_stays_the_same_value() {
        let value = serde_json::json!({ "k\u{202e}": ["a\u{9b}b\n\"\u{e0001}", "本番", {}] });
        let mut bytes = Vec::new();
        indented(&value, &mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.chars().all(|c| c == '\n' || !steers(c)), "{text}");
        assert!(
            text.contains("\\u202e") && text.contains("\\udb40\\udc01") && text.contains("本番"),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
