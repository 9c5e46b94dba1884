//! A Python with boto3 and the AWS command line: clients that nobody here wrote, for the lab to be checked by.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::packages::{self, Group};
use crate::{cache, run};

/// What is installed, version by version, beside the scenarios.
const REQUIREMENTS: &str = "lab/requirements.txt";

/// Makes it, and prints where its interpreter is.
pub(crate) fn command() -> Result<()> {
    packages::install(&[Group::Test])?;
    println!("{}", ready()?.display());
    Ok(())
}

/// The interpreter. It is made if it is not in the cache, and anew when what is to be installed has changed.
pub(crate) fn ready() -> Result<PathBuf> {
    let requirements = cache::workspace().join(REQUIREMENTS);
    let wanted = std::fs::read(&requirements).with_context(|| format!("reading {}", requirements.display()))?;
    let digest = cache::sha256(&wanted);
    let home = cache::folder("python")?.join(digest.get(..16).unwrap_or(&digest));
    let interpreter = |home: &Path| home.join("bin/python");
    // Scripts in it name its folder: it cannot be moved into its place once it is made.
    let _lock = cache::lock(&home)?;
    let complete = home.join("complete");
    if !complete.exists() {
        eprintln!("installing boto3 and the AWS command line into {}", home.display());
        run::quietly(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home))?;
        run::quietly(
            Command::new(interpreter(&home))
                .args([
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--disable-pip-version-check",
                    "--requirement",
                ])
                .arg(&requirements),
        )?;
        std::fs::write(&complete, "").with_context(|| format!("writing {}", complete.display()))?;
    }
    Ok(interpreter(&home))
}
