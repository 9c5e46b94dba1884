//! `comeback-agent find`: which device a volume is. Told by what the device says of itself, never by its name.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use comeback_disk::image;
use comeback_protocol::{Disk, Event, Evidence, Stage, VolumeId};

use crate::cli::FindArguments;
use crate::voice::Voice;
use crate::{disks, xen};

/// Between two looks. Two that agree are needed: a device is announced before all of it is known.
const PAUSE: Duration = Duration::from_millis(100);

/// What is looked for.
#[derive(Debug, Clone)]
struct Wanted {
    volume: VolumeId,
    /// Bytes.
    size: u64,
    /// The devices before the attachment, if that is known.
    known: Option<Vec<PathBuf>>,
    /// Letters of the name that it was attached by, as [`Disk::attached_as`] has them.
    attached_as: Option<String>,
}

/// Why no device could be told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FindError {
    /// None can be it.
    #[error(
        "no device can be {volume} ({size} bytes): {seen}. Is it attached to this machine, and has its size not changed? \
         The kernel's messages (dmesg) tell of disks that come", seen = list(.candidates)
    )]
    None {
        /// The volume.
        volume: VolumeId,
        /// Its size in bytes.
        size: u64,
        /// All disks.
        candidates: Vec<Disk>,
    },
    /// Several can be it.
    #[error(
        "more than one device can be {volume} ({size} bytes): {seen}. Detach the others, or say which devices were there \
         before it was attached (--known)", seen = list(.candidates)
    )]
    Several {
        /// The volume.
        volume: VolumeId,
        /// Its size in bytes.
        size: u64,
        /// Those that can be it.
        candidates: Vec<Disk>,
    },
    /// The one with its serial number has another size.
    #[error("{} has the serial number of {volume} and {} bytes, expected {expected}", disk[0].path.display(), disk[0].size)]
    Size {
        /// The volume.
        volume: VolumeId,
        /// Bytes that it should have.
        expected: u64,
        /// The one device.
        disk: Vec<Disk>,
    },
}

impl FindError {
    /// The devices that it is about.
    pub(crate) fn candidates(&self) -> &[Disk] {
        match self {
            FindError::None { candidates, .. } | FindError::Several { candidates, .. } => candidates,
            FindError::Size { disk, .. } => disk,
        }
    }
}

fn list(disks: &[Disk]) -> String {
    if disks.is_empty() {
        return "there are no disks".to_owned();
    }
    let one = |disk: &Disk| {
        let mut text = format!("{} of {} bytes", disk.path.display(), disk.size);
        if let Some(serial) = &disk.serial {
            text.push_str(&format!(", serial number {serial}"));
        }
        if let Some(user) = disk.users.first() {
            text.push_str(&format!(", in use: {user}"));
        }
        text
    };
    disks.iter().map(one).collect::<Vec<_>>().join("; ")
}

pub(crate) fn run(arguments: &FindArguments, voice: &Voice) -> Result<Event> {
    let attached_as = match &arguments.device {
        None => None,
        Some(name) => match xen::letters_of_name(name) {
            Some(letters) => Some(letters.to_owned()),
            None => bail!("--device {name}: expected a name that EC2 attaches by, such as /dev/sdf"),
        },
    };
    let wanted = Wanted {
        volume: arguments.volume.clone(),
        size: arguments.size,
        known: arguments.known.as_deref().map(known).transpose()?,
        attached_as,
    };
    voice.stage(Stage::Waiting);
    let started = Instant::now();
    let limit = Duration::from_secs(arguments.timeout);
    let mut before: Option<(PathBuf, Evidence)> = None;
    loop {
        let mut disks = disks::scan(Path::new("/"))?;
        disks.retain(Disk::is_whole);
        for disk in &mut disks {
            disk.users = image::users_of_device(&disk.path);
        }
        let choice = choose(&disks, &wanted);
        match choice {
            // The node comes from udev, after the kernel has told of the disk.
            Ok((disk, by)) if disk.path.exists() => {
                let found = (disk.path.clone(), by);
                if before.as_ref() == Some(&found) {
                    let mut disk = disk.clone();
                    disks::complete(&mut disk);
                    return Ok(Event::Found {
                        disk: Box::new(disk),
                        by,
                    });
                }
                before = Some(found);
            }
            Ok((disk, _)) if started.elapsed() >= limit => {
                bail!(
                    "{} is there, but its node is not: is udev running?",
                    disk.path.display()
                )
            }
            Err(error) if started.elapsed() >= limit => return Err(error.into()),
            Ok(_) | Err(_) => before = None,
        }
        thread::sleep(PAUSE);
    }
}

