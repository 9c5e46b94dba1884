//! qcow2 images through `imago`, with clear words for what it does not support.
//!
//! The header's layout is that of QEMU's `docs/interop/qcow2.txt`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use imago::format::builder::{FormatCreateBuilder, FormatDriverBuilder};
use imago::format::gate::ImplicitOpenGate;
use imago::qcow2::Qcow2;
use imago::{FormatAccess, StorageOpenOptions};

use super::error::ImageError;
use super::storage::HostFile;
use super::{Access, magic, refcounts};

/// QEMU's limit for the first-level table, in bytes (`QCOW_MAX_L1_SIZE`).
const MAX_L1: u64 = 32 << 20;

/// QEMU's limit for the refcount table, in bytes (`QCOW_MAX_REFTABLE_SIZE`).
const MAX_REFTABLE: u64 = 8 << 20;

/// Images behind an image, of which no chain should have more.
const MAX_CHAIN: usize = 16;

/// Opens a qcow2 image, and its backing files if they lie beside it.
pub(super) fn open(path: &Path, file: HostFile, access: Access) -> Result<FormatAccess<HostFile>, ImageError> {
    check_header(path, &file, access)?;
    let refusal = Arc::new(Mutex::new(None));
    let gate = Beside {
        folder: path.parent().unwrap_or(Path::new("/")).to_owned(),
        refusal: Arc::clone(&refusal),
        left: MAX_CHAIN,
    };
    let image = Qcow2::<HostFile>::builder(file)
        .write(access == Access::Write)
        .open(gate);
    let image = image.map_err(
        |err| match refusal.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some((backing, reason)) => ImageError::Backing {
                path: path.to_owned(),
                backing,
                reason,
            },
            None => ImageError::Qcow2 {
                path: path.to_owned(),
                reason: format!("cannot be opened as qcow2: {err}"),
                remedy: format!("see what `qemu-img check '{}'` says", path.display()),
            },
        },
    )?;
    Ok(FormatAccess::new(image))
}

/// Opens a qcow2 image alone: what is not in it reads as zero.
pub(crate) fn open_without_backing(path: &Path, file: HostFile) -> Result<FormatAccess<HostFile>, ImageError> {
    check_header(path, &file, Access::Read)?;
    let image = Qcow2::<HostFile>::builder(file)
        .backing(None)
        .open(imago::DenyImplicitOpenGate::default());
    let image = image.map_err(|source| ImageError::Io {
        doing: "opening",
        path: path.to_owned(),
        source,
    })?;
    Ok(FormatAccess::new(image))
}

/// Makes an empty image in `file`, which must be empty.
pub(super) fn create(file: HostFile, size: u64) -> io::Result<FormatAccess<HostFile>> {
    let image = Qcow2::<HostFile>::create_builder(file).size(size);
    let image = image.create_open(imago::DenyImplicitOpenGate::default(), |file| {
        Ok(Qcow2::<HostFile>::builder(file).backing(None).write(true))
    })?;
    let image = FormatAccess::new(image);
    image.flush()?;
    Ok(image)
}

