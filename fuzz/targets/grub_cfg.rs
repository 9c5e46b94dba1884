//! `grub.cfg`, with a `grubenv` after the first zero byte.
#![no_main]

use comeback_guest::menu::cfg::GrubCfg;
use comeback_guest::menu::grubenv::GrubEnv;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| {
    let end = content.iter().position(|&byte| byte == 0).unwrap_or(content.len());
    let (menu, environment) = content.split_at(end);
    let (menu, environment) = (GrubCfg::parse(menu), GrubEnv::parse(environment));
    for environment in [None, Some(&environment)] {
        assert!(
            menu.selected(environment)
                .is_none_or(|entry| entry < menu.entries.len())
        );
    }
});