/// Reads `--known`.
fn known(argument: &str) -> Result<Vec<PathBuf>> {
    let is_file = fs::metadata(argument).is_ok_and(|found| found.is_file());
    let text = if is_file {
        fs::read_to_string(argument).with_context(|| format!("reading {argument}"))?
    } else {
        argument.to_owned()
    };
    let names: Vec<&str> = text
        .split([',', '\n'])
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    if let Some(name) = names.iter().find(|name| !name.starts_with("/dev/")) {
        bail!("--known: {name:?} is neither a file nor the path of a device, such as /dev/xvda");
    }
    Ok(names.into_iter().map(PathBuf::from).collect())
}

/// Tells which of the whole disks it is.
fn choose<'a>(disks: &'a [Disk], wanted: &Wanted) -> Result<(&'a Disk, Evidence), FindError> {
    let several = |candidates: &[&Disk]| FindError::Several {
        volume: wanted.volume.clone(),
        size: wanted.size,
        candidates: candidates.iter().map(|disk| (*disk).clone()).collect(),
    };
    let named: Vec<&Disk> = disks
        .iter()
        .filter(|disk| disk.volume.as_ref() == Some(&wanted.volume))
        .collect();
    match named.as_slice() {
        [] => {}
        [disk] if disk.size == wanted.size => return Ok((disk, Evidence::Serial)),
        [disk] => {
            return Err(FindError::Size {
                volume: wanted.volume.clone(),
                expected: wanted.size,
                disk: vec![(*disk).clone()],
            });
        }
        more => return Err(several(more)),
    }
    // A disk that names another volume is that one. One that was attached by another name is another one, too.
    let other_name = |disk: &Disk| match (&disk.attached_as, &wanted.attached_as) {
        (Some(found), Some(wanted)) => found != wanted,
        _ => false,
    };
    let fits =
        |disk: &&Disk| disk.volume.is_none() && disk.size == wanted.size && disk.users.is_empty() && !other_name(disk);
    let is_known = |disk: &Disk| wanted.known.as_ref().is_some_and(|known| known.contains(&disk.path));
    let is_attached = |disk: &Disk| disk.attached_as.is_some() && disk.attached_as == wanted.attached_as;
    // Without knowing what was there before, only Xen's number tells it from a disk that is none of ours.
    let candidates: Vec<&Disk> = disks
        .iter()
        .filter(fits)
        .filter(|disk| !is_known(disk) && (wanted.known.is_some() || is_attached(disk)))
        .collect();
    match candidates.as_slice() {
        [disk] if is_attached(disk) => Ok((disk, Evidence::AttachedAs)),
        [disk] => Ok((disk, Evidence::New)),
        [] => Err(FindError::None {
            volume: wanted.volume.clone(),
            size: wanted.size,
            candidates: disks.to_vec(),
        }),
        more => Err(several(more)),
    }
}

#[cfg(test)]
mod tests {
    use comeback_protocol::Content;

    use super::*;

    const GIB: u64 = 1 << 30;

    fn disk(path: &str, gib: u64) -> Disk {
        Disk {
            path: path.into(),
            size: gib * GIB,
            partition_of: None,
            model: None,
            serial: None,
            volume: None,
            attached_as: None,
            read_only: false,
            users: Vec::new(),
            content: Content::Other { name: String::new() },
        }
    }

    fn volume(path: &str, gib: u64, id: &str) -> Disk {
        let id = VolumeId::parse(id).unwrap();
        Disk {
            serial: Some(id.to_string()),
            volume: Some(id),
            ..disk(path, gib)
        }
    }

    fn attached(path: &str, gib: u64, letters: &str) -> Disk {
        Disk {
            attached_as: Some(letters.to_owned()),
            ..disk(path, gib)
        }
    }

    fn used(disk: Disk) -> Disk {
        Disk {
            users: vec!["mounted on /".to_owned()],
            ..disk
        }
    }

