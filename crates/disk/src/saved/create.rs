//! Makes the folder of a new saved patch.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;

use super::folder::{io_error, parent, sync_folder, write_json};
use super::journal::{Journal, MAX_WITNESS, Piece, Witness, cut, sha256};
use super::{JOURNAL, PATCH, Request, SavedError, Span, UNDO, overlay, read_disk, witness_hash};
use crate::image::Format;
use crate::io::ReadAt;
use crate::patch::Patch;

/// Checks the patch against the disk and makes its journal.
pub(super) fn prepare(disk: &dyn ReadAt, patch: &Patch, request: &Request<'_>) -> Result<Journal, SavedError> {
    let invalid = |reason: &str| SavedError::Invalid(reason.to_owned());
    let mut journal = Journal::new(
        request.format,
        disk.size(),
        request.ids.clone(),
        request.description.clone(),
    );
    let mut end = 0;
    for range in &patch.ranges {
        let fits = range
            .offset
            .checked_add(range.len())
            .is_some_and(|end| end <= disk.size());
        if range.offset < end || !fits || range.old.len() != range.new.len() || range.is_empty() {
            return Err(invalid("its ranges overlap, are out of order or lie past the end"));
        }
        end = range.end();
        for span in cut(range.offset, range.len()) {
            let from = (span.offset - range.offset) as usize;
            let part = from..from + span.len as usize;
            if read_disk(disk, span)? != range.old[part.clone()] {
                return Err(SavedError::Stale { offset: span.offset });
            }
            journal.pieces.push(Piece {
                span,
                old: sha256(&range.old[part.clone()]),
                new: sha256(&range.new[part]),
            });
        }
    }
    for &span in &request.witnesses {
        if span.len > MAX_WITNESS || span.checked_end().is_none_or(|end| end > disk.size()) {
            return Err(invalid("a witness is too long or lies past the end"));
        }
        let sha256 = witness_hash(disk, span, journal.pieces.iter().map(|piece| piece.span))?;
        journal.witnesses.push(Witness { span, sha256 });
    }
    Ok(journal)
}

/// Fills the new folder: both overlays, then the journal; all synced.
pub(super) fn write_folder(
    folder: &Path,
    disk: &dyn ReadAt,
    patch: &Patch,
    journal: &Journal,
    backing: &str,
    format: Format,
) -> Result<(), SavedError> {
    let backing = overlay::Backing {
        path: backing,
        format: format.qemu_name(),
    };
    let mut clusters = old_clusters(disk, patch)?;
    let undo = folder.join(UNDO);
    overlay::write(&undo, disk.size(), backing, &clusters).map_err(io_error("writing", &undo))?;
    overwrite(&mut clusters, overlay::cluster_size(disk.size()), patch);
    let path = folder.join(PATCH);
    overlay::write(&path, disk.size(), backing, &clusters).map_err(io_error("writing", &path))?;
    write_json(&folder.join(JOURNAL), journal)?;
    sync_folder(folder)
}

/// All clusters that the patch touches, as they are on the disk. The last one of a disk is filled up with zeros.
pub(super) fn old_clusters(disk: &dyn ReadAt, patch: &Patch) -> Result<BTreeMap<u64, Vec<u8>>, SavedError> {
    let size = overlay::cluster_size(disk.size());
    let mut clusters = BTreeMap::new();
    for range in &patch.ranges {
        for number in range.offset / size..=(range.end() - 1) / size {
            if let Entry::Vacant(entry) = clusters.entry(number) {
                let offset = number * size;
                let len = size.min(disk.size() - offset);
                let mut bytes = read_disk(disk, Span { offset, len })?;
                bytes.resize(size as usize, 0);
                entry.insert(bytes);
            }
        }
    }
    Ok(clusters)
}

/// Puts the new bytes into the clusters.
pub(super) fn overwrite(clusters: &mut BTreeMap<u64, Vec<u8>>, size: u64, patch: &Patch) {
    for range in &patch.ranges {
        for (number, cluster) in clusters.range_mut(range.offset / size..=(range.end() - 1) / size) {
            let start = number * size;
            let (from, to) = (range.offset.max(start), range.end().min(start + size));
            let new = &range.new[(from - range.offset) as usize..(to - range.offset) as usize];
            cluster[(from - start) as usize..(to - start) as usize].copy_from_slice(new);
        }
    }
}

/// The disk as the overlays name it: from within their folder if it lies beside that, else by its full path.
pub(super) fn backing_path(folder: &Path, image: &Path) -> Result<String, SavedError> {
    let real = |path: &Path| path.canonicalize().map_err(io_error("opening", path));
    let image = real(image)?;
    let path = match image.file_name() {
        Some(name) if image.parent() == Some(&real(parent(folder))?) => Path::new("..").join(name),
        _ => image,
    };
    match path.to_str() {
        Some(path) if path.len() <= 1023 => Ok(path.to_owned()),
        Some(_) => Err(SavedError::Invalid(
            "the path of the image is longer than 1023 bytes".to_owned(),
        )),
        None => Err(SavedError::Invalid(format!("{} is not valid UTF-8", path.display()))),
    }
}
