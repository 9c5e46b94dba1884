//! A recipe: what a test guest is made of, read from `guests/<name>.toml`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::cache;

/// A test guest. Its file says everything that makes it what it is, so that the same recipe is the same guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Recipe {
    /// File name without `.toml`.
    #[serde(skip)]
    pub(crate) name: String,
    /// What this guest stands for, in a sentence.
    pub(crate) about: String,
    pub(crate) rootfs: Rootfs,
    pub(crate) disk: Disk,
    pub(crate) menu: Menu,
    #[serde(default)]
    pub(crate) settings: Settings,
}

/// What `mmdebstrap` makes. Recipes that agree here share one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Rootfs {
    pub(crate) suite: Suite,
    /// Kernel packages; the boot menu lists their kernels in descending order of version.
    pub(crate) kernels: Vec<String>,
    /// What else is installed beyond a bootable minimum.
    #[serde(default)]
    pub(crate) packages: Vec<String>,
    /// What is installed after the kernels, as its kernel hooks work only on a machine that runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) later: Vec<String>,
    pub(crate) initramfs: Initramfs,
}

/// Debian's releases that are still served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Suite {
    Bullseye,
    Bookworm,
    Trixie,
}

impl Suite {
    /// As Debian's archive calls it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bullseye => "bullseye",
            Self::Bookworm => "bookworm",
            Self::Trixie => "trixie",
        }
    }
}

/// What makes the initramfs, and what goes in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Initramfs {
    /// initramfs-tools with `MODULES=most`, as Debian has it.
    Most,
    /// initramfs-tools with `MODULES=list`: only these modules and what they need.
    List(Vec<String>),
    /// dracut, for any machine.
    Dracut,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Disk {
    pub(crate) layout: Layout,
    pub(crate) file_system: FileSystem,
    /// Label of the root file system.
    pub(crate) label: Option<String>,
    /// `/boot` on a partition of its own, the first one.
    #[serde(default)]
    pub(crate) separate_boot: bool,
    /// Size of the disk.
    #[serde(default = "default_size")]
    pub(crate) gib: u64,
}

const fn default_size() -> u64 {
    4
}

/// Where the file system lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Layout {
    /// The disk is the file system, as PV guests on EC2 see it as `xvda1`.
    Unpartitioned,
    /// An MBR, first partition at 1 MiB.
    Mbr,
    /// An MBR as before 2010, first partition at sector 63.
    #[serde(rename = "mbr-63")]
    Mbr63,
}

impl Layout {
    /// Sector that the first partition begins at; `None` if there are no partitions.
    pub(crate) const fn first_sector(self) -> Option<u64> {
        match self {
            Self::Unpartitioned => None,
            Self::Mbr => Some(2048),
            Self::Mbr63 => Some(63),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum FileSystem {
    /// As Debian 12's mke2fs makes it: 64bit, `metadata_csum`.
    #[serde(rename = "ext4")]
    Ext4,
    /// As in 2012: neither of these.
    #[serde(rename = "ext4-2012")]
    Ext4Of2012,
    /// ext3 with the small inodes that it had until 2008.
    #[serde(rename = "ext3-128")]
    Ext3,
}

impl FileSystem {
    /// Name of the kernel's driver, as in fstab.
    pub(crate) const fn kind(self) -> &'static str {
        match self {
            Self::Ext4 | Self::Ext4Of2012 => "ext4",
            Self::Ext3 => "ext3",
        }
    }

    /// Arguments of mke2fs, explicit so that they do not depend on the builder's /etc/mke2fs.conf.
    pub(crate) const fn mke2fs(self) -> &'static [&'static str] {
        match self {
            Self::Ext4 => &[
                "-t",
                "ext4",
                "-I",
                "256",
                "-O",
                "64bit,metadata_csum,^metadata_csum_seed,^orphan_file",
            ],
            Self::Ext4Of2012 => &[
                "-t",
                "ext4",
                "-I",
                "256",
                "-O",
                "^64bit,^metadata_csum,^metadata_csum_seed,^orphan_file",
            ],
            Self::Ext3 => &[
                "-t",
                "ext3",
                "-I",
                "128",
                "-O",
                "^64bit,^metadata_csum,^metadata_csum_seed,^orphan_file",
            ],
        }
    }
}

/// The boot menu.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Menu {
    pub(crate) style: Style,
    /// How `root=` and fstab name the root file system.
    pub(crate) root_by: RootBy,
    /// Entry that boots.
    #[serde(default)]
    pub(crate) default: usize,
    /// Name the disk by `uuid` lines, as Ubuntu 9.10 and later do outside of EC2.
    #[serde(default)]
    pub(crate) groot_by_uuid: bool,
    /// A grub.cfg of long ago lies beside it, and names a kernel that is gone.
    #[serde(default)]
    pub(crate) stale_grub_cfg: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Style {
    /// A menu.lst of few lines, as by hand.
    Plain,
    /// As Ubuntu's update-grub (grub-legacy-ec2) writes and rewrites it.
    Ubuntu,
    /// grub.conf as Amazon Linux and RHEL have it, with menu.lst a symbolic link to it.
    Symlink,
    /// No PV guest: GRUB 2 in the first sectors and a grub.cfg, as on an HVM instance.
    #[serde(rename = "grub-2")]
    Grub2,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RootBy {
    Device,
    Label,
    Uuid,
}

/// Settings that stand in the way of a move, or should.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Settings {
    /// fstab lines for an instance store and a swap device that the target does not have, without `nofail`.
    #[serde(default)]
    pub(crate) hazards: bool,
    /// A udev rule that binds eth0 to the source's MAC address.
    #[serde(default)]
    pub(crate) mac_bound: bool,
    /// A getty that is enabled for hvc0, whatever the kernel's consoles are.
    #[serde(default)]
    pub(crate) getty_on_hvc0: bool,
    /// An SSH server that lets root in with the key of the cache, an address by DHCP on eth0, a page on port 8080.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) server: bool,
    /// Who may log in, the host key and the name come from user data; an address by DHCP on any interface.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) cloud_init: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// What a guest with a network takes its next boot for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FirstBoot {
    /// It has been running for years, and is set up.
    LongAgo,
    /// It is new, and cloud-init sets it up.
    CloudInit,
}

impl Settings {
    /// `None` for guests without a network.
    pub(crate) const fn first_boot(&self) -> Option<FirstBoot> {
        match (self.server, self.cloud_init) {
            (_, true) => Some(FirstBoot::CloudInit),
            (true, false) => Some(FirstBoot::LongAgo),
            (false, false) => None,
        }
    }
}

impl Recipe {
    fn parse(name: &str, text: &str) -> Result<Self> {
        let mut recipe: Self = toml::from_str(text)?;
        name.clone_into(&mut recipe.name);
        ensure!(
            !recipe.rootfs.kernels.is_empty(),
            "kernels is empty: a guest needs one to boot"
        );
        ensure!(
            recipe.menu.default < recipe.rootfs.kernels.len(),
            "default names an entry that is not there"
        );
        if recipe.menu.root_by == RootBy::Label {
            ensure!(recipe.disk.label.is_some(), "root-by is label, and there is no label");
        }
        if recipe
            .disk
            .label
            .as_ref()
            .is_some_and(|label| label.is_empty() || label.len() > 16)
        {
            bail!("label is not of 1 to 16 bytes, ext takes no other");
        }
        if recipe.disk.separate_boot {
            ensure!(
                recipe.disk.layout.first_sector().is_some(),
                "a separate /boot needs a layout with partitions"
            );
        }
        if recipe.menu.style == Style::Grub2 {
            ensure!(
                recipe.disk.layout == Layout::Mbr && !recipe.disk.separate_boot,
                "GRUB 2 lies between the MBR and the only partition: the layout has to be mbr"
            );
            ensure!(
                recipe.menu.root_by != RootBy::Device,
                "an HVM guest names its root by label or UUID"
            );
        }
        if recipe.settings.server && recipe.settings.cloud_init {
            bail!("server and cloud-init exclude each other: one is set up, the other is yet to be");
        }
        Ok(recipe)
    }

