//! What the faces write: against golden files, and with hostile texts in them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod example;

use std::path::PathBuf;

use comeback_report::{Format, Lang, Options, notify, render};

fn whole(format: Format, options: &Options, audit: &comeback_audit::model::Audit) -> String {
    let (plans, runs) = (example::plans(), example::runs());
    String::from_utf8(render(format, &example::report(audit, &plans, &runs), options).unwrap()).unwrap()
}

fn golden(name: &str, is: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var_os("COMEBACK_BLESS").is_some_and(|value| value == "1") {
        std::fs::write(&path, is).unwrap();
        return;
    }
    let should = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        should == is,
        "{} is not what is written now: look at the difference after COMEBACK_BLESS=1",
        path.display()
    );
}

#[test]
fn every_face_writes_what_was_looked_at() {
    let audit = example::audit();
    for format in Format::ALL {
        for lang in Lang::ALL {
            if format == Format::Json && lang == Lang::Ja {
                continue;
            }
            let name = format!("{}.{}", lang.code(), format.as_str());
            golden(&name, &whole(format, &Options::new(lang), &audit));
        }
    }
}

#[test]
fn a_client_sees_nothing_of_another() {
    let audit = example::audit();
    for format in Format::ALL {
        for lang in Lang::ALL {
            for (own, other, others) in [
                (
                    example::FIRST,
                    example::SECOND,
                    ["444455556666", "legacy-batch", "i-5c3e9a01"],
                ),
                (
                    example::SECOND,
                    example::FIRST,
                    ["111122223333", "web-2", "i-0a11b22cc33dd44ee"],
                ),
            ] {
                let options = Options {
                    client: Some(own.to_owned()),
                    ..Options::new(lang)
                };
                let text = whole(format, &options, &audit);
                for secret in others.iter().chain([&other]) {
                    assert!(!text.contains(secret), "{secret} is in {own}'s {}", format.as_str());
                }
            }
        }
    }
}

/// No face looks cleaner than what was read.
#[test]
fn what_was_not_read_is_in_every_face() {
    let mut audit = example::audit();
    audit.instances.clear();
    audit.silenced.clear();
    for format in Format::ALL {
        let text = whole(format, &Options::new(Lang::En), &audit).to_lowercase();
        assert!(
            text.contains("not read") || text.contains("unread"),
            "{} does not say it",
            format.as_str()
        );
    }
    // On page one, before anything that was found.
    let page = whole(Format::Html, &Options::new(Lang::En), &example::audit());
    assert!(page.find("sa-east-1").unwrap() < page.find("web-2").unwrap());
    let table = whole(Format::Table, &Options::new(Lang::En), &example::audit());
    assert!(table.find("sa-east-1").unwrap() > table.rfind("web-2").unwrap());
}

#[test]
fn the_worst_is_last_on_a_terminal_and_lines_fit() {
    let audit = example::audit();
    for lang in Lang::ALL {
        let mut options = Options::new(lang);
        options.width = 80;
        let text = whole(Format::Table, &options, &audit);
        assert!(text.find("i-0b22a22eec53b9321").unwrap() > text.find("i-0feedfacecafebeef").unwrap());
        for line in text.lines().filter(|line| !line.contains("comeback ")) {
            assert!(unicode_width::UnicodeWidthStr::width(line) <= 80, "{line}");
        }
    }
}

/// Whoever takes them in knows a finding again, whatever else is found and in what order.
#[test]
fn events_of_a_siem_have_names_that_last() {
    let names = |audit: &comeback_audit::model::Audit| {
        let text = whole(Format::Ocsf, &Options::new(Lang::En), audit);
        let events: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        let name = |event: &serde_json::Value| event["finding_info"]["uid"].as_str().unwrap().to_owned();
        let names: std::collections::BTreeSet<String> = events.iter().map(name).collect();
        assert_eq!(names.len(), events.len(), "a name is there twice");
        names
    };
    let mut audit = example::audit();
    let before = names(&audit);
    audit.instances.reverse();
    for subject in &mut audit.instances {
        subject.findings.reverse();
    }
    assert_eq!(names(&audit), before);
    let mut second = audit.instances[4].findings.last().unwrap().clone();
    assert_eq!(second.rule, "event-system-reboot");
    second
        .values
        .insert("event".to_owned(), example::text("instance-event-0e"));
    audit.instances[4].findings.insert(0, second);
    let more: Vec<String> = names(&audit).difference(&before).cloned().collect();
    assert_eq!(
        more,
        ["comeback:111122223333:ap-northeast-1:i-0a11b22cc33dd44ee:event-system-reboot:instance-event-0e"]
    );
}

