//! Partition tables.
#![no_main]

use comeback_disk::io::{Memory, ReadAt};
use comeback_disk::table;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| {
    let disk = Memory::new(content.to_vec());
    if let Ok(table) = table::read(&disk) {
        assert!(table.partitions.len() <= 1024);
        let _ = table.core_gap();
        for partition in &table.partitions {
            assert!(partition.start.checked_add(partition.size).is_some());
        }
        assert!(disk.size() == content.len() as u64);
    }
});
