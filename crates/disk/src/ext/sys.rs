//! libext2fs through the shim: the only unsafe code of this crate.
//!
//! Every function takes `&mut Handle`, so libext2fs is never entered twice; every error of the medium that our callbacks
//! saw during a call is what the call returns, whatever libext2fs made of it.
#![expect(unsafe_code, reason = "libext2fs is a C library; everything unsafe is in this file")]

use std::ffi::{CStr, CString, c_char, c_int, c_long, c_void};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, Once, PoisonError};

use super::error::ExtError;
use crate::io::WriteAt;

/// libext2fs's state, opaque here.
#[repr(C)]
struct Raw {
    _private: [u8; 0],
}

/// A flat copy of what matters in an inode; `struct comeback_inode` of the shim.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(super) struct Inode {
    /// Size in bytes.
    pub(super) size: u64,
    /// Last access, seconds since 1970.
    pub(super) atime: i64,
    /// Last change of the content.
    pub(super) mtime: i64,
    /// Last change of the inode.
    pub(super) ctime: i64,
    /// Type and permission bits.
    pub(super) mode: u32,
    /// Owner.
    pub(super) uid: u32,
    /// Group.
    pub(super) gid: u32,
    /// `EXT4_*_FL`.
    pub(super) flags: u32,
    /// Hard links.
    pub(super) links: u32,
    /// `i_block`: a fast link's target, or the root of the block map.
    pub(super) block: [u8; 60],
    has_acl_block: u32,
}

/// A run of blocks of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) logical: u64,
    pub(super) physical: u64,
    pub(super) len: u64,
    pub(super) unwritten: bool,
}

type ReadFn = unsafe extern "C" fn(*mut c_void, u64, *mut c_void, u64) -> c_int;
type WriteFn = unsafe extern "C" fn(*mut c_void, u64, *const c_void, u64) -> c_int;
type MapFn = unsafe extern "C" fn(*mut c_void, u64, u64, u64, c_int) -> c_int;
type BytesFn = unsafe extern "C" fn(*mut c_void, *const c_char, u64) -> c_int;
type XattrFn = unsafe extern "C" fn(*mut c_void, *const c_char, *const c_void, u64) -> c_int;
type RangeFn = unsafe extern "C" fn(*mut c_void, u64, u64) -> c_int;

unsafe extern "C" {
    fn comeback_ext_init();
    fn comeback_ext_error(code: c_long) -> *const c_char;
    fn comeback_ext_class(code: c_long) -> c_int;
    fn comeback_ext_complaint(buf: *mut c_char, len: u64) -> *const c_char;
    fn comeback_ext_supported(incompat: *mut u32, ro_compat: *mut u32);
    fn comeback_ext_open(
        ctx: *mut c_void,
        read: ReadFn,
        write: WriteFn,
        writable: c_int,
        now: i64,
        out: *mut *mut Raw,
    ) -> c_long;
    fn comeback_ext_close(ext: *mut Raw);
    fn comeback_ext_flush(ext: *mut Raw) -> c_long;
    fn comeback_ext_take_failed(ext: *mut Raw) -> c_long;
    fn comeback_ext_free_counts(ext: *mut Raw, blocks: *mut u64, inodes: *mut u64);
    fn comeback_ext_groups(ext: *mut Raw) -> u32;
    fn comeback_ext_inode(ext: *mut Raw, ino: u32, out: *mut Inode) -> c_long;
    fn comeback_ext_map(ext: *mut Raw, ino: u32, found: MapFn, ctx: *mut c_void) -> c_long;
    fn comeback_ext_lookup(ext: *mut Raw, dir: u32, name: *const c_char, len: u64, out: *mut u32) -> c_long;
    fn comeback_ext_dir(ext: *mut Raw, ino: u32, found: BytesFn, ctx: *mut c_void) -> c_long;
    fn comeback_ext_inline(ext: *mut Raw, ino: u32, found: BytesFn, ctx: *mut c_void) -> c_long;
    fn comeback_ext_xattrs(ext: *mut Raw, ino: u32, found: XattrFn, ctx: *mut c_void) -> c_long;
    fn comeback_ext_used(ext: *mut Raw, group: u32, found: RangeFn, ctx: *mut c_void) -> c_long;
    fn comeback_ext_set_flags(ext: *mut Raw, ino: u32, set: u32, clear: u32) -> c_long;
    fn comeback_ext_set_attributes(ext: *mut Raw, ino: u32, mode: u32, uid: u32, gid: u32, time: i64) -> c_long;
    fn comeback_ext_touch(ext: *mut Raw, ino: u32, time: i64) -> c_long;
    fn comeback_ext_set_xattr(ext: *mut Raw, ino: u32, name: *const c_char, value: *const c_void, len: u64) -> c_long;
    fn comeback_ext_resize(ext: *mut Raw, ino: u32, size: u64, data: *const c_void, done: *mut c_int) -> c_long;
    fn comeback_ext_allocate_run(ext: *mut Raw, ino: u32, size: u64) -> c_long;
    fn comeback_ext_create(
        ext: *mut Raw,
        dir: u32,
        name: *const c_char,
        isdir: c_int,
        target: *const c_char,
        out: *mut u32,
    ) -> c_long;
    fn comeback_ext_remove(ext: *mut Raw, dir: u32, name: *const c_char, ino: u32) -> c_long;
}

