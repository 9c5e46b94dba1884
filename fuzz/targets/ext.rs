//! ext file systems, read and written through libext2fs. A journal is replayed first where it has to be.
#![no_main]

use std::sync::Arc;

use comeback_disk::ext::{Access, Ext, NewFile, Superblock, journal};
use comeback_disk::io::{Memory, WriteAt};
use comeback_disk::tree::FileTree;
use comeback_disk::view::View;
use libfuzzer_sys::fuzz_target;

/// The byte offset of `s_feature_ro_compat` in the file system.
const RO_COMPAT: usize = 1024 + 0x64;

fuzz_target!(|content: &[u8]| {
    let mut content = content.to_vec();
    // Without metadata_csum, of which no damaged block would get past the check.
    if let Some(features) = content.get_mut(RO_COMPAT + 1) {
        *features &= !0x04;
    }
    // A disk is never as small as what the fuzzer makes first.
    content.resize(content.len().max(256 << 10), 0);
    let disk: Arc<dyn WriteAt> = Arc::new(View::new(Arc::new(Memory::new(content))));
    let Ok(Some(_)) = Superblock::read(&disk) else {
        return;
    };
    let _ = journal::replay(&disk);
    let Ok(ext) = Ext::open(disk, Access::Write, 1_767_312_000) else {
        return;
    };
    for folder in ["/", "/etc", "/boot/grub"] {
        for name in ext.read_dir(folder).unwrap_or_default().iter().take(64) {
            let path = format!("{folder}/{name}");
            let _ = ext.read(&path, 1 << 20);
            let _ = ext.xattrs(&path);
            let _ = ext.extents(&path);
        }
    }
    let _ = ext.used_ranges();
    let new = NewFile {
        mode: 0o600,
        ..NewFile::default()
    };
    let _ = ext.write_file("/etc/fstab", &[b'x'; 9000], false);
    let _ = ext.create_dir("/boot/comeback", &new);
    let _ = ext.create_file(
        "/boot/comeback/core.img",
        &[b'y'; 20_000],
        &NewFile {
            contiguous: true,
            ..new
        },
    );
    let _ = ext.flush();
});
