//! What PV-GRUB does: the boot loader that EC2 starts paravirtual instances with, one release after the other.
//!
//! A PV instance boots as its kernel image (AKI) does it. For PV-GRUB that means: look for `menu.lst` on the root disk, take
//! the default entry, read the kernel and the ramdisk that it names, unpack the kernel as far as Xen's domain builder can,
//! and start it. [`PvGrub::boot`] follows that on the bytes of a disk and ends with what would be started, or with the text
//! that is then on the console for ever.
//!
//! Sources: GRUB 0.97 `stage2/stage2.c`, `builtins.c`, `disk_io.c`, `common.c`; Xen `stubdom/grub/mini-os.c`, `kexec.c` and
//! `stubdom/grub.patches`; Xen `tools/libxc/xc_dom_bzimageloader.c`, `xc_dom_elfloader.c` and
//! `xen/common/libelf/libelf-dominfo.c`; AWS's user guide for what its releases differ in ("User provided kernels"); system
//! logs of instances that people published, for what the console says. Where none of these decides, the code says
//! "inference".
//!
//! This is written from those sources and shares no judgement with the converter's verdicts, so that each checks the other.
//! Not modelled: JFS, XFS and ReiserFS (AWS says that PV-GRUB reads them), LVM, `module` lines of a hypervisor, a disk order
//! in which another volume comes before the root, and a journal that was not replayed (PV-GRUB reads without it; here it is
//! replayed in memory).

mod console;
mod disk;
mod domain;
mod error;
mod script;

use std::io;
use std::sync::Arc;

use comeback_disk::io::ReadAt;
use comeback_guest::menu::lst::{MenuLst, saved_default};

use console::Console;
use disk::{Device, Disk};
pub use error::GrubError;
use script::{Failed, Loaded};

/// A release of PV-GRUB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PvGrub {
    /// (1, 1) to (1, 5).
    pub version: (u8, u8),
    /// `hd00` expects the menu on the first partition, `hd0` on the whole disk; from 1.04 on both look in both.
    pub hd00: bool,
    /// 32 or 64: it starts kernels of its own kind only.
    pub bits: u8,
}

/// The instance that PV-GRUB runs on.
#[derive(Debug, Clone, Copy)]
pub struct Instance<'a> {
    /// Name of the root device: `/dev/sda1`, `/dev/sda`, `xvda`.
    pub device: &'a str,
    /// Memory in MiB.
    pub memory_mib: u32,
}

/// How PV-GRUB ends.
#[derive(Debug)]
pub enum Outcome {
    /// It starts a kernel.
    Boots(Boot),
    /// It waits for a key that nobody can press.
    Stuck(Stuck),
}

/// What PV-GRUB starts.
#[derive(Debug)]
pub struct Boot {
    /// The kernel's file, as it is on the disk.
    pub kernel: Vec<u8>,
    /// The ramdisk's file.
    pub initrd: Option<Vec<u8>>,
    /// The kernel's command line.
    pub cmdline: String,
    /// What PV-GRUB has printed by then; lines end in line feeds.
    pub console: String,
}

/// Where PV-GRUB ends when it starts nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    /// All that is on the console; lines end in line feeds.
    pub console: String,
    /// The line of it that tells why.
    pub line: String,
}

/// Whether what PV-GRUB would refuse is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Checks {
    All,
    None,
}

impl PvGrub {
    /// Boots a disk.
    ///
    /// # Errors
    /// When the disk cannot be read. What is wrong on the disk is no error, but an [`Outcome`].
    pub fn boot(&self, disk: Arc<dyn ReadAt>, instance: Instance<'_>) -> io::Result<Outcome> {
        self.run(disk, instance, Checks::All)
    }

    /// Starts the kernel of the default entry whatever this release could say against it. For an instance that has been
    /// running since before its disk changed: what it runs is what was on the disk then.
    ///
    /// # Errors
    /// When the disk cannot be read. No menu, or one that names no kernel that is there, is an [`Outcome::Stuck`].
    pub fn boot_unchecked(&self, disk: Arc<dyn ReadAt>, instance: Instance<'_>) -> io::Result<Outcome> {
        let newest = Self {
            version: (1, 5),
            ..*self
        };
        newest.run(disk, instance, Checks::None)
    }

