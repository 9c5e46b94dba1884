//! Logs in on the serial console, runs commands and reads what they print. For tests that look at a guest from inside.
//!
//! A console is no protocol: what is typed is echoed, the shell adds a prompt, the kernel speaks in between. Every command
//! is therefore put between two markers that only its run can print: they are typed in two halves with quotes between
//! them, so that the echo of the typed line does not contain them.

use std::time::{Duration, Instant};

use regex::bytes::Regex;
use serde::Serialize;

use comeback_console::lines::Lines;

use crate::RehearseError;

/// The most bytes that are kept of one command's output.
const OUTPUT_LIMIT: usize = 4 << 20;
/// How long login and shell may take.
const LOGIN_PATIENCE: Duration = Duration::from_secs(120);
/// How long to wait before typing again; the shell may have dropped what was typed while it started.
const TYPE_AGAIN: Duration = Duration::from_secs(5);

/// Whom to log in as and what to run.
#[derive(Debug, Clone)]
pub struct LoginProbe {
    /// Name to type at the login prompt.
    pub user: String,
    /// Password; none when the account has none.
    pub password: Option<String>,
    /// Commands for a POSIX shell, each on one line.
    pub commands: Vec<String>,
    /// How long each command may take.
    pub patience: Duration,
}

/// What one command did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProbeOutput {
    /// The command.
    pub command: String,
    /// What it printed, standard error included; lines end with a line feed.
    pub output: String,
    /// Its exit status; none when it took too long, or when login failed.
    pub status: Option<i32>,
}

/// The serial console as a probe uses it.
pub trait Wire {
    /// Types text.
    fn send(&mut self, text: &str) -> Result<(), RehearseError>;
    /// Bytes that came, waiting at most so long for them; empty when none came.
    fn receive(&mut self, patience: Duration) -> Result<Vec<u8>, RehearseError>;
    /// Called before a command is typed.
    fn about_to_run(&mut self, command: &str);
}

/// Runs the probe on a console that shows a login prompt. Stops after the first command without an exit status.
///
/// # Errors
/// When the machine ends or the rehearsal is cancelled.
pub fn run(probe: &LoginProbe, wire: &mut impl Wire) -> Result<Vec<ProbeOutput>, RehearseError> {
    let mut shell = Shell {
        wire,
        lines: Lines::new(),
    };
    let mut outputs = Vec::new();
    if !shell.log_in(probe)? {
        if let Some(command) = probe.commands.first() {
            let output = "login failed: no shell answered".to_owned();
            outputs.push(ProbeOutput {
                command: command.clone(),
                output,
                status: None,
            });
        }
        return Ok(outputs);
    }
    for (number, command) in probe.commands.iter().enumerate() {
        shell.wire.about_to_run(command);
        let output = shell.command(number, command, probe.patience)?;
        let done = output.status.is_some();
        outputs.push(output);
        if !done {
            break;
        }
    }
    Ok(outputs)
}

struct Shell<'a, W> {
    wire: &'a mut W,
    lines: Lines,
}

