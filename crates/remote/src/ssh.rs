//! The converter over SSH.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use comeback_protocol::{self as protocol, Disk, Event, Inspected, LineError, Reverted};
use tokio::sync::Mutex;

use crate::converter::{Conversion, ConvertedDisk, Converter, Found, OnEvent, Pushed, Wanted};
use crate::error::RemoteError;
use crate::payload::{Payload, PayloadFile};
use crate::saved::{self, SavedProblem};
use crate::session::{Ended, Limits, Login, Session};
use crate::shell::{self, DAMAGED};

/// The folder over there for the agent and, by custom, for what it saves. It survives a restart.
pub const FOLDER: &str = "/var/lib/comeback";
/// What the agent may say in one line, in bytes. What is on a disk with a thousand kernels takes less.
const MAX_LINE: usize = 64 << 20;
/// What may come back of saved bytes. A patch has less than a megabyte.
const MAX_SAVED: usize = 1 << 30;

/// A [`Converter`] over SSH. It connects again when its connection broke.
#[derive(Debug)]
pub struct SshConverter {
    login: Login,
    limits: Limits,
    payload: Arc<Payload>,
    folder: String,
    session: Mutex<Option<Arc<Session>>>,
}

/// Takes a session out of use unless the call that uses it ends well, also when the call is given up.
struct Lease<'a> {
    converter: &'a SshConverter,
    session: Arc<Session>,
    is_good: bool,
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if self.is_good {
            return;
        }
        // Whoever holds the lock is about to look whether the session is closed, or has a new one.
        if let Ok(mut kept) = self.converter.session.try_lock()
            && kept.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, &self.session))
        {
            *kept = None;
        }
    }
}

impl SshConverter {
    /// Connects to a machine, which may still be starting.
    ///
    /// # Errors
    /// As [`Session::connect`]; [`RemoteError::NotRoot`].
    pub async fn connect(login: Login, payload: Payload, limits: Limits) -> Result<Self, RemoteError> {
        SshConverter::connect_in(login, payload, limits, FOLDER).await
    }

    /// The same, with another folder than [`FOLDER`] over there.
    ///
    /// # Errors
    /// As [`SshConverter::connect`].
    pub async fn connect_in(login: Login, payload: Payload, limits: Limits, folder: &str) -> Result<Self, RemoteError> {
        let session = Session::connect(&login, &limits).await?;
        let converter = SshConverter {
            login,
            limits,
            payload: Arc::new(payload),
            folder: folder.trim_end_matches('/').to_owned(),
            session: Mutex::new(Some(Arc::new(session))),
        };
        let ended = converter
            .root("becoming root", "true", &[], limits.command, &mut |_| ())
            .await?;
        if ended.code != 0 {
            return Err(RemoteError::NotRoot {
                address: converter.login.address,
                user: converter.login.user.clone(),
                stderr: ended.stderr,
            });
        }
        Ok(converter)
    }

    /// The folder over there for the saved bytes of a volume.
    pub fn saved_folder(&self, volume: &protocol::VolumeId) -> PathBuf {
        Path::new(&self.folder).join("saved").join(volume.as_str())
    }

