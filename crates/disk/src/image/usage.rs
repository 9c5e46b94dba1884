//! Who uses a device or an image file, as the kernel tells it in `/proc` and `/sys`.

use std::fs;
use std::path::{Path, PathBuf};

/// Where to look; another folder than `/` in tests.
#[derive(Debug)]
pub(super) struct Host {
    root: PathBuf,
}

impl Host {
    /// This machine.
    pub fn this() -> Self {
        Host {
            root: PathBuf::from("/"),
        }
    }

    #[cfg(test)]
    fn at(root: &Path) -> Self {
        Host { root: root.to_owned() }
    }

    /// What uses the block device `major:minor` or one of its partitions; empty if nothing.
    pub fn users_of_device(&self, major: u64, minor: u64) -> Vec<String> {
        let Ok(device) = self.root.join(format!("sys/dev/block/{major}:{minor}")).canonicalize() else {
            return Vec::new();
        };
        let mut users = self.users_of_block(&device);
        for part in entries(&device).filter(|path| path.join("partition").exists()) {
            users.extend(self.users_of_block(&part));
        }
        users
    }

    /// What uses the file, given with its symlinks resolved; empty if nothing.
    pub fn users_of_file(&self, file: &Path) -> Vec<String> {
        let mut users = self.swap(file);
        for device in entries(&self.root.join("sys/block")) {
            let backing = read(&device.join("loop/backing_file"));
            if !backing.is_empty() && Path::new(backing.trim_end()) == file {
                users.push(format!("attached as {}", dev_path(&device).display()));
                let device = device.canonicalize().unwrap_or(device);
                users.extend(self.users_of_block(&device));
                for part in entries(&device).filter(|path| path.join("partition").exists()) {
                    users.extend(self.users_of_block(&part));
                }
            }
        }
        users
    }

    /// Users of one device or partition, given its folder in `/sys`.
    fn users_of_block(&self, device: &Path) -> Vec<String> {
        let path = dev_path(device);
        let mut users = self.swap(&path);
        let number = read(&device.join("dev"));
        for line in read(&self.root.join("proc/self/mountinfo")).lines() {
            // proc(5): "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw"; Btrfs shows a number of its
            // own, but names the device behind the dash.
            let Some((mount, source)) = line.split_once(" - ") else {
                continue;
            };
            let mut fields = mount.split(' ').skip(2);
            let (Some(device), Some(place)) = (fields.next(), fields.nth(1)) else {
                continue;
            };
            let source = source.split(' ').nth(1).unwrap_or_default();
            if device == number.trim_end() || Path::new(source) == path {
                users.push(format!("{} is mounted on {place}", path.display()));
            }
        }
        for holder in entries(&device.join("holders")) {
            users.push(format!("{} is held by {}", path.display(), dev_path(&holder).display()));
        }
        users
    }

    /// One line if `path` is swap space, else none.
    fn swap(&self, path: &Path) -> Vec<String> {
        let swaps = read(&self.root.join("proc/swaps"));
        let mut swaps = swaps.lines().skip(1).filter_map(|line| line.split_whitespace().next());
        let found = swaps.any(|swap| Path::new(swap) == path);
        found
            .then(|| format!("{} is in use as swap space", path.display()))
            .into_iter()
            .collect()
    }
}

/// `/dev/NAME` for a folder in `/sys`; the kernel writes `!` for a slash.
fn dev_path(device: &Path) -> PathBuf {
    let name = device.file_name().unwrap_or_default().to_string_lossy();
    Path::new("/dev").join(name.replace('!', "/"))
}

/// The paths in a folder, sorted; none if it cannot be read.
fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    paths.sort();
    paths.into_iter()
}

/// The text of a file; empty if it cannot be read.
fn read(path: &Path) -> String {
    fs::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(files: &[(&str, &str)]) -> (tempfile::TempDir, Host) {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let host = Host::at(root.path());
        (root, host)
    }

    const MOUNTS: &str = "24 1 202:1 / / rw,relatime shared:1 - ext4 /dev/root rw\n\
        30 24 0:40 / /data rw - btrfs /dev/xvdf2 rw,space_cache\n\
        31 24 7:3 / /mnt/image rw - ext3 /dev/loop3 rw\n";

    #[test]
    fn tells_what_uses_a_device() {
        let (root, host) = host(&[
            ("sys/devices/xvdf/dev", "202:80\n"),
            ("sys/devices/xvdf/holders/.keep", ""),
            ("sys/devices/xvdf/xvdf1/partition", "1\n"),
            ("sys/devices/xvdf/xvdf1/dev", "202:1\n"),
            ("sys/devices/xvdf/xvdf2/partition", "2\n"),
            ("sys/devices/xvdf/xvdf2/dev", "202:82\n"),
            ("sys/devices/xvdf/xvdf3/partition", "3\n"),
            ("sys/devices/xvdf/xvdf3/dev", "202:83\n"),
            ("sys/devices/xvdf/xvdf3/holders/dm-0", ""),
            ("sys/devices/xvdf/xvdf4/partition", "4\n"),
            ("sys/devices/xvdf/xvdf4/dev", "202:84\n"),
            ("sys/devices/xvdg/dev", "202:96\n"),
            ("sys/dev/block/.keep", ""),
            ("proc/self/mountinfo", MOUNTS),
            (
                "proc/swaps",
                "Filename\tType\tSize\tUsed\tPriority\n/dev/xvdf4 partition 1000 0 -2\n",
            ),
        ]);
        fs::remove_file(root.path().join("sys/devices/xvdf/holders/.keep")).unwrap();
        let link = |name: &str, to: &str| {
            std::os::unix::fs::symlink(
                format!("../../devices/{to}"),
                root.path().join("sys/dev/block").join(name),
            )
            .unwrap();
        };
        link("202:80", "xvdf");
        link("202:96", "xvdg");
        assert_eq!(
            host.users_of_device(202, 80),
            [
                "/dev/xvdf1 is mounted on /",
                "/dev/xvdf2 is mounted on /data",
                "/dev/xvdf3 is held by /dev/dm-0",
                "/dev/xvdf4 is in use as swap space",
            ]
        );
        assert!(host.users_of_device(202, 96).is_empty());
        assert!(host.users_of_device(1, 1).is_empty());
    }

    #[test]
    fn tells_what_uses_an_image_file() {
        let (_root, host) = host(&[
            ("sys/block/loop2/loop/backing_file", "/images/other.img\n"),
            ("sys/block/loop2/dev", "7:2\n"),
            ("sys/block/loop3/loop/backing_file", "/images/disk.img\n"),
            ("sys/block/loop3/dev", "7:3\n"),
            ("proc/self/mountinfo", MOUNTS),
        ]);
        assert_eq!(
            host.users_of_file(Path::new("/images/disk.img")),
            ["attached as /dev/loop3", "/dev/loop3 is mounted on /mnt/image"]
        );
        assert!(host.users_of_file(Path::new("/images/new.img")).is_empty());
    }
}
