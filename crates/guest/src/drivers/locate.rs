//! Where a driver is, by a kernel's configuration, its modules and its initramfs.

use super::{Driver, Evidence, Where};
use crate::initramfs::Initramfs;
use crate::kernel::config::{KernelConfig, Setting};
use crate::kernel::modules::{ModuleDirectory, ModuleSource};

/// What is known of a kernel's initramfs.
#[derive(Debug, Clone, Copy)]
pub enum InitramfsState<'a> {
    /// It has none.
    Absent,
    /// It has this one.
    Listed(&'a Initramfs),
    /// It has one that could not be listed.
    Unlisted {
        /// Its path.
        path: &'a str,
    },
}

/// All that can be known of a kernel's drivers.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// The release: `2.6.32-696.el6.x86_64`.
    pub release: Option<&'a str>,
    /// The configuration and its path.
    pub config: Option<(&'a str, &'a KernelConfig)>,
    /// The folder of modules; none where there is no such folder.
    pub modules: Option<&'a ModuleDirectory>,
    /// The initramfs.
    pub initramfs: InitramfsState<'a>,
}

/// How one piece of code is known.
struct Code {
    /// Options of the configuration, any of which builds it.
    options: &'static [&'static str],
    /// The names it has as a module; none where it cannot be one.
    modules: &'static [&'static str],
}

const EXT4: Code = Code {
    options: &["EXT4_FS"],
    modules: &["ext4"],
};

/// From where a kernel gets a driver.
pub fn locate(driver: Driver, sources: &Sources<'_>) -> Where {
    let code = |options, modules| sources.find(&Code { options, modules });
    match driver {
        Driver::XenBlkfront => code(&["XEN_BLKDEV_FRONTEND"], &["xen_blkfront", "xenblk", "xen_vbd"]),
        Driver::XenNetfront => code(&["XEN_NETDEV_FRONTEND"], &["xen_netfront", "xennet", "xen_vnif"]),
        Driver::XenPlatformPci => sources.platform_pci(),
        Driver::AtaPiix => code(&["ATA_PIIX"], &["ata_piix"]),
        Driver::IdePiix => worse(
            code(&["BLK_DEV_PIIX"], &["piix"]),
            code(
                &["BLK_DEV_IDEDISK", "IDE_GD_ATA", "IDE_GD"],
                &["ide_disk", "ide_gd_mod"],
            ),
        ),
        Driver::Ahci => code(&["SATA_AHCI"], &["ahci"]),
        Driver::SdMod => code(&["BLK_DEV_SD"], &["sd_mod"]),
        Driver::Nvme => {
            let nvme = code(&["BLK_DEV_NVME"], &["nvme"]);
            if sources.has_nvme_core() {
                worse(nvme, code(&["NVME_CORE"], &["nvme_core"]))
            } else {
                nvme
            }
        }
        Driver::Ena => code(&["ENA_ETHERNET"], &["ena"]),
        Driver::Ext2 => sources.ext("EXT2_FS", &["EXT2_FS"], &["ext2"]),
        Driver::Ext3 => sources.ext("EXT3_FS", &["EXT3_FS"], &["ext3"]),
        Driver::Ext4 => sources.find(&EXT4),
        Driver::SerialConsole => code(&["SERIAL_8250_CONSOLE"], &[]),
        Driver::XenConsole => code(&["HVC_XEN"], &[]),
    }
}

