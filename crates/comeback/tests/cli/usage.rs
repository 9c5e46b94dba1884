//! Wrong usage, help, and output that nobody reads.

use std::io::Read;
use std::process::Stdio;

use crate::support::{Disk, comeback, command, run};

#[test]
fn wrong_usage_ends_with_64() {
    let disk = Disk::usual();
    let name = disk.name();
    let cases: &[(&[&str], &str)] = &[
        (&[], "Usage"),
        (&["frobnicate"], "frobnicate"),
        (&["inspect"], "<DISK>"),
        (&["inspect", name, "--as", "vax"], "possible values"),
        (&["convert", name, "--layout", "round"], "possible values"),
        (&["convert", name, "--taget", "nitro"], "--target"),
        (&["convert", name, "--output", "x.img"], "--layout partitioned"),
        (
            &[
                "convert",
                name,
                "--layout",
                "partitioned",
                "--output",
                "x.img",
                "--keep",
                "y",
            ],
            "--keep",
        ),
        (&["rehearse", name, "--timeout", "0"], "0"),
        (&["revert", name, "--format", "vmdk"], "raw"),
    ];
    let before = (disk.hash(), disk.names());
    for (arguments, word) in cases {
        let run = comeback(arguments);
        run.ended_with(64);
        assert!(
            run.err.contains(word),
            "{arguments:?}: {word:?} is not in:\n{}",
            run.err
        );
        assert_eq!(run.out, "", "{arguments:?}");
    }
    assert_eq!((disk.hash(), disk.names()), before);
}

#[test]
fn help_is_no_error_and_documents_exit_codes() {
    let all: &[&[&str]] = &[
        &["--help"],
        &["inspect", "--help"],
        &["convert", "--help"],
        &["revert", "--help"],
        &["rehearse", "--help"],
    ];
    for arguments in all {
        let run = comeback(arguments);
        run.ended_with(0);
        for word in ["Exit codes:", "64  wrong usage", "Examples:"] {
            assert!(
                run.out.contains(word),
                "{arguments:?}: {word:?} is not in:\n{}",
                run.out
            );
        }
    }
    let version = comeback(&["--version"]);
    version.ended_with(0);
    assert!(version.out.starts_with("comeback "), "{}", version.out);
}

#[test]
fn whoever_reads_only_the_first_line_hears_no_complaint() {
    let disk = Disk::usual();
    for arguments in [
        &["inspect", disk.name()][..],
        &["inspect", disk.name(), "--json"],
        &["convert", disk.name(), "--dry-run"],
        &["--help"],
    ] {
        let mut child = command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Closed before anything is written: the harshest reader.
        drop(child.stdout.take());
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        let status = child.wait().unwrap();
        assert_eq!((status.code(), said.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn nobody_listening_to_errors_is_no_reason_to_fail_otherwise() {
    let disk = Disk::at("missing.img");
    let mut child = command(&["inspect", disk.name()])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(3));
    run(&mut command(&["inspect", disk.name()])).ended_with(3);
}