    fn run(&self, bytes: Arc<dyn ReadAt>, instance: Instance<'_>, checks: Checks) -> io::Result<Outcome> {
        let mut console = Console::new(instance, bytes.size() / 512);
        let disk = Disk::new(bytes, self.reads_gpt(), checks == Checks::None)?;
        let Some((device, folder, content)) = self.find_menu(&disk)? else {
            return Ok(stuck(console, Console::PROMPT));
        };
        let saved = disk
            .read(&device, &format!("{folder}/default"))?
            .map_or(0, |content| saved_default(&content));
        let menu = MenuLst::parse(&content);
        let order = menu.boot_order_saved(saved);
        if order.is_empty() {
            return Ok(stuck(console, Console::PROMPT));
        }
        match menu.timeout.as_ref().map(|timeout| timeout.value) {
            // GRUB 0.97 `stage2/stage2.c`: `grub_timeout` is -1 unless the menu sets it, and then the menu waits.
            None | Some(..0) => return Ok(stuck(console, &console::menu(&menu, None))),
            Some(_) if menu.hidden_menu.is_some() => console.hidden_menu(),
            Some(seconds) => console.print(&console::menu(&menu, Some(seconds))),
        }
        let mut line = String::new();
        for entry in order.into_iter().filter_map(|at| menu.entries.get(at)) {
            console.booting(&entry.title.value);
            let text = content.get(entry.span.clone()).unwrap_or_default();
            match self.entry(&disk, &device, text, checks, &mut console)? {
                Ok(Loaded {
                    kernel,
                    initrd,
                    cmdline,
                }) => {
                    console.hand_over(self.version);
                    return Ok(Outcome::Boots(Boot {
                        kernel,
                        initrd,
                        cmdline,
                        console: console.text,
                    }));
                }
                Err(failed) => {
                    console.print(&failed.said);
                    console.error(failed.error);
                    line = failed.line();
                }
            }
        }
        console.print("\nPress any key to continue...");
        Ok(Outcome::Stuck(Stuck {
            console: console.text,
            line,
        }))
    }

    /// The commands of one entry, and then `boot`.
    fn entry(
        &self,
        disk: &Disk,
        menu: &Device,
        text: &[u8],
        checks: Checks,
        console: &mut Console,
    ) -> io::Result<Result<Loaded, Failed>> {
        let loaded = match script::run(disk, menu, text, console)? {
            Ok(loaded) => loaded,
            Err(failed) => return Ok(Err(failed)),
        };
        if checks == Checks::All
            && let Err(refusal) = domain::check(&loaded.kernel, self.version, self.bits)
        {
            return Ok(Err(refusal));
        }
        Ok(Ok(loaded))
    }

    /// The menu: its device, its folder and its content. Where each release looks is in AWS's user guide.
    fn find_menu(&self, disk: &Disk) -> io::Result<Option<(Device, &'static str, Vec<u8>)>> {
        let mut places = vec![(Device::Whole, "/boot/grub")];
        if self.version < (1, 4) {
            if self.hd00 {
                places = vec![(Device::Partition(0), "/boot/grub")];
            }
        } else {
            for partition in 0..4 {
                places.extend(["/boot/grub", "/grub"].map(|folder| (Device::Partition(partition), folder)));
            }
        }
        for (device, folder) in places {
            if let Some(content) = disk.read(&device, &format!("{folder}/menu.lst"))? {
                return Ok(Some((device, folder, content)));
            }
        }
        Ok(None)
    }

    /// AWS's user guide: 1.03 and earlier know MBR partitions only.
    fn reads_gpt(&self) -> bool {
        self.version >= (1, 4)
    }
}

/// The last text on the console is what it stops at.
fn stuck(mut console: Console, last: &str) -> Outcome {
    console.print(last);
    let line = last.lines().map(str::trim).rfind(|line| !line.is_empty());
    Outcome::Stuck(Stuck {
        line: line.unwrap_or_default().to_owned(),
        console: console.text,
    })
}

#[cfg(test)]
mod tests;
