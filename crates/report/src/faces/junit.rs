//! JUnit's XML, for a continuous integration: a suite for each account and region.
//!
//! A finding at risk is a failure, a smaller one passes with its text, a silenced one is skipped with its reason, and what was
//! not read is an error: a build on an incomplete audit is not green.

use std::collections::BTreeMap;

use quick_junit::{NonSuccessKind, Report as Suites, TestCase, TestCaseStatus, TestSuite};

use crate::ReportError;
use crate::options::Options;
use crate::present::{self, FindingRow};
use crate::view::Report;

/// The report as JUnit's XML.
///
/// # Errors
/// If the writer refuses.
pub fn render(report: &Report<'_>, options: &Options) -> Result<Vec<u8>, ReportError> {
    let page = present::page(report, options);
    let mut suites: BTreeMap<String, Vec<TestCase>> = BTreeMap::new();
    for row in &page.ledger {
        let status = if row.is_unread || !row.details.is_empty() {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_message(row.state.as_str());
            status.set_type("coverage");
            status.set_description(row.details.join("\n"));
            status
        } else {
            TestCaseStatus::success()
        };
        let mut case = TestCase::new(page.texts.text("coverage"), status);
        case.set_classname("coverage");
        suites.entry(suite(&row.account, &row.region)).or_default().push(case);
    }
    for row in &page.rows {
        let cases = suites.entry(suite(&row.account, &row.region)).or_default();
        for finding in &row.findings {
            let at_risk = matches!(finding.key, "critical" | "high" | "medium");
            let mut status = if at_risk {
                TestCaseStatus::non_success(NonSuccessKind::Failure)
            } else {
                TestCaseStatus::success()
            };
            if at_risk {
                status.set_message(format!("[{}] {}", finding.level, finding.title));
                status.set_type(finding.key);
                status.set_description(description(finding));
            }
            let mut case = TestCase::new(format!("{} ({}): {}", row.name, row.id, finding.title), status);
            case.set_classname(finding.rule.as_str());
            if !at_risk {
                case.set_system_out(description(finding));
            }
            cases.push(case);
        }
    }
    for row in &page.silenced {
        let mut status = TestCaseStatus::skipped();
        status.set_message(format!("{} ({})", row.reason, row.until));
        let name = format!("{} ({}): {}", row.name, row.instance, row.finding.title);
        let mut case = TestCase::new(name, status);
        case.set_classname(row.finding.rule.as_str());
        suites.entry(suite(&row.account, &row.region)).or_default().push(case);
    }
    let mut all = Suites::new(page.title.as_str());
    for (name, cases) in suites {
        let mut suite = TestSuite::new(name);
        suite.add_test_cases(cases);
        all.add_test_suite(suite);
    }
    Ok(all.to_string()?.into_bytes())
}

fn suite(account: &str, region: &str) -> String {
    format!("{account} {region}")
}

fn description(finding: &FindingRow) -> String {
    let mut lines = vec![finding.text.clone(), finding.remedy.clone()];
    lines.extend(finding.command.clone());
    lines.extend(finding.evidence.iter().cloned());
    lines.join("\n")
}