    async fn lease(&self) -> Result<Lease<'_>, RemoteError> {
        let mut kept = self.session.lock().await;
        let session = match kept.as_ref() {
            Some(session) if !session.is_closed() => Arc::clone(session),
            _ => {
                let session = Arc::new(Session::connect(&self.login, &self.limits).await?);
                *kept = Some(Arc::clone(&session));
                session
            }
        };
        Ok(Lease {
            converter: self,
            session,
            is_good: false,
        })
    }

    /// Runs a script as root.
    async fn root(
        &self,
        doing: &str,
        script: &str,
        input: &[u8],
        limit: Duration,
        output: &mut (dyn FnMut(&[u8]) + Send),
    ) -> Result<Ended, RemoteError> {
        let mut lease = self.lease().await?;
        let command = shell::as_root(&self.login.user, script);
        let ended = lease.session.run(doing, &command, input, limit, output).await?;
        lease.is_good = true;
        Ok(ended)
    }

    fn failed(&self, doing: &str, ended: Ended) -> RemoteError {
        let how = match ended.code {
            126 | 127 => "it could not be started: send the agent first, and look whether its folder may hold programs"
                .to_owned(),
            code => format!("it ended with exit code {code}"),
        };
        RemoteError::Command {
            address: self.login.address,
            doing: doing.to_owned(),
            how,
            stderr: ended.stderr,
        }
    }

    fn agent(&self) -> String {
        format!("{}/{}", self.folder, Payload::AGENT)
    }

    /// Runs the agent, and gives back the event that ends it.
    async fn ask(
        &self,
        doing: &str,
        words: &[&str],
        limit: Duration,
        progress: OnEvent<'_>,
    ) -> Result<Event, RemoteError> {
        let agent = self.agent();
        let mut all = vec!["exec", agent.as_str()];
        all.extend(words);
        let mut listener = Listener::new(progress);
        let ended = self
            .root(doing, &shell::line(&all), &[], limit, &mut |bytes| listener.hear(bytes))
            .await?;
        match listener.finish() {
            Err(source) => Err(RemoteError::Strange {
                address: self.login.address,
                doing: doing.to_owned(),
                source,
                stderr: ended.stderr,
            }),
            Ok(None) => Err(self.failed(doing, ended)),
            Ok(Some(Event::Failed(failure))) => Err(RemoteError::Agent {
                address: self.login.address,
                failure: Box::new(failure),
            }),
            Ok(Some(event)) => Ok(event),
        }
    }

    /// The error for an event that does not belong to what was asked.
    fn unexpected(&self, doing: &str) -> RemoteError {
        RemoteError::Command {
            address: self.login.address,
            doing: doing.to_owned(),
            how: "the agent answered something else than it was asked; send it again".to_owned(),
            stderr: String::new(),
        }
    }

    async fn send(&self, path: &str, mode: u32, sha256: &str, bytes: &[u8]) -> Result<(), RemoteError> {
        let doing = format!("sending {path}");
        let script = shell::receive(path, sha256, mode);
        let ended = self
            .root(&doing, &script, bytes, self.limits.transfer, &mut |_| ())
            .await?;
        match ended.code {
            0 => Ok(()),
            DAMAGED => Err(RemoteError::Damaged {
                address: self.login.address,
                path: path.to_owned(),
                stderr: ended.stderr,
            }),
            _ => Err(self.failed(&doing, ended)),
        }
    }

    fn saved(&self, problem: SavedProblem) -> RemoteError {
        match problem {
            SavedProblem::Local { doing, path, source } => RemoteError::Local { doing, path, source },
            problem => RemoteError::Saved {
                address: self.login.address,
                reason: problem.to_string(),
            },
        }
    }

    /// Which of the files are over there with the same bytes.
    async fn present(&self) -> Result<Vec<&PayloadFile>, RemoteError> {
        let doing = "looking what was sent already";
        let paths: Vec<String> = self
            .payload
            .files
            .iter()
            .map(|file| shell::quote(&format!("{}/{}", self.folder, file.name)))
            .collect();
        // Files that are not there make it fail, which says nothing.
        let script = format!("sha256sum -- {} 2>/dev/null || true", paths.join(" "));
        let mut text = Vec::new();
        let ended = self
            .root(doing, &script, &[], self.limits.command, &mut |bytes| {
                text.extend_from_slice(bytes)
            })
            .await?;
        if ended.code != 0 {
            return Err(self.failed(doing, ended));
        }
        let text = String::from_utf8_lossy(&text);
        let is_there = |file: &&PayloadFile| {
            let line = format!("{}  {}/{}", file.sha256, self.folder, file.name);
            text.lines().any(|found| found == line)
        };
        Ok(self.payload.files.iter().filter(is_there).collect())
    }
}