#[test]
fn hostile_texts_steer_nothing() {
    for hostile in example::hostile() {
        let audit = example::with(&hostile);
        for format in Format::ALL {
            for lang in Lang::ALL {
                let mut options = Options::new(lang);
                options.bom = false;
                let text = whole(format, &options, &audit);
                let bad = text
                    .chars()
                    .find(|c| comeback_report::harmless::steers(*c) && !matches!(c, '\n' | '\r'));
                assert_eq!(bad, None, "{} with {hostile:.40}", format.as_str());
                if format != Format::Json {
                    assert!(
                        !text.contains(&"x".repeat(5_000)),
                        "{} with a long tag",
                        format.as_str()
                    );
                }
                check(format, &text);
            }
        }
        for lang in Lang::ALL {
            let text = notify::summary(&audit, &Options::new(lang))["text"].to_string();
            assert!(!text.contains("<!channel>"), "{text}");
        }
    }
}

fn check(format: Format, text: &str) {
    match format {
        Format::Html => {
            let small = text.to_lowercase();
            for bad in ["<script", "<img", "href=\"javascript", "onerror=alert(1)>"] {
                assert!(!small.contains(bad), "{bad}");
            }
            assert!(!small.contains("href=\"x") && !small.contains("href=\"="));
        }
        Format::Csv => {
            let mut reader = csv::Reader::from_reader(text.as_bytes());
            for record in reader.records() {
                let record = record.unwrap();
                assert_eq!(record.len(), 17);
                for cell in &record {
                    assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell}");
                }
            }
        }
        Format::Md => markdown(text),
        Format::Ics => {
            assert!(text.split("\r\n").all(|line| line.len() <= 75), "a line is too long");
            assert!(!text.replace("\r\n", "").contains(['\r', '\n']));
            let count = |what: &str| text.split("\r\n").filter(|line| *line == what).count();
            assert_eq!(count("BEGIN:VEVENT"), 3);
            assert_eq!(count("END:VEVENT"), 3);
        }
        Format::Junit => {
            let report = quick_junit::Report::deserialize_from_str(text).unwrap();
            assert!(report.test_suites.len() >= 5);
        }
        Format::Json => {
            serde_json::from_str::<comeback_audit::model::Audit>(text).unwrap();
        }
        Format::Ocsf => {
            let events: Vec<serde_json::Value> = serde_json::from_str(text).unwrap();
            assert!(events.iter().all(|event| event["class_uid"] == 2004));
        }
        Format::Table => assert!(!text.contains('\r')),
    }
}

/// As a reader of Markdown sees it: no HTML of a stranger, no link but to the documentation, and the sections that belong there.
fn markdown(text: &str) {
    use pulldown_cmark::{Event, Options, Parser, Tag};
    let mut headings = 0;
    for event in Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH) {
        match event {
            Event::Html(html) | Event::InlineHtml(html) => assert_eq!(&*html, "<!-- -->"),
            Event::Start(Tag::Link { dest_url, .. }) => {
                assert!(dest_url.starts_with("https://docs.aws.amazon.com/"), "{dest_url}")
            }
            Event::Start(Tag::Image { dest_url, .. }) => panic!("an image: {dest_url}"),
            Event::Start(Tag::Heading { level, .. }) if level as u8 <= 2 => headings += 1,
            _ => {}
        }
    }
    assert_eq!(headings, 10);
}

#[test]
fn json_is_the_audit_and_keeps_every_character() {
    for hostile in example::hostile() {
        let audit = example::with(&hostile);
        let text = whole(Format::Json, &Options::new(Lang::En), &audit);
        assert_eq!(
            serde_json::from_str::<comeback_audit::model::Audit>(&text).unwrap(),
            audit
        );
    }
}

/// A later calendar replaces entries of an earlier one: same UID, greater SEQUENCE.
#[test]
fn a_new_calendar_updates_the_old_one() {
    let old = example::audit();
    let mut new = example::audit();
    new.finished = example::time("2018-01-03T00:15:08Z");
    new.instances[1].deadline.as_mut().unwrap().not_before = Some(example::time("2018-01-10T12:00:00Z"));
    let line = |text: &str, what: &str| -> Vec<String> {
        let lines = text.split("\r\n").filter(|line| line.starts_with(what));
        lines.map(str::to_owned).collect()
    };
    let options = Options::new(Lang::En);
    let (old, new) = (whole(Format::Ics, &options, &old), whole(Format::Ics, &options, &new));
    assert_eq!(line(&old, "UID:"), line(&new, "UID:"));
    assert!(
        line(&old, "UID:")
            .iter()
            .any(|uid| uid.contains("instance-event-0d59937288b749b32-i-0a11b22cc33dd44ee"))
    );
    let sequence = |text: &str| -> u32 { line(text, "SEQUENCE:")[0]["SEQUENCE:".len()..].parse().unwrap() };
    assert!(sequence(&new) > sequence(&old));
    assert!(new.contains("DTSTART:20180110T120000Z"));
}

#[test]
fn commands_can_be_copied_whole_from_a_terminal() {
    let mut audit = example::audit();
    let long = format!("comeback rescue i-0b22a22eec53b9321 --role-arn {}", "r".repeat(300));
    audit.instances[0].advice.command = Some(long.clone());
    assert!(whole(Format::Table, &Options::new(Lang::En), &audit).contains(&long));
}
