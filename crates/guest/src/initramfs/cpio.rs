//! The segments of an initramfs and the cpio archives in them.

use std::io::{self, BufRead, Read};

use super::source::Source;
use super::summary::Summary;
use super::{Initramfs, InitramfsError, MAX_FILES, MAX_KEPT, MAX_PATH, MAX_SEGMENTS, MAX_UNPACKED};
use crate::compression::{Compression, MAGIC_LENGTH};

/// Length of a newc header: a magic of six characters and 13 numbers of eight hexadecimal digits.
const HEADER: usize = 110;

const TYPE_MASK: u32 = 0o170_000;
const TYPE_FILE: u32 = 0o100_000;
const TYPE_LINK: u32 = 0o120_000;

pub(super) fn read(reader: impl Read) -> Result<Initramfs, InitramfsError> {
    let mut raw = Source::new(reader);
    let mut reading = Reading {
        segment: 0,
        compression: Compression::None,
        unpacked: 0,
        files: 0,
        summary: Summary::default(),
    };
    while pass_zeros(&mut raw).map_err(|error| reading.unpack(error))? {
        reading.segment += 1;
        reading.compression = Compression::None;
        if reading.segment > MAX_SEGMENTS {
            return Err(InitramfsError::TooLarge {
                what: "the number of segments",
                limit: MAX_SEGMENTS as u64,
            });
        }
        let start = raw.peek(MAGIC_LENGTH).map_err(|error| reading.unpack(error))?.to_vec();
        if is_cpio(&start) {
            reading.summary.segment(Compression::None);
            let before = raw.position;
            reading.archive(&mut raw)?;
            reading.count(raw.position - before)?;
            continue;
        }
        let Some(compression) = Compression::of(&start) else {
            reading.not_an_image(&mut raw)?;
            // Garbage after a whole archive: the kernel says so and goes on.
            if reading.files > 0 {
                break;
            }
            let start = start.to_vec();
            let segment = reading.segment;
            return Err(InitramfsError::UnknownFormat { segment, start });
        };
        reading.compression = compression;
        reading.summary.segment(compression);
        let before = raw.position;
        reading.compressed(&mut raw)?;
        if raw.position == before {
            break;
        }
    }
    if reading.segment == 0 {
        return Err(InitramfsError::Empty);
    }
    Ok(reading.summary.finish(reading.files, reading.unpacked))
}

/// The state of reading one initramfs.
struct Reading {
    /// The segment that is being read, from 1.
    segment: usize,
    compression: Compression,
    unpacked: u64,
    files: u64,
    summary: Summary,
}

impl Reading {
    fn unpack(&self, source: io::Error) -> InitramfsError {
        InitramfsError::Unpack {
            segment: self.segment.max(1),
            compression: self.compression,
            source,
        }
    }

    fn cpio(&self, offset: u64, reason: &'static str) -> InitramfsError {
        InitramfsError::Cpio {
            segment: self.segment,
            offset,
            reason,
        }
    }

    fn count(&mut self, bytes: u64) -> Result<(), InitramfsError> {
        self.unpacked += bytes;
        if self.unpacked > MAX_UNPACKED {
            return Err(InitramfsError::TooLarge {
                what: "the unpacked size in bytes",
                limit: MAX_UNPACKED,
            });
        }
        Ok(())
    }

    /// File systems that kernels could boot as a RAM disk before there was an initramfs.
    fn not_an_image(&self, source: &mut Source<impl Read>) -> Result<(), InitramfsError> {
        let start = source.peek(1088).map_err(|error| self.unpack(error))?;
        let kind = if start.get(1080..1082) == Some(b"\x53\xef".as_slice()) {
            "ext2"
        } else if start.starts_with(b"\x45\x3d\xcd\x28") {
            "cramfs"
        } else if start.starts_with(b"-rom1fs-") {
            "romfs"
        } else if start.starts_with(b"hsqs") {
            "squashfs"
        } else {
            return Ok(());
        };
        Err(InitramfsError::FileSystemImage { kind })
    }

    fn compressed(&mut self, raw: &mut Source<impl Read>) -> Result<(), InitramfsError> {
        let decoder = self
            .compression
            .decoder(raw)
            .map_err(|error| self.unpack(error))?
            // One byte more than is allowed, so that `count` sees that there is more.
            .take(MAX_UNPACKED + 1 - self.unpacked);
        let mut source = Source::new(decoder);
        let read = self.archives(&mut source);
        // Too large comes first: the limit cuts the stream off, which looks like a damaged archive.
        self.count(source.position)?;
        read
    }

