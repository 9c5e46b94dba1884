//! `comeback convert`: which of the three ways it takes.
//!
//! ```text
//! earlier    what was cut off before is completed first
//! common     the conversion in memory, and what is told of it
//!    ▼
//! in_place   a patch of the disk
//! moved      all data of the disk move up, then a patch
//! copied     a new disk; the source is only read
//! ```

mod common;
mod copied;
mod earlier;
mod in_place;
mod moved;
mod text;

use anyhow::Result;

use crate::cli::{ConvertArguments, LayoutArgument};
use crate::exit::Exit;
use crate::output;

pub(crate) fn run(arguments: &ConvertArguments) -> Result<Exit> {
    let wrong = |text: &str| {
        output::say(&format!("comeback: {text}\n"));
        Ok(Exit::Usage)
    };
    match (arguments.layout, &arguments.output) {
        (LayoutArgument::InPlace, None) => in_place::run(arguments),
        (LayoutArgument::InPlace, Some(_)) => {
            wrong("--output is for `--layout partitioned`; in place, DISK itself is converted")
        }
        (LayoutArgument::Partitioned, None) => moved::run(arguments),
        (LayoutArgument::Partitioned, Some(_)) if arguments.keep.keep.is_some() => wrong(
            "--keep is for the in-place layout: `--layout partitioned` leaves DISK as it is, there is nothing to save",
        ),
        (LayoutArgument::Partitioned, Some(output)) => copied::run(arguments, output),
    }
}
