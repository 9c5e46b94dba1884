//! The agent: what the main program does to a disk, on the machine that the disk is attached to.
//!
//! It is one static file, so that it runs on whatever that machine is, and it talks to a program: every line on standard
//! output is an event of [`comeback_protocol`], errors for people go to standard error. This file only dispatches.

mod cli;
mod convert;
mod disks;
mod failure;
mod find;
mod inspect;
mod pack;
mod revert;
mod voice;
mod xen;

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser;
use comeback_protocol::Event;

use crate::cli::{Cli, Command};
use crate::voice::Voice;

/// Wrong usage.
const USAGE: u8 = 64;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Nothing can be done about a reader that is gone.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    if let Command::Pack(arguments) = &cli.command {
        // The one command whose output is no list of events.
        return match pack::run(arguments) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failure::report(&failure::of(&error)),
        };
    }
    let voice = Voice::new();
    let result = match &cli.command {
        Command::Disks => disks::run(),
        Command::Find(arguments) => find::run(arguments, &voice),
        Command::Inspect(arguments) => inspect::run(arguments, &voice),
        Command::Convert(arguments) => convert::run(arguments, &voice),
        Command::Revert(arguments) => revert::run(arguments, &voice),
        Command::Pack(_) => return ExitCode::from(USAGE),
    };
    match result {
        Ok(event) => {
            let code = failure::code_of_end(&event);
            voice.say(&event);
            code
        }
        Err(error) => {
            let failure = failure::of(&error);
            voice.say(&Event::Failed(failure.clone()));
            failure::report(&failure)
        }
    }
}

/// Seconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
