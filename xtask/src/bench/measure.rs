//! What a program takes, measured from outside.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use wait4::Wait4;

/// One run of a program, those that it started and waited for included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    /// From its start to its end.
    pub(super) wall: Duration,
    /// Time on a processor, in the kernel too.
    pub(super) cpu: Duration,
    /// Bytes that it read by any call, also those that were in memory already.
    pub(super) read: u64,
    /// Bytes that it wrote by any call.
    pub(super) written: u64,
    /// The most bytes that it had in memory at a time.
    pub(super) memory: u64,
}

/// Runs a command to its end. Its output is not shown; its standard error is part of the error if it ends with a status
/// other than `allowed`.
pub(super) fn run(command: &mut Command, allowed: &[i32]) -> Result<Sample> {
    let said = tempfile::NamedTempFile::new().context("creating a file for what a program says")?;
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(said.reopen().context("opening a file for what a program says")?);
    let start = Instant::now();
    let mut child = command
        .spawn()
        .with_context(|| format!("starting {}", command.get_program().display()))?;
    let pid = i32::try_from(child.id()).context("a process id")?;
    // The process stays as it is until it is waited for once more: what it has read and written can still be asked.
    waitid(Id::Pid(Pid::from_raw(pid)), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT)
        .with_context(|| format!("waiting for {}", command.get_program().display()))?;
    let wall = start.elapsed();
    let counters = fs::read_to_string(format!("/proc/{pid}/io")).context("reading what a program has read and written");
    let ended = end(&mut child)?;
    if !ended.status.code().is_some_and(|code| allowed.contains(&code)) {
        let said = fs::read_to_string(said.path()).unwrap_or_default();
        bail!(
            "{} failed ({})\n{}",
            command.get_program().display(),
            ended.status,
            said.trim_end()
        );
    }
    let counters = counters?;
    Ok(Sample {
        wall,
        cpu: ended.rusage.utime + ended.rusage.stime,
        read: counter(&counters, "rchar").context("/proc/PID/io has no rchar")?,
        written: counter(&counters, "wchar").context("/proc/PID/io has no wchar")?,
        memory: ended.rusage.maxrss,
    })
}

fn end(child: &mut Child) -> Result<wait4::ResUse> {
    child.wait4().context("waiting for a program")
}

/// A value of `/proc/PID/io` (proc_pid_io(5)).
fn counter(text: &str, name: &str) -> Option<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_are_counted_through_children() {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("from");
        fs::write(&from, vec![1; 3 << 20]).unwrap();
        let script = r#"dd if="$1" of="$1.copy" bs=64k; true"#;
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).arg(&from);
        let sample = run(&mut command, &[0]).unwrap();
        for bytes in [sample.read, sample.written] {
            assert!((3 << 20..4 << 20).contains(&bytes), "{sample:?}");
        }
        assert!(sample.memory > 100_000 && sample.memory < 256 << 20, "{sample:?}");
        assert!(
            sample.wall > Duration::ZERO && sample.cpu < sample.wall * 8,
            "{sample:?}"
        );
    }

    #[test]
    fn a_failure_says_why() {
        let mut command = Command::new("sh");
        let error = run(command.args(["-c", "echo no such luck >&2; exit 7"]), &[0, 1]).unwrap_err();
        assert!(error.to_string().contains("no such luck"), "{error}");
        assert!(run(Command::new("sh").args(["-c", "exit 1"]), &[0, 1]).is_ok());
    }

    #[test]
    fn counters_by_name() {
        let text = "rchar: 35681400\nwchar: 5293\nsyscr: 2547\nread_bytes: 479232\n";
        assert_eq!(counter(text, "rchar"), Some(35_681_400));
        assert_eq!(counter(text, "wchar"), Some(5293));
        assert_eq!(counter(text, "char"), None);
    }
}
