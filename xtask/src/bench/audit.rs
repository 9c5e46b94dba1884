//! An audit of ten thousand instances beside Prowler and Cloud Custodian on the same estate.

use std::fs;

use anyhow::{Context, Result};

use super::{Marks, machine, publish};
use crate::packages::{self, Group};
use crate::python::{self, Set};
use crate::{cache, program, run};

/// Where the measurement stands in the document.
pub(super) const MARKS: Marks = Marks {
    begin: "<!-- audit: begin; written by `cargo xtask bench audit` -->",
    end: "<!-- audit: end -->",
};

/// Measures, prints, and writes docs/performance.md.
pub(super) fn command() -> Result<()> {
    packages::install(&[Group::Build, Group::Assets, Group::Test])?;
    let program = program::ready(false)?;
    let table = tempfile::NamedTempFile::new().context("creating a file for the table")?;
    run::loudly(
        cache::cargo("test")?
            .args(["--workspace", "--test", "beside", "--", "--ignored", "--nocapture"])
            .env("COMEBACK_PROGRAM", program)
            .env("COMEBACK_PROWLER", python::ready(Set::Prowler)?)
            .env("COMEBACK_CUSTODIAN", python::ready(Set::Custodian)?)
            .env("COMEBACK_TABLE", table.path()),
    )?;
    let table = fs::read_to_string(table.path()).context("reading the table")?;
    publish(&MARKS, &format!("{}\n{table}", machine()?))
}