#[async_trait]
impl Converter for SshConverter {
    async fn push(&self) -> Result<Pushed, RemoteError> {
        let present = self.present().await?;
        let mut pushed = Pushed::default();
        for file in &self.payload.files {
            if present.iter().any(|found| found.name == file.name) {
                pushed.kept.push(file.name.clone());
                continue;
            }
            let path = format!("{}/{}", self.folder, file.name);
            self.send(&path, file.mode, &file.sha256, &file.bytes).await?;
            pushed.sent.push(file.name.clone());
        }
        Ok(pushed)
    }

    async fn disks(&self) -> Result<Vec<Disk>, RemoteError> {
        let doing = "listing disks";
        match self.ask(doing, &["disks"], self.limits.command, &|_| ()).await? {
            Event::Disks { disks } => Ok(disks),
            _ => Err(self.unexpected(doing)),
        }
    }

    async fn find(&self, wanted: &Wanted) -> Result<Found, RemoteError> {
        let doing = format!("finding {}", wanted.volume);
        let (size, timeout) = (wanted.size.to_string(), wanted.timeout.to_string());
        let mut words = vec![
            "find",
            "--volume",
            wanted.volume.as_str(),
            "--size",
            &size,
            "--timeout",
            &timeout,
        ];
        let known = wanted.known.as_ref().map(|known| {
            let names: Vec<_> = known.iter().map(|path| path.to_string_lossy()).collect();
            names.join(",")
        });
        if let Some(known) = &known {
            words.extend(["--known", known]);
        }
        if let Some(device) = &wanted.device {
            words.extend(["--device", device]);
        }
        let limit = self.limits.command + Duration::from_secs(wanted.timeout);
        match self.ask(&doing, &words, limit, &|_| ()).await? {
            Event::Found { disk, by } => Ok(Found { disk: *disk, by }),
            _ => Err(self.unexpected(&doing)),
        }
    }

    async fn inspect(&self, device: &Path) -> Result<Inspected, RemoteError> {
        let doing = format!("inspecting {}", device.display());
        let device = device.to_string_lossy();
        match self
            .ask(&doing, &["inspect", &device], self.limits.convert, &|_| ())
            .await?
        {
            Event::Inspected(inspected) => Ok(*inspected),
            _ => Err(self.unexpected(&doing)),
        }
    }

    async fn convert(&self, conversion: &Conversion, progress: OnEvent<'_>) -> Result<ConvertedDisk, RemoteError> {
        let doing = format!("converting {}", conversion.device.display());
        let device = conversion.device.to_string_lossy();
        let saved = conversion.saved.to_string_lossy();
        let mut words = vec![
            "convert",
            &*device,
            "--target",
            conversion.target.name(),
            "--keep",
            &*saved,
        ];
        if conversion.dry_run {
            words.push("--dry-run");
        }
        let planned = std::sync::Mutex::new(None);
        let listen = |event: &Event| {
            if let (Event::Planned(plan), Ok(mut planned)) = (event, planned.lock()) {
                *planned = Some((**plan).clone());
            }
            progress(event);
        };
        let end = self.ask(&doing, &words, self.limits.convert, &listen).await?;
        match end {
            Event::Converted(converted) => Ok(ConvertedDisk {
                planned: planned.into_inner().unwrap_or_default(),
                converted,
            }),
            _ => Err(self.unexpected(&doing)),
        }
    }

    async fn revert(
        &self,
        device: &Path,
        saved: &Path,
        force: bool,
        progress: OnEvent<'_>,
    ) -> Result<Reverted, RemoteError> {
        let doing = format!("reverting {}", device.display());
        let (device, saved) = (device.to_string_lossy(), saved.to_string_lossy());
        let mut words = vec!["revert", &*device, "--keep", &*saved];
        if force {
            words.push("--force");
        }
        match self.ask(&doing, &words, self.limits.convert, progress).await? {
            Event::Reverted(reverted) => Ok(reverted),
            _ => Err(self.unexpected(&doing)),
        }
    }

