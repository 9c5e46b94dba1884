//! QEMU's protocol of byte-range locks, so that an image is never written by it and by us at the same time.
//!
//! A user of an image holds a shared lock on byte `100 + bit` for each permission that it uses, and on byte
//! `200 + bit` for each that it does not share with others (QEMU, `block/file-posix.c`, `raw_handle_perm_lock`). The
//! locks belong to the open file description, so they end when the file is closed, also by a crash.

use std::fs::File;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

/// First byte of "I use this permission".
const USED: i64 = 100;
/// First byte of "nobody else may use this permission".
const UNSHARED: i64 = 200;

/// Reads that must be consistent (`BLK_PERM_CONSISTENT_READ`).
const READ: i64 = 0;
/// Writes (`BLK_PERM_WRITE`).
const WRITE: i64 = 1;
/// Changes of the size (`BLK_PERM_RESIZE`).
const RESIZE: i64 = 3;

/// Another process uses the file in a way that excludes us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Conflict;

/// The locks of a writer.
///
/// They end with this value, not only when the file is closed: a child process that another thread is just starting
/// has the file open, too, until it executes its program.
#[derive(Debug)]
pub(super) struct Held(File);

impl Drop for Held {
    fn drop(&mut self) {
        let mut all = range(USED, libc::F_UNLCK);
        all.l_len = UNSHARED + USED;
        // The file is closed in a moment anyway.
        let _ = fcntl(&self.0, FcntlArg::F_OFD_SETLK(&all));
    }
}

/// Takes the locks of a writer.
///
/// Where the file system has no locks there is no protection either, as in QEMU.
pub(super) fn for_writing(file: &File) -> Result<Option<Held>, Conflict> {
    let Ok(held) = file.try_clone().map(Held) else {
        return Ok(None);
    };
    for byte in [
        USED + READ,
        USED + WRITE,
        USED + RESIZE,
        UNSHARED + WRITE,
        UNSHARED + RESIZE,
    ] {
        match fcntl(file, FcntlArg::F_OFD_SETLK(&range(byte, libc::F_RDLCK))) {
            Ok(_) => {}
            Err(Errno::EAGAIN | Errno::EACCES) => return Err(Conflict),
            Err(_) => return Ok(None),
        }
    }
    // First lock, then look: of two that come at the same time at least one sees the other.
    let others = [
        UNSHARED + READ,
        UNSHARED + WRITE,
        UNSHARED + RESIZE,
        USED + WRITE,
        USED + RESIZE,
    ];
    if others.into_iter().any(|byte| is_held_by_another(file, byte)) {
        return Err(Conflict);
    }
    Ok(Some(held))
}

/// Whether another process writes to the file.
pub(super) fn is_being_written(file: &File) -> bool {
    is_held_by_another(file, USED + WRITE)
}

fn is_held_by_another(file: &File, byte: i64) -> bool {
    let mut lock = range(byte, libc::F_WRLCK);
    fcntl(file, FcntlArg::F_OFD_GETLK(&mut lock)).is_ok() && lock.l_type != libc::F_UNLCK as i16
}

fn range(byte: i64, kind: i32) -> libc::flock {
    libc::flock {
        l_type: kind as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: byte,
        l_len: 1,
        l_pid: 0,
    }
}
