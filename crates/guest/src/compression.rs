//! The compressions that Linux kernels and initramfs images come in, and streaming decoders for them.
//!
//! Magics are those of `lib/decompress.c` and `scripts/extract-vmlinux` of Linux. No decoder reads past the end of its
//! stream, so that whatever follows (the next segment of an initramfs) can be read from the same reader.

mod lz4;
mod lzop;

use std::io::{self, BufRead, Read};

use serde::Serialize;

/// How many bytes [`Compression::of`] wants to see.
pub const MAGIC_LENGTH: usize = 9;

/// The most memory that an xz or lzma stream may ask for, in bytes: `xz -9` uses a dictionary of 64 MiB, and kernels
/// are packed with up to 128 MiB.
const MEMORY_LIMIT: u64 = 192 << 20;

/// The largest zstd window, as a power of two; the kernel's own limit.
const ZSTD_WINDOW_LOG: u32 = 27;

/// A compression format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// gzip.
    Gzip,
    /// bzip2.
    Bzip2,
    /// lzma, the format before xz (`.lzma`).
    Lzma,
    /// xz.
    Xz,
    /// LZO, in the container of lzop.
    Lzo,
    /// LZ4 in its legacy format (`lz4 -l`), the one that kernels use.
    Lz4,
    /// LZ4 in its frame format, which Linux itself cannot unpack.
    Lz4Frame,
    /// Zstandard.
    Zstd,
    /// Not compressed.
    None,
    /// None of the above.
    Unknown,
}

impl Compression {
    /// The compression that the first bytes of a stream stand for; `None` where they are none that is known.
    pub fn of(start: &[u8]) -> Option<Compression> {
        const MAGICS: [(&[u8], Compression); 9] = [
            (b"\x1f\x8b\x08", Compression::Gzip),
            (b"BZh", Compression::Bzip2),
            (b"\x5d\x00\x00", Compression::Lzma),
            (b"\xfd7zXZ\x00", Compression::Xz),
            (b"\x89LZO\x00\r\n\x1a\n", Compression::Lzo),
            (b"\x02\x21\x4c\x18", Compression::Lz4),
            (b"\x04\x22\x4d\x18", Compression::Lz4Frame),
            (b"\x28\xb5\x2f\xfd", Compression::Zstd),
            // The old gzip, `pack` and its kin, which the kernel still takes for gzip.
            (b"\x1f\x9e", Compression::Gzip),
        ];
        MAGICS
            .iter()
            .find(|(magic, _)| start.starts_with(magic))
            .map(|&(_, compression)| compression)
    }

    /// The name as people write it: `gzip`, `xz`, …
    pub fn name(self) -> &'static str {
        match self {
            Compression::Gzip => "gzip",
            Compression::Bzip2 => "bzip2",
            Compression::Lzma => "lzma",
            Compression::Xz => "xz",
            Compression::Lzo => "lzo",
            Compression::Lz4 => "lz4",
            Compression::Lz4Frame => "lz4 (frame format)",
            Compression::Zstd => "zstd",
            Compression::None => "none",
            Compression::Unknown => "unknown",
        }
    }

    /// A reader of what is in **one** stream (one gzip member, one zstd frame, one xz stream). At its end the input
    /// stands on the first byte after the stream; for the legacy LZ4 format, which has no end mark, on the first bytes
    /// that cannot be another block.
    ///
    /// # Errors
    /// `Unsupported` for [`Compression::Unknown`], and what the decoder says of its own set-up.
    pub fn decoder<'a>(self, input: impl BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
        Ok(match self {
            Compression::Gzip => Box::new(flate2::bufread::GzDecoder::new(input)),
            Compression::Bzip2 => Box::new(bzip2::bufread::BzDecoder::new(input)),
            Compression::Lzma => {
                let stream = liblzma::stream::Stream::new_lzma_decoder(MEMORY_LIMIT)?;
                Box::new(liblzma::bufread::XzDecoder::new_stream(input, stream))
            }
            Compression::Xz => {
                let stream = liblzma::stream::Stream::new_stream_decoder(MEMORY_LIMIT, 0)?;
                Box::new(liblzma::bufread::XzDecoder::new_stream(input, stream))
            }
            Compression::Lzo => Box::new(lzop::Decoder::new(input)?),
            Compression::Lz4 => Box::new(lz4::Decoder::new(input)?),
            Compression::Lz4Frame => Box::new(lz4_flex::frame::FrameDecoder::new(input)),
            Compression::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?.single_frame();
                decoder.window_log_max(ZSTD_WINDOW_LOG)?;
                Box::new(decoder)
            }
            Compression::None => Box::new(input),
            Compression::Unknown => {
                return Err(io::Error::new(io::ErrorKind::Unsupported, "unknown compression"));
            }
        })
    }
}

#[cfg(test)]
pub(crate) mod tests;
