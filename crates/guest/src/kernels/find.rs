//! Looking for kernels, and for what belongs to each.

use std::collections::BTreeSet;

use comeback_disk::tree::{FileTree, Kind};

use super::virtualization::{Facts, judge};
use super::{ImageFile, InitramfsFile, Kernel, KernelReader, Reading};
use crate::drivers::{Driver, InitramfsState, Sources, locate};
use crate::kernel::config::{KernelConfig, MAX_SIZE};
use crate::kernel::modules::ModuleDirectory;

/// The most kernels that are looked at, and the most module folders without a kernel.
const MAX_KERNELS: usize = 64;

const PREFIXES: [&str; 4] = ["vmlinuz", "vmlinux", "kernel-", "bzImage"];

/// What stands beside kernels under names that begin as theirs do.
const NOT_KERNELS: [&str; 9] = [
    ".hmac", ".sig", ".rpmsave", ".rpmnew", ".rpmorig", ".bak", ".config", ".map", ".sha512",
];

/// All kernels of a guest. `menu` gives, for each entry of the boot menu, the paths of its kernel and of its initramfs
/// within the guest.
///
/// Kernels of the menu come first, in its order, then those of `/boot` and `/` by name, then folders of `/lib/modules`
/// that belong to none of them. A kernel that the menu names and that is missing is in the list too, as one that could
/// not be read. A kernel that the menu starts without an initramfs has none, whatever files there are.
pub fn find(tree: &dyn FileTree, menu: &[(String, Option<String>)], reader: &mut KernelReader) -> Vec<Kernel> {
    let candidates = candidates(tree, menu);
    let mut kernels: Vec<Kernel> = candidates
        .into_iter()
        .map(|candidate| candidate.read(tree, reader))
        .collect();
    kernels.extend(orphans(tree, &kernels));
    kernels
}

/// A kernel that may be one.
struct Candidate {
    path: String,
    canonical: String,
    aliases: Vec<String>,
    /// Whether the menu names it, and the first initramfs that it gives it.
    menu: Option<Option<String>>,
}

fn candidates(tree: &dyn FileTree, menu: &[(String, Option<String>)]) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = Vec::new();
    let mut add = |path: String, menu: Option<Option<String>>| {
        let canonical = tree.canonical(&path).unwrap_or_else(|_| path.clone());
        if let Some(known) = found.iter_mut().find(|known| known.canonical == canonical) {
            if known.path != path && !known.aliases.contains(&path) {
                known.aliases.push(path);
            }
            if let (Some(Some(initramfs)), Some(None)) = (&menu, &known.menu) {
                known.menu = Some(Some(initramfs.clone()));
            }
        } else if found.len() < MAX_KERNELS {
            found.push(Candidate {
                path,
                canonical,
                aliases: Vec::new(),
                menu,
            });
        }
    };
    for (kernel, initramfs) in menu {
        add(kernel.clone(), Some(initramfs.clone()));
    }
    for folder in ["/boot", ""] {
        let names = tree
            .read_dir(if folder.is_empty() { "/" } else { folder })
            .unwrap_or_default();
        for name in names.iter().filter(|name| is_kernel_name(name)) {
            let path = format!("{folder}/{name}");
            if tree.metadata(&path).is_ok_and(|metadata| metadata.kind == Kind::File) {
                add(path, None);
            }
        }
    }
    found
}

fn is_kernel_name(name: &str) -> bool {
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        && !NOT_KERNELS.iter().any(|suffix| name.ends_with(suffix))
        && !name.contains(".dpkg-")
        && !name.contains("kdump")
}

impl Candidate {
    fn read(self, tree: &dyn FileTree, reader: &mut KernelReader) -> Kernel {
        let content = reader.image(tree, &self.canonical);
        let stated = content.ok().and_then(|image| image.release.clone());
        let named = release_of_name(&self.canonical).or_else(|| release_of_name(&self.path));
        // The image knows best, but a file that was renamed may still belong to modules of its name.
        let release = stated.clone().or_else(|| named.clone());
        let releases: Vec<&String> = [&stated, &named].into_iter().flatten().collect();
        let modules = releases.iter().find_map(|release| modules_path(tree, release));
        let config = config(tree, &releases, &self.canonical);
        let initramfs = match &self.menu {
            Some(named) => named.clone().map(|path| (path, true)),
            None => guess_initramfs(tree, &releases).map(|path| (path, false)),
        };
        let initramfs = initramfs.map(|(path, from_menu)| {
            let (size, content) = reader.initramfs(tree, &path);
            InitramfsFile {
                path,
                size,
                from_menu,
                content,
            }
        });
        let notes = content.ok().and_then(|image| {
            let decided = config.is_some();
            reader.notes(tree, &self.canonical, image, decided)
        });
        let image = ImageFile {
            path: self.path,
            canonical: self.canonical,
            aliases: self.aliases,
            content,
            notes,
        };
        kernel(tree, Some(image), release, config, initramfs, modules)
    }
}

