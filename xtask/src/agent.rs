//! The agent: one static file that runs on whatever machine carries a disk, kept in the cache and beside the program.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use elf::ElfBytes;
use elf::abi::{DT_NEEDED, EM_X86_64, PT_INTERP};
use elf::endian::AnyEndian;

use crate::{assets, cache, packages, run};

/// What it is built for, whatever this machine is.
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// Its name, and that of its package.
const NAME: &str = "comeback-agent";
/// Folder of what is sent to other machines, beside a program. Cargo puts an agent of its own, which is not static, right
/// beside it.
const BESIDE: &str = "comeback-host";
/// It is sent to every machine that carries a disk, in bytes.
const LIMIT: u64 = 10 << 20;

/// Builds it and gives back its path in the cache.
pub(crate) fn ready() -> Result<PathBuf> {
    packages::install(&[packages::Group::Build])?;
    let mut command = cache::cargo("build")?;
    command
        .args(["--package", NAME, "--profile", "agent", "--target", TARGET])
        // For the target only: what runs during the build is not static.
        .env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static");
    run::loudly(&mut command)?;
    let built = cache::target()?.join(TARGET).join("agent").join(NAME);
    let bytes = fs::read(&built).with_context(|| format!("reading {}", built.display()))?;
    check(&bytes).with_context(|| format!("checking {}", built.display()))?;
    let folder = cache::folder("agent")?;
    let kept = folder.join(NAME);
    let _lock = cache::lock(&folder)?;
    assets::replace(&kept, &bytes)?;
    make_executable(&kept)?;
    println!("agent: {} bytes, in {}", bytes.len(), kept.display());
    Ok(kept)
}

/// `cargo xtask agent`: into the cache, and beside every program that was built.
pub(crate) fn command() -> Result<()> {
    let agent = ready()?;
    for folder in assets::profiles()? {
        copy_beside(&agent, &folder)?;
    }
    Ok(())
}

/// Puts a copy where a program in `folder` looks for it first.
pub(crate) fn copy_beside(agent: &Path, folder: &Path) -> Result<()> {
    let to = folder.join(BESIDE);
    fs::create_dir_all(&to).with_context(|| format!("creating {}", to.display()))?;
    let bytes = fs::read(agent).with_context(|| format!("reading {}", agent.display()))?;
    let to = to.join(NAME);
    assets::replace(&to, &bytes)?;
    make_executable(&to)
}

fn make_executable(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("making {} executable", path.display()))
}

/// Fails unless it is small, and needs nothing of the machine that it runs on.
fn check(bytes: &[u8]) -> Result<()> {
    let size = bytes.len() as u64;
    ensure!(size <= LIMIT, "it has {size} bytes, expected at most {LIMIT}");
    check_static(bytes)
}

fn check_static(bytes: &[u8]) -> Result<()> {
    let file = ElfBytes::<AnyEndian>::minimal_parse(bytes).context("reading it as an ELF file")?;
    ensure!(
        file.ehdr.e_machine == EM_X86_64,
        "it is for another machine than x86-64"
    );
    let asks_for_loader = file
        .segments()
        .is_some_and(|segments| segments.iter().any(|segment| segment.p_type == PT_INTERP));
    ensure!(
        !asks_for_loader,
        "it is not static: it asks for a dynamic loader (PT_INTERP)"
    );
    let dynamic = file.dynamic().context("reading its dynamic section")?;
    let needs_libraries = dynamic.is_some_and(|table| table.iter().any(|entry| entry.d_tag == DT_NEEDED));
    ensure!(
        !needs_libraries,
        "it is not static: it needs shared libraries (DT_NEEDED)"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_a_loader_is_refused() {
        // This test itself does.
        let own = fs::read(std::env::current_exe().unwrap()).unwrap();
        let error = check_static(&own).unwrap_err().to_string();
        assert!(error.contains("dynamic loader"), "{error}");
    }

    #[test]
    fn what_is_too_large_or_no_program_is_refused() {
        assert!(
            check(&vec![0; LIMIT as usize + 1])
                .unwrap_err()
                .to_string()
                .contains("at most")
        );
        assert!(check(b"#!/bin/sh\n").is_err());
    }
}
