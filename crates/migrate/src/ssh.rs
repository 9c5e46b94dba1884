//! Hosts that are reached by SSH, with the agent on them.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use comeback_cloud::model::UserData;
use comeback_remote::protocol::{Event, FailureKind, Stage, Verdict, VolumeId};
use comeback_remote::{
    Conversion, Converter as _, KeyError, KeyPair, Limits, Login, Payload, PayloadError, RemoteError, SshConverter,
    Target, Wanted,
};

use crate::hosts::{Converted, Door, Host, HostError, Hosts, Job};
use crate::plan::Platform;

/// The key that lets us in.
const KEY: &str = "ssh-key";
/// The key that the host is known by.
const HOST_KEY: &str = "ssh-host-key";
/// Where what the converter saved is put.
const SAVED: &str = "saved";
/// Seconds that a disk that was attached may take to appear.
const APPEARS: u64 = 60;

/// Reaches hosts by SSH.
#[derive(Debug, Clone, Copy)]
pub struct SshHosts {
    /// How long a host may take to answer at all.
    pub answers: Duration,
}

/// Whether there is what hosts are sent: the agent and GRUB's boot code.
///
/// # Errors
/// When something is missing, with what to do.
pub fn check_payload() -> Result<(), PayloadError> {
    Payload::find().map(drop)
}

/// Both keys of a run.
struct Keys {
    ours: KeyPair,
    host: KeyPair,
}

impl Keys {
    /// Those in the run's folder, made if they are not there.
    fn of(folder: &Path) -> Result<Self, HostError> {
        Ok(Self {
            ours: key(&folder.join(KEY))?,
            host: key(&folder.join(HOST_KEY))?,
        })
    }
}

/// Loads a key, or makes one. It is in the file in full or not at all, as the host is started with what was made first.
fn key(path: &Path) -> Result<KeyPair, HostError> {
    let failed = |error: KeyError| HostError::File {
        doing: "keeping a key in",
        path: path.to_owned(),
        what: error.to_string(),
    };
    if path.exists() {
        return KeyPair::load(path).map_err(failed);
    }
    let io = |error: std::io::Error| HostError::File {
        doing: "writing",
        path: path.to_owned(),
        what: error.to_string(),
    };
    let unfinished = path.with_extension("new");
    if unfinished.exists() {
        fs::remove_file(&unfinished).map_err(io)?;
    }
    let key = KeyPair::generate().map_err(failed)?;
    key.save(&unfinished).map_err(failed)?;
    fs::rename(&unfinished, path).map_err(io)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(io)?;
    Ok(key)
}

#[async_trait]
impl Hosts for SshHosts {
    fn user_data(&self, folder: &Path) -> Result<UserData, HostError> {
        let keys = Keys::of(folder)?;
        let data = comeback_remote::user_data(&keys.host, &keys.ours.public()).map_err(|error| HostError::File {
            doing: "writing down the keys in",
            path: folder.to_owned(),
            what: error.to_string(),
        })?;
        Ok(UserData(data.as_str().as_bytes().to_vec()))
    }

    fn forget(&self, folder: &Path) -> Result<(), HostError> {
        for name in [KEY, HOST_KEY] {
            let path = folder.join(name);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(HostError::File {
                        doing: "deleting",
                        path,
                        what: error.to_string(),
                    });
                }
                _ => {}
            }
        }
        Ok(())
    }

    async fn open(&self, door: &Door, folder: &Path) -> Result<Box<dyn Host>, HostError> {
        let keys = Keys::of(folder)?;
        let name = format!("{}@{}:{}", door.user, door.address, door.port);
        let payload = Payload::find().map_err(|error| HostError::Failed {
            door: name.clone(),
            what: error.to_string(),
        })?;
        let login = Login {
            address: SocketAddr::from((door.address, door.port)),
            user: door.user.clone(),
            key: keys.ours,
            host_key: keys.host.public(),
        };
        let limits = Limits {
            connect: self.answers,
            ..Limits::default()
        };
        let converter = SshConverter::connect(login, payload, limits)
            .await
            .map_err(|error| host_error(&name, error))?;
        converter.push().await.map_err(|error| host_error(&name, error))?;
        Ok(Box::new(SshHost { name, converter }))
    }
}

/// A host that answered.
struct SshHost {
    name: String,
    converter: SshConverter,
}

fn host_error(door: &str, error: RemoteError) -> HostError {
    let (door, what) = (door.to_owned(), error.to_string());
    match error {
        _ if error.is_connection() => HostError::Away { door, what },
        RemoteError::HostKey { .. } | RemoteError::Refused { .. } | RemoteError::NotRoot { .. } => {
            HostError::Stranger { door, what }
        }
        RemoteError::Agent { failure, .. } if failure.kind == FailureKind::Blocked => {
            HostError::Refused { what: failure.message }
        }
        _ => HostError::Failed { door, what },
    }
}