/// Puts a kernel together from its parts.
fn kernel(
    tree: &dyn FileTree,
    image: Option<ImageFile>,
    release: Option<String>,
    config: Option<(String, KernelConfig)>,
    initramfs: Option<InitramfsFile>,
    modules: Option<String>,
) -> Kernel {
    let directory = modules.as_ref().and_then(|path| ModuleDirectory::read(tree, path).ok());
    let config_ref = config.as_ref().map(|(path, config)| (path.as_str(), config));
    let sources = Sources {
        release: release.as_deref(),
        config: config_ref,
        modules: directory.as_ref(),
        initramfs: state(initramfs.as_ref()),
    };
    let drivers = Driver::ALL.map(|driver| (driver, locate(driver, &sources))).into();
    let judged = judge(&Facts {
        release: release.as_deref(),
        image: image.as_ref(),
        config: config_ref,
        modules: modules.as_deref(),
    });
    Kernel {
        image,
        release,
        architecture: judged.architecture,
        config: config.map(|(path, _)| path),
        initramfs,
        modules,
        drivers,
        runs_pv: judged.runs_pv,
        runs_hvm: judged.runs_hvm,
        reasons: judged.reasons,
    }
}

fn state(file: Option<&InitramfsFile>) -> InitramfsState<'_> {
    match file {
        None => InitramfsState::Absent,
        Some(file) => match &file.content {
            Reading::Read(initramfs) => InitramfsState::Listed(initramfs),
            // A file that is not there holds nothing; that it is missing is a finding of its own.
            Reading::Failed(_) if file.size.is_none() => InitramfsState::Absent,
            Reading::Failed(_) => InitramfsState::Unlisted { path: &file.path },
        },
    }
}

/// Folders of modules that belong to no kernel that was found.
fn orphans(tree: &dyn FileTree, kernels: &[Kernel]) -> Vec<Kernel> {
    let taken: BTreeSet<&str> = kernels
        .iter()
        .flat_map(|kernel| [kernel.release.as_deref(), kernel.modules.as_deref().and_then(last)])
        .flatten()
        .collect();
    let mut names = tree.read_dir("/lib/modules").unwrap_or_default();
    names.retain(|name| {
        !taken.contains(name.as_str())
            && tree
                .metadata(&format!("/lib/modules/{name}"))
                .is_ok_and(|metadata| metadata.kind == Kind::Directory)
    });
    names.truncate(MAX_KERNELS);
    names
        .into_iter()
        .map(|release| {
            let config = config(tree, &[&release], "");
            let modules = Some(format!("/lib/modules/{release}"));
            kernel(tree, None, Some(release), config, None, modules)
        })
        .collect()
}

/// The release in the name of a kernel: `/boot/vmlinuz-2.6.32-5-amd64`.
fn release_of_name(path: &str) -> Option<String> {
    let name = last(path)?;
    let rest = [
        "vmlinuz-",
        "vmlinux-",
        "kernel-genkernel-x86_64-",
        "kernel-genkernel-x86-",
        "kernel-",
        "bzImage-",
    ]
    .iter()
    .find_map(|prefix| name.strip_prefix(prefix))?;
    let rest = rest.strip_suffix(".gz").unwrap_or(rest);
    let rest = rest.strip_suffix(".old").unwrap_or(rest);
    // `vmlinuz-linux`, `vmlinuz-virt`: a name, not a release.
    rest.starts_with(|first: char| first.is_ascii_digit())
        .then(|| rest.to_owned())
}

fn last(path: &str) -> Option<&str> {
    path.rsplit('/').next()
}

fn modules_path(tree: &dyn FileTree, release: &str) -> Option<String> {
    ["/lib/modules", "/usr/lib/modules"]
        .iter()
        .map(|folder| format!("{folder}/{release}"))
        .find(|path| {
            tree.metadata(path)
                .is_ok_and(|metadata| metadata.kind == Kind::Directory)
        })
}

/// The configuration of a kernel: in `/boot`, beside the kernel, or among its modules.
fn config(tree: &dyn FileTree, releases: &[&String], kernel: &str) -> Option<(String, KernelConfig)> {
    let beside = kernel.rsplit_once('/').map(|(folder, _)| folder).unwrap_or_default();
    releases.iter().find_map(|release| {
        [
            format!("/boot/config-{release}"),
            format!("{beside}/config-{release}"),
            format!("/lib/modules/{release}/config"),
            format!("/lib/modules/{release}/build/.config"),
        ]
        .into_iter()
        .find_map(|path| {
            let content = tree.read(&path, MAX_SIZE).ok()?;
            Some((path, KernelConfig::parse(&content)?))
        })
    })
}

/// The initramfs of a release by the names that the distributions give it; never that of kdump.
fn guess_initramfs(tree: &dyn FileTree, releases: &[&String]) -> Option<String> {
    releases.iter().find_map(|release| {
        [
            format!("/boot/initrd.img-{release}"),
            format!("/boot/initramfs-{release}.img"),
            format!("/boot/initrd-{release}.img"),
            format!("/boot/initrd-{release}"),
            format!("/boot/initramfs-{release}"),
            format!("/boot/initrd-{release}.gz"),
        ]
        .into_iter()
        .find(|path| tree.metadata(path).is_ok_and(|metadata| metadata.kind == Kind::File))
    })
}
