//! Markdown, as GitHub and most wikis read it.

use std::fmt::Write as _;

use crate::options::Options;
use crate::present::{self, LedgerRow, Page, Row};
use crate::view::Report;

/// The report as Markdown.
pub fn render(report: &Report<'_>, options: &Options) -> Vec<u8> {
    let page = present::page(report, options);
    let mut text = format!("# {}\n\n{}\n", plain(&page.title), plain(&page.made));
    heading(&mut text, &page, "coverage");
    let _ = writeln!(text, "{}", plain(&page.coverage));
    if !page.unread.is_empty() {
        let _ = writeln!(text, "\n### {}", page.texts.text("coverage-unread-title"));
        ledger(&mut text, &page, &page.unread);
    }
    heading(&mut text, &page, "summary");
    for line in &page.summary {
        let _ = writeln!(text, "- {}", plain(line));
    }
    table(
        &mut text,
        &page,
        &["risk", "instances", "detail"],
        page.levels
            .iter()
            .map(|level| vec![level.name.clone(), level.count.to_string(), level.says.clone()]),
    );
    if !page.rows.is_empty() {
        heading(&mut text, &page, "ranking");
        let heads = [
            "rank",
            "risk",
            "instance",
            "client",
            "region",
            "deadline",
            "what-to-do",
            "by",
        ];
        table(&mut text, &page, &heads, page.rows.iter().map(|row| ranked(&page, row)));
        heading(&mut text, &page, "details");
        for row in &page.rows {
            instance(&mut text, &page, row);
        }
        heading(&mut text, &page, "meanings");
        for meaning in &page.meanings {
            let _ = write!(
                text,
                "\n### {}\n\n{}\n\n{}: {}\n",
                plain(&meaning.title),
                plain(&meaning.meaning),
                page.texts.text("remedy"),
                plain(&meaning.remedy)
            );
            if let Some(link) = &meaning.link {
                let _ = writeln!(text, "\n<{link}>");
            }
        }
    }
    plans_and_runs(&mut text, &page);
    heading(&mut text, &page, "silenced");
    if page.silenced.is_empty() {
        let _ = writeln!(text, "{}", page.texts.text("silenced-none"));
    } else {
        let heads = ["instance", "finding", "reason", "until"];
        table(
            &mut text,
            &page,
            &heads,
            page.silenced.iter().map(|row| {
                vec![
                    format!("{} {}", row.name, row.instance),
                    row.finding.title.clone(),
                    row.reason.clone(),
                    row.until.clone(),
                ]
            }),
        );
    }
    heading(&mut text, &page, "ledger");
    ledger(&mut text, &page, &page.ledger);
    let _ = writeln!(text, "\n{}", page.calls);
    text.into_bytes()
}

fn heading(text: &mut String, page: &Page, id: &str) {
    let _ = write!(text, "\n## {}\n\n", page.texts.text(id));
}

fn ranked(page: &Page, row: &Row) -> Vec<String> {
    let deadline = row.deadline.as_ref().map_or_else(
        || page.texts.text("no-event"),
        |deadline| match &deadline.begins {
            Some(begins) => format!("{} ({})", begins.text, deadline.left),
            None => deadline.left.clone(),
        },
    );
    vec![
        row.rank.to_string(),
        row.risk.clone(),
        format!("{} {}", row.name, row.id),
        row.client.clone(),
        row.region.clone(),
        deadline,
        row.act.clone(),
        row.by
            .as_ref()
            .map_or_else(|| page.texts.text("no-date"), |by| by.text.clone()),
    ]
}

