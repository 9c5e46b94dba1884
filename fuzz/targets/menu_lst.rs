//! `menu.lst` and `grub.conf`.
#![no_main]

use comeback_guest::menu::lst::{MenuLst, saved_default};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| {
    let menu = MenuLst::parse(content);
    assert!(
        menu.problems
            .iter()
            .all(|problem| content.get(problem.span.clone()).is_some())
    );
    assert!(menu.boot_order().iter().all(|&entry| entry < menu.entries.len()));
    let saved = saved_default(content);
    assert!(
        menu.boot_order_saved(saved)
            .iter()
            .all(|&entry| entry < menu.entries.len())
    );
    assert!(menu.grub2_default(None).is_none_or(|entry| entry < menu.entries.len()));
    for entry in &menu.entries {
        // Edits are made at these places.
        if let Some((kernel, cmdline)) = entry.linux() {
            assert!(content.get(kernel.span.clone()).is_some());
            assert!(
                cmdline
                    .arguments
                    .iter()
                    .all(|argument| content.get(argument.span.clone()).is_some())
            );
        }
    }
});
