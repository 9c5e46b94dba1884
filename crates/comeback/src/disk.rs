//! The disk that a command is about.

use anyhow::{Context, Result};
use comeback_disk::image::{Access, Format, Image, OpenOptions};

use crate::cli::{DiskArguments, FormatArgument};
use crate::output;

/// Opens a disk as the command line says.
pub(crate) fn open(arguments: &DiskArguments, access: Access) -> Result<Image> {
    let format = arguments.format.map(|format| match format {
        FormatArgument::Raw => Format::Raw,
        FormatArgument::Qcow2 => Format::Qcow2,
    });
    Image::open_with(&arguments.disk, OpenOptions { access, format })
        .with_context(|| format!("opening {}", arguments.disk.display()))
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// A disk that is only read may be in use; whoever reads the result has to know.
pub(crate) fn tell_users(image: &Image) {
    for user in image.users() {
        let path = image.path().display();
        output::say(&format!(
            "comeback: {path} is in use: {user}; what is read may be half of a change\n"
        ));
    }
}
