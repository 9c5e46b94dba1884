//! What the tasks need from Debian's packages: says what is missing and why, and installs it.

use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::run;

/// How often packages are installed, as one can make another go.
const ROUNDS: usize = 2;

/// Packages that need not be there if the program is: the Node of its own makers has npm in it, and goes when Debian's npm comes.
const PROGRAMS: [(&str, &str); 2] = [("nodejs", "node"), ("npm", "npm")];

/// What packages are needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Group {
    /// To compile the workspace.
    Build,
    /// To build the boot assets.
    Assets,
    /// To boot disks in a virtual machine.
    Rehearse,
    /// To build test guests.
    Guests,
    /// To check in tests what was written to disks.
    Test,
    /// To measure what others do beside what the program does.
    Bench,
    /// To open reports in a browser.
    Browser,
}

impl Group {
    /// Every group that building and testing needs.
    pub(crate) const ALL: &[Self] = &[Self::Build, Self::Assets, Self::Rehearse, Self::Guests, Self::Test];

    /// Package and what it is for.
    const fn packages(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Build => &[
                ("gcc", "links Rust programs and compiles their C parts"),
                ("libc6-dev", "what gcc links against"),
                (
                    "libext2fs-dev",
                    "ext2, ext3 and ext4 are read and written through libext2fs",
                ),
                ("pkg-config", "finds libext2fs for the build"),
            ],
            Self::Assets => &[
                ("grub-common", "grub-mkimage makes the boot code"),
                ("grub-pc-bin", "GRUB's modules for BIOS, what the boot code is made of"),
            ],
            Self::Rehearse => &[
                ("qemu-system-x86", "boots disks in a virtual machine"),
                ("qemu-utils", "qemu-img makes copy-on-write images"),
            ],
            Self::Guests => &[
                (
                    "debian-archive-keyring",
                    "checks the signatures of what goes into test guests",
                ),
                ("e2fsprogs", "mke2fs makes their file systems, e2fsck checks them"),
                ("fakeroot", "remembers whom files belong to when not root"),
                ("mmdebstrap", "installs Debian into a folder, the inside of test guests"),
                ("openssh-client", "makes the key that the guests with a network let in"),
                ("uidmap", "lets mmdebstrap work without root"),
            ],
            Self::Test => &[
                ("fdisk", "sfdisk makes and checks partition tables"),
                ("mount", "losetup makes block devices of images"),
                (
                    "openssh-server",
                    "the tests of the way over SSH talk to it on this machine",
                ),
                ("procps", "kill interrupts what a test has started"),
                (
                    "python3-venv",
                    "holds boto3 and the AWS command line, which check the lab",
                ),
            ],
            Self::Bench => &[("grub2-common", "grub-install, as the pv2hvm scripts use it")],
            Self::Browser => &[
                ("chromium", "opens the reports as their readers do"),
                ("fonts-noto-cjk", "shows Japanese letters"),
                ("nodejs", "tells the browser what to open, and looks at it"),
                ("npm", "installs what Node needs for that"),
            ],
        }
    }
}

/// Installs what is missing of the named groups. Does nothing, quickly and without root, if all of it is there.
pub(crate) fn install(groups: &[Group]) -> Result<()> {
    let wanted: Vec<_> = groups
        .iter()
        .flat_map(|group| group.packages())
        .filter(|(name, _)| !is_there_otherwise(name, on_path))
        .collect();
    // A package that is there in a version of another release can be removed in favour of one that is installed now, as
    // qemu-utils of the backports is by qemu-system-x86. So what is missing afterwards is installed, too.
    for _ in 0..ROUNDS {
        let missing = missing(&wanted, &installed()?);
        if missing.is_empty() {
            return Ok(());
        }
        println!("Installing from Debian's packages:");
        for (name, reason) in &missing {
            println!("  {name:<24} {reason}");
        }
        let names = names(&missing);
        if let Err(first) = apt_install(&names) {
            // Old or absent package lists are the usual cause, and updating them costs little beside the installation.
            println!("Updating the package lists");
            run::quietly(apt()?.arg("update")).with_context(|| format!("after this failed: {first:#}"))?;
            apt_install(&names).with_context(|| format!("install by hand: apt-get install {}", names.join(" ")))?;
        }
    }
    let missing = names(&missing(&wanted, &installed()?)).join(" ");
    if !missing.is_empty() {
        bail!(
            "packages remove each other: `apt-get install {missing}` says what stands in the way; remove that by hand"
        );
    }
    Ok(())
}

