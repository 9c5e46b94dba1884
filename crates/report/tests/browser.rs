//! Reports in a browser: whether they fit on a desktop and a phone, in light and dark, and whether everybody can read them.
//!
//! Needs a Chromium, Node and what `npm ci` puts into `node_modules` in `tests/browser`, so it is not run by itself:
//! `COMEBACK_CHROMIUM=/usr/bin/chromium COMEBACK_NODE_MODULES=…/node_modules cargo test -p comeback-report --test browser -- --ignored`.
//! Pictures of the pages go into `COMEBACK_PICTURES`, or into a folder that is deleted.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod example;

use std::path::{Path, PathBuf};
use std::process::Command;

use comeback_report::{Format, Lang, Options, Report, render};

#[test]
#[ignore = "needs COMEBACK_CHROMIUM and COMEBACK_NODE_MODULES"]
fn reports_fit_and_can_be_read_by_everybody() {
    let temporary = tempfile::tempdir().unwrap();
    let pictures = std::env::var_os("COMEBACK_PICTURES").map_or_else(|| temporary.path().to_owned(), PathBuf::from);
    std::fs::create_dir_all(&pictures).unwrap();
    let (plans, runs) = (example::plans(), example::runs());
    let mut reports = Vec::new();
    let mut write = |name: String, bytes: Vec<u8>| {
        let path = pictures.join(name);
        std::fs::write(&path, bytes).unwrap();
        reports.push(path);
    };
    for lang in Lang::ALL {
        let whole = Options::new(lang);
        let client = Options {
            client: Some(example::FIRST.to_owned()),
            ..whole.clone()
        };
        let mut clean = example::audit();
        clean.instances.clear();
        clean.silenced.clear();
        clean.ledger.entries.truncate(2);
        let audit = example::audit();
        let full = example::report(&audit, &plans, &runs);
        write(
            format!("{}-whole.html", lang.code()),
            render(Format::Html, &full, &whole).unwrap(),
        );
        write(
            format!("{}-client.html", lang.code()),
            render(Format::Html, &full, &client).unwrap(),
        );
        let nothing = render(Format::Html, &Report::of(&clean), &whole).unwrap();
        write(format!("{}-clean.html", lang.code()), nothing);
    }
    for (number, hostile) in example::hostile().iter().enumerate() {
        let audit = example::with(hostile);
        let bytes = render(Format::Html, &Report::of(&audit), &Options::new(Lang::En)).unwrap();
        write(format!("hostile-{number}.html"), bytes);
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/check.mjs");
    let output = Command::new("node")
        .arg(script)
        .arg(&pictures)
        .args(&reports)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
