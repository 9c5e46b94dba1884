//! The saved bytes of a disk, as they come back: a tar archive with three files.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use comeback_protocol::SAVED_FILES;

/// What is wrong with what came back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SavedProblem {
    /// A file on this machine could not be read or written.
    #[error("{doing} {}: {source}", path.display())]
    Local {
        doing: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    /// The archive is none, or has other files.
    #[error("{0}")]
    Archive(String),
    /// Something else is where it should go.
    #[error("{} exists already and holds other bytes; move it away, it may be what another disk is reverted with", .0.display())]
    Exists(PathBuf),
}

/// Unpacks into the new folder `into`, which is there in full or not at all, and on stable storage. If it is there already with
/// the same bytes, that is as well.
pub(crate) fn unpack(archive: &[u8], into: &Path) -> Result<(), SavedProblem> {
    let files = read(archive)?;
    if into.symlink_metadata().is_ok() {
        let is_same = |(name, bytes): &(&str, Vec<u8>)| fs::read(into.join(name)).is_ok_and(|found| found == *bytes);
        return if files.iter().all(is_same) {
            Ok(())
        } else {
            Err(SavedProblem::Exists(into.to_owned()))
        };
    }
    let mut partial = into.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    match fs::remove_dir_all(&partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(local("removing", &partial)(error)),
        _ => {}
    }
    DirBuilder::new()
        .mode(0o700)
        .create(&partial)
        .map_err(local("creating", &partial))?;
    for (name, bytes) in &files {
        let path = partial.join(name);
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        write().map_err(local("writing", &path))?;
    }
    sync_folder(&partial)?;
    fs::rename(&partial, into).map_err(local("renaming", &partial))?;
    match into.parent() {
        Some(parent) if parent != Path::new("") => sync_folder(parent),
        _ => sync_folder(Path::new(".")),
    }
}

/// The files of a folder, in the order in which they are written.
pub(crate) fn load(folder: &Path) -> Result<Vec<(&'static str, Vec<u8>)>, SavedProblem> {
    SAVED_FILES
        .into_iter()
        .map(|name| {
            let path = folder.join(name);
            let bytes = fs::read(&path).map_err(local("reading", &path))?;
            Ok((name, bytes))
        })
        .collect()
}

/// The three files, each once, and nothing else: names from another machine are not paths on this one.
fn read(archive: &[u8]) -> Result<Vec<(&'static str, Vec<u8>)>, SavedProblem> {
    let broken = |error: io::Error| SavedProblem::Archive(format!("what came back is no whole tar archive: {error}"));
    let mut files: Vec<(&'static str, Vec<u8>)> = Vec::new();
    let mut archive = tar::Archive::new(archive);
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let path = entry.path().map_err(broken)?.into_owned();
        let name = SAVED_FILES.into_iter().find(|name| path == Path::new(name));
        let (Some(name), true) = (name, entry.header().entry_type().is_file()) else {
            return Err(SavedProblem::Archive(format!(
                "what came back has {:?} in it, expected the files {} only",
                path,
                SAVED_FILES.join(", ")
            )));
        };
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(broken)?;
        files.push((name, bytes));
    }
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    if names != SAVED_FILES {
        return Err(SavedProblem::Archive(format!(
            "what came back has the files {}, expected {}",
            names.join(", "),
            SAVED_FILES.join(", ")
        )));
    }
    Ok(files)
}

fn sync_folder(path: &Path) -> Result<(), SavedProblem> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(local("syncing", path))
}

fn local(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SavedProblem {
    let path = path.to_owned();
    move |source| SavedProblem::Local { doing, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(files: &[(&str, &str)]) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for (name, text) in files {
            let mut header = tar::Header::new_gnu();
            // Also names that the crate would not write.
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_size(text.len() as u64);
            header.set_mode(0o600);
            header.set_cksum();
            archive.append(&header, text.as_bytes()).unwrap();
        }
        archive.into_inner().unwrap()
    }

    const WHOLE: [(&str, &str); 3] = [("undo.qcow2", "u"), ("patch.qcow2", "p"), ("journal.json", "{}")];

    #[test]
    fn what_comes_back_is_there_in_full_and_may_come_twice() {
        let folder = tempfile::tempdir().unwrap();
        let into = folder.path().join("saved");
        fs::create_dir(folder.path().join("saved.partial")).unwrap();
        for _ in 0..2 {
            unpack(&archive(&WHOLE), &into).unwrap();
            let loaded = load(&into).unwrap();
            let texts: Vec<_> = loaded
                .iter()
                .map(|(name, bytes)| (*name, std::str::from_utf8(bytes).unwrap()))
                .collect();
            assert_eq!(texts, WHOLE);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let other = [WHOLE[0], WHOLE[1], ("journal.json", "[]")];
        let error = unpack(&archive(&other), &into).unwrap_err().to_string();
        assert!(error.contains("holds other bytes"), "{error}");
        assert_eq!(fs::read(into.join("journal.json")).unwrap(), b"{}");
    }

    #[test]
    fn what_is_not_the_three_files_is_refused_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let into = folder.path().join("saved");
        let whole = archive(&WHOLE);
        let bad = [
            archive(&WHOLE[..2]),
            archive(&[WHOLE[0], WHOLE[1], WHOLE[2], ("more", "")]),
            archive(&[("../undo.qcow2", "u")]),
            archive(&[("/etc/passwd", "u")]),
            archive(&[WHOLE[0], WHOLE[0], WHOLE[0]]),
            whole[..700].to_vec(),
            Vec::new(),
            b"sudo: a password is required\n".to_vec(),
        ];
        for (at, bytes) in bad.iter().enumerate() {
            let error = unpack(bytes, &into).unwrap_err().to_string();
            assert!(error.contains("what came back"), "{at}: {error}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