/// What went wrong while libext2fs was reading or writing through us.
#[derive(Debug)]
enum Failure {
    Io { what: String, source: io::Error },
    Outside { offset: u64, len: u64, size: u64 },
    ReadOnly,
}

/// What our callbacks need. Its address is what libext2fs hands back to them.
#[derive(Debug)]
struct Medium {
    io: Arc<dyn WriteAt>,
    /// Size of the file system in bytes: nothing is read or written behind it.
    size: u64,
    writable: bool,
    failure: Mutex<Option<Failure>>,
}

impl Medium {
    /// Runs one transfer; keeps the first failure of a call, which is the cause of all that follow.
    fn transfer(&self, offset: u64, len: u64, verb: &str, run: impl FnOnce() -> io::Result<()>) -> c_int {
        let failure = if offset.checked_add(len).is_none_or(|end| end > self.size) {
            Failure::Outside {
                offset,
                len,
                size: self.size,
            }
        } else {
            let result = catch_unwind(AssertUnwindSafe(run))
                .unwrap_or_else(|_| Err(io::Error::other("the code that reads or writes the medium panicked")));
            match result {
                Ok(()) => return 0,
                Err(source) => Failure::Io {
                    what: format!("{verb} {len} bytes at offset {offset} of the file system"),
                    source,
                },
            }
        };
        self.fail(failure)
    }

    fn fail(&self, failure: Failure) -> c_int {
        self.failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(failure);
        1
    }
}

/// # Safety
/// `ctx` is the [`Medium`] of a live [`Handle`]; `data` has room for `len` bytes.
unsafe extern "C" fn read_medium(ctx: *mut c_void, offset: u64, data: *mut c_void, len: u64) -> c_int {
    // SAFETY: `Handle::open` passed the address of a Medium that lives as long as the handle.
    let medium = unsafe { &*ctx.cast::<Medium>() };
    medium.transfer(offset, len, "reading", || {
        // SAFETY: libext2fs passes a buffer of `len` bytes that nobody else uses during the call. It may not have been
        // written to yet, so it is filled before a reference to it is made.
        let buf = unsafe {
            std::ptr::write_bytes(data.cast::<u8>(), 0, len as usize);
            std::slice::from_raw_parts_mut(data.cast::<u8>(), len as usize)
        };
        medium.io.read_at(offset, buf)
    })
}

/// # Safety
/// `ctx` is the [`Medium`] of a live [`Handle`]; `data` points to `len` bytes.
unsafe extern "C" fn write_medium(ctx: *mut c_void, offset: u64, data: *const c_void, len: u64) -> c_int {
    // SAFETY: as in `read_medium`.
    let medium = unsafe { &*ctx.cast::<Medium>() };
    if !medium.writable {
        return medium.fail(Failure::ReadOnly);
    }
    medium.transfer(offset, len, "writing", || {
        // SAFETY: libext2fs passes `len` bytes that do not change during the call.
        let data = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), len as usize) };
        medium.io.write_at(offset, data)
    })
}

/// A list that a callback adds to, with a limit: a damaged file system shall not fill the memory.
struct Collector<T> {
    items: Vec<T>,
    limit: usize,
}

