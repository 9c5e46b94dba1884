//! Text for people.

use std::fmt::{Display, Write as _};
use std::io::{self, Write as _};

use comeback_convert::finding::{Finding, Level};
use comeback_convert::verdict::Assessment;
use comeback_report::harmless::steers;
use jiff::Timestamp;

/// Somebody else's text with everything that would steer a terminal made visible, except tabulators.
pub(crate) fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) && c != '\t' {
            safe.extend(c.escape_unicode());
        } else {
            safe.push(c);
        }
    }
    safe
}

/// A console's text without what moves the cursor and colours it, as `ESC [ … letter`, and with one line end for each line.
pub(crate) fn without_escapes(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars().filter(|c| *c != '\r').peekable();
    while let Some(c) = rest.next() {
        if c == '\u{1b}' && rest.next_if_eq(&'[').is_some() {
            // ECMA-48: parameters and intermediates, then one final byte.
            while rest.next_if(|c| matches!(c, ' '..='?')).is_some() {}
            rest.next_if(|c| matches!(c, '@'..='~'));
        } else {
            plain.push(c);
        }
    }
    plain
}

/// Prints to standard output; an error is the caller's.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Prints to standard error. Nothing can be done when nobody listens there.
pub(crate) fn say(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// How many rows the terminal has that standard error goes to, if it goes to one on which a cursor can be moved.
pub(crate) fn rows() -> Option<u16> {
    let dumb = std::env::var_os("TERM").is_none_or(|name| name.is_empty() || name == "dumb");
    let term = console::Term::stderr();
    (!dumb && term.is_term()).then(|| term.size().0)
}

/// Prints a value as JSON.
pub(crate) fn json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    print(&format!("{}\n", serde_json::to_string_pretty(value)?))
}

/// Whether an error is that nobody reads our output any more.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    kind == Some(io::ErrorKind::BrokenPipe)
}

/// Prints an error with its causes to standard error. Causes that the message has in it already are not repeated.
pub(crate) fn error(error: &anyhow::Error) {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            let _ = write!(text, "{}{cause}", if text.is_empty() { "" } else { ": " });
        }
    }
    say(&format!("comeback: {}\n", printable(&text)));
}

/// A bar for bytes, shown where somebody looks.
pub(crate) fn progress() -> indicatif::ProgressBar {
    let bar = indicatif::ProgressBar::new(0);
    if let Ok(style) = indicatif::ProgressStyle::with_template("{bar:40} {bytes} of {total_bytes}, {bytes_per_sec}") {
        bar.set_style(style);
    }
    bar
}

/// A number of bytes as people say it.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} bytes");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// Adds a finding with its evidence and remedy.
pub(crate) fn finding(text: &mut String, finding: &Finding) {
    let _ = writeln!(
        text,
        "  {:<8} {}  {}",
        finding.level,
        finding.id,
        printable(&finding.title)
    );
    for evidence in &finding.evidence {
        let _ = writeln!(text, "             {}", printable(&evidence.to_string()));
    }
    if !finding.remedy.is_empty() {
        let _ = writeln!(text, "             remedy: {}", printable(&finding.remedy));
    }
}

/// Adds the findings, the worst last so that it stays on the screen, and the verdicts.
pub(crate) fn assessment(text: &mut String, assessment: &Assessment) {
    let count = |level| {
        assessment
            .findings
            .iter()
            .filter(|finding| finding.level == level)
            .count()
    };
    let _ = writeln!(
        text,
        "\nFindings: {} info, {} warnings, {} blockers",
        count(Level::Info),
        count(Level::Warning),
        count(Level::Blocker)
    );
    for one in &assessment.findings {
        finding(text, one);
    }
    verdicts(text, assessment);
}

/// Adds the verdicts.
pub(crate) fn verdicts(text: &mut String, assessment: &Assessment) {
    let _ = writeln!(text, "\nVerdicts");
    for verdict in &assessment.verdicts {
        let outcome = verdict.outcome.to_string();
        let _ = writeln!(
            text,
            "  {:<13} {outcome:<14} {}",
            verdict.platform,
            verdict.decided_by.join(", ")
        );
    }
}

/// A time to the minute.
pub(crate) fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// `1 event`, `2 events`.
pub(crate) fn count<N: Display + PartialEq + From<u8>>(number: N, what: &str) -> String {
    let ending = if number == N::from(1) { "" } else { "s" };
    format!("{number} {what}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_made_visible() {
        assert_eq!(printable("a\x1b[2Jb\u{202e}c\td"), "a\\u{1b}[2Jb\\u{202e}c\td");
        assert_eq!(printable("日本語"), "日本語");
        // No width, the other directions, and letters that only machines read.
        for hidden in [
            '\u{200b}',
            '\u{2060}',
            '\u{feff}',
            '\u{061c}',
            '\u{2028}',
            '\u{206a}',
            '\u{fff9}',
            '\u{e0041}',
        ] {
            assert_eq!(
                printable(&format!("a{hidden}b")),
                format!("a{}b", hidden.escape_unicode())
            );
        }
    }

    #[test]
    fn a_console_loses_its_colours_and_nothing_else() {
        let console = "[\u{1b}[0;32m  OK  \u{1b}[0m] Up\r\n\u{1b}[H\u{1b}[Jlogin: \u{1b}]0;title\u{7}";
        assert_eq!(without_escapes(console), "[  OK  ] Up\nlogin: \u{1b}]0;title\u{7}");
    }

    #[test]
    fn sizes_are_rounded() {
        assert_eq!(size(512), "512 bytes");
        assert_eq!(size(4 << 30), "4.0 GiB");
        assert_eq!(size(300_000), "293.0 KiB");
    }
}
