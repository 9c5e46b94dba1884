//! A patch: the byte ranges in which a converted disk differs from what it was.

use serde::Serialize;

/// One run of bytes that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Range {
    /// Offset from the start of the disk, in bytes.
    pub offset: u64,
    /// What is there before; as long as `new`.
    #[serde(skip)]
    pub old: Vec<u8>,
    /// What is there afterwards.
    #[serde(skip)]
    pub new: Vec<u8>,
}

impl Range {
    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.new.len() as u64
    }

    /// Whether the range holds no byte at all.
    pub fn is_empty(&self) -> bool {
        self.new.is_empty()
    }

    /// The first byte after the range.
    pub fn end(&self) -> u64 {
        self.offset + self.len()
    }
}

/// All that changes on a disk, in ascending order of offset, without overlaps.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Patch {
    /// Size of the disk in bytes.
    pub disk_size: u64,
    /// The ranges that differ.
    pub ranges: Vec<Range>,
}

impl Patch {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Number of bytes that change.
    pub fn changed_bytes(&self) -> u64 {
        self.ranges.iter().map(Range::len).sum()
    }
}
