//! `comeback-agent pack`: the saved bytes, to be kept where they outlive this machine.

use std::fs::File;
use std::io::{self, Write as _};

use anyhow::{Context, Result, bail};
use comeback_disk::saved::Saved;
use tar::{Builder, EntryType, Header};

use crate::cli::PackArguments;

pub(crate) fn run(arguments: &PackArguments) -> Result<()> {
    let folder = &arguments.keep;
    let packing = || format!("packing {}", folder.display());
    // What is not a saved patch is not sent around.
    if Saved::load(folder).with_context(packing)?.is_none() {
        bail!(
            "packing {}: there is no such folder, so nothing was saved there",
            folder.display()
        );
    }
    let mut archive = Builder::new(io::BufWriter::new(io::stdout().lock()));
    for name in Saved::FILES {
        let path = folder.join(name);
        let mut file = File::open(&path).with_context(|| format!("opening {}", path.display()))?;
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o600);
        header.set_size(file.metadata().with_context(packing)?.len());
        archive
            .append_data(&mut header, name, &mut file)
            .with_context(packing)?;
    }
    archive
        .into_inner()
        .and_then(|mut out| out.flush())
        .with_context(packing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_expect_the_same_files() {
        assert_eq!(Saved::FILES, comeback_protocol::SAVED_FILES);
    }
}
