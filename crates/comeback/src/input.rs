//! Files that this program saved earlier, and somebody hands over again.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::exit::Expected;

/// The bytes of a file that can have at most `most`; `what` it is to be, such as `an audit`.
pub(crate) fn read(path: &Path, most: u64, what: &str) -> Result<Vec<u8>> {
    let reading = || format!("reading {}", path.display());
    let size = fs::metadata(path).with_context(reading)?.len();
    if size > most {
        let why = format!("{} has {size} bytes, more than {what} can have", path.display());
        return Err(Expected::Refused(why).into());
    }
    fs::read(path).with_context(reading)
}
