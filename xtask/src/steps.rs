//! Steps of `cargo xtask test` that can also be run alone: `cargo xtask test --only STEP`.
//!
//! Each makes what it needs, so that it works on a fresh machine.

use anyhow::Result;
use clap::ValueEnum;

use crate::packages::{self, Group};
use crate::python::{self, Set};
use crate::{browser, cache, run};

/// A step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Step {
    /// Audits of ten thousand instances: how long, how many calls, how much memory.
    Scale,
    /// Audits of another EC2 than the lab, which nobody here wrote.
    Moto,
    /// Reports as OCSF against OCSF's own schema.
    Ocsf,
    /// The HTML reports in a browser.
    Browser,
}

impl Step {
    /// What it shows, and how long it takes.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Scale => "audits of ten thousand instances",
            Self::Moto => "audits of moto, an EC2 that others wrote",
            Self::Ocsf => "reports against the schema of OCSF",
            Self::Browser => "the reports in a browser: two minutes",
        }
    }

    /// Makes what it needs, and runs it.
    pub(crate) fn run(self) -> Result<()> {
        match self {
            Self::Scale => scale(),
            Self::Moto => with_others("moto"),
            Self::Ocsf => with_others("ocsf"),
            Self::Browser => in_a_browser(),
        }
    }
}

/// With the program that the tests have built: to optimise it takes minutes, and saves seconds here; and alone it would be built anew,
/// as its dependencies have other features where no test needs them.
fn scale() -> Result<()> {
    packages::install(&[Group::Build])?;
    run::loudly(cache::cargo("test")?.args(["--workspace", "--no-run"]))?;
    let program = cache::target()?.join("debug/comeback");
    run::loudly(
        cache::cargo("test")?
            .args(["--workspace", "--test", "scale"])
            .args(["--", "--ignored", "--nocapture", "--test-threads", "1"])
            .env("COMEBACK_PROGRAM", program),
    )
}

/// A test that needs programs that others wrote.
fn with_others(test: &str) -> Result<()> {
    packages::install(&[Group::Build, Group::Test])?;
    run::loudly(
        cache::cargo("test")?
            .args(["--workspace", "--test", test, "--", "--ignored"])
            .env("COMEBACK_PROOF_PYTHON", python::ready(Set::Proof)?),
    )
}

fn in_a_browser() -> Result<()> {
    packages::install(&[Group::Build])?;
    run::loudly(
        cache::cargo("test")?
            .args(["--workspace", "--test", "browser", "--", "--ignored"])
            .env("COMEBACK_NODE_MODULES", browser::modules()?)
            .env("COMEBACK_CHROMIUM", browser::CHROMIUM),
    )
}
