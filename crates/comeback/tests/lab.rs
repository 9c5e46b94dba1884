//! `comeback lab` as a process in the background, without machines.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn lab(state: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_comeback"))
        .arg("lab")
        .arg("--state")
        .arg(state)
        .args(arguments)
        .output()
        .unwrap()
}

#[track_caller]
fn ok(state: &Path, arguments: &[&str]) -> String {
    let output = lab(state, arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// Ends the lab also when a test fails.
struct Ends<'a>(&'a Path);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        lab(self.0, &["down"]);
    }
}

fn status(state: &Path) -> Value {
    serde_json::from_str(&ok(state, &["status", "--json"])).unwrap()
}

fn field<'a>(status: &'a Value, name: &str, field: &str) -> &'a str {
    let instances = status["instances"].as_array().unwrap();
    let found = instances.iter().find(|instance| instance["name"] == name).unwrap();
    found[field].as_str().unwrap()
}

#[test]
fn lab_is_started_used_killed_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path();
    let _ends = Ends(state);
    let refused = lab(state, &["status"]);
    assert_eq!(refused.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("comeback lab up"));

    let exports = ok(state, &["up", "--instant"]);
    for name in [
        "AWS_ENDPOINT_URL=http://127.0.0.1:",
        "AWS_ACCESS_KEY_ID=",
        "AWS_SECRET_ACCESS_KEY=",
        "AWS_REGION=ap-northeast-1",
    ] {
        assert!(exports.contains(&format!("export {name}")), "{exports}");
    }
    assert_eq!(
        ok(state, &["up", "--instant"]),
        exports,
        "a second `up` prints the same"
    );
    assert_eq!(field(&status(state), "shop", "condition"), "up");

    ok(state, &["event", "fire", "shop"]);
    assert!(field(&status(state), "shop", "condition").starts_with("dead: ERROR Invalid kernel"));
    assert!(ok(state, &["console", "shop"]).contains("Xen Minimal OS!"));
    ok(state, &["fault", "set", "capacity", "--count", "2"]);
    assert!(ok(state, &["fault", "list"]).contains(r#""kind":"capacity""#));

    // Changes are on disk a moment later; then the power fails.
    std::thread::sleep(std::time::Duration::from_secs(2));
    let running: Value = serde_json::from_slice(&std::fs::read(state.join("lab.json")).unwrap()).unwrap();
    let killed = Command::new("kill")
        .args(["-9", &running["pid"].to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
    assert_eq!(ok(state, &["up"]), exports, "it is found where it was");
    let after = status(state);
    assert!(field(&after, "shop", "condition").starts_with("dead: "), "{after}");
    assert_eq!(after["faults"][0]["count"], 2);
    ok(state, &["fault", "clear"]);

    ok(state, &["down"]);
    ok(state, &["down"]);
    let other = lab(state, &["up", "--instant", "--scenario", "estate"]);
    assert_eq!(other.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&other.stderr).contains("lab reset"));
    ok(state, &["reset"]);
    assert!(!state.join("state.json").exists());
}

#[test]
fn what_is_wrong_is_said_by_up() {
    let folder = tempfile::tempdir().unwrap();
    let _ends = Ends(folder.path());
    let said = |arguments: &[&str]| {
        let output = lab(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(3));
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(said(&["up", "--scenario", "nowhere"]).contains("built in are"));
    let scenario = folder.path().join("bad.toml");
    std::fs::write(&scenario, "name = 1").unwrap();
    assert!(said(&["up", "--scenario", scenario.to_str().unwrap()]).contains("bad.toml"));
    // The lab in the background finds that the guest's image is missing; its last words are the error here.
    let guests = folder.path().join("no-guests");
    let output = Command::new(env!("CARGO_BIN_EXE_comeback"))
        .args(["lab", "--state"])
        .arg(folder.path())
        .arg("up")
        .env("COMEBACK_GUESTS_DIR", guests)
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("cargo xtask guests tokyo"), "{error}");
}