impl<T> Collector<T> {
    fn new(limit: usize) -> Self {
        Collector {
            items: Vec::new(),
            limit,
        }
    }

    fn ctx(&mut self) -> *mut c_void {
        (&raw mut *self).cast()
    }

    fn push(&mut self, item: T) -> c_int {
        if self.items.len() >= self.limit {
            return 1;
        }
        self.items.push(item);
        0
    }
}

/// # Safety
/// `ctx` is a `Collector<Run>` that nobody else uses during the call.
unsafe extern "C" fn collect_run(ctx: *mut c_void, logical: u64, physical: u64, len: u64, unwritten: c_int) -> c_int {
    // SAFETY: see above.
    let runs = unsafe { &mut *ctx.cast::<Collector<Run>>() };
    runs.push(Run {
        logical,
        physical,
        len,
        unwritten: unwritten != 0,
    })
}

/// # Safety
/// `ctx` is a `Collector<Vec<u8>>` that nobody else uses during the call; `data` points to `len` bytes.
unsafe extern "C" fn collect_bytes(ctx: *mut c_void, data: *const c_char, len: u64) -> c_int {
    // SAFETY: see above.
    let (list, bytes) = unsafe {
        (
            &mut *ctx.cast::<Collector<Vec<u8>>>(),
            std::slice::from_raw_parts(data.cast::<u8>(), len as usize),
        )
    };
    list.push(bytes.to_vec())
}

/// # Safety
/// `ctx` is a `Collector<(String, Vec<u8>)>` that nobody else uses during the call; `name` ends in a NUL byte, `value`
/// points to `len` bytes, or may be NULL when `len` is 0.
unsafe extern "C" fn collect_xattr(ctx: *mut c_void, name: *const c_char, value: *const c_void, len: u64) -> c_int {
    // SAFETY: see above.
    let (list, name, value) = unsafe {
        (
            &mut *ctx.cast::<Collector<(String, Vec<u8>)>>(),
            CStr::from_ptr(name).to_string_lossy().into_owned(),
            if len == 0 {
                Vec::new()
            } else {
                std::slice::from_raw_parts(value.cast::<u8>(), len as usize).to_vec()
            },
        )
    };
    list.push((name, value))
}

/// # Safety
/// `ctx` is a `Collector<(u64, u64)>` that nobody else uses during the call.
unsafe extern "C" fn collect_range(ctx: *mut c_void, start: u64, len: u64) -> c_int {
    // SAFETY: see above.
    let ranges = unsafe { &mut *ctx.cast::<Collector<(u64, u64)>>() };
    ranges.push((start, len))
}

/// What the codes of libext2fs are about, as far as we treat them differently; `comeback_ext_class` of the shim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    NoBlocks,
    NoInodes,
    NotFound,
    Damaged,
    Other,
}

static INIT: Once = Once::new();

fn init() {
    INIT.call_once(|| {
        // SAFETY: registers libext2fs's table of errors and our hook with com_err; `Once` sees to it that no two threads
        // do so at the same time.
        unsafe { comeback_ext_init() }
    });
}

/// The incompatible and the read-only compatible features that libext2fs can handle.
pub(super) fn supported_features() -> (u32, u32) {
    let (mut incompat, mut ro_compat) = (0, 0);
    // SAFETY: both pointers are to live variables.
    unsafe { comeback_ext_supported(&raw mut incompat, &raw mut ro_compat) };
    (incompat, ro_compat)
}

fn classify(code: c_long) -> Class {
    // SAFETY: a function of its argument alone.
    match unsafe { comeback_ext_class(code) } {
        1 => Class::NoBlocks,
        2 => Class::NoInodes,
        3 => Class::NotFound,
        4 => Class::Damaged,
        _ => Class::Other,
    }
}

fn error_text(code: c_long) -> String {
    // error_message() formats unknown codes into one buffer.
    static TEXT: Mutex<()> = Mutex::new(());
    let _guard = TEXT.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: the text ends in a NUL byte and stays as it is while the lock is held.
    unsafe { CStr::from_ptr(comeback_ext_error(code)) }
        .to_string_lossy()
        .into_owned()
}