impl Sources<'_> {
    fn find(&self, code: &Code) -> Where {
        if let Some(evidence) = self
            .configured(code.options)
            .or_else(|| self.listed_builtin(code.modules))
        {
            return Where::BuiltIn { evidence };
        }
        if let InitramfsState::Listed(initramfs) = self.initramfs
            && let Some(module) = code
                .modules
                .iter()
                .find_map(|name| initramfs.module(name, self.release))
        {
            let path = module.path.clone();
            return Where::Initramfs { path };
        }
        let on_disk = self
            .modules
            .and_then(|modules| code.modules.iter().find_map(|&name| modules.files.get(name)));
        match (on_disk, self.initramfs) {
            (Some(module), InitramfsState::Unlisted { path }) => Where::Unknown {
                reason: format!("{} is a module, and {path} could not be listed", module.path),
            },
            (Some(module), _) => Where::ModulesOnly {
                path: module.path.clone(),
            },
            (None, _) => self.not_found(code),
        }
    }

    /// The line of the configuration by which the code is built in.
    fn configured(&self, options: &[&str]) -> Option<Evidence> {
        let (path, config) = self.config?;
        options.iter().find_map(|option| {
            let choice = config.get(option);
            (choice.setting == Setting::BuiltIn).then(|| Evidence {
                path: path.to_owned(),
                line: choice.line,
                text: format!("CONFIG_{option}=y"),
            })
        })
    }

    /// The line of `modules.builtin` that names the code.
    fn listed_builtin(&self, names: &[&str]) -> Option<Evidence> {
        let on_disk = self.modules.and_then(|modules| {
            let listed = modules.builtin.as_ref()?;
            names.iter().find_map(|&name| {
                Some(Evidence {
                    path: format!("{}/modules.builtin", modules.path),
                    line: Some(*listed.get(name)?),
                    text: name.to_owned(),
                })
            })
        });
        on_disk.or_else(|| {
            let (InitramfsState::Listed(initramfs), Some(release)) = (self.initramfs, self.release) else {
                return None;
            };
            let folder = format!("modules/{release}/");
            initramfs
                .builtin
                .iter()
                .filter(|(path, _)| path.contains(&folder))
                .find_map(|(path, listed)| {
                    let name = names.iter().find(|name| listed.contains(**name))?;
                    Some(Evidence {
                        path: format!("initramfs:{path}"),
                        line: None,
                        text: (*name).to_owned(),
                    })
                })
        })
    }

    /// The code is neither built in as far as is known, nor a module that was seen.
    fn not_found(&self, code: &Code) -> Where {
        let listing = self.modules.filter(|modules| modules.source != ModuleSource::Nothing);
        if let Some((path, config)) = self.config {
            let module = code
                .options
                .iter()
                .map(|option| (option, config.get(option)))
                .find(|(_, choice)| choice.setting == Setting::Module);
            let Some((option, choice)) = module else {
                let option = code.options.first().copied().unwrap_or_default();
                let choice = config.get(option);
                let text = match choice.line {
                    Some(_) => format!("CONFIG_{option} is not set"),
                    None => format!("no CONFIG_{option}"),
                };
                return Where::Nowhere {
                    evidence: Evidence {
                        path: path.to_owned(),
                        line: choice.line,
                        text,
                    },
                };
            };
            if let InitramfsState::Unlisted { path } = self.initramfs {
                let reason = format!("CONFIG_{option}=m, and {path} could not be listed");
                return Where::Unknown { reason };
            }
            if self.modules.is_some() && listing.is_none() {
                let reason = format!("CONFIG_{option}=m, and the modules could not be listed");
                return Where::Unknown { reason };
            }
            return Where::Nowhere {
                evidence: Evidence {
                    path: path.to_owned(),
                    line: choice.line,
                    text: format!("CONFIG_{option}=m, but the module is neither in /lib/modules nor in the initramfs"),
                },
            };
        }
        match listing {
            // `modules.builtin` lists only what could have been a module.
            Some(modules) if modules.builtin.is_some() && !code.modules.is_empty() => Where::Nowhere {
                evidence: Evidence {
                    path: modules.path.clone(),
                    line: None,
                    text: format!("no {} in modules.dep and modules.builtin", code.modules.join(", ")),
                },
            },
            _ => Where::Unknown {
                reason: "the kernel's configuration is missing, and no list of what is built in names it".to_owned(),
            },
        }
    }

    /// The driver was a module of its own at first, and has been part of `XEN_PVHVM` since Linux 3.x.
    fn platform_pci(&self) -> Where {
        let own = self.find(&Code {
            options: &["XEN_PLATFORM_PCI"],
            modules: &["xen_platform_pci", "platform_pci"],
        });
        let mentioned = self
            .config
            .is_some_and(|(_, config)| config.get("XEN_PLATFORM_PCI").line.is_some());
        if own.anywhere() == Some(true) || mentioned {
            return own;
        }
        match self.configured(&["XEN_PVHVM"]) {
            Some(evidence) => Where::BuiltIn { evidence },
            // That a list of modules does not name it proves nothing: since then it cannot be a module.
            None if self.config.is_none() => Where::Unknown {
                reason: "the kernel's configuration is missing".to_owned(),
            },
            None => own,
        }
    }

    /// ext2 or ext3: by a driver of its own, or by that of ext4.
    fn ext(&self, option: &str, options: &'static [&'static str], modules: &'static [&'static str]) -> Where {
        let own = self.find(&Code { options, modules });
        if own.before_root() == Some(true) {
            return own;
        }
        let by_ext4: &[&str] = if option == "EXT3_FS" {
            &["EXT4_USE_FOR_EXT23"]
        } else {
            &["EXT4_USE_FOR_EXT23", "EXT4_USE_FOR_EXT2"]
        };
        let chosen = self
            .config
            .is_some_and(|(_, config)| by_ext4.iter().any(|option| config.has(option)));
        // Linux 4.3 dropped the driver of ext3.
        let only_ext4 = option == "EXT3_FS" && self.version().is_some_and(|version| version >= (4, 3));
        if chosen || only_ext4 {
            better(own, self.find(&EXT4))
        } else {
            own
        }
    }

    /// Since Linux 4.6 the NVMe driver is in two parts; distributions brought that to older kernels, too.
    fn has_nvme_core(&self) -> bool {
        let configured = self
            .config
            .is_some_and(|(_, config)| config.get("NVME_CORE").line.is_some());
        let listed = self.modules.is_some_and(|modules| {
            modules.files.contains_key("nvme_core")
                || modules
                    .builtin
                    .as_ref()
                    .is_some_and(|names| names.contains_key("nvme_core"))
        });
        configured || listed || self.version().is_some_and(|version| version >= (4, 6))
    }

    fn version(&self) -> Option<(u32, u32)> {
        version(self.release?)
    }
}

/// Major and minor version of a release.
pub(crate) fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// How good a place is, when all that is needed is the driver.
fn rank(place: &Where) -> u8 {
    match place {
        Where::Nowhere { .. } => 0,
        Where::Unknown { .. } => 1,
        Where::ModulesOnly { .. } => 2,
        Where::Initramfs { .. } => 3,
        Where::BuiltIn { .. } => 4,
    }
}

fn worse(one: Where, other: Where) -> Where {
    if rank(&other) < rank(&one) { other } else { one }
}

fn better(one: Where, other: Where) -> Where {
    if rank(&other) > rank(&one) { other } else { one }
}
