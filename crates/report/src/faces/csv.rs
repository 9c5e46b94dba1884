//! For a spreadsheet: a row for each finding, for each silenced one, and for each account and region that was not read.

use crate::ReportError;
use crate::options::Options;
use crate::present::{self, FindingRow};
use crate::view::Report;

/// The report as CSV (RFC 4180), in UTF-8, with a byte order mark if the options say so.
///
/// # Errors
/// If the writer refuses.
pub fn render(report: &Report<'_>, options: &Options) -> Result<Vec<u8>, ReportError> {
    let page = present::page(report, options);
    let mut bytes = Vec::new();
    if options.bom {
        bytes.extend("\u{feff}".bytes());
    }
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(bytes);
    let heads = [
        "kind",
        "rank",
        "risk",
        "client",
        "account",
        "region",
        "instance",
        "name",
        "type",
        "rule",
        "finding",
        "detail",
        "deadline",
        "what-to-do",
        "by",
        "command",
        "link",
    ];
    writer.write_record(heads.map(|head| page.texts.text(head)))?;
    let mut write = |cells: [String; 17]| writer.write_record(cells.map(|cell| guarded(&cell)));
    let none = String::new;
    for row in &page.rows {
        for finding in &row.findings {
            write([
                page.texts.text("kind-finding"),
                row.rank.to_string(),
                finding.level.clone(),
                row.client.clone(),
                row.account.clone(),
                row.region.clone(),
                row.id.clone(),
                row.name.clone(),
                row.instance_type.clone(),
                finding.rule.clone(),
                finding.title.clone(),
                finding.text.clone(),
                row.deadline
                    .as_ref()
                    .and_then(|deadline| deadline.begins.as_ref())
                    .map_or_else(none, |begins| begins.text.clone()),
                row.act.clone(),
                row.by.as_ref().map_or_else(none, |by| by.text.clone()),
                finding
                    .command
                    .clone()
                    .or_else(|| row.command.clone())
                    .unwrap_or_default(),
                finding.link.clone().unwrap_or_default(),
            ])?;
        }
    }
    for row in &page.silenced {
        let FindingRow {
            level,
            rule,
            title,
            link,
            ..
        } = &row.finding;
        write([
            page.texts.text("kind-silenced"),
            none(),
            level.clone(),
            row.client.clone(),
            row.account.clone(),
            row.region.clone(),
            row.instance.clone(),
            row.name.clone(),
            none(),
            rule.clone(),
            title.clone(),
            format!("{} ({})", row.reason, row.until),
            none(),
            none(),
            none(),
            none(),
            link.clone().unwrap_or_default(),
        ])?;
    }
    for row in &page.unread {
        write([
            page.texts.text("kind-unread"),
            none(),
            none(),
            row.client.clone(),
            row.account.clone(),
            row.region.clone(),
            none(),
            none(),
            none(),
            none(),
            row.state.clone(),
            row.details.join("; "),
            none(),
            none(),
            none(),
            none(),
            none(),
        ])?;
    }
    writer
        .into_inner()
        .map_err(|error| ReportError::Csv(error.into_error().into()))
}

/// A cell that no spreadsheet takes for a formula: <https://owasp.org/www-community/attacks/CSV_Injection>.
fn guarded(cell: &str) -> String {
    // Full-width forms are formulas too where the input method is Japanese.
    const BEGINS: [char; 11] = [
        '=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}',
    ];
    if cell.starts_with(BEGINS) {
        format!("'{cell}")
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_text() {
        for formula in ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\u{ff1d}1"] {
            assert_eq!(guarded(formula), format!("'{formula}"));
        }
        assert_eq!(guarded("a=1"), "a=1");
    }
}
