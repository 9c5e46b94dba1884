//! The compressions that kernels and initramfs come in, as the kernel's own build and initramfs tools write them.

use std::io::{self, Write};

use serde::Deserialize;

/// How a kernel's payload or an initramfs is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// bzip2.
    Bzip2,
    /// The old `.lzma` format.
    Lzma,
    /// xz with CRC32, the only check the kernel's decompressor knows.
    Xz,
    /// The legacy frame of lz4, as `lz4 -l` writes it.
    Lz4,
    /// Zstandard.
    Zstd,
}

/// The legacy frame's magic number, little-endian in the file.
const LZ4_LEGACY_MAGIC: u32 = 0x184c_2102;

/// `data`, compressed.
///
/// # Errors
/// Whatever the compressor reports.
pub fn compress(data: &[u8], compression: Compression) -> io::Result<Vec<u8>> {
    match compression {
        Compression::None => Ok(data.to_vec()),
        Compression::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            encoder.write_all(data)?;
            encoder.finish()
        }
        Compression::Bzip2 => {
            let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
            encoder.write_all(data)?;
            encoder.finish()
        }
        Compression::Lzma => {
            let options = liblzma::stream::LzmaOptions::new_preset(6)?;
            let stream = liblzma::stream::Stream::new_lzma_encoder(&options)?;
            through_lzma(data, stream)
        }
        Compression::Xz => {
            let stream = liblzma::stream::Stream::new_easy_encoder(6, liblzma::stream::Check::Crc32)?;
            through_lzma(data, stream)
        }
        Compression::Lz4 => {
            let mut framed = LZ4_LEGACY_MAGIC.to_le_bytes().to_vec();
            // The legacy frame cuts its input into blocks of 8 MiB, each preceded by its compressed size.
            for block in data.chunks(8 << 20) {
                let block = lz4_flex::block::compress(block);
                framed.extend_from_slice(&(block.len() as u32).to_le_bytes());
                framed.extend_from_slice(&block);
            }
            Ok(framed)
        }
        Compression::Zstd => zstd::stream::encode_all(data, 19),
    }
}

fn through_lzma(data: &[u8], stream: liblzma::stream::Stream) -> io::Result<Vec<u8>> {
    let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
    encoder.write_all(data)?;
    encoder.finish()
}