    fn wanted(known: Option<&[&str]>, letters: Option<&str>) -> Wanted {
        Wanted {
            volume: VolumeId::parse("vol-1234abcd").unwrap(),
            size: 4 * GIB,
            known: known.map(|known| known.iter().map(PathBuf::from).collect()),
            attached_as: letters.map(str::to_owned),
        }
    }

    #[track_caller]
    fn found(disks: &[Disk], wanted: &Wanted) -> (String, Evidence) {
        let (disk, by) = choose(disks, wanted).unwrap();
        (disk.path.display().to_string(), by)
    }

    #[track_caller]
    fn not_found(disks: &[Disk], wanted: &Wanted, words: &[&str]) {
        let error = choose(disks, wanted).unwrap_err().to_string();
        for word in words {
            assert!(error.contains(word), "{word:?} is not in {error}");
        }
    }

    #[test]
    fn a_serial_number_decides_whatever_else_is_there() {
        let disks = [
            volume("/dev/nvme0n1", 4, "vol-99999999"),
            volume("/dev/nvme1n1", 4, "vol-1234abcd"),
            disk("/dev/nvme2n1", 4),
        ];
        for wanted in [wanted(None, None), wanted(Some(&["/dev/nvme1n1"]), Some("f"))] {
            assert_eq!(found(&disks, &wanted), ("/dev/nvme1n1".to_owned(), Evidence::Serial));
        }
    }

    #[test]
    fn a_serial_number_on_a_disk_of_another_size_is_an_error() {
        let disks = [volume("/dev/vdb", 5, "vol-1234abcd"), disk("/dev/vdc", 4)];
        not_found(
            &disks,
            &wanted(Some(&[]), None),
            &["/dev/vdb", "vol-1234abcd", "5368709120", "4294967296"],
        );
    }

    #[test]
    fn a_disk_without_serial_number_must_be_new_and_fit() {
        let root = used(disk("/dev/xvda", 4));
        let new = disk("/dev/xvdf", 4);
        let known = wanted(Some(&["/dev/xvda", "/dev/xvdb"]), None);
        let disks = [root.clone(), disk("/dev/xvdb", 4), new.clone(), disk("/dev/xvdg", 8)];
        assert_eq!(found(&disks, &known), ("/dev/xvdf".to_owned(), Evidence::New));
        not_found(
            &[root.clone(), disk("/dev/xvdb", 4)],
            &known,
            &["no device", "/dev/xvdb of 4294967296 bytes"],
        );
        not_found(&[root.clone(), used(new.clone())], &known, &["in use: mounted on /"]);
        not_found(
            &[new.clone(), disk("/dev/xvdg", 4)],
            &known,
            &["more than one", "/dev/xvdf", "/dev/xvdg"],
        );
        // What was there before is not known: any disk of that size could be another's.
        not_found(&disks, &wanted(None, None), &["no device"]);
        not_found(&[], &known, &["there are no disks"]);
    }

    #[test]
    fn a_disk_that_names_another_volume_is_not_it() {
        let disks = [volume("/dev/nvme1n1", 4, "vol-99999999")];
        not_found(&disks, &wanted(Some(&[]), None), &["serial number vol-99999999"]);
    }

    #[test]
    fn xens_number_tells_two_new_disks_apart() {
        let disks = [attached("/dev/xvdj", 4, "f"), attached("/dev/xvdk", 4, "g")];
        for known in [None, Some([].as_slice())] {
            let wanted = wanted(known, Some("f"));
            assert_eq!(found(&disks, &wanted), ("/dev/xvdj".to_owned(), Evidence::AttachedAs));
        }
        not_found(&disks, &wanted(Some(&[]), Some("h")), &["no device"]);
        not_found(&disks, &wanted(Some(&[]), None), &["more than one"]);
    }

    #[test]
    fn known_devices_as_a_list_and_as_a_file() {
        let expected = ["/dev/xvda", "/dev/xvda1"].map(PathBuf::from);
        assert_eq!(known("/dev/xvda,/dev/xvda1").unwrap(), expected);
        assert_eq!(known("").unwrap(), <[PathBuf; 0]>::default());
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("known");
        fs::write(&file, "/dev/xvda\n/dev/xvda1\n").unwrap();
        assert_eq!(known(file.to_str().unwrap()).unwrap(), expected);
        assert!(known("/no/such/file").is_err());
    }
}
