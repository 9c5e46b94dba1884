//! Device names at the target.
//!
//! PV instances may have `/dev/sdf1` beside `/dev/sdg`; HVM instances take names with a digit for the root only, and
//! AWS recommends `/dev/sd[f-p]` for volumes
//! (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/device_naming.html>).

use std::collections::BTreeSet;

use comeback_cloud::model::BlockDevice;

use super::{Device, Source};

/// Names that are given to those who cannot keep theirs: first what AWS recommends, then what is left. Fifteen volumes as
/// `/dev/sdh1` to `/dev/sdh15` are no rare array.
fn spares() -> impl Iterator<Item = String> {
    let single = ('f'..='z').map(|letter| format!("/dev/sd{letter}"));
    let double = ('b'..='c').flat_map(|first| ('a'..='z').map(move |second| format!("/dev/xvd{first}{second}")));
    single.chain(double)
}

/// Where each volume goes, the root first. Names that are valid stay; `None` when there are more volumes than names.
pub fn assign(source: &Source, root_device: &str) -> Option<Vec<Device>> {
    let instance = &source.instance;
    let root = instance.root()?;
    let mut data: Vec<_> = instance
        .block_devices
        .iter()
        .filter(|device| device.volume != root.volume)
        .collect();
    data.sort_by(|a, b| a.device.cmp(&b.device));
    let was: Vec<_> = data.iter().map(|device| device.device.as_str()).collect();
    let becomes = names(root_device, &was)?;
    let to = |device: &BlockDevice, becomes: String| Device {
        volume: device.volume.clone(),
        was: device.device.clone(),
        becomes,
        delete_on_termination: device.delete_on_termination,
    };
    let mut assigned = vec![to(root, root_device.to_owned())];
    assigned.extend(data.into_iter().zip(becomes).map(|(device, name)| to(device, name)));
    Some(assigned)
}

/// A name for each data volume beside a root, in their order.
fn names(root_device: &str, was: &[&str]) -> Option<Vec<String>> {
    let mut taken: BTreeSet<String> = BTreeSet::from([letter(root_device).to_owned()]);
    let mut becomes: Vec<Option<String>> = vec![None; was.len()];
    // Those that can keep their names come before those that only can without their digits.
    for keeps in [true, false] {
        for (slot, name) in becomes.iter_mut().zip(was) {
            let bare = without_digits(name);
            if slot.is_none() && (bare == *name) == keeps && is_valid(bare) && taken.insert(letter(bare).to_owned()) {
                *slot = Some(bare.to_owned());
            }
        }
    }
    let mut spares = spares();
    let given = becomes.into_iter().map(|slot| match slot {
        Some(name) => Some(name),
        None => spares.find(|spare| taken.insert(letter(spare).to_owned())),
    });
    given.collect()
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
    let bare = name.strip_prefix("/dev/").unwrap_or(name);
    if !bare.starts_with("sd") && !bare.starts_with("xvd") {
        return false;
    }
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
            "/dev/b",
            "b",
        ] {
            assert!(!is_valid(invalid), "{invalid}");
        }
    }

    #[test]
    fn those_that_share_a_letter_part() {
        let becomes = |was: &[&str]| names("/dev/xvda", was).unwrap();
        assert_eq!(becomes(&["/dev/sdf", "/dev/sdg1"]), ["/dev/sdf", "/dev/sdg"]);
        assert_eq!(becomes(&["/dev/sdf1", "/dev/sdf2"]), ["/dev/sdf", "/dev/sdg"]);
        // The digit's owner comes first by name, and yields to who need not change.
        assert_eq!(becomes(&["/dev/sdf1", "/dev/xvdf"]), ["/dev/sdg", "/dev/xvdf"]);
        assert_eq!(becomes(&["/dev/sda2", "/dev/hdb"]), ["/dev/sdf", "/dev/sdg"]);
        assert_eq!(names("/dev/sdf", &["/dev/sdf"]).unwrap(), ["/dev/sdg"]);
    }

    #[test]
    fn an_array_of_fifteen_fits() {
        let was: Vec<_> = (1..=15).map(|number| format!("/dev/sdh{number}")).collect();
        let was: Vec<_> = was.iter().map(String::as_str).collect();
        assert!(names("/dev/xvda", &was).is_some());
        let many = vec!["/dev/sda2"; 100];
        assert_eq!(names("/dev/xvda", &many), None);
    }

    proptest::proptest! {
        #[test]
        fn names_are_valid_distinct_and_kept(
            was in proptest::collection::vec("(/dev/)?(sd|xvd|hd)[a-z]{1,2}[0-9]{0,2}", 0..20),
            root in "/dev/(sd|xvd)a1?",
        ) {
            let was: Vec<_> = was.iter().map(String::as_str).collect();
            let becomes = names(&root, &was).unwrap();
            let places: BTreeSet<_> = becomes.iter().map(|name| letter(name)).collect();
            proptest::prop_assert_eq!(places.len(), was.len());
            proptest::prop_assert!(!places.contains(letter(&root)));
            for (index, (was, is)) in was.iter().zip(&becomes).enumerate() {
                proptest::prop_assert!(is_valid(is), "{}", is);
                let is_first = becomes[..index].iter().all(|other| letter(other) != letter(was));
                if is_valid(was) && without_digits(was) == *was && is_first && is != was {
                    // Only for another one that keeps the same place.
                    proptest::prop_assert!(becomes.iter().any(|other| letter(other) == letter(was)));
                }
            }
            // What was given once is kept when it is asked for again.
            let given: Vec<_> = becomes.iter().map(String::as_str).collect();
            proptest::prop_assert_eq!(names(&root, &given).unwrap(), becomes.clone());
        }
    }
}
