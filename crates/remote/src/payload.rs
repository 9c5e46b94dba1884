//! What is sent to the other machine: the agent and GRUB's boot code, which is data beside it.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::error::PayloadError;

/// Names the agent's file, for whoever keeps it elsewhere.
const AGENT_ENVIRONMENT: &str = "COMEBACK_AGENT";
/// Names the folder of the boot assets, as for the main program.
const BOOT_ENVIRONMENT: &str = "COMEBACK_BOOT_ASSETS";
/// Where packages put both.
const INSTALLED: &str = "/usr/lib/comeback";
/// The agent beside the main program.
const AGENT_BESIDE: &str = "comeback-host/comeback-agent";
/// The boot assets beside a program: on this machine and on the other.
const BOOT_BESIDE: &str = "comeback-boot";

/// What of the boot assets is needed over there; the licence and the origin of GRUB go wherever GRUB goes.
const BOOT: [(&str, bool); 4] = [
    ("boot.img", true),
    ("core.img", true),
    ("COPYING", false),
    ("assets.json", false),
];

/// The files to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    pub(crate) files: Vec<PayloadFile>,
}

/// A file to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PayloadFile {
    /// Its path within the folder over there.
    pub(crate) name: String,
    pub(crate) mode: u32,
    pub(crate) sha256: String,
    pub(crate) bytes: Vec<u8>,
}

impl Payload {
    /// The name of the agent within the folder over there.
    pub(crate) const AGENT: &str = "comeback-agent";

    /// The agent in the file `agent` and the boot assets in the folder `boot`.
    ///
    /// # Errors
    /// [`PayloadError::Unreadable`].
    pub fn load(agent: &Path, boot: &Path) -> Result<Self, PayloadError> {
        let mut files = vec![file(Payload::AGENT.to_owned(), 0o755, agent)?];
        for (name, is_needed) in BOOT {
            let path = boot.join(name);
            if is_needed || path.exists() {
                files.push(file(format!("{BOOT_BESIDE}/{name}"), 0o644, &path)?);
            }
        }
        Ok(Payload { files })
    }

    /// Those of this machine: where `$COMEBACK_AGENT` and `$COMEBACK_BOOT_ASSETS` say, beside the program, or in
    /// `/usr/lib/comeback`.
    ///
    /// # Errors
    /// [`PayloadError`].
    pub fn find() -> Result<Self, PayloadError> {
        let program = env::current_exe().ok();
        let beside = program.as_deref().and_then(Path::parent);
        let agent = first(
            "the agent for other machines",
            "Build it with `cargo xtask agent`, or name its file in $COMEBACK_AGENT",
            candidates(
                env::var_os(AGENT_ENVIRONMENT).as_deref(),
                beside,
                AGENT_BESIDE,
                Payload::AGENT,
            ),
            |path| path.is_file(),
        )?;
        let boot = first(
            "GRUB's boot code",
            "Build it with `cargo xtask boot-assets`, or name its folder in $COMEBACK_BOOT_ASSETS",
            candidates(env::var_os(BOOT_ENVIRONMENT).as_deref(), beside, BOOT_BESIDE, ""),
            |path| path.join("core.img").is_file(),
        )?;
        Payload::load(&agent, &boot)
    }
}

fn candidates(named: Option<&OsStr>, beside: Option<&Path>, name: &str, installed: &str) -> Vec<PathBuf> {
    match named.filter(|named| !named.is_empty()) {
        Some(named) => vec![PathBuf::from(named)],
        None => beside
            .map(|folder| folder.join(name))
            .into_iter()
            .chain([Path::new(INSTALLED).join(installed)])
            .collect(),
    }
}

fn first(
    what: &'static str,
    remedy: &'static str,
    looked: Vec<PathBuf>,
    is_it: impl Fn(&Path) -> bool,
) -> Result<PathBuf, PayloadError> {
    match looked.iter().find(|path| is_it(path)) {
        Some(path) => Ok(path.clone()),
        None => Err(PayloadError::Missing { what, looked, remedy }),
    }
}

fn file(name: String, mode: u32, path: &Path) -> Result<PayloadFile, PayloadError> {
    let bytes = fs::read(path).map_err(|source| PayloadError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    Ok(PayloadFile {
        name,
        mode,
        sha256: sha256(&bytes),
        bytes,
    })
}

/// In hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_comes_first_then_what_is_beside() {
        let beside = Some(Path::new("/opt/bin"));
        assert_eq!(
            candidates(Some(OsStr::new("/x/agent")), beside, AGENT_BESIDE, Payload::AGENT),
            [Path::new("/x/agent")]
        );
        assert_eq!(
            candidates(Some(OsStr::new("")), beside, AGENT_BESIDE, Payload::AGENT),
            [
                "/opt/bin/comeback-host/comeback-agent",
                "/usr/lib/comeback/comeback-agent"
            ]
            .map(PathBuf::from)
        );
    }

    #[test]
    fn grubs_licence_goes_where_grub_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["agent", "boot.img", "core.img", "COPYING"] {
            fs::write(path(name), name).unwrap();
        }
        let payload = Payload::load(&path("agent"), folder.path()).unwrap();
        let names: Vec<_> = payload.files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "comeback-agent",
                "comeback-boot/boot.img",
                "comeback-boot/core.img",
                "comeback-boot/COPYING"
            ]
        );
        fs::remove_file(path("core.img")).unwrap();
        let error = Payload::load(&path("agent"), folder.path()).unwrap_err().to_string();
        assert!(error.contains("core.img"), "{error}");
    }

    #[test]
    fn what_is_nowhere_is_an_error_that_says_where() {
        let error = first("it", "Make it", vec!["/no/such/file".into()], |path| path.is_file())
            .unwrap_err()
            .to_string();
        assert_eq!(error, "it not found; looked in /no/such/file. Make it");
    }
}