/// What libext2fs would have printed since the last call.
fn take_complaint() -> Option<String> {
    let mut buf = [0 as c_char; 256];
    // SAFETY: `buf` is as long as we say; the text that is returned is in it and ends in a NUL byte.
    unsafe {
        let text = comeback_ext_complaint(buf.as_mut_ptr(), buf.len() as u64);
        (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned())
    }
}

/// An open file system.
#[derive(Debug)]
pub(super) struct Handle {
    raw: NonNull<Raw>,
    medium: NonNull<Medium>,
}

// SAFETY: neither libext2fs nor the shim keeps anything per thread between two calls, the medium is Send and Sync, and all
// calls need `&mut Handle`.
unsafe impl Send for Handle {}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: both were made by `open` and are dropped nowhere else; libext2fs does no I/O when it frees its state.
        unsafe {
            comeback_ext_close(self.raw.as_ptr());
            drop(Box::from_raw(self.medium.as_ptr()));
        }
    }
}

impl Handle {
    /// Opens the file system of `size` bytes.
    pub(super) fn open(io: Arc<dyn WriteAt>, size: u64, writable: bool, now: i64) -> Result<Handle, ExtError> {
        init();
        take_complaint();
        let medium = NonNull::from(Box::leak(Box::new(Medium {
            io,
            size,
            writable,
            failure: Mutex::new(None),
        })));
        let mut raw = std::ptr::null_mut();
        // SAFETY: the callbacks fit their types, and `medium` lives until the handle is dropped, or until below.
        let code = unsafe {
            comeback_ext_open(
                medium.as_ptr().cast(),
                read_medium,
                write_medium,
                c_int::from(writable),
                now,
                &raw mut raw,
            )
        };
        match NonNull::new(raw) {
            Some(raw) => Ok(Handle { raw, medium }),
            None => {
                // SAFETY: the shim has freed all that knew the address.
                let medium = unsafe { Box::from_raw(medium.as_ptr()) };
                Err(
                    verdict("opening the file system", code, 0, &medium).unwrap_or_else(|| ExtError::Library {
                        what: "opening the file system".to_owned(),
                        message: "no handle".to_owned(),
                        code,
                    }),
                )
            }
        }
    }

