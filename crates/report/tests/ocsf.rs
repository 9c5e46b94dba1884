//! Reports as OCSF against OCSF's own schema, closed: what a class does not know must not be there.
//!
//! Needs a Python with what `lab/requirements-proof.txt` names, named by `COMEBACK_PROOF_PYTHON`; `cargo xtask python proof` makes
//! one.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod example;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use comeback_audit::model::Audit;
use comeback_report::{Format, Lang, Options, render};
use serde_json::{Value, json};

/// What the schema says of reports.
fn check(reports: &[PathBuf]) -> Output {
    let python = std::env::var_os("COMEBACK_PROOF_PYTHON").expect(
        "COMEBACK_PROOF_PYTHON has to name a Python with ocsf-json-schema; `cargo xtask python proof` prints one",
    );
    Command::new(python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ocsf/check.py"))
        .args(reports)
        .output()
        .unwrap()
}

fn written(audit: &Audit, lang: Lang) -> Vec<u8> {
    let (plans, runs) = (example::plans(), example::runs());
    render(
        Format::Ocsf,
        &example::report(audit, &plans, &runs),
        &Options::new(lang),
    )
    .unwrap()
}

#[test]
#[ignore = "needs COMEBACK_PROOF_PYTHON"]
fn every_event_is_valid() {
    let folder = tempfile::tempdir().unwrap();
    let mut reports = Vec::new();
    let mut write = |name: String, bytes: Vec<u8>| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        reports.push(path);
    };
    for lang in Lang::ALL {
        write(format!("{}.json", lang.code()), written(&example::audit(), lang));
    }
    for (number, hostile) in example::hostile().iter().enumerate() {
        write(
            format!("hostile-{number}.json"),
            written(&example::with(hostile), Lang::En),
        );
    }
    let output = check(&reports);
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A check that lets everything pass would let the reports pass, too.
#[test]
#[ignore = "needs COMEBACK_PROOF_PYTHON"]
fn what_is_wrong_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wrong.json");
    let right: Value = serde_json::from_slice(&written(&example::audit(), Lang::En)).unwrap();
    for (pointer, wrong) in [
        ("/severity_id", json!(77)),
        ("/severity", json!("Terrible")),
        ("/time", json!("yesterday")),
        ("/class_name", json!(null)),
        ("/cloud/account/type", json!("Account")),
        ("/metadata/product", json!({"no such thing": 1})),
        ("/finding_info", json!({})),
    ] {
        let mut events = right.clone();
        *events[0].pointer_mut(pointer).unwrap() = wrong;
        std::fs::write(&path, events.to_string()).unwrap();
        let output = check(std::slice::from_ref(&path));
        assert_eq!(output.status.code(), Some(1), "{pointer}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("event 0"), "{pointer}: {said}");
    }
}
