//! `fstab`.
#![no_main]

use comeback_guest::fstab::Fstab;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| {
    for entry in &Fstab::parse(content).entries {
        let _ = entry.has_option("nofail");
    }
});