    async fn bring_back(&self, saved: &Path, into: &Path) -> Result<(), RemoteError> {
        let doing = format!("bringing back {}", saved.display());
        let script = shell::line(&["exec", &self.agent(), "pack", "--keep", &saved.to_string_lossy()]);
        let mut archive = Vec::new();
        let mut is_too_much = false;
        let ended = self
            .root(&doing, &script, &[], self.limits.transfer, &mut |bytes| {
                is_too_much |= archive.len() + bytes.len() > MAX_SAVED;
                if !is_too_much {
                    archive.extend_from_slice(bytes);
                }
            })
            .await?;
        if ended.code != 0 {
            return Err(self.failed(&doing, ended));
        }
        if is_too_much {
            return Err(RemoteError::Saved {
                address: self.login.address,
                reason: format!(
                    "more than {MAX_SAVED} bytes came back; copy {} by hand",
                    saved.display()
                ),
            });
        }
        saved::unpack(&archive, into).map_err(|problem| self.saved(problem))
    }

    async fn give_back(&self, from: &Path, saved: &Path) -> Result<(), RemoteError> {
        // The journal is the last: without it, the folder is taken for damaged rather than for whole.
        for (name, bytes) in saved::load(from).map_err(|problem| self.saved(problem))? {
            let path = format!("{}/{name}", saved.to_string_lossy().trim_end_matches('/'));
            self.send(&path, 0o600, &crate::payload::sha256(&bytes), &bytes).await?;
        }
        Ok(())
    }
}

/// Puts lines together and reads them.
struct Listener<'a> {
    progress: OnEvent<'a>,
    line: Vec<u8>,
    has_said_hello: bool,
    end: Option<Event>,
    problem: Option<LineError>,
}

impl<'a> Listener<'a> {
    fn new(progress: OnEvent<'a>) -> Self {
        Listener {
            progress,
            line: Vec::new(),
            has_said_hello: false,
            end: None,
            problem: None,
        }
    }

    fn hear(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            // After the first problem nothing can be trusted, and it may be without an end.
            if self.problem.is_some() {
                return;
            }
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") || self.line.len() > MAX_LINE {
                let line = std::mem::take(&mut self.line);
                self.problem = self.read(&String::from_utf8_lossy(&line)).err();
            }
        }
    }

    fn read(&mut self, line: &str) -> Result<(), LineError> {
        let line = line.trim_end();
        if !self.has_said_hello {
            protocol::hello(line)?;
            self.has_said_hello = true;
            return Ok(());
        }
        let event = protocol::event(line)?;
        (self.progress)(&event);
        if event.is_last() {
            self.end = Some(event);
        }
        Ok(())
    }

    /// The event that ended it, if one did.
    fn finish(self) -> Result<Option<Event>, LineError> {
        match self.problem {
            Some(problem) => Err(problem),
            None => Ok(self.end),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use comeback_protocol::Stage;

    use super::*;

    #[test]
    fn lines_come_in_pieces() {
        let heard = Mutex::new(Vec::new());
        let progress = |event: &Event| heard.lock().unwrap().push(event.clone());
        let text = "{\"agent\":\"0.1.0\",\"protocol\":1}\n{\"event\":\"stage\",\"stage\":\"saving\"}\n{\"event\":\"disks\",\"disks\":[]}\n";
        for size in [1, 2, 7, 1000] {
            let mut listener = Listener::new(&progress);
            for piece in text.as_bytes().chunks(size) {
                listener.hear(piece);
            }
            assert_eq!(listener.finish().unwrap(), Some(Event::Disks { disks: Vec::new() }));
        }
        let heard = heard.into_inner().unwrap();
        assert_eq!(heard.len(), 8);
        assert_eq!(heard[0], Event::Stage { stage: Stage::Saving });
    }

    #[test]
    fn an_end_that_was_cut_off_is_none() {
        let mut listener = Listener::new(&|_| ());
        listener.hear(b"{\"agent\":\"0.1.0\",\"protocol\":1}\n{\"event\":\"disks\",\"di");
        assert_eq!(listener.finish().unwrap(), None);
    }

    #[test]
    fn another_program_is_not_listened_to() {
        let mut listener = Listener::new(&|_| ());
        listener.hear(b"Welcome!\n{\"event\":\"disks\",\"disks\":[]}\n");
        assert!(matches!(listener.finish(), Err(LineError::Strange { .. })));
    }
}
