//! Reports of very large audits: how long they take, how large they are, and that nothing is lost on the way. Alone in its program,
//! as it measures the memory of all of it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod example;

use std::time::{Duration, Instant};

use comeback_audit::model::Audit;
use comeback_cloud::ids::InstanceId;
use comeback_report::{Format, Lang, Options, Report, render};

/// The example's instances over and over, until there are so many findings.
fn large(findings: usize) -> Audit {
    let mut audit = example::audit();
    let some = std::mem::take(&mut audit.instances);
    let mut count = 0;
    for (number, one) in some.iter().cycle().enumerate() {
        if count >= findings {
            break;
        }
        let mut one = one.clone();
        one.id = InstanceId::from_api(format!("i-{number:017x}"));
        count += one.findings.len();
        audit.instances.push(one);
    }
    audit.instances.sort_by_key(|subject| std::cmp::Reverse(subject.risk));
    audit
}

/// Most memory that this program has had, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

/// Bytes of an HTML file that can still be sent and opened.
const MOST: usize = 20_000_000;

#[test]
fn ten_thousand_findings_are_a_report_that_can_be_sent() {
    let audit = large(10_000);
    let before = peak();
    for lang in Lang::ALL {
        let begun = Instant::now();
        let page = render(Format::Html, &Report::of(&audit), &Options::new(lang)).unwrap();
        let (took, memory) = (begun.elapsed(), peak() - before);
        println!(
            "{}: {} instances, {} bytes in {took:?}, {memory} bytes of memory",
            lang.code(),
            audit.instances.len(),
            page.len()
        );
        assert!(took < Duration::from_secs(5), "{took:?}");
        assert!(page.len() < MOST, "{} bytes", page.len());
        assert!(memory < 8 * MOST, "{memory} bytes of memory");
        // Nobody is left out for that: each is in the ranking, and in full below it.
        let page = String::from_utf8(page).unwrap();
        for place in ["<a href=\"#instance", "id=\"instance"] {
            let mut rest = page.as_str();
            for (index, subject) in audit.instances.iter().enumerate() {
                let place = format!("{place}-{}\">", index + 1);
                let at = rest.find(&place).unwrap_or_else(|| panic!("{place} is not there"));
                rest = &rest[at..];
                let near: String = rest.chars().take(250).collect();
                assert!(near.contains(subject.id.as_str()), "{near}");
            }
        }
        let findings: usize = audit.instances.iter().map(|subject| subject.findings.len()).sum();
        assert_eq!(page.matches("<h4 ").count(), findings);
    }
}
