//! Folder to file system image, without mounting anything and without root.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::{packages, run};

/// Runs commands so that files can belong to whom they should: as root, or with fakeroot remembering it.
#[derive(Debug)]
pub(crate) struct Owner {
    state: Option<PathBuf>,
}

/// A file system to make.
#[derive(Debug)]
pub(crate) struct FileSystem<'a> {
    /// Where it begins in the image, in bytes.
    pub(crate) start: u64,
    /// Bytes it may take.
    pub(crate) length: u64,
    /// Type and features, as mke2fs wants them.
    pub(crate) mke2fs: &'a [&'a str],
    pub(crate) uuid: &'a str,
    pub(crate) label: Option<&'a str>,
}

impl Owner {
    /// `folder` is where what is remembered lies.
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        let state = (!packages::is_root()?).then(|| folder.join("owners"));
        if let Some(state) = &state {
            File::create(state).with_context(|| format!("creating {}", state.display()))?;
        }
        Ok(Self { state })
    }

    /// A command that sees and sets owners.
    pub(crate) fn command(&self, program: &str) -> Command {
        let Some(state) = &self.state else {
            return Command::new(program);
        };
        let mut command = Command::new("fakeroot");
        command.arg("-i").arg(state).arg("-s").arg(state).arg("--").arg(program);
        command
    }

    /// Unpacks a tar file into an empty folder.
    pub(crate) fn extract(&self, tar: &Path, folder: &Path) -> Result<()> {
        let mut command = self.command("tar");
        command
            .args(["--extract", "--preserve-permissions", "--numeric-owner", "--file"])
            .arg(tar);
        run::quietly(command.arg("--directory").arg(folder))?;
        if self.state.is_some() {
            // Only root reads a file that nobody may read, such as the /etc/shadow- of some releases.
            let mut command = self.command("find");
            command
                .arg(folder)
                .args(["-type", "f", "!", "-perm", "-u+r", "-exec", "chmod", "u+r", "{}", "+"]);
            run::quietly(&mut command)?;
        }
        Ok(())
    }

    /// Puts files over those of a folder; they belong to root.
    pub(crate) fn lay_over(&self, overlay: &Path, folder: &Path) -> Result<()> {
        let mut command = self.command("cp");
        command.args([
            "--recursive",
            "--no-dereference",
            "--remove-destination",
            "--no-target-directory",
        ]);
        run::quietly(command.arg(overlay).arg(folder))
    }

    /// Makes a file system in an image and fills it from a folder.
    pub(crate) fn mke2fs(&self, image: &Path, wanted: &FileSystem, from: &Path) -> Result<()> {
        let FileSystem {
            start,
            length,
            mke2fs,
            uuid,
            label,
        } = wanted;
        let mut command = self.command("mke2fs");
        command
            .args(["-F", "-q"])
            .args(*mke2fs)
            .args(["-b", "4096", "-U", uuid]);
        command.args(label.iter().flat_map(|label| ["-L", label]));
        command.arg("-E").arg(format!(
            "offset={start},hash_seed={uuid},lazy_itable_init=1,root_owner=0:0"
        ));
        command
            .arg("-d")
            .arg(from)
            .arg(image)
            .arg(format!("{}k", length / 4096 * 4));
        run::quietly(&mut command).with_context(|| format!("making the file system of {}", from.display()))
    }
}
