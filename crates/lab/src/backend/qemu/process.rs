//! A running QEMU.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use comeback_rehearse::die_with_parent;
use comeback_rehearse::qmp::{Qmp, Reports};
use serde_json::json;

/// The emulator.
const QEMU: &str = "qemu-system-x86_64";
/// How long QEMU may take to start and to answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// How much of the firmware's log is read at a time, in bytes.
const FIRMWARE_CHUNK: u64 = 64 << 10;

/// A child, killed when this is dropped.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    folder: PathBuf,
    firmware_read: u64,
    /// What QEMU has said by itself.
    pub(super) reports: Arc<Reports>,
}

impl Process {
    /// Starts QEMU; its processor stands until `cont`. It dies with the thread that calls this. `serial` takes what the guest
    /// prints, on a thread of its own.
    ///
    /// # Errors
    /// When QEMU is missing, or ends at once (with its own words).
    pub(super) fn start(
        arguments: impl IntoIterator<Item = std::ffi::OsString>,
        folder: &Path,
        mut serial: impl FnMut(&[u8]) + Send + 'static,
    ) -> io::Result<(Self, Qmp)> {
        let listener = UnixListener::bind(folder.join("qmp"))?;
        let errors = folder.join("stderr");
        let mut command = Command::new(QEMU);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&errors)?)
            .process_group(0);
        die_with_parent(&mut command);
        let mut child = command.spawn().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => io::Error::other(format!(
                "{QEMU} is not installed (Debian: apt-get install qemu-system-x86)"
            )),
            _ => error,
        })?;
        let output = child.stdout.take();
        let mut process = Self {
            child,
            folder: folder.to_owned(),
            firmware_read: 0,
            reports: Arc::default(),
        };
        if let Some(mut output) = output {
            thread::Builder::new().name("lab-serial".to_owned()).spawn(move || {
                let mut buffer = [0; 16 << 10];
                while let Ok(length @ 1..) = output.read(&mut buffer) {
                    serial(buffer.get(..length).unwrap_or_default());
                }
            })?;
        }
        listener.set_nonblocking(true)?;
        let until = Instant::now() + PATIENCE;
        let stream = loop {
            match listener.accept() {
                Ok((stream, _)) => break stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            if process.ended() {
                return Err(io::Error::other(format!("QEMU ended: {}", process.last_words())));
            }
            if Instant::now() > until {
                return Err(io::ErrorKind::TimedOut.into());
            }
            thread::sleep(Duration::from_millis(10));
        };
        stream.set_nonblocking(false)?;
        let qmp = Qmp::connect(stream, PATIENCE)
            .map_err(|error| io::Error::other(format!("QEMU: {}: {error}", process.last_words())))?;
        process.reports = Arc::clone(&qmp.reports);
        Ok((process, qmp))
    }

    /// Whether QEMU has ended.
    pub(super) fn ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// What QEMU wrote to its standard error.
    pub(super) fn last_words(&self) -> String {
        let text = fs::read(self.folder.join("stderr")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).trim().to_owned();
        if text.is_empty() {
            "it said nothing".to_owned()
        } else {
            text
        }
    }

    /// What the firmware has logged since the last call.
    pub(super) fn firmware(&mut self) -> io::Result<Vec<u8>> {
        let mut file = File::open(self.folder.join("firmware"))?;
        file.seek(SeekFrom::Start(self.firmware_read))?;
        let mut bytes = Vec::new();
        file.take(FIRMWARE_CHUNK).read_to_end(&mut bytes)?;
        self.firmware_read += bytes.len() as u64;
        Ok(bytes)
    }

    /// Has QEMU write out what it holds and end; kills it when that takes long.
    pub(super) fn quit(mut self, qmp: &mut Qmp) {
        if qmp.execute("quit", json!({}), Duration::from_secs(5)).is_ok() {
            let until = Instant::now() + Duration::from_secs(10);
            while Instant::now() < until && !self.ended() {
                thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to kill, and waiting returns at once.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
