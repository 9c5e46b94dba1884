//! What cloud-init's NoCloud datasource reads: a small FAT file system labelled `CIDATA`.
//!
//! Format: cloud-init's documentation, "NoCloud". JSON is YAML, and needs no care with quotes.

use std::io::{self, Cursor, Write};

use fatfs::{FileSystem, FormatVolumeOptions, FsOptions, format_volume};
use serde_json::json;

use crate::backend::Machine;

/// Size of the disk in bytes; user data is at most 16 KiB.
const SIZE: usize = 1 << 20;

/// The bytes of the disk for a machine.
///
/// # Errors
/// When the user data does not fit.
pub fn disk(machine: &Machine) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; SIZE];
    let options = FormatVolumeOptions::new().volume_label(*b"CIDATA     ");
    format_volume(Cursor::new(&mut bytes), options)?;
    let volume = FileSystem::new(Cursor::new(&mut bytes), FsOptions::new())?;
    for (name, content) in files(machine) {
        let mut file = volume.root_dir().create_file(name)?;
        file.write_all(&content)?;
        file.flush()?;
    }
    volume.unmount()?;
    Ok(bytes)
}

fn files(machine: &Machine) -> [(&'static str, Vec<u8>); 3] {
    let meta_data = json!({
        "instance-id": machine.instance,
        "local-hostname": machine.hostname,
        "public-keys": machine.ssh_keys,
    });
    // For guests whose cloud-init may set up their network.
    let network = json!({
        "version": 2,
        "ethernets": { "any": { "match": { "name": "e*" }, "dhcp4": true } },
    });
    [
        ("meta-data", meta_data.to_string().into_bytes()),
        ("user-data", machine.user_data.clone().unwrap_or_default()),
        ("network-config", network.to_string().into_bytes()),
    ]
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::backend::Platform;

    fn machine(user_data: &[u8]) -> Machine {
        Machine {
            instance: "i-0123456789abcdef0".to_owned(),
            platform: Platform::Nitro,
            memory_mib: 512,
            root: None,
            disks: Vec::new(),
            user_data: Some(user_data.to_vec()),
            hostname: "ip-10-0-0-5".to_owned(),
            ssh_keys: vec!["ssh-ed25519 AAAA me".to_owned()],
            addresses: Vec::new(),
            ports: vec![22],
            mac: "0a:00:00:00:00:01".to_owned(),
            first_boot_unchecked: false,
        }
    }

    #[test]
    fn cloud_init_finds_its_files_by_their_long_names() {
        let mut bytes = disk(&machine(b"#cloud-config\n{}\n")).unwrap();
        let volume = FileSystem::new(Cursor::new(&mut bytes), FsOptions::new()).unwrap();
        assert_eq!(volume.volume_label_as_bytes(), b"CIDATA");
        let read = |name: &str| {
            let mut text = String::new();
            volume
                .root_dir()
                .open_file(name)
                .unwrap()
                .read_to_string(&mut text)
                .unwrap();
            text
        };
        assert_eq!(read("user-data"), "#cloud-config\n{}\n");
        let meta_data: serde_json::Value = serde_json::from_str(&read("meta-data")).unwrap();
        assert_eq!(meta_data["instance-id"], "i-0123456789abcdef0");
        assert_eq!(meta_data["public-keys"][0], "ssh-ed25519 AAAA me");
    }

    #[test]
    fn user_data_that_does_not_fit_is_an_error() {
        disk(&machine(&[b'x'; 16 << 10])).unwrap();
        disk(&machine(&vec![b'x'; 2 << 20])).unwrap_err();
    }
}
