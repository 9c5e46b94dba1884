//! QEMU's control socket (QMP): one JSON object per line in each direction.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
        mpsc::{self, Receiver},
    },
    thread,
    time::Duration,
};

use serde_json::{Value, json};

/// The longest message that is read, in bytes.
const LONGEST: u64 = 4 << 20;

/// What QEMU has reported by itself. The guest can cause any number of reports; these do not grow.
#[derive(Debug, Default)]
pub struct Reports {
    /// How often the guest has restarted, or wanted to where QEMU was told to stop then.
    pub restarts: AtomicU32,
    /// The guest has switched itself off.
    pub powered_off: AtomicBool,
    /// The machine was stopped, for lack of room or by an internal error.
    pub stopped: AtomicBool,
    /// Writing what the guest wrote failed for lack of room.
    pub no_space: AtomicBool,
}

impl Reports {
    fn take(&self, event: &Value) {
        let by_guest = event["data"]["guest"].as_bool() == Some(true);
        match event["event"].as_str() {
            Some("RESET") if by_guest => {
                self.restarts.fetch_add(1, Ordering::Relaxed);
            }
            Some("SHUTDOWN") if by_guest && event["data"]["reason"].as_str() == Some("guest-reset") => {
                self.restarts.fetch_add(1, Ordering::Relaxed);
            }
            Some("SHUTDOWN") if by_guest => self.powered_off.store(true, Ordering::Relaxed),
            Some("STOP") => self.stopped.store(true, Ordering::Relaxed),
            Some("BLOCK_IO_ERROR") if event["data"]["nospace"].as_bool() == Some(true) => {
                self.no_space.store(true, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}

/// A connection to a running QEMU.
#[derive(Debug)]
pub struct Qmp {
    stream: UnixStream,
    replies: Receiver<Value>,
    /// What QEMU has reported by itself.
    pub reports: Arc<Reports>,
    /// Version of QEMU: major, minor, micro.
    pub version: (u64, u64, u64),
}

impl Qmp {
    /// Greets QEMU. From then on its reports are collected.
    ///
    /// # Errors
    /// When QEMU closes the connection or does not answer in time.
    pub fn connect(stream: UnixStream, patience: Duration) -> io::Result<Self> {
        stream.set_write_timeout(Some(patience))?;
        let (sender, replies) = mpsc::sync_channel(16);
        let reports = Arc::new(Reports::default());
        let mut reader = BufReader::new(stream.try_clone()?);
        let seen = Arc::clone(&reports);
        thread::Builder::new().name("qmp".to_owned()).spawn(move || {
            let mut line = Vec::new();
            loop {
                line.clear();
                let read = reader.by_ref().take(LONGEST).read_until(b'\n', &mut line);
                if !matches!(read, Ok(length) if length > 0) {
                    return;
                }
                let Ok(message) = serde_json::from_slice::<Value>(&line) else {
                    continue;
                };
                if message.get("event").is_some() {
                    seen.take(&message);
                } else if sender.try_send(message).is_err() {
                    // Nobody waits for so many answers: the caller gave up on this machine.
                    return;
                }
            }
        })?;
        let mut qmp = Self {
            stream,
            replies,
            reports,
            version: (0, 0, 0),
        };
        let greeting = qmp.reply(patience)?;
        let part = |name| greeting["QMP"]["version"]["qemu"][name].as_u64().unwrap_or(0);
        qmp.version = (part("major"), part("minor"), part("micro"));
        qmp.execute("qmp_capabilities", json!({}), patience)?;
        Ok(qmp)
    }

    /// Carries out a command and returns what it returns.
    ///
    /// # Errors
    /// When QEMU refuses it (with QEMU's words) or does not answer in time.
    pub fn execute(&mut self, command: &str, arguments: Value, patience: Duration) -> io::Result<Value> {
        // An answer that came too late for an earlier command is not the answer to this one.
        while self.replies.try_recv().is_ok() {}
        let mut message = json!({ "execute": command, "arguments": arguments }).to_string();
        message.push('\n');
        self.stream.write_all(message.as_bytes())?;
        let mut reply = self.reply(patience)?;
        match reply["error"]["desc"].as_str() {
            Some(reason) => Err(io::Error::other(format!("QEMU refuses {command}: {reason}"))),
            None => Ok(reply["return"].take()),
        }
    }

    fn reply(&self, patience: Duration) -> io::Result<Value> {
        self.replies.recv_timeout(patience).map_err(|error| match error {
            mpsc::RecvTimeoutError::Timeout => io::ErrorKind::TimedOut.into(),
            mpsc::RecvTimeoutError::Disconnected => io::ErrorKind::BrokenPipe.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    /// A QEMU that greets and then answers each command with the next of `answers`; returns the commands.
    fn qemu(stream: UnixStream, answers: &'static [&'static str]) -> thread::JoinHandle<Vec<String>> {
        thread::spawn(move || {
            let mut writer = stream.try_clone().unwrap();
            let mut lines = BufReader::new(stream).lines();
            let greeting = r#"{"QMP":{"version":{"qemu":{"micro":22,"minor":2,"major":7}},"capabilities":[]}}"#;
            writeln!(writer, "{greeting}").unwrap();
            let mut commands = Vec::new();
            for answer in answers {
                commands.push(lines.next().unwrap().unwrap());
                writeln!(writer, "{answer}").unwrap();
            }
            commands
        })
    }

    #[test]
    fn reports_are_told_from_answers() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let reset = r#"{"event":"RESET","data":{"guest":true}}
{"event":"SHUTDOWN","data":{"guest":true,"reason":"guest-reset"}}
{"event":"RESET","data":{"guest":false}}
nonsense
{"event":"BLOCK_IO_ERROR","data":{"nospace":true}}
{"return":{"a":1}}"#;
        let refused = r#"{"error":{"class":"GenericError","desc":"no such thing"}}"#;
        let answers: &[&str] = Box::leak(Box::new([r#"{"return":{}}"#, reset, refused]));
        let qemu = qemu(theirs, answers);
        let mut qmp = Qmp::connect(ours, PATIENCE).unwrap();
        assert_eq!(qmp.version, (7, 2, 22));
        assert_eq!(qmp.execute("one", json!({"x": 1}), PATIENCE).unwrap(), json!({"a": 1}));
        assert_eq!(qmp.reports.restarts.load(Ordering::Relaxed), 2);
        assert!(qmp.reports.no_space.load(Ordering::Relaxed));
        assert!(!qmp.reports.powered_off.load(Ordering::Relaxed));
        let error = qmp.execute("two", json!({}), PATIENCE).unwrap_err();
        assert_eq!(error.to_string(), "QEMU refuses two: no such thing");
        let commands = qemu.join().unwrap();
        assert!(commands[0].contains("qmp_capabilities"), "{commands:?}");
        assert!(commands[1].contains(r#""arguments":{"x":1}"#), "{commands:?}");
    }

    #[test]
    fn a_qemu_that_has_gone_is_an_error() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        assert!(Qmp::connect(ours, PATIENCE).is_err());
    }
}
