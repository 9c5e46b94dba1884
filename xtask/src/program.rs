//! The program itself, built as a user would and with what it needs beside it.

use std::path::PathBuf;

use anyhow::Result;

use crate::{agent, assets, cache, packages, run};

/// Builds `comeback` and gives back its path.
pub(crate) fn ready(release: bool) -> Result<PathBuf> {
    packages::install(&[packages::Group::Build, packages::Group::Assets])?;
    let boot = assets::ready()?;
    let mut command = cache::cargo("build")?;
    // The whole workspace is selected for the features of its dependencies, so that nothing is built twice.
    command.args(["--workspace", "--bin", "comeback"]);
    if release {
        command.arg("--release");
    }
    run::loudly(&mut command)?;
    let folder = cache::target()?.join(if release { "release" } else { "debug" });
    assets::copy_beside(&boot, &folder)?;
    Ok(folder.join("comeback"))
}

/// The same with the agent beside it, for what reaches other machines.
pub(crate) fn ready_with_agent(release: bool) -> Result<PathBuf> {
    let program = ready(release)?;
    if let Some(folder) = program.parent() {
        agent::copy_beside(&agent::ready()?, folder)?;
    }
    Ok(program)
}

/// `cargo xtask build`.
pub(crate) fn command(release: bool) -> Result<()> {
    println!("{}", ready_with_agent(release)?.display());
    Ok(())
}
