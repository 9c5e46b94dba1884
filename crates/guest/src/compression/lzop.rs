//! LZO in the container of lzop, as `lib/decompress_unlzo.c` of Linux reads it: a header, then blocks of big-endian
//! unpacked and packed lengths with optional check sums, ended by a length of zero.

use std::io::{self, BufRead, Read};

/// The most that one block may hold. lzop writes 256 KiB, and the kernel takes no more than that.
const BLOCK: usize = 1 << 20;

const MAGIC: [u8; 9] = *b"\x89LZO\x00\r\n\x1a\n";
const FLAG_ADLER_UNPACKED: u32 = 0x1;
const FLAG_ADLER_PACKED: u32 = 0x2;
const FLAG_EXTRA: u32 = 0x40;
const FLAG_CRC_UNPACKED: u32 = 0x100;
const FLAG_CRC_PACKED: u32 = 0x200;
const FLAG_FILTER: u32 = 0x800;

pub(super) struct Decoder<R> {
    input: R,
    flags: u32,
    packed: Vec<u8>,
    block: Vec<u8>,
    at: usize,
    ended: bool,
}

impl<R: BufRead> Decoder<R> {
    pub(super) fn new(mut input: R) -> io::Result<Self> {
        let magic: [u8; 9] = bytes(&mut input)?;
        if magic != MAGIC {
            return Err(invalid("no lzop magic"));
        }
        let version = u16::from_be_bytes(bytes(&mut input)?);
        let _library: [u8; 2] = bytes(&mut input)?;
        if version >= 0x0940 {
            let _needed: [u8; 2] = bytes(&mut input)?;
        }
        let _method: [u8; 1] = bytes(&mut input)?;
        if version >= 0x0940 {
            let _level: [u8; 1] = bytes(&mut input)?;
        }
        let flags = word(&mut input)?;
        if flags & FLAG_FILTER != 0 {
            word(&mut input)?;
        }
        let _mode = word(&mut input)?;
        let _mtime = word(&mut input)?;
        if version >= 0x0940 {
            word(&mut input)?;
        }
        let [name_length] = bytes(&mut input)?;
        skip(&mut input, u64::from(name_length))?;
        let _check = word(&mut input)?;
        if flags & FLAG_EXTRA != 0 {
            let length = word(&mut input)?;
            skip(&mut input, u64::from(length) + 4)?;
        }
        Ok(Self {
            input,
            flags,
            packed: Vec::new(),
            block: Vec::new(),
            at: 0,
            ended: false,
        })
    }

    fn next_block(&mut self) -> io::Result<()> {
        self.block.clear();
        self.at = 0;
        if self.ended {
            return Ok(());
        }
        let unpacked = word(&mut self.input)? as usize;
        if unpacked == 0 {
            self.ended = true;
            return Ok(());
        }
        let packed = word(&mut self.input)? as usize;
        if unpacked > BLOCK || packed > unpacked {
            return Err(invalid("lzop block larger than 1 MiB, or larger packed than unpacked"));
        }
        for flag in [FLAG_ADLER_UNPACKED, FLAG_CRC_UNPACKED] {
            if self.flags & flag != 0 {
                word(&mut self.input)?;
            }
        }
        if packed < unpacked {
            for flag in [FLAG_ADLER_PACKED, FLAG_CRC_PACKED] {
                if self.flags & flag != 0 {
                    word(&mut self.input)?;
                }
            }
        }
        self.packed.clear();
        (&mut self.input).take(packed as u64).read_to_end(&mut self.packed)?;
        if self.packed.len() < packed {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if packed == unpacked {
            std::mem::swap(&mut self.packed, &mut self.block);
        } else {
            self.block.resize(unpacked, 0);
            let count = lzokay::decompress::decompress(&self.packed, &mut self.block)
                .map_err(|error| invalid(&format!("lzo: {error:?}")))?;
            self.block.truncate(count);
        }
        Ok(())
    }
}

impl<R: BufRead> Read for Decoder<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at >= self.block.len() && !self.ended {
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

fn bytes<const N: usize>(input: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    input.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn word(input: &mut impl Read) -> io::Result<u32> {
    Ok(u32::from_be_bytes(bytes(input)?))
}

fn skip(input: &mut impl Read, count: u64) -> io::Result<()> {
    let skipped = io::copy(&mut input.take(count), &mut io::sink())?;
    if skipped < count {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}