impl<W: Wire> Shell<'_, W> {
    fn log_in(&mut self, probe: &LoginProbe) -> Result<bool, RehearseError> {
        let until = Instant::now() + LOGIN_PATIENCE;
        self.wire.send(&format!("{}\n", probe.user))?;
        if let Some(password) = &probe.password {
            if !self.wait_for_prompt(b"assword:", until)? {
                return Ok(false);
            }
            self.wire.send(&format!("{password}\n"))?;
        }
        // Only a shell joins the two halves.
        while Instant::now() < until {
            // First let the shell start: it drops what was typed before it set up the terminal.
            if self.refused_within(Duration::from_secs(1))? {
                return Ok(false);
            }
            self.wire.send("echo cb_''shell_$((20+22))\n")?;
            let again = (Instant::now() + TYPE_AGAIN).min(until);
            while Instant::now() < again {
                let lines = self.read()?;
                if self.refused(&lines) {
                    return Ok(false);
                }
                for line in lines {
                    if line.ends_with(b"cb_shell_42") {
                        // Neither the kernel's messages nor a narrow terminal should tear the output apart.
                        self.wire
                            .send("dmesg -n 1 2>/dev/null; stty cols 4000 2>/dev/null; PS1=\n")?;
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }

    fn wait_for_prompt(&mut self, wanted: &[u8], until: Instant) -> Result<bool, RehearseError> {
        while Instant::now() < until {
            self.read()?;
            if self
                .lines
                .partial()
                .windows(wanted.len())
                .any(|window| window == wanted)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads for a while; returns whether the login was refused.
    fn refused_within(&mut self, length: Duration) -> Result<bool, RehearseError> {
        let until = Instant::now() + length;
        while Instant::now() < until {
            let lines = self.read()?;
            if self.refused(&lines) {
                return Ok(true);
            }
        }
        // A prompt for a password that stands still is one that nobody is going to answer.
        Ok(self.lines.partial().trim_ascii() == b"Password:")
    }

    fn refused(&self, lines: &[Vec<u8>]) -> bool {
        lines.iter().any(|line| line.starts_with(b"Login incorrect"))
    }

    fn command(&mut self, number: usize, command: &str, patience: Duration) -> Result<ProbeOutput, RehearseError> {
        let begin = format!("cb_begin_{number}_");
        let end = Regex::new(&format!("^(.*)cb_end_{number}_([0-9]+)_$")).map_err(|error| RehearseError::Io {
            doing: "preparing a probe",
            source: std::io::Error::other(error),
        })?;
        self.wire.send(&format!(
            "echo cb_''begin_{number}_; {{ {command}\n}} 2>&1; echo cb_''end_{number}_$?_\n"
        ))?;
        let until = Instant::now() + patience;
        let mut output: Option<String> = None;
        let mut status = None;
        while status.is_none() && Instant::now() < until {
            for line in self.read()? {
                let Some(text) = &mut output else {
                    if line.ends_with(begin.as_bytes()) {
                        output = Some(String::new());
                    }
                    continue;
                };
                if let Some(found) = end.captures(&line) {
                    // Output without a line end stands before the marker.
                    text.push_str(&String::from_utf8_lossy(
                        found.get(1).map_or(b"", |rest| rest.as_bytes()),
                    ));
                    status = found
                        .get(2)
                        .and_then(|code| std::str::from_utf8(code.as_bytes()).ok()?.parse().ok());
                    break;
                }
                if text.len() + line.len() < OUTPUT_LIMIT {
                    text.push_str(&String::from_utf8_lossy(&line));
                    text.push('\n');
                }
            }
        }
        Ok(ProbeOutput {
            command: command.to_owned(),
            output: output.unwrap_or_default(),
            status,
        })
    }

    fn read(&mut self) -> Result<Vec<Vec<u8>>, RehearseError> {
        let bytes = self.wire.receive(Duration::from_millis(100))?;
        Ok(bytes.iter().filter_map(|byte| self.lines.push(*byte)).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        process::{Child, ChildStdin, Command, Stdio},
        sync::mpsc::{self, Receiver},
        thread,
    };

    use super::*;

    /// A shell on this machine behind a login of its own, echoing what is typed as a terminal does.
    struct Local {
        child: Child,
        input: ChildStdin,
        echo: mpsc::Sender<Vec<u8>>,
        output: Receiver<Vec<u8>>,
    }

    impl Local {
        fn new(script: &str) -> Self {
            let mut command = Command::new("sh");
            command
                .args(["-c", script])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped());
            let mut child = command.spawn().unwrap();
            let (echo, output) = mpsc::channel();
            let sender = echo.clone();
            let mut stdout = child.stdout.take().unwrap();
            thread::spawn(move || {
                let mut buffer = [0; 100];
                while let Ok(length @ 1..) = stdout.read(&mut buffer) {
                    let _ = sender.send(buffer[..length].to_vec());
                }
            });
            Self {
                input: child.stdin.take().unwrap(),
                child,
                echo,
                output,
            }
        }
    }

    impl Wire for Local {
        fn send(&mut self, text: &str) -> Result<(), RehearseError> {
            let _ = self.echo.send(text.replace('\n', "\r\n").into_bytes());
            let _ = self.input.write_all(text.as_bytes());
            Ok(())
        }
        fn receive(&mut self, patience: Duration) -> Result<Vec<u8>, RehearseError> {
            Ok(self.output.recv_timeout(patience).unwrap_or_default())
        }
        fn about_to_run(&mut self, _: &str) {}
    }

    impl Drop for Local {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    #[test]
    fn commands_are_told_from_their_echo() {
        let mut guest =
            Local::new("read user; printf 'Password: '; read word; test \"$user$word\" = rootpw && exec sh");
        let commands = ["echo one; echo two >&2", "printf 'no line end'; (exit 3)", "true"];
        let probe = LoginProbe {
            user: "root".into(),
            password: Some("pw".into()),
            commands: commands.map(str::to_owned).into(),
            patience: Duration::from_secs(10),
        };
        let outputs = run(&probe, &mut guest).unwrap();
        let got: Vec<_> = outputs
            .iter()
            .map(|output| (output.output.as_str(), output.status))
            .collect();
        assert!(got[0].0.ends_with("one\ntwo\n"), "{got:?}");
        assert_eq!(got[0].1, Some(0));
        assert!(got[1].0.ends_with("no line end"), "{got:?}");
        assert_eq!(got[1].1, Some(3));
        assert_eq!(got[2].1, Some(0));
    }

    #[test]
    fn a_refused_login_is_reported_at_once() {
        for (script, password) in [
            (
                "read user; printf 'Password: '; read word; echo; echo Login incorrect; sleep 60",
                Some("wrong"),
            ),
            ("read user; printf 'Password: '; sleep 60", None),
        ] {
            let mut guest = Local::new(script);
            let probe = LoginProbe {
                user: "root".into(),
                password: password.map(str::to_owned),
                commands: vec!["true".into()],
                patience: Duration::from_secs(5),
            };
            let started = Instant::now();
            let outputs = run(&probe, &mut guest).unwrap();
            assert_eq!((outputs.len(), outputs[0].status), (1, None));
            assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
        }
    }

    #[test]
    fn a_command_that_takes_too_long_has_no_status_and_ends_the_probe() {
        let mut guest = Local::new("read user; exec sh");
        let probe = LoginProbe {
            user: "root".into(),
            password: None,
            commands: vec!["sleep 60".into(), "true".into()],
            patience: Duration::from_millis(500),
        };
        let outputs = run(&probe, &mut guest).unwrap();
        assert_eq!(outputs.len(), 1);
        assert_eq!(outputs[0].status, None);
    }
}
