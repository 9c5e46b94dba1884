//! Developer tasks, run as `cargo xtask <command>`. This file only dispatches.

mod assets;
mod cache;
mod console;
mod guests;
mod image;
mod packages;
mod program;
mod run;
mod xen;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};
use packages::Group;

#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    about = "Developer tasks of comeback",
    disable_version_flag = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install what is missing from Debian's packages.
    Setup {
        /// Only these groups; all of them when none is named.
        groups: Vec<Group>,
    },
    /// Build GRUB's boot code for converted disks, once for all guests.
    BootAssets {
        /// Folder to write to [default: the cache, and beside each built program].
        #[arg(long)]
        output: Option<PathBuf>,
    },
    /// Build the program, with its boot assets beside it, and print where it is.
    Build {
        #[arg(long)]
        release: bool,
    },
    /// Build test guests from the recipes in guests/ and print where they are.
    Guests {
        /// Only these recipes; all of them when none is named.
        names: Vec<String>,
    },
    /// Boot a disk under a real Xen, which QEMU emulates. Takes minutes.
    Xen {
        /// Raw or qcow2 image.
        disk: PathBuf,
        /// How Xen runs the guest.
        #[arg(long = "as", default_value = "pv")]
        mode: xen::Mode,
        /// Whether the disk has a partition table [default: as its first sector says].
        #[arg(long)]
        partitioned: Option<bool>,
        /// Let the guest write to its disk; what it writes is dropped otherwise.
        #[arg(long)]
        write: bool,
        /// Seconds after which to give up.
        #[arg(long, default_value_t = 900)]
        timeout: u64,
        /// Write the guest's console to this file [default: print it when there is no login prompt].
        #[arg(long)]
        transcript: Option<PathBuf>,
    },
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Setup { groups } => packages::install(if groups.is_empty() { Group::ALL } else { &groups }),
        Command::BootAssets { output } => assets::command(output.as_deref()),
        Command::Build { release } => program::command(release),
        Command::Guests { names } => guests::command(&names),
        Command::Xen {
            disk,
            mode,
            partitioned,
            write,
            timeout,
            transcript,
        } => {
            let partitioned = partitioned.map_or_else(|| xen::is_partitioned(&disk), Ok)?;
            let timeout = Duration::from_secs(timeout);
            xen::command(
                &xen::Wanted {
                    disk: &disk,
                    mode,
                    partitioned,
                    write,
                    timeout,
                },
                transcript.as_deref(),
            )
        }
    }
}
