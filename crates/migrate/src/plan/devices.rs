//! Device names at the target.
//!
//! PV instances may have `/dev/sdf1` beside `/dev/sdg`; HVM instances take names with a digit for the root only, and
//! AWS recommends `/dev/sd[f-p]` for volumes
//! (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/device_naming.html>).

use std::collections::BTreeSet;

use super::{Device, Source};

/// Names that are given to those who cannot keep theirs.
/// Those that AWS recommends come first.
const SPARE: &str = "fghijklmnopqrstuvwxyz";

/// Where each volume goes, the root first. Names that are valid stay; `None` when there are more volumes than names.
pub fn assign(source: &Source, root_device: &str) -> Option<Vec<Device>> {
    let instance = &source.instance;
    let root = instance.root()?;
    let mut taken: BTreeSet<String> = BTreeSet::from([letter(root_device).to_owned()]);
    let mut named = Vec::new();
    let mut homeless = Vec::new();
    let mut devices: Vec<_> = instance
        .block_devices
        .iter()
        .filter(|device| device.volume != root.volume)
        .collect();
    devices.sort_by(|a, b| a.device.cmp(&b.device));
    // Those that can keep their names come before those that have to change them.
    devices.sort_by_key(|device| without_digits(&device.device) != device.device);
    for device in devices {
        let name = without_digits(&device.device);
        if is_valid(name) && taken.insert(letter(name).to_owned()) {
            named.push((device, name.to_owned()));
        } else {
            homeless.push(device);
        }
    }
    for device in homeless {
        let spare = SPARE.chars().map(String::from).find(|letter| !taken.contains(letter))?;
        named.push((device, format!("/dev/sd{spare}")));
        taken.insert(spare);
    }
    named.sort_by(|(a, _), (b, _)| a.device.cmp(&b.device));
    let mut assigned = vec![Device {
        volume: root.volume.clone(),
        was: root.device.clone(),
        becomes: root_device.to_owned(),
        delete_on_termination: root.delete_on_termination,
    }];
    assigned.extend(named.into_iter().map(|(device, becomes)| Device {
        volume: device.volume.clone(),
        was: device.device.clone(),
        becomes,
        delete_on_termination: device.delete_on_termination,
    }));
    Some(assigned)
}

fn without_digits(name: &str) -> &str {
    name.trim_end_matches(|character: char| character.is_ascii_digit())
}

/// `f` of `/dev/sdf`, `/dev/xvdf`, `sdf` and `/dev/sdf1`: two names of the same letter are the same place.
fn letter(name: &str) -> &str {
    let name = without_digits(name);
    let name = name.strip_prefix("/dev/").unwrap_or(name);
    name.strip_prefix("xvd")
        .or_else(|| name.strip_prefix("sd"))
        .unwrap_or(name)
}

/// `b` to `z`; two letters only after `xvd`, from `ba`.
fn is_valid(name: &str) -> bool {
    let letters = letter(name);
    let lower = !letters.is_empty() && letters.bytes().all(|byte| byte.is_ascii_lowercase());
    match letters.len() {
        1 => lower && letters != "a",
        2 => lower && name.contains("xvd") && ("ba"..="dx").contains(&letters),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_places() {
        for (name, is) in [
            ("/dev/sdf", "f"),
            ("/dev/xvdf", "f"),
            ("sdf", "f"),
            ("/dev/sdf12", "f"),
            ("xvdba", "ba"),
        ] {
            assert_eq!(letter(name), is, "{name}");
        }
        for valid in ["/dev/sdb", "/dev/sdz", "/dev/xvdba", "xvdc"] {
            assert!(is_valid(valid), "{valid}");
        }
        for invalid in [
            "/dev/sda",
            "/dev/sd",
            "/dev/sdba",
            "/dev/xvdzz",
            "/dev/nvme",
            "",
            "/dev/sdF",
        ] {
            assert!(!is_valid(invalid), "{invalid}");
        }
    }
}
