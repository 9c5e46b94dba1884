//! GRUB's boot code as files beside the program: data of its own licence (GPL-3.0-or-later), the same for all guests.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::memfd::{MFdFlags, memfd_create};

use super::BootError;
use super::sector::SECTOR;

/// Where GRUB's core image looks for its configuration, on the device that it was booted from.
pub const PREFIX: &str = "/boot/comeback";

/// The modules of the core image, one a line: what reads the guest's file systems and boot menus and starts its kernels.
pub const MODULES: &str = include_str!("modules.txt");

/// Where GRUB's modules for BIOS machines are: Debian's grub-pc-bin and most others keep them here.
const GRUB_MODULES: &str = "/usr/lib/grub/i386-pc";

/// Names the folder with GRUB's modules on a machine that keeps them elsewhere.
pub const MODULES_ENVIRONMENT: &str = "COMEBACK_GRUB_MODULES";

/// Names the folder with the assets, before all other places.
pub const ENVIRONMENT: &str = "COMEBACK_BOOT_ASSETS";

/// The name of the folder beside the program.
pub const FOLDER: &str = "comeback-boot";

/// Boot sector and core image.
#[derive(Debug, Clone)]
pub struct Assets {
    boot: [u8; SECTOR as usize],
    core: Vec<u8>,
    origin: String,
}

/// Why no boot code is at hand.
#[derive(Debug, thiserror::Error)]
pub enum AssetsError {
    /// Neither a folder with assets nor GRUB's modules.
    #[error(
        "no boot code: looked for boot.img and core.img in {}, and for GRUB's own modules in {}; \
         build the assets with `cargo xtask boot-assets`, or install the Debian packages grub-pc-bin and grub-common",
        .looked.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "), .modules.display()
    )]
    Missing {
        /// Folders that were looked into.
        looked: Vec<PathBuf>,
        /// The folder in which GRUB's modules would be.
        modules: PathBuf,
    },
    /// A file is there and cannot be read.
    #[error("reading boot asset {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// grub-mkimage failed.
    #[error("building boot code with grub-mkimage: {0}")]
    Build(String),
    /// The files are not what they should be.
    #[error(transparent)]
    Bad(#[from] BootError),
}

fn modules_folder() -> PathBuf {
    let named = std::env::var_os(MODULES_ENVIRONMENT).filter(|path| !path.is_empty());
    named.map_or_else(|| PathBuf::from(GRUB_MODULES), PathBuf::from)
}

impl Assets {
    /// Checks two files' content.
    ///
    /// # Errors
    /// [`BootError::BadAsset`].
    pub fn from_parts(boot: Vec<u8>, core: Vec<u8>) -> Result<Self, BootError> {
        let bad = |name, problem: String| BootError::BadAsset { name, problem };
        let len = boot.len();
        let boot: [u8; SECTOR as usize] = boot
            .try_into()
            .map_err(|_| bad("boot.img", format!("expected {SECTOR} bytes, found {len}")))?;
        let named = boot.windows(5).any(|window| window == b"GRUB ");
        if boot[0x1fe..] != [0x55, 0xaa] || !named {
            return Err(bad("boot.img", "it is not GRUB's boot sector".to_owned()));
        }
        if core.len() < 4 * SECTOR as usize {
            return Err(bad(
                "core.img",
                format!("{} bytes are too few for a core image", core.len()),
            ));
        }
        if core[0x1fe..0x200] != [0x20, 0x08] || core[0x218..0x21b] != [0xff; 3] {
            return Err(bad(
                "core.img",
                "block list or boot device are not where GRUB 2.02 to 2.12 keep them".to_owned(),
            ));
        }
        Ok(Assets {
            boot,
            core,
            origin: String::new(),
        })
    }

    /// Reads `boot.img` and `core.img` in `folder`; none when neither is there.
    ///
    /// # Errors
    /// See [`AssetsError`].
    pub fn load(folder: &Path) -> Result<Option<Self>, AssetsError> {
        let [boot, core] = ["boot.img", "core.img"].map(|name| folder.join(name));
        if !boot.exists() && !core.exists() {
            return Ok(None);
        }
        let read = |path: PathBuf| std::fs::read(&path).map_err(|source| AssetsError::Unreadable { path, source });
        let mut assets = Assets::from_parts(read(boot)?, read(core)?)?;
        assets.origin = folder.display().to_string();
        Ok(Some(assets))
    }

    /// The assets of this machine: the folder that [`ENVIRONMENT`] names, [`FOLDER`] beside the program,
    /// `/usr/lib/comeback`, or else built from the machine's own GRUB modules.
    ///
    /// # Errors
    /// See [`AssetsError`].
    pub fn find() -> Result<Self, AssetsError> {
        let mut looked = Vec::new();
        if let Some(folder) = std::env::var_os(ENVIRONMENT) {
            looked.push(PathBuf::from(folder));
        } else {
            let beside = std::env::current_exe().ok();
            looked.extend(
                beside
                    .as_deref()
                    .and_then(Path::parent)
                    .map(|folder| folder.join(FOLDER)),
            );
            looked.push(PathBuf::from("/usr/lib/comeback"));
        }
        for folder in &looked {
            if let Some(assets) = Assets::load(folder)? {
                return Ok(assets);
            }
        }
        let modules = modules_folder();
        if !modules.join("kernel.img").exists() {
            return Err(AssetsError::Missing { looked, modules });
        }
        Assets::build()
    }

    /// Builds the core image from the machine's own GRUB modules, in `/usr/lib/grub/i386-pc` or where
    /// [`MODULES_ENVIRONMENT`] says.
    ///
    /// # Errors
    /// [`AssetsError::Build`] when `grub-mkimage` (Debian: grub-common) is missing or fails.
    pub fn build() -> Result<Self, AssetsError> {
        let modules = modules_folder();
        let boot = modules.join("boot.img");
        let boot = std::fs::read(&boot).map_err(|source| AssetsError::Unreadable { path: boot, source })?;
        let failed = |error: std::io::Error| AssetsError::Build(error.to_string());
        // It syncs what it writes, which a pipe does not allow; and `--output=-` would be a file of that name.
        let core = memfd_create(c"core.img", MFdFlags::MFD_CLOEXEC).map_err(|errno| failed(errno.into()))?;
        let mut core = File::from(core);
        let output = Command::new("grub-mkimage")
            .args(["--format=i386-pc", "--prefix"])
            .arg(PREFIX)
            .arg("--directory")
            .arg(&modules)
            .args(MODULES.lines())
            .stdout(core.try_clone().map_err(failed)?)
            .output()
            .map_err(|error| AssetsError::Build(format!("{error}; install the Debian package grub-common")))?;
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr);
            return Err(AssetsError::Build(stderr.trim().to_owned()));
        }
        let mut bytes = Vec::new();
        core.seek(SeekFrom::Start(0))
            .and_then(|_| core.read_to_end(&mut bytes))
            .map_err(failed)?;
        let mut assets = Assets::from_parts(boot, bytes)?;
        assets.origin = modules.display().to_string();
        Ok(assets)
    }

    /// GRUB's `boot.img`.
    pub fn boot(&self) -> &[u8; SECTOR as usize] {
        &self.boot
    }

    /// GRUB's core image as `grub-mkimage` made it.
    pub fn core(&self) -> &[u8] {
        &self.core
    }

    /// Where the assets were found, for messages.
    pub fn origin(&self) -> &str {
        &self.origin
    }
}