fn instance(text: &mut String, page: &Page, row: &Row) {
    let _ = write!(
        text,
        "\n### {}. {} ({})\n\n",
        row.rank,
        plain(&row.name),
        plain(&row.id)
    );
    for (what, value) in &row.facts {
        let _ = writeln!(text, "- {what}: {}", plain(value));
    }
    if let Some(deadline) = &row.deadline {
        let _ = writeln!(
            text,
            "- {}: {}; {}; {}",
            page.texts.text("deadline"),
            deadline.begins.as_ref().map_or("", |begins| &begins.text),
            deadline.effect,
            deadline.movable
        );
    }
    let _ = write!(text, "- {}: {}", page.texts.text("what-to-do"), row.act);
    if let Some(by) = &row.by {
        let _ = write!(
            text,
            ", {}",
            page.texts.with("by-when", &[("when", by.text.clone().into())])
        );
    }
    text.push('\n');
    if let Some(command) = &row.command {
        code(text, command);
    }
    for finding in &row.findings {
        let _ = write!(
            text,
            "\n**{}** ({}): {}\n",
            plain(&finding.title),
            finding.level,
            plain(&finding.text)
        );
        for evidence in &finding.evidence {
            let _ = writeln!(text, "- {}: {}", page.texts.text("evidence"), plain(evidence));
        }
        if let Some(command) = finding
            .command
            .as_ref()
            .filter(|command| Some(*command) != row.command.as_ref())
        {
            code(text, command);
        }
    }
}

fn plans_and_runs(text: &mut String, page: &Page) {
    if !page.plans.is_empty() {
        heading(text, page, "plans");
        let heads = [
            "instance",
            "plan-from-to",
            "plan-difference",
            "plan-downtime",
            "plan-cost",
            "plan-notices",
        ];
        table(
            text,
            page,
            &heads,
            page.plans.iter().map(|plan| {
                vec![
                    format!("{} {}", plan.name, plan.instance),
                    format!("{} → {}", plan.from, plan.to),
                    plan.difference.clone(),
                    plan.downtime.clone(),
                    plan.cost.clone(),
                    plan.notices.join("; "),
                ]
            }),
        );
    }
    if !page.runs.is_empty() {
        heading(text, page, "runs");
        let heads = ["run", "instance", "state", "run-started", "run-downtime"];
        table(
            text,
            page,
            &heads,
            page.runs.iter().map(|run| {
                vec![
                    run.id.clone(),
                    run.instance.clone(),
                    run.state.clone(),
                    run.started.text.clone(),
                    run.downtime.clone(),
                ]
            }),
        );
    }
}

fn ledger(text: &mut String, page: &Page, rows: &[LedgerRow]) {
    let heads = ["client", "account", "region", "state", "instances", "detail"];
    table(
        text,
        page,
        &heads,
        rows.iter().map(|row| {
            vec![
                row.client.clone(),
                row.account.clone(),
                row.region.clone(),
                row.state.clone(),
                row.instances.to_string(),
                row.details.join("; "),
            ]
        }),
    );
}

/// A table; the cells are somebody's texts.
fn table(text: &mut String, page: &Page, heads: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    text.push('\n');
    for head in heads {
        let _ = write!(text, "| {} ", page.texts.text(head));
    }
    text.push_str("|\n");
    text.push_str(&"| --- ".repeat(heads.len()));
    text.push_str("|\n");
    for row in rows {
        for cell in row {
            let _ = write!(text, "| {} ", plain(&cell));
        }
        text.push_str("|\n");
    }
}

/// A command on lines of its own. The fence is longer than any run of backticks within.
fn code(text: &mut String, command: &str) {
    let mut longest = 2;
    let mut run = 0;
    for c in command.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(longest + 1);
    let _ = write!(text, "\n{fence}sh\n{command}\n{fence}\n");
}

/// Text of which nothing is a mark of Markdown or HTML. A line feed cannot be in it: those were made visible before.
fn plain(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            // A name in front of which there is a mention would call somebody.
            '@' => safe.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!' | '$' => {
                safe.push('\\');
                safe.push(c);
            }
            _ => safe.push(c),
        }
    }
    // Addresses become links by themselves: not those of a stranger.
    safe.replace("://", ":\u{2060}//")
        .replace("www.", "www\u{2060}.")
        .replace('\u{2060}', "<!-- -->")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_text() {
        assert_eq!(plain("a|b`c`"), "a\\|b\\`c\\`");
        assert_eq!(plain("<script>"), "&lt;script&gt;");
        assert_eq!(plain("[x](javascript:1)"), "\\[x\\](javascript:1)");
        assert_eq!(
            plain("@all https://evil.example"),
            "&#64;all https:<!-- -->//evil.example"
        );
    }

    #[test]
    fn fences_hold() {
        let mut text = String::new();
        code(&mut text, "echo ```` x");
        assert_eq!(text, "\n`````sh\necho ```` x\n`````\n");
    }
}
