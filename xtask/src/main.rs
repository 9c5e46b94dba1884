//! Developer tasks, run as `cargo xtask <command>`. This file only dispatches.

mod agent;
mod assets;
mod bench;
mod browser;
mod cache;
mod console;
mod demo;
mod guests;
mod image;
mod packages;
mod program;
mod python;
mod run;
mod steps;
mod test;
mod xen;

use std::path::PathBuf;

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
    /// Build the agent that is sent to other machines: one static file of less than 10 MiB.
    Agent,
    /// Build the program, with its boot assets and the agent beside it, and print where it is.
    Build {
        #[arg(long)]
        release: bool,
    },
    /// Build test guests from the recipes in guests/ and print where they are.
    Guests {
        /// Only these recipes; all of them when none is named.
        names: Vec<String>,
    },
    /// Make a Python with programs that others wrote, for checks and comparisons, and print where it is.
    Python {
        /// What it is for.
        #[arg(value_enum, default_value = "clients")]
        set: python::Set,
    },
    /// Show the incident: a paravirtual instance in Tokyo does not survive its reboot, and comes back as HVM. Installs what is
    /// missing, builds, and runs on an EC2 of its own.
    Demo {
        /// What to show.
        #[arg(value_enum, default_value = "incident")]
        what: Show,
    },
    /// Run all tests, whole boots included.
    Test {
        /// Leave out what takes long: the boots and the check of licences.
        #[arg(long)]
        quick: bool,
        /// Only this step.
        #[arg(long, value_enum, conflicts_with = "quick")]
        only: Option<steps::Step>,
    },
    /// Measure what the program takes, and write docs/performance.md. Best on a machine that does nothing else.
    Bench {
        /// What to measure.
        #[arg(value_enum, default_value = "disks")]
        what: bench::Part,
        /// How often each command is run on a disk.
        #[arg(long, default_value_t = 9)]
        runs: usize,
    },
    /// Boot a disk under a real Xen, which QEMU emulates. Takes minutes.
    Xen(xen::Arguments),
}

/// What a demo shows.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Show {
    /// The nine steps on EC2, and the way back.
    Incident,
    /// One disk: inspect, convert, rehearse, revert.
    Disk,
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Setup { groups } => packages::install(if groups.is_empty() { Group::ALL } else { &groups }),
        Command::BootAssets { output } => assets::command(output.as_deref()),
        Command::Agent => agent::command(),
        Command::Build { release } => program::command(release),
        Command::Guests { names } => guests::command(&names),
        Command::Python { set } => python::command(set),
        Command::Demo { what: Show::Incident } => demo::incident::command(),
        Command::Demo { what: Show::Disk } => demo::disk::command(),
        Command::Bench { what, runs } => bench::command(what, runs),
        Command::Test { only: Some(step), .. } => step.run(),
        Command::Test { quick, only: None } => test::command(quick),
        Command::Xen(arguments) => xen::command(&arguments),
    }
}
