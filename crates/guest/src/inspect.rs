//! Everything that decides whether a guest boots, read once.

use std::collections::BTreeMap;

use comeback_disk::tree::{FileTree, TreeError};
use serde::Serialize;

use crate::boot::{BootEntry, Loader, MenuFile, Menus, Selection};
use crate::console::{self, Consoles, InitSystem};
use crate::defaults::{Assignment, shell_assignments};
use crate::fstab::Fstab;
use crate::kernels::{ImageFile, Kernel, KernelReader};
use crate::limit;
use crate::menu::cfg::GrubCfg;
use crate::menu::grubenv::GrubEnv;
use crate::menu::lst::{MenuLst, saved_default};
use crate::network::{self, Network};
use crate::release::{self, Release};
use crate::resume::Resume;
use crate::selinux::{self, Selinux};
use crate::system::{Disk, System};
use crate::tri::Tri;

/// Where initramfs-tools is told of a hibernated system.
pub const RESUME: &str = "/etc/initramfs-tools/conf.d/resume";

/// What is on a disk: facts only, no judgement.
#[derive(Debug, Clone, Serialize)]
pub struct Guest {
    /// Partition table, file systems, boot code.
    pub disk: Disk,
    /// Distribution and release.
    pub release: Option<Release>,
    /// Boot menus.
    pub menus: Menus,
    /// The entries of all menus.
    pub entries: Vec<BootEntry>,
    /// What each loader would start, where it finds a menu.
    pub selections: Vec<(Loader, Selection)>,
    /// Kernels.
    pub kernels: Vec<Kernel>,
    /// `/etc/fstab`.
    pub fstab: Option<Fstab>,
    /// `/etc/default/grub`.
    pub defaults: Vec<Assignment>,
    /// Where an initramfs looks for a hibernated system.
    pub resume: Vec<Resume>,
    /// Network settings.
    pub network: Network,
    /// Consoles and logins.
    pub consoles: Consoles,
    /// SELinux.
    pub selinux: Option<Selinux>,
    /// Whether `/etc/init/mountall.conf` is there: Ubuntu's mountall waits for every line of fstab without `nobootwait`.
    pub mountall: bool,
    /// Files that matter and could not be read, with the reason.
    pub unreadable: Vec<(String, String)>,
    /// The content of every text file that was parsed, by canonical path.
    #[serde(skip)]
    pub texts: BTreeMap<String, Vec<u8>>,
}

impl Guest {
    /// Reads a guest. Kernels and initramfs files that `kernels` has seen before are not read again.
    pub fn read(system: &System, kernels: &mut KernelReader) -> Self {
        let separate_boot = system.disk().boot.is_some();
        let mut texts = Texts {
            tree: system,
            contents: BTreeMap::new(),
            unreadable: Vec::new(),
        };
        let menus = texts.menus();
        let entries = menus.entries(system, separate_boot);
        let named: Vec<(String, Option<String>)> = entries
            .iter()
            .filter(|entry| !entry.hypervisor)
            .filter_map(|entry| {
                let initrd = entry.initrds.last().map(|file| file.path.clone());
                Some((entry.kernel.as_ref()?.path.clone(), initrd))
            })
            .collect();
        let kernels = kernels.find(system, &named);
        let selections = [Loader::PvGrub, Loader::Comeback, Loader::Grub2, Loader::GrubLegacy]
            .into_iter()
            .filter_map(|loader| {
                let selection = menus.select(system, loader, separate_boot)?;
                Some(match loader {
                    Loader::Comeback if menus.own.is_none() => (loader, for_hardware(selection, &entries, &kernels)),
                    _ => (loader, selection),
                })
            })
            .collect();
        let fstab = texts.read("/etc/fstab").map(|(_, content)| Fstab::parse(&content));
        let defaults = texts
            .read("/etc/default/grub")
            .map(|(_, content)| shell_assignments(&content));
        let network = network::read(system);
        let consoles = console::read(system);
        let selinux = selinux::read(system);
        for path in network.settings.iter().map(|setting| setting.path.as_str()) {
            texts.read(path);
        }
        let written = consoles.logins.iter().map(|login| login.path.as_str());
        for path in written.chain(consoles.securetty.iter().map(|securetty| securetty.path.as_str())) {
            texts.read(path);
        }
        let resume = texts
            .read(RESUME)
            .and_then(|(_, content)| Resume::parse(&content))
            .into_iter()
            .collect();
        let mut unreadable = texts.unreadable;
        unreadable.extend(network.unreadable.iter().chain(&consoles.unreadable).cloned());
        unreadable.sort();
        unreadable.dedup();
        Guest {
            disk: system.disk().clone(),
            release: release::read(system),
            kernels,
            entries,
            selections,
            menus,
            fstab,
            defaults: defaults.unwrap_or_default(),
            resume,
            network,
            selinux,
            // The file can outlive an upgrade to systemd, which does not know `nobootwait`.
            mountall: consoles.init == InitSystem::Upstart && system.exists("/etc/init/mountall.conf"),
            consoles,
            unreadable,
            texts: texts.contents,
        }
    }

