//! The legacy LZ4 format (`lz4 -l`): a magic, then blocks of a little-endian length and that many compressed bytes; each
//! block holds 8 MiB but the last. There is no end mark. Format: `lib/decompress_unlz4.c` of Linux, and the
//! "Legacy frame" section of the LZ4 frame format.

use std::io::{self, BufRead, Read};

/// What a block holds when it is unpacked, at most.
const BLOCK: usize = 8 << 20;

/// The largest compressed block: LZ4's bound for 8 MiB that cannot be compressed.
const PACKED_BLOCK: usize = BLOCK + BLOCK / 255 + 16;

/// The magic, which may stand again between two concatenated streams.
const MAGIC: u32 = 0x184c_2102;

pub(super) struct Decoder<R> {
    input: R,
    packed: Vec<u8>,
    block: Vec<u8>,
    at: usize,
    /// A block shorter than 8 MiB is the last of its stream.
    ended: bool,
}

impl<R: BufRead> Decoder<R> {
    pub(super) fn new(mut input: R) -> io::Result<Self> {
        let mut magic = [0; 4];
        input.read_exact(&mut magic)?;
        if u32::from_le_bytes(magic) != MAGIC {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "no lz4 magic"));
        }
        Ok(Self {
            input,
            packed: Vec::new(),
            block: Vec::new(),
            at: 0,
            ended: false,
        })
    }

    fn next_block(&mut self) -> io::Result<()> {
        self.block.clear();
        self.at = 0;
        if self.ended || self.input.fill_buf()?.is_empty() {
            return Ok(());
        }
        let mut word = [0; 4];
        self.input.read_exact(&mut word)?;
        let length = u32::from_le_bytes(word) as usize;
        // Kbuild appends the unpacked size, and mkinitramfs pads with zeros: a length that no block can have.
        if length == 0 {
            self.ended = true;
            return Ok(());
        }
        if length > PACKED_BLOCK {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "lz4 block longer than 8 MiB can be packed into",
            ));
        }
        self.packed.clear();
        (&mut self.input).take(length as u64).read_to_end(&mut self.packed)?;
        if self.packed.len() < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.block.resize(BLOCK, 0);
        let unpacked = lz4_flex::block::decompress_into(&self.packed, &mut self.block)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        self.block.truncate(unpacked);
        self.ended = unpacked < BLOCK;
        Ok(())
    }
}

impl<R: BufRead> Read for Decoder<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.block.len() {
            self.next_block()?;
        }
        let rest = self.block.get(self.at..).unwrap_or_default();
        let count = rest.len().min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        self.at += count;
        Ok(count)
    }
}
