//! What a browser needs to look at reports: Chromium, and the modules that Node steers and judges it by.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::packages::{self, Group};
use crate::{cache, run};

/// The browser, as Debian's package has it.
pub(crate) const CHROMIUM: &str = "/usr/bin/chromium";

/// Where the test is that needs them, with what it needs, version by version.
const HOME: &str = "crates/report/tests/browser";
const LISTS: [&str; 2] = ["package.json", "package-lock.json"];

/// The folder `node_modules`. It is made if it is not in the cache, and anew when what is to be installed has changed.
pub(crate) fn modules() -> Result<PathBuf> {
    packages::install(&[Group::Browser])?;
    let home = cache::workspace().join(HOME);
    let mut wanted = Vec::new();
    for name in LISTS {
        let path = home.join(name);
        wanted.extend(fs::read(&path).with_context(|| format!("reading {}", path.display()))?);
    }
    let digest = cache::sha256(&wanted);
    let path = cache::folder("node")?.join(digest.get(..16).unwrap_or(&digest));
    let made = cache::ready(path, |folder| install(&home, folder))?;
    Ok(made.join("node_modules"))
}

/// Installs into a folder outside of the clone, which stays as it was checked out.
fn install(home: &Path, folder: &Path) -> Result<PathBuf> {
    let made = folder.join("made");
    fs::create_dir(&made).with_context(|| format!("creating {}", made.display()))?;
    for name in LISTS {
        fs::copy(home.join(name), made.join(name)).with_context(|| format!("copying {name}"))?;
    }
    eprintln!("installing what {HOME}/package-lock.json names");
    // Scripts of packages would run as whoever runs this, and none is needed: the browser is Debian's.
    run::quietly(
        Command::new("npm")
            .current_dir(&made)
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]),
    )?;
    Ok(made)
}
