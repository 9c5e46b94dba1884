//! For a terminal: the worst last, and what was not read after it, so that both stay on the screen.

use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::options::Options;
use crate::present::{self, Page, Row};
use crate::view::Report;

/// Narrowest terminal that lines are laid out for, in columns.
const NARROWEST: usize = 40;

/// The report as lines no wider than the terminal. Commands are an exception: they are there to be copied.
pub fn render(report: &Report<'_>, options: &Options) -> Vec<u8> {
    let page = present::page(report, options);
    let width = options.width.max(NARROWEST);
    let mut text = String::new();
    for row in page.rows.iter().rev() {
        instance(&mut text, row, width, options.colour);
    }
    if !page.silenced.is_empty() {
        let _ = writeln!(text, "{}", page.texts.text("silenced"));
        for row in &page.silenced {
            let line = format!("{} {}: {}; {}", row.instance, row.finding.title, row.reason, row.until);
            wrapped(&mut text, &line, 2, width);
        }
        text.push('\n');
    }
    coverage(&mut text, &page, width, options.colour);
    for line in &page.summary {
        wrapped(&mut text, line, 0, width);
    }
    wrapped(&mut text, &page.calls, 0, width);
    if !page.rows.is_empty() {
        wrapped(&mut text, &page.texts.text("table-more"), 0, width);
    }
    text.into_bytes()
}

fn instance(text: &mut String, row: &Row, width: usize, colour: bool) {
    let mut head = format!("{}  {}  {}", row.id, row.name, row.instance_type);
    for part in [&row.region, &row.account, &row.client] {
        if !part.is_empty() {
            head.push_str("  ");
            head.push_str(part);
        }
    }
    let risk = padded(&row.risk, 8);
    let head = cut(&head, width.saturating_sub(10));
    let _ = writeln!(text, "{}  {head}", coloured(&risk, row.key, colour));
    if let Some(deadline) = &row.deadline {
        let mut line = match &deadline.begins {
            Some(begins) => format!("{}, {}: ", begins.text, deadline.left),
            None => String::new(),
        };
        let _ = write!(line, "{}; {}", deadline.effect, deadline.movable);
        wrapped(text, &line, 10, width);
    }
    for finding in &row.findings {
        let line = format!("[{}] {}", finding.level, finding.title);
        wrapped(text, &line, 10, width);
    }
    let mut what = format!("→ {}", row.act);
    if let Some(by) = &row.by {
        let _ = write!(what, " ({})", by.text);
    }
    wrapped(text, &what, 10, width);
    if let Some(command) = &row.command {
        let _ = writeln!(text, "            {command}");
    }
    text.push('\n');
}

fn coverage(text: &mut String, page: &Page, width: usize, colour: bool) {
    for row in &page.unread {
        let mut line = format!("! {} {} {}: {}", row.client, row.account, row.region, row.state);
        for detail in &row.details {
            line.push_str("; ");
            line.push_str(detail);
        }
        wrapped(text, line.replace("!  ", "! ").as_str(), 0, width);
    }
    let mut sentence = String::new();
    wrapped(&mut sentence, &page.coverage, 0, width);
    if page.complete {
        text.push_str(&sentence);
    } else {
        for line in sentence.lines() {
            let _ = writeln!(text, "{}", coloured(line, "high", colour));
        }
    }
}

fn coloured(text: &str, key: &str, colour: bool) -> String {
    let code = match key {
        _ if !colour => return text.to_owned(),
        "critical" => "1;31",
        "high" => "31",
        "medium" => "33",
        _ => return text.to_owned(),
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

/// With blanks behind it up to a width in columns.
fn padded(text: &str, width: usize) -> String {
    let blanks = width.saturating_sub(text.width());
    format!("{text}{}", " ".repeat(blanks))
}

/// No wider than some columns.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut short = String::new();
    let mut columns = 1;
    for c in text.chars() {
        columns += c.width().unwrap_or(0);
        if columns > width {
            break;
        }
        short.push(c);
    }
    short.push('…');
    short
}

/// Lines that are no wider than some columns, each indented. Japanese has no blanks: a line may end behind any wide character.
fn wrapped(text: &mut String, what: &str, indent: usize, width: usize) {
    let room = width.saturating_sub(indent).max(20);
    let blanks = " ".repeat(indent);
    let mut line = String::new();
    for word in pieces(what) {
        if line.width() + word.trim_end().width() > room && !line.trim().is_empty() {
            let _ = writeln!(text, "{blanks}{}", line.trim_end());
            line.clear();
        }
        let mut word = word;
        while word.trim_end().width() > room {
            let short = longest(word, room);
            let _ = writeln!(text, "{blanks}{}", &word[..short]);
            word = &word[short..];
        }
        line.push_str(word);
    }
    if !line.trim().is_empty() {
        let _ = writeln!(text, "{blanks}{}", line.trim_end());
    }
}

/// How many bytes of a text fit into some columns; at least one character.
fn longest(text: &str, room: usize) -> usize {
    let mut columns = 0;
    for (at, c) in text.char_indices() {
        columns += c.width().unwrap_or(0);
        if columns > room && at > 0 {
            return at;
        }
    }
    text.len()
}

/// A text in pieces between which a line may end.
fn pieces(text: &str) -> Vec<&str> {
    // A line does not begin with these.
    const CLOSING: &str = "、。」』,.:;)…]\u{ff09}\u{ff1a}\u{ff1b}\u{ff0c}\u{ff0e}";
    // Nor does one end with these.
    const OPENING: &str = "「『([\u{ff08}";
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut previous = ' ';
    for (at, c) in text.char_indices() {
        let wide = |c: char| c.width() == Some(2);
        let may_end = (previous == ' ' && c != ' ')
            || ((wide(previous) || wide(c)) && !CLOSING.contains(c) && !OPENING.contains(previous));
        if at > start && may_end {
            pieces.push(&text[start..at]);
            start = at;
        }
        previous = c;
    }
    pieces.push(&text[start..]);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_where_they_may() {
        let mut text = String::new();
        wrapped(&mut text, "one two three four five six seven", 2, 22);
        assert_eq!(text, "  one two three four\n  five six seven\n");
        text.clear();
        wrapped(&mut text, "再起動から復帰できないおそれがあります。", 0, 20);
        assert_eq!(text, "再起動から復帰できな\nいおそれがあります。\n");
        text.clear();
        wrapped(&mut text, &"x".repeat(45), 0, 20);
        assert_eq!(text, format!("{0}\n{0}\nxxxxx\n", "x".repeat(20)));
    }

    #[test]
    fn what_is_cut_says_so() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdefg", 6), "abcde…");
        assert_eq!(cut("日本語日本", 6), "日本…");
    }
}