    /// What `loader` would start.
    pub fn selection(&self, loader: Loader) -> Option<&Selection> {
        self.selections
            .iter()
            .find(|(of, _)| *of == loader)
            .map(|(_, selection)| selection)
    }

    /// The kernel that an entry starts.
    pub fn kernel_of(&self, entry: &BootEntry) -> Option<&Kernel> {
        kernel_of(&self.kernels, entry)
    }
}

fn kernel_of<'a>(kernels: &'a [Kernel], entry: &BootEntry) -> Option<&'a Kernel> {
    let path = &entry.kernel.as_ref()?.path;
    kernels.iter().find(|kernel| {
        let is_it = |image: &ImageFile| image.path == *path || image.canonical == *path || image.aliases.contains(path);
        kernel.image.as_ref().is_some_and(is_it)
    })
}

/// What comeback's GRUB will be told to start where the default is for PV only: the first entry whose kernel is not.
fn for_hardware(selection: Selection, entries: &[BootEntry], kernels: &[Kernel]) -> Selection {
    let runs = |entry: &BootEntry| kernel_of(kernels, entry).map(|kernel| kernel.runs_hvm);
    if selection.entry.as_ref().and_then(runs) != Some(Tri::No) {
        return selection;
    }
    let mut others = entries
        .iter()
        .filter(|entry| entry.menu == selection.menu && entry.is_complete());
    match others.find(|entry| runs(entry) == Some(Tri::Yes)) {
        None => selection,
        Some(entry) => Selection {
            tried: vec![entry.index],
            entry: Some(entry.clone()),
            first: Some(entry.clone()),
            ..selection
        },
    }
}

/// Reads text files, keeping what was read.
struct Texts<'a> {
    tree: &'a System,
    contents: BTreeMap<String, Vec<u8>>,
    unreadable: Vec<(String, String)>,
}

impl Texts<'_> {
    /// The canonical path and the content; none when the file is not there or cannot be read.
    fn read(&mut self, path: &str) -> Option<(String, Vec<u8>)> {
        let read = || -> Result<(String, Vec<u8>), TreeError> {
            let canonical = self.tree.canonical(path)?;
            let content = self.tree.read(&canonical, limit::TEXT)?;
            Ok((canonical, content))
        };
        match read() {
            Ok((canonical, content)) => {
                self.contents.insert(canonical.clone(), content.clone());
                Some((canonical, content))
            }
            Err(error) => {
                if !error.is_not_found() || self.tree.symlink_metadata(path).is_ok() {
                    self.unreadable.push((path.to_owned(), error.to_string()));
                }
                None
            }
        }
    }

    fn menu<T>(&mut self, path: &str, parse: impl FnOnce(&[u8]) -> T) -> Option<MenuFile<T>> {
        let (canonical, content) = self.read(path)?;
        Some(MenuFile {
            link: self.tree.read_link(path).ok(),
            mtime: self.tree.metadata(&canonical).map_or(0, |metadata| metadata.mtime),
            path: path.to_owned(),
            menu: parse(&content),
            canonical,
        })
    }

    fn menus(&mut self) -> Menus {
        let before = self.unreadable.len();
        let lst = self.menu("/boot/grub/menu.lst", MenuLst::parse);
        let conf = self
            .menu("/boot/grub/grub.conf", MenuLst::parse)
            .filter(|conf| lst.as_ref().is_none_or(|lst| lst.canonical != conf.canonical));
        let cfg = ["/boot/grub/grub.cfg", "/boot/grub2/grub.cfg"]
            .into_iter()
            .find_map(|path| self.menu(path, GrubCfg::parse));
        let env = cfg.as_ref().and_then(|cfg| {
            let folder = cfg.canonical.rsplit_once('/')?.0;
            let (_, content) = self.read(&format!("{folder}/grubenv"))?;
            Some(GrubEnv::parse(&content))
        });
        let own = self.menu("/boot/comeback/grub.cfg", GrubCfg::parse);
        let saved = self
            .read("/boot/grub/default")
            .map_or(0, |(_, content)| saved_default(&content));
        Menus {
            saved,
            lst_under_boot: self.tree.disk().boot.is_none() || self.tree.exists("/boot/boot/grub/menu.lst"),
            own,
            lst,
            conf,
            cfg,
            env,
            unreadable: self.unreadable[before..].to_vec(),
        }
    }
}
