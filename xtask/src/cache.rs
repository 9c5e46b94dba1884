//! Where things are kept that are dear to make: boot assets, guests, the Xen rig, built crates. All of it can be deleted.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// `${XDG_CACHE_HOME:-~/.cache}/comeback`.
pub(crate) fn root() -> Result<PathBuf> {
    if let Some(cache) = env::var_os("XDG_CACHE_HOME").filter(|path| !path.is_empty()) {
        return Ok(PathBuf::from(cache).join("comeback"));
    }
    let home = env::home_dir().context("finding the home folder (set HOME or XDG_CACHE_HOME)")?;
    Ok(home.join(".cache/comeback"))
}

/// A folder in the cache, made if it is not there.
pub(crate) fn folder(name: &str) -> Result<PathBuf> {
    let path = root()?.join(name);
    fs::create_dir_all(&path).with_context(|| format!("creating {}", path.display()))?;
    Ok(path)
}

/// The folder that cargo builds the workspace in: `$CARGO_TARGET_DIR`, or one in the cache, so that a fresh clone does
/// not pay for its dependencies again.
pub(crate) fn target() -> Result<PathBuf> {
    match env::var_os("CARGO_TARGET_DIR").filter(|path| !path.is_empty()) {
        Some(path) => Ok(PathBuf::from(path)),
        None => Ok(root()?.join("target")),
    }
}

/// The cargo that runs this task, with the workspace as its place of work and [`target`] as its folder.
pub(crate) fn cargo(subcommand: &str) -> Result<Command> {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // What cargo tells this program about itself is not for the other one: build scripts look at it (ring's does), and would build
    // everything again, aws-sdk-ec2 included, whenever tasks and plain cargo take turns.
    for (name, _) in env::vars_os() {
        let of_this_package = [
            "CARGO_PKG_",
            "CARGO_MANIFEST_",
            "CARGO_CRATE_",
            "CARGO_BIN_",
            "CARGO_PRIMARY_",
        ];
        if name
            .to_str()
            .is_some_and(|name| of_this_package.iter().any(|prefix| name.starts_with(prefix)))
        {
            command.env_remove(&name);
        }
    }
    command
        .current_dir(workspace())
        .arg(subcommand)
        .arg("--target-dir")
        .arg(target()?);
    Ok(command)
}

/// The top folder of the workspace.
pub(crate) fn workspace() -> PathBuf {
    let package = env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    package.parent().map_or_else(|| package.clone(), Path::to_path_buf)
}

/// What the cache has under `path`. If it has nothing, `build` makes it in a folder beside it, which is then removed, and
/// says what of it to keep. Two who want the same thing build it once, and nobody ever sees half of it.
pub(crate) fn ready(path: PathBuf, build: impl FnOnce(&Path) -> Result<PathBuf>) -> Result<PathBuf> {
    if path.exists() {
        return Ok(path);
    }
    let _lock = lock(&path)?;
    if path.exists() {
        return Ok(path);
    }
    let folder = beside(&path, "building");
    if folder.exists() {
        // What a build that was killed has left.
        remove(&folder)?;
    }
    fs::create_dir(&folder).with_context(|| format!("creating {}", folder.display()))?;
    let built = build(&folder)
        .and_then(|made| fs::rename(&made, &path).with_context(|| format!("renaming {}", made.display())));
    remove(&folder)?;
    built.map(|()| path)
}

fn remove(folder: &Path) -> Result<()> {
    fs::remove_dir_all(folder).with_context(|| format!("removing {}", folder.display()))
}

/// Holds everybody else off the thing that `path` names until the returned file is dropped. Says so if it has to wait.
pub(crate) fn lock(path: &Path) -> Result<File> {
    let path = beside(path, "lock");
    let file = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(fs::TryLockError::WouldBlock) => eprintln!("waiting for another xtask that holds {}", path.display()),
        Err(fs::TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("locking {}", path.display()));
        }
    }
    file.lock().with_context(|| format!("locking {}", path.display()))?;
    Ok(file)
}

/// `name.extension` beside `name`.
pub(crate) fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    PathBuf::from(name)
}

/// SHA-256 of a file, in hexadecimal.
#[cfg(test)]
pub(crate) fn sha256_of_file(path: &Path) -> Result<String> {
    let mut file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let mut digest = Sha256::new();
    std::io::copy(&mut file, &mut digest).with_context(|| format!("reading {}", path.display()))?;
    Ok(hex(&digest.finalize()))
}

/// SHA-256 of bytes, in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_agree() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abc");
        fs::write(&path, "abc").unwrap();
        assert_eq!(
            sha256(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(sha256_of_file(&path).unwrap(), sha256(b"abc"));
    }

    #[test]
    fn building_leaves_the_thing_or_nothing() {
        let cache = tempfile::tempdir().unwrap();
        let path = cache.path().join("thing");
        let write = |folder: &Path, text: &str| -> Result<PathBuf> {
            fs::write(folder.join("made"), text)?;
            fs::write(folder.join("scrap"), text)?;
            Ok(folder.join("made"))
        };
        ready(path.clone(), |folder| {
            write(folder, "never").and_then(|_| anyhow::bail!("no"))
        })
        .unwrap_err();
        assert!(!path.exists());
        fs::create_dir(cache.path().join("thing.building")).unwrap();
        ready(path.clone(), |folder| write(folder, "once")).unwrap();
        ready(path.clone(), |folder| write(folder, "twice")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "once");
        assert!(!cache.path().join("thing.building").exists());
    }

    #[test]
    fn lock_is_exclusive() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("thing");
        let held = lock(&path).unwrap();
        let other = File::open(folder.path().join("thing.lock")).unwrap();
        assert!(matches!(other.try_lock(), Err(fs::TryLockError::WouldBlock)));
        drop(held);
        // A child that another test starts in this moment holds a copy of the lock until it runs its program.
        let free = (0..50).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(20));
            other.try_lock().is_ok()
        });
        assert!(free, "the lock is still held");
    }
}
