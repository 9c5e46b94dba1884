//! Kernel images, unpacked as far as their Xen notes.
#![no_main]

use comeback_guest::kernel::image::{KernelImage, read_notes};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| {
    if let Ok(image) = KernelImage::read(content, content.len() as u64) {
        let _ = read_notes(content, &image);
    }
});