    /// The archives in an unpacked segment.
    fn archives(&mut self, source: &mut Source<impl Read>) -> Result<(), InitramfsError> {
        let files_before = self.files;
        let start = source.peek(6).map_err(|error| self.unpack(error))?.to_vec();
        // An ext2 image begins with zeros.
        if !is_cpio(&start) {
            self.not_an_image(source)?;
        }
        while pass_zeros(source).map_err(|error| self.unpack(error))? {
            let start = source.peek(6).map_err(|error| self.unpack(error))?.to_vec();
            if !is_cpio(&start) {
                if self.files == files_before {
                    let segment = self.segment;
                    return Err(InitramfsError::UnknownFormat { segment, start });
                }
                source.pass(MAX_UNPACKED).map_err(|error| self.unpack(error))?;
                break;
            }
            self.archive(source)?;
        }
        Ok(())
    }

    /// One cpio archive, to its trailer or the end of the input.
    fn archive(&mut self, source: &mut Source<impl Read>) -> Result<(), InitramfsError> {
        let origin = source.position;
        let mut path = Vec::new();
        loop {
            let at = source.position - origin;
            let header = source.peek(HEADER).map_err(|error| self.unpack(error))?;
            if header.is_empty() {
                return Ok(());
            }
            // An archive without a trailer may be followed by padding.
            if header.first() == Some(&0) {
                return Ok(());
            }
            if header.len() < HEADER {
                return Err(self.cpio(at, "it ends within a header"));
            }
            let Some(header) = Header::parse(header) else {
                return Err(self.cpio(at, "no newc header"));
            };
            source.consume(HEADER);
            let name_length = header.name_length as usize;
            if name_length == 0 || name_length > MAX_PATH + 1 {
                return Err(self.cpio(at, "a path that is empty or longer than 4096 bytes"));
            }
            path.clear();
            source
                .take(name_length as u64)
                .read_to_end(&mut path)
                .map_err(|error| self.unpack(error))?;
            if path.len() < name_length {
                return Err(self.cpio(at, "it ends within a path"));
            }
            while path.last() == Some(&0) {
                path.pop();
            }
            self.align(source, origin)?;
            if path == b"TRAILER!!!" {
                return Ok(());
            }
            self.files += 1;
            if self.files > MAX_FILES {
                return Err(InitramfsError::TooLarge {
                    what: "the number of files",
                    limit: MAX_FILES,
                });
            }
            self.file(source, &header, &path, at)?;
            self.align(source, origin)?;
        }
    }

    fn file(
        &mut self,
        source: &mut Source<impl Read>,
        header: &Header,
        path: &[u8],
        at: u64,
    ) -> Result<(), InitramfsError> {
        let size = u64::from(header.size);
        let path = String::from_utf8_lossy(path);
        let path = path.trim_start_matches("./").trim_start_matches('/');
        let kind = header.mode & TYPE_MASK;
        self.summary.file(path);
        let mut left = size;
        let wanted = match kind {
            TYPE_FILE => self.summary.wants(path).min(size),
            TYPE_LINK if size <= MAX_PATH as u64 => size,
            _ => 0,
        };
        if wanted > 0 {
            let mut content = Vec::new();
            source
                .take(wanted)
                .read_to_end(&mut content)
                .map_err(|error| self.unpack(error))?;
            if (content.len() as u64) < wanted {
                return Err(self.cpio(at, "it ends within a file"));
            }
            left -= wanted;
            if kind == TYPE_LINK {
                self.summary.link(path, &content);
            } else {
                self.summary.content(path, &content, left == 0 && size <= MAX_KEPT);
            }
        }
        let passed = source.pass(left).map_err(|error| self.unpack(error))?;
        if passed < left {
            return Err(self.cpio(at, "it ends within a file"));
        }
        Ok(())
    }

    fn align(&self, source: &mut Source<impl Read>, origin: u64) -> Result<(), InitramfsError> {
        let at = source.position - origin;
        source
            .pass(at.next_multiple_of(4) - at)
            .map_err(|error| self.unpack(error))?;
        Ok(())
    }
}

/// Whether a newc header begins here, with or without check sums.
fn is_cpio(start: &[u8]) -> bool {
    start.starts_with(b"070701") || start.starts_with(b"070702")
}

/// Passes over zeros; false at the end of the input.
fn pass_zeros(source: &mut Source<impl Read>) -> io::Result<bool> {
    loop {
        let there = source.fill_buf()?;
        if there.is_empty() {
            return Ok(false);
        }
        let zeros = there.iter().take_while(|&&byte| byte == 0).count();
        let found = zeros < there.len();
        source.consume(zeros);
        if found {
            return Ok(true);
        }
    }
}

/// What is used of a header.
struct Header {
    mode: u32,
    size: u32,
    name_length: u32,
}

impl Header {
    fn parse(bytes: &[u8]) -> Option<Header> {
        if bytes.len() < HEADER || !is_cpio(bytes) {
            return None;
        }
        let field = |index: usize| {
            let digits = bytes.get(6 + index * 8..14 + index * 8)?;
            digits.iter().try_fold(0_u32, |value, &digit| {
                Some(value << 4 | char::from(digit).to_digit(16)?)
            })
        };
        Some(Header {
            mode: field(1)?,
            size: field(6)?,
            name_length: field(11)?,
        })
    }
}
