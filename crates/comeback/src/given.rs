//! Which options were typed, beside what they say: a default and a wish for the same look alike afterwards.

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, Error, FromArgMatches};

/// A group of arguments, and which of its options are on the command line. What is from the environment is not.
#[derive(Debug)]
pub(crate) struct Given<T> {
    /// What they say.
    pub(crate) values: T,
    /// Those that were typed: `--type`.
    pub(crate) options: Vec<String>,
}

impl<T: Args> FromArgMatches for Given<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let group = T::augment_args(Command::new("group"));
        let typed = group
            .get_arguments()
            .filter(|argument| matches.value_source(argument.get_id().as_str()) == Some(ValueSource::CommandLine));
        Ok(Self {
            options: typed
                .filter_map(|argument| argument.get_long())
                .map(|name| format!("--{name}"))
                .collect(),
            values: T::from_arg_matches(matches)?,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl<T: Args> Args for Given<T> {
    fn augment_args(command: Command) -> Command {
        T::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        T::augment_args_for_update(command)
    }
}
