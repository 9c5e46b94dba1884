use std::io::Write;

use super::*;

/// The formats that there is an encoder for here, which is all of them.
pub(crate) const ALL: [Compression; 8] = [
    Compression::Gzip,
    Compression::Bzip2,
    Compression::Lzma,
    Compression::Xz,
    Compression::Lzo,
    Compression::Lz4,
    Compression::Lz4Frame,
    Compression::Zstd,
];

/// One stream of the format, as the tools that pack kernels write it.
pub(crate) fn compress(compression: Compression, data: &[u8]) -> Vec<u8> {
    match compression {
        Compression::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(data).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Bzip2 => {
            let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
            encoder.write_all(data).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Lzma | Compression::Xz => {
            let stream = if compression == Compression::Lzma {
                let options = liblzma::stream::LzmaOptions::new_preset(1).unwrap();
                liblzma::stream::Stream::new_lzma_encoder(&options)
            } else {
                liblzma::stream::Stream::new_easy_encoder(1, liblzma::stream::Check::Crc32)
            };
            let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream.unwrap());
            encoder.write_all(data).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Lzo => lzop(data),
        Compression::Lz4 => {
            let mut out = b"\x02\x21\x4c\x18".to_vec();
            for block in data.chunks(8 << 20) {
                let packed = lz4_flex::block::compress(block);
                out.extend((packed.len() as u32).to_le_bytes());
                out.extend(packed);
            }
            out
        }
        Compression::Lz4Frame => {
            let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
            encoder.write_all(data).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Zstd => zstd::stream::encode_all(data, 1).unwrap(),
        Compression::None | Compression::Unknown => data.to_vec(),
    }
}

/// As `lzop -9` writes it: a header with a name, and Adler sums of the unpacked blocks.
fn lzop(data: &[u8]) -> Vec<u8> {
    let mut out = b"\x89LZO\x00\r\n\x1a\n".to_vec();
    out.extend(b"\x10\x30\x20\x80\x09\x40\x03\x09");
    out.extend(1_u32.to_be_bytes());
    out.extend([0; 12]);
    out.extend(b"\x04name");
    out.extend([0; 4]);
    for block in data.chunks(256 << 10) {
        let packed = lzokay::compress::compress(block).unwrap();
        let stored = packed.len() >= block.len();
        let body = if stored { block } else { &packed };
        out.extend((block.len() as u32).to_be_bytes());
        out.extend((body.len() as u32).to_be_bytes());
        out.extend([0; 4]);
        out.extend(body);
    }
    out.extend([0; 4]);
    out
}

#[test]
fn each_format_is_known_and_unpacked_and_leaves_what_follows() {
    let data: Vec<u8> = (0..600_000_u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
    for compression in ALL {
        let mut packed = compress(compression, &data);
        assert_eq!(Compression::of(&packed), Some(compression));
        packed.extend(b"\0\0\0\0next");
        let mut input = packed.as_slice();
        let mut out = Vec::new();
        compression.decoder(&mut input).unwrap().read_to_end(&mut out).unwrap();
        assert!(out == data, "{}: {} bytes", compression.name(), out.len());
        assert!(input.ends_with(b"next"), "{}: read past its end", compression.name());
    }
}

#[test]
fn truncated_streams_are_errors_or_short() {
    for compression in ALL {
        let packed = compress(compression, &[7; 5000]);
        for length in 0..packed.len() {
            let mut out = Vec::new();
            if let Ok(decoder) = compression.decoder(&packed[..length]) {
                let _ = decoder.take(10_000).read_to_end(&mut out);
            }
            assert!(out.len() <= 5000, "{}", compression.name());
        }
    }
}