    /// Runs one call of the shim and says what came of it.
    fn call(&mut self, what: &str, run: impl FnOnce(*mut Raw) -> c_long) -> Result<(), ExtError> {
        let code = run(self.raw.as_ptr());
        // SAFETY: `raw` is live.
        let failed = unsafe { comeback_ext_take_failed(self.raw.as_ptr()) };
        // SAFETY: `medium` is live, and only shared references to it exist.
        let medium = unsafe { self.medium.as_ref() };
        match verdict(what, code, failed, medium) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Writes bitmaps, descriptors and superblock as far as they have changed.
    pub(super) fn flush(&mut self) -> Result<(), ExtError> {
        // SAFETY: `raw` is live; opened for writing, as `Ext::flush` sees to.
        self.call("writing bitmaps and group descriptors", |raw| unsafe {
            comeback_ext_flush(raw)
        })
    }

    /// Free blocks and inodes, by the group descriptors.
    pub(super) fn free_counts(&mut self) -> (u64, u64) {
        let (mut blocks, mut inodes) = (0, 0);
        // SAFETY: `raw` and both variables are live.
        unsafe { comeback_ext_free_counts(self.raw.as_ptr(), &raw mut blocks, &raw mut inodes) };
        (blocks, inodes)
    }

    /// Number of block groups.
    pub(super) fn groups(&mut self) -> u32 {
        // SAFETY: `raw` is live.
        unsafe { comeback_ext_groups(self.raw.as_ptr()) }
    }

    /// Reads an inode.
    pub(super) fn inode(&mut self, ino: u32) -> Result<Inode, ExtError> {
        let mut inode = std::mem::MaybeUninit::<Inode>::zeroed();
        self.call(&format!("inode {ino}"), |raw| {
            // SAFETY: `raw` is live, `inode` has the shim's layout.
            unsafe { comeback_ext_inode(raw, ino, inode.as_mut_ptr()) }
        })?;
        // SAFETY: all bit patterns are valid, and it was zeroed.
        Ok(unsafe { inode.assume_init() })
    }

    /// The runs of blocks of a file, ascending.
    pub(super) fn map(&mut self, ino: u32) -> Result<Vec<Run>, ExtError> {
        let mut runs = Collector::new(1 << 20);
        let ctx = runs.ctx();
        self.call(&format!("block map of inode {ino}"), |raw| {
            // SAFETY: `raw` and `ctx` are live, `collect_run` fits.
            unsafe { comeback_ext_map(raw, ino, collect_run, ctx) }
        })?;
        Ok(runs.items)
    }

    /// The inode of a name in a directory.
    pub(super) fn lookup(&mut self, dir: u32, name: &str) -> Result<Option<u32>, ExtError> {
        let mut ino = 0;
        let result = self.call(&format!("directory inode {dir}"), |raw| {
            // SAFETY: `raw`, `name` and `ino` are live.
            unsafe { comeback_ext_lookup(raw, dir, name.as_ptr().cast(), name.len() as u64, &raw mut ino) }
        });
        match result {
            Ok(()) => Ok(Some(ino)),
            Err(ExtError::Library { code, .. }) if classify(code) == Class::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The names in a directory, in the order in which they are stored.
    pub(super) fn dir(&mut self, ino: u32) -> Result<Vec<Vec<u8>>, ExtError> {
        let mut names = Collector::new(1 << 20);
        let ctx = names.ctx();
        self.call(&format!("directory inode {ino}"), |raw| {
            // SAFETY: `raw` and `ctx` are live, `collect_bytes` fits.
            unsafe { comeback_ext_dir(raw, ino, collect_bytes, ctx) }
        })?;
        Ok(names.items)
    }

    /// The content of an inode that keeps it inline.
    pub(super) fn inline(&mut self, ino: u32) -> Result<Vec<u8>, ExtError> {
        let mut content = Collector::new(1);
        let ctx = content.ctx();
        self.call(&format!("inline data of inode {ino}"), |raw| {
            // SAFETY: `raw` and `ctx` are live, `collect_bytes` fits.
            unsafe { comeback_ext_inline(raw, ino, collect_bytes, ctx) }
        })?;
        Ok(content.items.pop().unwrap_or_default())
    }

    /// The extended attributes of an inode.
    pub(super) fn xattrs(&mut self, ino: u32) -> Result<Vec<(String, Vec<u8>)>, ExtError> {
        let mut xattrs = Collector::new(1 << 14);
        let ctx = xattrs.ctx();
        self.call(&format!("extended attributes of inode {ino}"), |raw| {
            // SAFETY: `raw` and `ctx` are live, `collect_xattr` fits.
            unsafe { comeback_ext_xattrs(raw, ino, collect_xattr, ctx) }
        })?;
        Ok(xattrs.items)
    }

    /// The runs of blocks that a group's bitmap shows in use: first block and number.
    pub(super) fn used(&mut self, group: u32) -> Result<Vec<(u64, u64)>, ExtError> {
        let mut ranges = Collector::new(1 << 20);
        let ctx = ranges.ctx();
        self.call(&format!("block bitmap of group {group}"), |raw| {
            // SAFETY: `raw` and `ctx` are live, `collect_range` fits; `Ext::used_ranges` counts the groups.
            unsafe { comeback_ext_used(raw, group, collect_range, ctx) }
        })?;
        Ok(ranges.items)
    }

    /// Sets and clears inode flags.
    pub(super) fn set_flags(&mut self, ino: u32, set: u32, clear: u32) -> Result<(), ExtError> {
        self.call(&format!("inode {ino}"), |raw| {
            // SAFETY: `raw` is live.
            unsafe { comeback_ext_set_flags(raw, ino, set, clear) }
        })
    }

    /// Sets owner, permission bits and all times.
    pub(super) fn set_attributes(
        &mut self,
        ino: u32,
        mode: u32,
        uid: u32,
        gid: u32,
        time: i64,
    ) -> Result<(), ExtError> {
        self.call(&format!("inode {ino}"), |raw| {
            // SAFETY: `raw` is live.
            unsafe { comeback_ext_set_attributes(raw, ino, mode, uid, gid, time) }
        })
    }

    /// Sets the times of a directory that was changed.
    pub(super) fn touch(&mut self, ino: u32, time: i64) -> Result<(), ExtError> {
        self.call(&format!("inode {ino}"), |raw| {
            // SAFETY: `raw` is live.
            unsafe { comeback_ext_touch(raw, ino, time) }
        })
    }

    /// Sets an extended attribute.
    pub(super) fn set_xattr(&mut self, ino: u32, name: &CStr, value: &[u8]) -> Result<(), ExtError> {
        self.call(
            &format!("extended attribute {} of inode {ino}", name.to_string_lossy()),
            |raw| {
                // SAFETY: `raw`, `name` and `value` are live.
                unsafe { comeback_ext_set_xattr(raw, ino, name.as_ptr(), value.as_ptr().cast(), value.len() as u64) }
            },
        )
    }

    /// Gives a file the blocks and the size for `content`. True when the content was stored as well (inline).
    pub(super) fn resize(&mut self, ino: u32, content: &[u8]) -> Result<bool, ExtError> {
        let mut done = 0;
        self.call(&format!("inode {ino}"), |raw| {
            // SAFETY: `raw`, `content` and `done` are live.
            unsafe { comeback_ext_resize(raw, ino, content.len() as u64, content.as_ptr().cast(), &raw mut done) }
        })?;
        Ok(done != 0)
    }

    /// Gives an empty file `size` bytes in one run of blocks.
    pub(super) fn allocate_run(&mut self, ino: u32, size: u64) -> Result<(), ExtError> {
        self.call(&format!("inode {ino}"), |raw| {
            // SAFETY: `raw` is live.
            unsafe { comeback_ext_allocate_run(raw, ino, size) }
        })
    }

    /// Creates a regular file, a directory or, with a target, a link; returns its inode.
    pub(super) fn create(
        &mut self,
        dir: u32,
        name: &CStr,
        is_dir: bool,
        target: Option<&CString>,
    ) -> Result<u32, ExtError> {
        let mut ino = 0;
        let target = target.map_or(std::ptr::null(), |target| target.as_ptr());
        self.call(
            &format!("creating {} in directory inode {dir}", name.to_string_lossy()),
            |raw| {
                // SAFETY: `raw` and all strings are live; a target may be NULL.
                unsafe { comeback_ext_create(raw, dir, name.as_ptr(), c_int::from(is_dir), target, &raw mut ino) }
            },
        )?;
        Ok(ino)
    }

    /// Takes a name out of a directory, and the inode with its last name.
    pub(super) fn remove(&mut self, dir: u32, name: &CStr, ino: u32) -> Result<(), ExtError> {
        self.call(
            &format!("removing {} from directory inode {dir}", name.to_string_lossy()),
            |raw| {
                // SAFETY: `raw` and `name` are live.
                unsafe { comeback_ext_remove(raw, dir, name.as_ptr(), ino) }
            },
        )
    }
}

/// Free blocks or inodes ran out: the caller knows how many it needed.
pub(super) fn is_out_of_blocks(error: &ExtError) -> bool {
    matches!(error, ExtError::Library { code, .. } if classify(*code) == Class::NoBlocks)
}

/// There is no free inode.
pub(super) fn is_out_of_inodes(error: &ExtError) -> bool {
    matches!(error, ExtError::Library { code, .. } if classify(*code) == Class::NoInodes)
}

/// What a call came to: the medium's own failure first, for it is the cause of whatever libext2fs says.
fn verdict(what: &str, code: c_long, failed: c_long, medium: &Medium) -> Option<ExtError> {
    let failure = medium.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
    let complaint = take_complaint();
    let damaged = |reason: String| ExtError::Damaged {
        what: what.to_owned(),
        reason,
    };
    match failure {
        Some(Failure::Io { what: transfer, source }) => {
            return Some(ExtError::Io {
                what: format!("{what}: {transfer}"),
                source,
            });
        }
        Some(Failure::Outside { offset, len, size }) => {
            return Some(damaged(format!(
                "{len} bytes at offset {offset} reach past the end at {size}"
            )));
        }
        Some(Failure::ReadOnly) => return Some(ExtError::ReadOnly),
        None => {}
    }
    let code = if code == 0 { failed } else { code };
    if code != 0 {
        let message = error_text(code);
        return Some(match classify(code) {
            Class::Damaged => damaged(message),
            _ => ExtError::Library {
                what: what.to_owned(),
                message,
                code,
            },
        });
    }
    complaint.map(damaged)
}
