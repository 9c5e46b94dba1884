//! The command line: it parses, dispatches and prints. What is done is in the libraries.

mod cli;
mod convert;
mod earlier;
mod exit;
mod inspect;
mod keep;
mod lab;
mod moving;
mod output;
mod rehearse;
mod revert;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::exit::Exit;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return exit::usage(&error),
    };
    let result = match &cli.command {
        Command::Inspect(arguments) => inspect::run(arguments),
        Command::Convert(arguments) => convert::run(arguments),
        Command::Revert(arguments) => revert::run(arguments),
        Command::Rehearse(arguments) => rehearse::run(arguments),
        Command::Lab(arguments) => lab::run(arguments),
    };
    match result {
        Ok(exit) => exit.into(),
        // Whoever reads our output may stop reading, as `head` does; that is no failure of ours.
        Err(error) if output::is_broken_pipe(&error) => Exit::Done.into(),
        Err(error) => {
            output::error(&error);
            Exit::of(&error).into()
        }
    }
}
