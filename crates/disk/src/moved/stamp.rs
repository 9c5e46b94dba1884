//! What the start of a disk holds while its data are on the move: nothing that boots, nothing that mounts, and a note for
//! whoever finds the disk.

use uuid::Uuid;

/// Length in bytes: over the boot sector and the superblock of ext, whose first backup is never that low.
pub(super) const LEN: u64 = 4096;

/// The first bytes.
pub(crate) const MAGIC: &[u8] = b"COMEBACK: HALF MOVED\n";

/// The text ends before the superblock, so that there is none, whatever the text says.
const MAX_TEXT: usize = 1024;

/// Names one move of one disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp(Vec<u8>);

impl Stamp {
    /// A stamp that no other move has; it tells a person where the move is recorded.
    pub fn new(folder: &std::path::Path) -> Self {
        Stamp::with_id(Uuid::new_v4(), folder)
    }

    fn with_id(id: Uuid, folder: &std::path::Path) -> Self {
        let mut bytes = MAGIC.to_vec();
        let text = format!(
            "move {id}\n\
             The data of this disk are being moved by one MiB, and were not where they belong when this was read.\n\
             `comeback convert` goes on with that, `comeback revert` takes it back; both need the folder in which it is\n\
             recorded: {}\n",
            folder.display()
        );
        bytes.extend(text.bytes());
        bytes.truncate(MAX_TEXT);
        bytes.resize(LEN as usize, 0);
        Stamp(bytes)
    }

    /// The bytes, as many as [`LEN`].
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The stamp whose bytes these are.
    pub(super) fn of(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() as u64 == LEN && bytes.starts_with(MAGIC)).then_some(Stamp(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::Memory;
    use crate::probe::{Content, identify};
    use crate::table::{self, Scheme};

    #[test]
    fn a_stamped_disk_is_nothing_else() {
        for name in ["/var/lib/x", &"U\u{aa}S\u{ef}".repeat(1000)] {
            let mut bytes = vec![0x53; 2 << 20];
            let stamp = Stamp::new(name.as_ref());
            bytes[..LEN as usize].copy_from_slice(stamp.bytes());
            let disk = Memory::new(bytes);
            assert_eq!(identify(&disk).unwrap(), Content::HalfMoved);
            assert_eq!(table::read(&disk).unwrap().scheme, Scheme::None);
            assert!(stamp.bytes()[1024..].iter().all(|&byte| byte == 0));
            assert_ne!(stamp.bytes()[510..512], [0x55, 0xaa]);
        }
    }

    #[test]
    fn two_moves_have_two_stamps() {
        let stamp = Stamp::new("/x".as_ref());
        assert_ne!(stamp, Stamp::new("/x".as_ref()));
        assert_eq!(Stamp::of(stamp.bytes().to_vec()), Some(stamp));
        assert_eq!(Stamp::of(vec![0; LEN as usize]), None);
    }
}
