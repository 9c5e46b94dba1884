//! Watches what a virtual machine says on its console until it says what one waits for.

use std::fs::File;
use std::io::{Read, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// How much of a console is kept: more than any boot prints, and an end to one that prints for ever.
const KEPT: usize = 8 << 20;

/// How long one looks on after the verdict.
const LINGER: Duration = Duration::from_secs(15);

/// What one waits for.
#[derive(Debug)]
pub(crate) struct Watch<'a> {
    pub(crate) timeout: Duration,
    /// Texts that come one after the other, with what to print when one does.
    pub(crate) milestones: &'a [(&'a str, &'a str)],
    /// Success and failures count only after this text.
    pub(crate) after: &'a str,
    pub(crate) success: &'a str,
    /// Nearly as good: one waits a little for what is better.
    pub(crate) also: &'a [&'a str],
    pub(crate) failures: &'a [&'a str],
    /// Where the console goes as it comes, for those who want to look on.
    pub(crate) transcript: Option<&'a Path>,
}

/// What was seen.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) success: bool,
    pub(crate) text: String,
    pub(crate) took: Duration,
}

/// The machine, which ends with its watcher.
#[derive(Debug)]
struct Machine(Child);

impl Drop for Machine {
    fn drop(&mut self) {
        // It fails only if the machine has ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a machine whose console is standard output, and ends it when success, a failure or the timeout has come.
pub(crate) fn watch(command: &mut Command, watch: &Watch) -> Result<Seen> {
    let start = Instant::now();
    let program = command.get_program().to_string_lossy().into_owned();
    let mut machine = Machine(
        command
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {program}"))?,
    );
    let mut output = machine.0.stdout.take().context("a child without standard output")?;
    let mut transcript = match watch.transcript {
        Some(path) => Some(File::create(path).with_context(|| format!("creating {}", path.display()))?),
        None => None,
    };
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = output.read(&mut buffer) {
            if sender.send(buffer[..length].to_vec()).is_err() {
                break;
            }
        }
    });

    let mut progress = Progress::new(watch);
    let mut bytes = Vec::new();
    let mut deadline = start + watch.timeout;
    let mut verdict = None;
    while let Ok(more) = receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        if let Some(file) = &mut transcript {
            file.write_all(&more).context("writing the transcript")?;
        }
        bytes.extend(more);
        let text = String::from_utf8_lossy(&bytes);
        for name in progress.reached(&text) {
            println!("  {:>4} s  {name}", start.elapsed().as_secs());
        }
        let (seen, best) = judge(watch, &text);
        if best || bytes.len() > KEPT {
            verdict = verdict.or(seen);
            break;
        }
        if verdict.is_none() && seen.is_some() {
            // What comes next says why it failed, or is the login prompt.
            verdict = seen;
            deadline = Instant::now() + LINGER;
        }
    }
    Ok(Seen {
        success: verdict == Some(true),
        text: String::from_utf8_lossy(&bytes).into_owned(),
        took: start.elapsed(),
    })
}

/// Success, failure, or not yet; and whether it gets no better.
fn judge(watch: &Watch, text: &str) -> (Option<bool>, bool) {
    let Some((_, text)) = text.split_once(watch.after) else {
        return (None, false);
    };
    let any = |patterns: &[&str]| patterns.iter().any(|pattern| text.contains(pattern));
    if text.contains(watch.success) {
        (Some(true), true)
    } else if any(watch.also) {
        (Some(true), false)
    } else {
        (any(watch.failures).then_some(false), false)
    }
}

/// Which milestones have gone by.
#[derive(Debug)]
struct Progress<'a> {
    milestones: &'a [(&'a str, &'a str)],
    /// Bytes of the text that end with the last milestone.
    read: usize,
}

impl<'a> Progress<'a> {
    const fn new(watch: &Watch<'a>) -> Self {
        Self {
            milestones: watch.milestones,
            read: 0,
        }
    }

    /// The milestones that have come since the last time.
    fn reached(&mut self, text: &str) -> Vec<&'a str> {
        let mut reached = Vec::new();
        while let Some(((pattern, name), later)) = self.milestones.split_first() {
            let Some(found) = text.get(self.read..).and_then(|text| text.find(pattern)) else {
                break;
            };
            reached.push(*name);
            self.milestones = later;
            self.read += found + pattern.len();
        }
        reached
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WATCH: Watch = Watch {
        timeout: Duration::from_secs(20),
        milestones: &[
            ("Linux version", "host"),
            ("starts", "start"),
            ("Linux version", "guest"),
        ],
        after: "starts",
        success: "login:",
        also: &["reached"],
        failures: &["panic"],
        transcript: None,
    };

    #[test]
    fn only_what_comes_after_counts() {
        assert_eq!(judge(&WATCH, "dom0 login: "), (None, false));
        assert_eq!(judge(&WATCH, "dom0 login: starts guest login: "), (Some(true), true));
        assert_eq!(judge(&WATCH, "starts reached"), (Some(true), false));
        assert_eq!(judge(&WATCH, "starts Kernel panic"), (Some(false), false));
    }

    #[test]
    fn milestones_come_in_order() {
        let mut progress = Progress::new(&WATCH);
        assert_eq!(progress.reached("Linux ver"), Vec::<&str>::new());
        assert_eq!(progress.reached("Linux version 6 starts"), ["host", "start"]);
        assert_eq!(progress.reached("Linux version 6 starts Linux version 5"), ["guest"]);
        assert_eq!(
            progress.reached("Linux version 6 starts Linux version 5 starts"),
            Vec::<&str>::new()
        );
    }

    fn shell(script: &str, timeout: u64) -> Seen {
        let mut command = Command::new("sh");
        watch(
            command.args(["-c", script]),
            &Watch {
                timeout: Duration::from_secs(timeout),
                ..WATCH
            },
        )
        .unwrap()
    }

    #[test]
    fn machine_ends_with_success() {
        let seen = shell("echo starts; echo login:; exec sleep 60", 20);
        assert!(seen.success && seen.took < Duration::from_secs(20));
        assert_eq!(seen.text, "starts\nlogin:\n");
    }

    #[test]
    fn what_is_better_is_waited_for() {
        let seen = shell("echo starts; echo reached; sleep 0.2; echo login:; exec sleep 60", 20);
        assert!(seen.success && seen.text.ends_with("login:\n"));
    }

    #[test]
    fn silence_runs_into_the_timeout_and_an_end_does_not() {
        assert!(!shell("echo starts; exec sleep 60", 1).success);
        let seen = shell("echo starts", 20);
        assert!(!seen.success && seen.took < Duration::from_secs(20));
    }
}
