//! Clients that nobody here wrote, against the lab: boto3 and the AWS command line.
//!
//! Needs a Python with the packages of `lab/requirements.txt`, named by `COMEBACK_PYTHON`; `cargo xtask python` makes one.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;

use comeback_lab::{Lab, Scenario};

fn python() -> PathBuf {
    std::env::var_os("COMEBACK_PYTHON")
        .map(PathBuf::from)
        .expect("COMEBACK_PYTHON has to name a Python with boto3; `cargo xtask python` prints one")
}

/// Runs a script against a fresh lab of a scenario, and expects it to succeed.
fn run(scenario: &str, program: &Path, script: &str) {
    let lab = Lab::builder()
        .scenario(Scenario::load(scenario).unwrap())
        .instant()
        .build()
        .unwrap();
    let serving = lab.serve(0).unwrap();
    let keys = lab.keys().remove(0);
    let script = Path::new(&std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"))
        .join("tests")
        .join(script);
    let output = Command::new(program)
        .arg(&script)
        .env("AWS_ENDPOINT_URL", serving.url())
        .env("AWS_ACCESS_KEY_ID", &keys.access_key)
        .env("AWS_SECRET_ACCESS_KEY", &keys.secret_key)
        .env("AWS_REGION", "ap-northeast-1")
        .env("AWS_DEFAULT_REGION", "ap-northeast-1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("PATH", path_with(&python()))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    println!("{}", String::from_utf8_lossy(&output.stdout));
}

/// The search path with the folder of that Python first: `aws` is beside it.
fn path_with(python: &Path) -> String {
    let folder = python.parent().unwrap_or(Path::new("/")).display().to_string();
    format!("{folder}:{}", std::env::var("PATH").unwrap_or_default())
}

#[test]
#[ignore = "needs boto3"]
fn boto3_reads_what_it_should() {
    run("estate", &python(), "conformance.py");
}

#[test]
#[ignore = "needs the AWS command line"]
fn aws_command_line_works() {
    run("tokyo", Path::new("sh"), "conformance.sh");
}
