//! The command line: it parses, dispatches and prints. What is done is in the libraries.

mod account;
mod ask;
mod audit;
mod bars;
mod board;
mod cli;
mod convert;
mod diagnose;
mod diagnosis_text;
mod disk;
mod evidence;
mod exit;
mod given;
mod iam_policy;
mod input;
mod inspect;
mod keep;
mod lab;
mod migrate;
mod narrator;
mod notify;
mod output;
mod plan;
mod plan_text;
mod readdress;
mod rehearse;
mod report;
mod rescue;
mod revert;
mod runs;
mod stopgap;
mod undertaking;
mod watched;

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
        Command::Audit(arguments) => audit::run(arguments),
        Command::Report(arguments) => report::run(arguments),
        Command::Notify(arguments) => notify::run(arguments),
        Command::Plan(arguments) => plan::run(arguments),
        Command::Migrate(arguments) => migrate::migrate(arguments),
        Command::Resume(arguments) => migrate::resume(arguments),
        Command::Rollback(arguments) => migrate::rollback(arguments),
        Command::Finalize(arguments) => migrate::finalize(arguments),
        Command::Status(arguments) => runs::status(arguments),
        Command::Runs(arguments) => runs::list(arguments),
        Command::Diagnose(arguments) => diagnose::run(arguments),
        Command::Rescue(arguments) => rescue::run(arguments),
        Command::Postpone(arguments) => stopgap::postpone(arguments),
        Command::Hold(arguments) => stopgap::hold(arguments),
        Command::BumpKernel(arguments) => stopgap::bump_kernel(arguments),
        Command::IamPolicy(arguments) => iam_policy::run(arguments),
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
