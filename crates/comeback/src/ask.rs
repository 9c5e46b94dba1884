//! The question before anything is changed.

use std::io::{BufRead as _, IsTerminal as _};

use anyhow::{Context as _, Result};

use crate::exit::{Exit, Expected};
use crate::output;

/// Asks, unless that was answered already by `--yes`.
pub(crate) fn agreed(yes: bool, question: &str) -> Result<bool> {
    if yes {
        return Ok(true);
    }
    if !std::io::stdin().is_terminal() {
        return Err(Expected::Usage(format!("{question} There is nobody to ask here: take --yes")).into());
    }
    output::say(&format!("{question} Type yes: "));
    let mut answer = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut answer)
        .context("reading the answer")?;
    Ok(answer.trim() == "yes")
}

/// The end of what was not agreed to.
pub(crate) fn nothing_done() -> Result<Exit> {
    output::say("Nothing was done.\n");
    Ok(Exit::Blocked)
}