/// Whether what a package is wanted for is there without it.
fn is_there_otherwise(package: &str, on_path: impl Fn(&str) -> bool) -> bool {
    PROGRAMS
        .iter()
        .any(|(name, program)| *name == package && on_path(program))
}

fn names(packages: &[&'static (&'static str, &'static str)]) -> Vec<&'static str> {
    packages.iter().map(|(name, _)| *name).collect()
}

/// Those of the wanted packages, with what they are for, that are not installed.
fn missing(
    wanted: &[&'static (&'static str, &'static str)],
    installed: &[String],
) -> Vec<&'static (&'static str, &'static str)> {
    let is_there = |name: &str| installed.iter().any(|have| have == name);
    wanted.iter().copied().filter(|(name, _)| !is_there(name)).collect()
}

fn apt_install(names: &[&str]) -> Result<()> {
    run::quietly(apt()?.args(["install", "--yes", "--no-install-recommends"]).args(names))
}

/// The names of the packages that are installed and configured.
fn installed() -> Result<Vec<String>> {
    let list = run::text(Command::new("dpkg-query").args(["-W", "-f", "${binary:Package} ${db:Status-Status}\\n"]))
        .context("listing installed packages (this task is for Debian and what descends from it)")?;
    Ok(parse_installed(&list))
}

/// Reads lines of `name[:arch] status`.
fn parse_installed(list: &str) -> Vec<String> {
    list.lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(_, status)| *status == "installed")
        .map(|(name, _)| name.split_once(':').map_or(name, |(name, _)| name).to_owned())
        .collect()
}

/// Package, its version, its source package and that one's version, as `dpkg` knows them.
pub(crate) fn version(package: &str) -> Result<String> {
    run::text(Command::new("dpkg-query").args(["-W", "-f", "${Version}", package]))
}

/// Name and version of the source package that an installed package was built from.
pub(crate) fn source(package: &str) -> Result<(String, String)> {
    let text =
        run::text(Command::new("dpkg-query").args(["-W", "-f", "${source:Package} ${source:Version}", package]))?;
    let (name, version) = text
        .split_once(' ')
        .with_context(|| format!("dpkg-query on {package} said: {text}"))?;
    Ok((name.to_owned(), version.to_owned()))
}

/// `apt-get` as root, without questions.
fn apt() -> Result<Command> {
    let mut command = if is_root()? {
        Command::new("apt-get")
    } else if on_path("sudo") {
        let mut sudo = Command::new("sudo");
        sudo.args(["--preserve-env=DEBIAN_FRONTEND", "apt-get"]);
        sudo
    } else {
        bail!("installing packages needs root or sudo, and neither is here");
    };
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command.args(["--quiet", "-o", "DPkg::Lock::Timeout=120"]);
    Ok(command)
}

/// Whether this process may do everything.
pub(crate) fn is_root() -> Result<bool> {
    Ok(run::text(Command::new("id").arg("-u"))?.trim() == "0")
}

/// Whether a program of that name is installed.
pub(crate) fn on_path(program: &str) -> bool {
    env::var_os("PATH").is_some_and(|path| {
        env::split_paths(&path).any(|folder| fs::metadata(folder.join(program)).is_ok_and(|found| found.is_file()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_installed_packages_count() {
        let list = "gcc installed\nlibext2fs2:amd64 installed\nmmdebstrap config-files\nbroken\n";
        assert_eq!(parse_installed(list), ["gcc", "libext2fs2"]);
    }

    #[test]
    fn what_was_removed_is_missing() {
        let wanted: Vec<_> = Group::Rehearse.packages().iter().collect();
        let installed =
            |names: &[&str]| missing(&wanted, &names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
        assert_eq!(names(&installed(&["qemu-system-x86"])), ["qemu-utils"]);
        assert_eq!(names(&installed(&["qemu-system-x86", "qemu-utils"])), [""; 0]);
    }

    #[test]
    fn a_program_from_elsewhere_counts() {
        assert!(is_there_otherwise("npm", |program| program == "npm"));
        assert!(!is_there_otherwise("npm", |_| false));
        assert!(!is_there_otherwise("chromium", |_| true));
    }

    #[test]
    fn every_package_has_a_reason_and_is_named_once() {
        let mut names: Vec<_> = Group::value_variants()
            .iter()
            .flat_map(|group| group.packages())
            .collect();
        assert!(
            names
                .iter()
                .all(|(name, reason)| !name.is_empty() && !reason.is_empty())
        );
        let before = names.len();
        names.sort();
        names.dedup_by_key(|(name, _)| *name);
        assert_eq!(names.len(), before);
    }
}
