//! Pythons with programs that nobody here wrote, for the lab, the audit and its reports to be checked by and compared with.
//!
//! Each has a folder of its own in the cache, as they want different versions of the same things.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::packages::{self, Group};
use crate::{cache, run};

/// What a Python is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Set {
    /// boto3 and the AWS command line, which check the lab.
    Clients,
    /// moto, another EC2 for audits to be tried on, and the schema of OCSF, which checks reports.
    Proof,
    /// Prowler, whose check for paravirtual instances is measured beside the audit.
    Prowler,
    /// Cloud Custodian, the same with a policy.
    Custodian,
}

impl Set {
    /// The file with what is installed, version by version.
    const fn requirements(self) -> &'static str {
        match self {
            Self::Clients => "lab/requirements.txt",
            Self::Proof => "lab/requirements-proof.txt",
            Self::Prowler => "lab/requirements-prowler.txt",
            Self::Custodian => "lab/requirements-custodian.txt",
        }
    }
}

/// Makes it, and prints where its interpreter is.
pub(crate) fn command(set: Set) -> Result<()> {
    packages::install(&[Group::Test])?;
    println!("{}", ready(set)?.display());
    Ok(())
}

/// The interpreter. It is made if it is not in the cache, and anew when what is to be installed has changed.
pub(crate) fn ready(set: Set) -> Result<PathBuf> {
    let requirements = cache::workspace().join(set.requirements());
    let wanted = std::fs::read(&requirements).with_context(|| format!("reading {}", requirements.display()))?;
    let digest = cache::sha256(&wanted);
    let home = cache::folder("python")?.join(digest.get(..16).unwrap_or(&digest));
    let interpreter = |home: &Path| home.join("bin/python");
    // Scripts in it name its folder: it cannot be moved into its place once it is made.
    let _lock = cache::lock(&home)?;
    let complete = home.join("complete");
    if !complete.exists() {
        eprintln!("installing what {} names into {}", set.requirements(), home.display());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_is_fixed() {
        for set in Set::value_variants() {
            let path = cache::workspace().join(set.requirements());
            let text = std::fs::read_to_string(&path).unwrap();
            let loose: Vec<&str> = text.lines().filter(|line| !line.contains("==")).collect();
            assert!(loose.is_empty() && !text.is_empty(), "{}: {loose:?}", path.display());
        }
    }
}