/// Says in words what imago would refuse, and refuses sizes that would need much memory.
fn check_header(path: &Path, file: &HostFile, access: Access) -> Result<(), ImageError> {
    let mut header = [0; 104];
    if file.read_exact_at(0, &mut header).is_err() || !header.starts_with(magic::QCOW) {
        return Err(ImageError::NotQcow2 { path: path.to_owned() });
    }
    let u32_at = |at: usize| header[at..].first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
    let u64_at = |at: usize| header[at..].first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    let problem = |reason: String, remedy: String| {
        Err(ImageError::Qcow2 {
            path: path.to_owned(),
            reason,
            remedy,
        })
    };
    let shown = path.display();
    let rewrite = || format!("make a plain copy: `qemu-img convert -O qcow2 '{shown}' plain.qcow2`");
    let repair = || format!("repair it with `qemu-img check -r all '{shown}'`");

    match u32_at(4) {
        2 | 3 => {}
        version => return problem(format!("qcow2 of version {version} is not supported"), rewrite()),
    }
    match u32_at(32) {
        0 => {}
        1 => return problem("encrypted (AES)".to_owned(), rewrite()),
        2 => return problem("encrypted (LUKS)".to_owned(), rewrite()),
        method => return problem(format!("encrypted (method {method})"), rewrite()),
    }
    let features = if u32_at(4) == 3 { u64_at(72) } else { 0 };
    for (bit, what, remedy) in [
        (
            0,
            "marked dirty: it was not closed properly",
            &repair as &dyn Fn() -> String,
        ),
        (1, "marked corrupt", &repair),
        (2, "its data lies in a separate file", &rewrite),
        (3, "compressed in another way than with zlib", &rewrite),
        (4, "it has extended second-level entries (subclusters)", &rewrite),
    ] {
        if features >> bit & 1 == 1 {
            return problem(what.to_owned(), remedy());
        }
    }
    if features != 0 {
        return problem(format!("unknown incompatible features (0x{features:x})"), rewrite());
    }
    let cluster_bits = u32_at(20);
    if !(9..=21).contains(&cluster_bits) {
        return problem(format!("clusters of 2^{cluster_bits} bytes are not valid"), repair());
    }
    if u64::from(u32_at(36)) * 8 > MAX_L1 {
        return problem(format!("its first-level table has {} entries", u32_at(36)), rewrite());
    }
    if u64::from(u32_at(56)) << cluster_bits > MAX_REFTABLE {
        return problem(format!("its refcount table has {} clusters", u32_at(56)), rewrite());
    }
    let refcount_order = if u32_at(4) == 3 { u32_at(96) } else { 4 };
    if refcount_order > 6 {
        return problem(
            format!("reference counts of 2^{refcount_order} bits are not valid"),
            repair(),
        );
    }
    let per_l1_entry = 1_u64 << (2 * cluster_bits - 3);
    if u64_at(24).div_ceil(per_l1_entry) > u64::from(u32_at(36)) {
        return problem("its first-level table is too small for its size".to_owned(), repair());
    }
    // A snapshot shares clusters with the disk; writes would have to copy its tables first.
    if access == Access::Write && u32_at(60) != 0 {
        let remedy = format!("delete them (`qemu-img snapshot -l '{shown}'`, `-d`), or convert into a new file");
        return problem(format!("it has {} internal snapshots", u32_at(60)), remedy);
    }
    let layout = refcounts::Layout {
        cluster_bits,
        refcount_order,
        l1_offset: u64_at(40),
        l1_entries: u64::from(u32_at(36)),
        reftable_offset: u64_at(48),
        reftable_clusters: u64::from(u32_at(56)),
    };
    let checking = |source| ImageError::Io {
        doing: "checking",
        path: path.to_owned(),
        source,
    };
    // What lies past the end would read as zeros, as if the guest's files were gone.
    let size = file.medium().len().map_err(checking)?;
    if let Some(end) = refcounts::end_of_use(file, &layout)
        .map_err(checking)?
        .filter(|&end| end > size)
    {
        return problem(
            format!("truncated: it has data up to byte {end} at least, the file has {size} bytes"),
            format!("copy the image again, or, if it is whole, {}", repair()),
        );
    }
    if access == Access::Write {
        let checked = refcounts::check_and_repair(file, &layout).map_err(checking)?;
        if let Err(reason) = checked {
            return problem(format!("damaged: {reason}"), repair());
        }
    }
    Ok(())
}

/// Lets only files through that lie in one folder, symlinks resolved.
///
/// An image comes from elsewhere, and what it names as its backing file would be read with our rights.
#[derive(Debug)]
struct Beside {
    folder: PathBuf,
    refusal: Arc<Mutex<Option<(PathBuf, String)>>>,
    left: usize,
}

impl Beside {
    fn check(&self, backing: &Path) -> Result<PathBuf, String> {
        let real = backing.canonicalize().map_err(|err| match err.kind() {
            io::ErrorKind::NotFound => "does not exist".to_owned(),
            _ => format!("cannot be opened ({err})"),
        })?;
        if real.parent() != Some(&self.folder) {
            return Err(format!("lies outside of {}", self.folder.display()));
        }
        if !real.is_file() {
            return Err("is not a file".to_owned());
        }
        Ok(real)
    }

    fn refuse(&self, backing: PathBuf, reason: String) -> io::Error {
        let text = format!("{}: {reason}", backing.display());
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some((backing, reason));
        io::Error::new(io::ErrorKind::PermissionDenied, text)
    }
}

impl ImplicitOpenGate<HostFile> for Beside {
    fn open_format<F: FormatDriverBuilder<HostFile>>(&mut self, builder: F) -> io::Result<FormatAccess<HostFile>> {
        let Some(left) = self.left.checked_sub(1) else {
            let path = builder.get_image_path().unwrap_or_default();
            return Err(self.refuse(
                path,
                format!("is one of a chain of more than {MAX_CHAIN}, or of a circle"),
            ));
        };
        let gate = Beside {
            folder: self.folder.clone(),
            refusal: Arc::clone(&self.refusal),
            left,
        };
        Ok(FormatAccess::new(builder.open(gate)?))
    }

    fn open_storage(&mut self, options: StorageOpenOptions) -> io::Result<HostFile> {
        let path = options.get_filename().map(Path::to_owned).unwrap_or_default();
        match self.check(&path) {
            Ok(real) => <HostFile as imago::Storage>::open(options.filename(real)),
            Err(reason) => Err(self.refuse(path, reason)),
        }
    }
}
