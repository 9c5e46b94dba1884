//! The `partitioned` layout on the disk itself: its file system one MiB further up, and a GPT before it.
//!
//! What the disk will be is put together in memory first, as for a new disk: it is converted and inspected there, and what
//! differs from the moved data is the patch.

use std::io;
use std::sync::Arc;

use comeback_disk::io::WriteAt;
use comeback_disk::moved::{Cells, Shifted, Stamp};
use comeback_disk::patch::Patch;
use comeback_disk::table;
use comeback_disk::view::View;
use comeback_guest::system::System;

use crate::relocation::{ALIGNMENT, RelocationError, write_table};

/// A disk whose data have gone up, in memory.
#[derive(Debug)]
pub struct Shift {
    shifted: Arc<Shifted>,
    view: Arc<View>,
}

impl Shift {
    /// Lays the disk of an opened system out anew where it is. `stamp` is what it starts with while its data move.
    ///
    /// # Errors
    /// [`RelocationError::NotBare`] if there is more than a file system, [`RelocationError::NoRoom`] if the disk ends too early.
    pub fn of(system: &System, stamp: Stamp) -> Result<Self, RelocationError> {
        let source = system.view();
        match table::read(source.as_ref())?.scheme {
            table::Scheme::None => {}
            table::Scheme::Gpt => return Err(RelocationError::AlreadyGpt),
            table::Scheme::Mbr => return Err(RelocationError::NotBare),
        }
        let size = system.disk().root.superblock.size;
        let cells = Cells::covering(size, ALIGNMENT);
        // The last MiB is for the backup of the table, which takes 33 sectors.
        let (needed, available) = ((cells.count + 2) * ALIGNMENT, source.base().size());
        if available < needed {
            return Err(RelocationError::NoRoom { needed, available });
        }
        let shifted = Arc::new(Shifted::new(Arc::clone(source.base()), cells, stamp)?);
        let view = Arc::new(View::new(Arc::clone(&shifted) as _));
        view.write_at(0, &vec![0; ALIGNMENT as usize])?;
        // What the replay of a journal changed.
        for range in source.patch()?.ranges {
            view.write_at(range.offset + ALIGNMENT, &range.new)?;
        }
        write_table(&view, &[(1, ALIGNMENT, size)])?;
        Ok(Shift { shifted, view })
    }

    /// The disk as it will be, in memory but for what is still where it was. To be converted.
    pub fn disk(&self) -> Arc<View> {
        Arc::clone(&self.view)
    }

    /// The disk when its data have moved, and nothing else.
    pub fn shifted(&self) -> &Shifted {
        &self.shifted
    }

    /// All that is to be written when the data have moved: the table, and what the conversion of [`Shift::disk`] changes.
    ///
    /// # Errors
    /// Whatever reading the disk reports.
    pub fn patch(&self, conversion: &Patch) -> io::Result<Patch> {
        for range in &conversion.ranges {
            self.view.write_at(range.offset, &range.new)?;
        }
        self.view.patch()
    }
}
