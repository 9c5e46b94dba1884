//! Initramfs images: cpio archives in all compressions.
#![no_main]

use comeback_guest::initramfs::{Initramfs, MAX_FILES, MAX_UNPACKED};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| {
    if let Ok(initramfs) = Initramfs::read(content) {
        assert!(initramfs.files <= MAX_FILES && initramfs.unpacked <= MAX_UNPACKED);
    }
});
