//! Test guests: disks as paravirtual instances have them, without boot code, made from recipes.
//!
//! A recipe (`guests/<name>.toml`) becomes a folder by `mmdebstrap` (`rootfs`), gets its boot menu and its settings (`menu`,
//! `files`), and becomes a sparse raw image (`disk`). Both the folder (as a tar file) and the image are kept in the cache
//! under a name that changes with what they are made from; `guests-by-name` in the cache has links to the newest. An image in the
//! cache is never written to.

mod disk;
pub(crate) mod files;
mod menu;
pub(crate) mod recipe;
pub(crate) mod rootfs;
mod server;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail};

pub(crate) use recipe::Recipe;
pub(crate) use server::key;

use crate::{cache, packages};

/// How many guests are built at the same time.
const AT_ONCE: usize = 2;

/// The recipes with these names, or all when there are none.
pub(crate) fn recipes(names: &[String]) -> Result<Vec<Recipe>> {
    let all = recipe::read_all(&cache::workspace().join("guests"))?;
    if names.is_empty() {
        return Ok(all);
    }
    names
        .iter()
        .map(|name| {
            let found = all.iter().find(|recipe| recipe.name == *name).cloned();
            found.with_context(|| {
                let known: Vec<_> = all.iter().map(|recipe| recipe.name.as_str()).collect();
                format!("no recipe is called {name}; there are {}", known.join(", "))
            })
        })
        .collect()
}

/// Builds what the cache does not have, and gives back the images in the order of the recipes.
pub(crate) fn ready(recipes: &[Recipe]) -> Result<Vec<PathBuf>> {
    packages::install(&[packages::Group::Guests, packages::Group::Assets])?;
    if recipes.iter().any(|recipe| recipe.settings.first_boot().is_some()) {
        // So that those who need it do not wait for each other.
        server::key()?;
    }
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(recipes.len()) {
            scope.spawn(|| {
                while let Some(recipe) = recipes.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let start = Instant::now();
                    let result = disk::ready(recipe);
                    if result.is_ok() && start.elapsed().as_secs() > 0 {
                        println!("{}: done after {} s", recipe.name, start.elapsed().as_secs());
                    }
                    results
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push((recipe.name.clone(), result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    let failed: Vec<_> = results
        .iter()
        .filter_map(|(name, result)| result.as_ref().err().map(|error| format!("{name}: {error:#}")))
        .collect();
    if !failed.is_empty() {
        bail!("building guests\n{}", failed.join("\n"));
    }
    recipes
        .iter()
        .map(|recipe| {
            let at = results.iter().position(|(name, _)| *name == recipe.name);
            at.map(|at| results.swap_remove(at).1)
                .context("a guest was not built")?
        })
        .collect()
}

/// Points `guests-by-name/NAME.img` in the cache to an image, for programs that do not know what it was made from.
fn link(name: &str, image: &Path) -> Result<()> {
    let link = cache::folder("guests-by-name")?.join(format!("{name}.img"));
    let fresh = cache::beside(&link, "new");
    // What a link that was not finished has left.
    let _ = fs::remove_file(&fresh);
    symlink(image, &fresh)
        .and_then(|()| fs::rename(&fresh, &link))
        .with_context(|| format!("linking {} to {}", link.display(), image.display()))
}

/// Builds guests and prints where they are.
pub(crate) fn command(names: &[String]) -> Result<()> {
    let recipes = recipes(names)?;
    let images = ready(&recipes)?;
    for (recipe, image) in recipes.iter().zip(&images) {
        link(&recipe.name, image)?;
    }
    let width = recipes.iter().map(|recipe| recipe.name.len()).max().unwrap_or_default();
    for (recipe, image) in recipes.iter().zip(images) {
        println!(
            "{:width$}  {}\n{:width$}  {}",
            recipe.name,
            image.display(),
            "",
            recipe.about
        );
    }
    Ok(())
}