    /// UUID of the root file system: always the same, so that tests can name it.
    pub(crate) fn uuid(&self) -> String {
        uuid(&self.name)
    }

    /// UUID of the file system of a separate `/boot`.
    pub(crate) fn boot_uuid(&self) -> String {
        uuid(&format!("{} /boot", self.name))
    }
}

/// A UUID of version 4 in form, made from a name.
fn uuid(name: &str) -> String {
    let mut hex: Vec<char> = cache::sha256(name.as_bytes()).chars().take(32).collect();
    (hex[12], hex[16]) = ('4', 'a');
    for at in [20, 16, 12, 8] {
        hex.insert(at, '-');
    }
    hex.into_iter().collect()
}

/// All recipes of a folder, by name.
pub(crate) fn read_all(folder: &Path) -> Result<Vec<Recipe>> {
    let mut recipes = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            recipes.push(Recipe::parse(&name, &text).with_context(|| format!("in {}", path.display()))?);
        }
    }
    recipes.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(recipes)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A recipe to vary in tests.
    pub(crate) fn sample() -> Recipe {
        let text = r#"
            about = "a sample"
            [rootfs]
            suite = "bookworm"
            kernels = ["linux-image-amd64"]
            initramfs = "most"
            [disk]
            layout = "unpartitioned"
            file-system = "ext4"
            [menu]
            style = "plain"
            root-by = "device"
        "#;
        Recipe::parse("sample", text).unwrap()
    }

    #[test]
    fn recipes_of_this_repository_are_sound() {
        let recipes = read_all(&cache::workspace().join("guests")).unwrap();
        assert!(recipes.iter().any(|recipe| recipe.name == "bookworm-plain"));
        let mut uuids: Vec<_> = recipes.iter().map(Recipe::uuid).collect();
        uuids.sort();
        uuids.dedup();
        assert_eq!(uuids.len(), recipes.len());
    }

    #[test]
    fn what_a_recipe_cannot_be() {
        let good = toml::to_string(&sample()).unwrap();
        Recipe::parse("good", &good).unwrap();
        for (from, to, why) in [
            ("default = 0", "default = 1", "not there"),
            ("root-by = \"device\"", "root-by = \"label\"", "no label"),
            ("kernels = [\"linux-image-amd64\"]", "kernels = []", "empty"),
            ("separate-boot = false", "separate-boot = true", "partitions"),
            ("gib = 4", "gib = 4\nlabel = \"longer than sixteen\"", "1 to 16"),
            ("gib = 4", "tib = 4", "tib"),
            ("style = \"plain\"", "style = \"grub-2\"", "layout"),
            ("hazards = false", "server = true\ncloud-init = true", "exclude"),
        ] {
            assert!(good.contains(from), "{from} in\n{good}");
            let error = format!("{:#}", Recipe::parse("bad", &good.replace(from, to)).unwrap_err());
            assert!(error.contains(why), "{to}: {error}");
        }
    }

    #[test]
    fn uuid_has_the_form_of_one() {
        let uuid = sample().uuid();
        let lengths: Vec<_> = uuid.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{uuid}");
        assert_ne!(uuid, sample().boot_uuid());
    }
}