#[async_trait]
impl Host for SshHost {
    async fn disks(&self) -> Result<Vec<String>, HostError> {
        let disks = self
            .converter
            .disks()
            .await
            .map_err(|error| host_error(&self.name, error))?;
        Ok(disks
            .into_iter()
            .map(|disk| disk.path.to_string_lossy().into_owned())
            .collect())
    }

    async fn convert(
        &self,
        job: &Job,
        folder: &Path,
        progress: &(dyn Fn(String) + Send + Sync),
    ) -> Result<Converted, HostError> {
        let failed = |error| host_error(&self.name, error);
        let volume = VolumeId::parse(job.volume.as_str()).map_err(|error| HostError::Failed {
            door: self.name.clone(),
            what: error.to_string(),
        })?;
        let wanted = Wanted {
            volume: volume.clone(),
            size: job.size,
            known: Some(job.known.iter().map(PathBuf::from).collect()),
            device: Some(job.device.clone()),
            timeout: APPEARS,
        };
        let found = self.converter.find(&wanted).await.map_err(failed)?;
        progress(format!("{volume} is {}", found.disk.path.display()));
        let mut conversion = Conversion {
            device: found.disk.path.clone(),
            target: match job.target {
                Platform::XenHvm => Target::XenHvm,
                Platform::Nitro => Target::Nitro,
            },
            saved: self.converter.saved_folder(&volume),
            dry_run: false,
        };
        if job.target == Platform::XenHvm && self.can_move_on(&conversion).await? {
            conversion.target = Target::Auto;
        }
        let tell = |event: &Event| {
            if let Some(text) = in_words(event) {
                progress(text);
            }
        };
        let done = self.converter.convert(&conversion, &tell).await.map_err(failed)?;
        if let Some(saved) = &done.converted.saved {
            self.bring_back(saved, &folder.join(SAVED)).await?;
        }
        let verdicts = done.planned.map(|planned| planned.after).unwrap_or_default();
        Ok(Converted {
            device: found.disk.path.to_string_lossy().into_owned(),
            written: done.converted.applied,
            patch_bytes: done.converted.changed,
            verdicts: verdicts
                .into_iter()
                .map(|Verdict { platform, outcome, .. }| (platform, outcome))
                .collect(),
        })
    }
}

impl SshHost {
    /// Whether a conversion for Nitro does for Xen, too: then the target can move on by a change of its type alone.
    async fn can_move_on(&self, conversion: &Conversion) -> Result<bool, HostError> {
        let trial = Conversion {
            target: Target::Auto,
            dry_run: true,
            ..conversion.clone()
        };
        match self.converter.convert(&trial, &|_| ()).await {
            Ok(done) => Ok(done.planned.is_some_and(|planned| {
                planned
                    .after
                    .iter()
                    .any(|verdict| verdict.platform == Platform::XenHvm.name() && verdict.outcome == "boots")
            })),
            Err(error) if error.is_connection() => Err(host_error(&self.name, error)),
            // The conversion itself says what is wrong, if anything is.
            Err(_) => Ok(false),
        }
    }

    /// Brings back what was saved. What an earlier attempt brought is the same.
    async fn bring_back(&self, saved: &Path, into: &Path) -> Result<(), HostError> {
        if into.exists() {
            return Ok(());
        }
        self.converter
            .bring_back(saved, into)
            .await
            .map_err(|error| host_error(&self.name, error))
    }
}

/// What is worth telling of what the agent says.
fn in_words(event: &Event) -> Option<String> {
    match event {
        Event::Stage { stage } => Some(
            match stage {
                Stage::Waiting => "waiting for the disk to appear",
                Stage::Opening => "opening the disk",
                Stage::Resuming => "completing what was begun before",
                Stage::Inspecting => "reading what is on the disk",
                Stage::Planning => "making the patch, and inspecting the result",
                Stage::Saving => "saving the old bytes",
                Stage::Applying => "writing the new ones",
                Stage::Reverting => "writing the old ones",
            }
            .to_owned(),
        ),
        Event::Note { text } => Some(text.clone()),
        Event::Planned(planned) => {
            let bytes: u64 = planned.ranges.iter().map(|range| range.len).sum();
            Some(format!(
                "the patch has {} KiB in {} ranges",
                bytes.div_ceil(1024),
                planned.ranges.len()
            ))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn keys_are_the_same_from_then_on() {
        let folder = tempfile::tempdir().unwrap();
        let hosts = SshHosts {
            answers: Duration::from_secs(1),
        };
        // What a process that was killed has left.
        fs::write(folder.path().join("ssh-key.new"), "half").unwrap();
        let first = hosts.user_data(folder.path()).unwrap();
        assert_eq!(hosts.user_data(folder.path()).unwrap(), first);
        assert!(first.as_bytes().starts_with(b"#cloud-config\n"));
        hosts.forget(folder.path()).unwrap();
        hosts.forget(folder.path()).unwrap();
        assert_ne!(hosts.user_data(folder.path()).unwrap(), first);
        fs::write(folder.path().join(KEY), "no key").unwrap();
        let error = hosts.user_data(folder.path()).unwrap_err().to_string();
        assert!(error.contains("ssh-key"), "{error}");
    }
}
