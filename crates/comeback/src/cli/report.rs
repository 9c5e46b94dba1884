//! What can be said about a report.

use std::path::PathBuf;

use clap::Args;
use comeback_report::{Format, Lang};

/// How a report is written.
#[derive(Debug, Args)]
#[command(next_help_heading = "Report")]
pub(crate) struct ReportOptions {
    /// How it is written: table, json, csv, md, html, ocsf, junit or ics.
    #[arg(long, default_value = "table", value_parser = clap::value_parser!(Format))]
    pub(crate) format: Format,
    /// Write it into a file, not to standard output.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) reader: ReaderArguments,
    /// Plans to show beside it, as `comeback plan --output` saves them; can be given several times. Of each only what is of the
    /// audit's instances is shown.
    #[arg(long, value_name = "FILE")]
    pub(crate) plans: Vec<PathBuf>,
    /// Folder of the runs to show beside it. Default: $XDG_STATE_HOME/comeback, where it is there.
    #[arg(long, value_name = "DIR", env = "COMEBACK_STATE")]
    pub(crate) state: Option<PathBuf>,
}

/// Who reads it.
#[derive(Debug, Args)]
pub(crate) struct ReaderArguments {
    /// Language: en or ja.
    #[arg(long, default_value = "en", value_parser = clap::value_parser!(Lang))]
    pub(crate) lang: Lang,
    /// The reader's time zone, such as Asia/Tokyo; UTC stands beside it. Default: UTC for en, Asia/Tokyo for ja.
    #[arg(long, value_name = "ZONE", value_parser = zone)]
    pub(crate) zone: Option<jiff::tz::TimeZone>,
    /// Only what is this client's, by its name in the file of accounts: for a report that is sent to the client.
    #[arg(long, value_name = "NAME")]
    pub(crate) client: Option<String>,
}

fn zone(name: &str) -> Result<jiff::tz::TimeZone, String> {
    jiff::tz::TimeZone::get(name)
        .map_err(|_| "this machine knows no such time zone; expected one such as Asia/Tokyo".to_owned())
}

/// `report`
#[derive(Debug, Args)]
pub(crate) struct ReportArguments {
    /// An audit, as `comeback audit --format json` writes it.
    #[arg(value_name = "AUDIT.json")]
    pub(crate) audit: PathBuf,
    #[command(flatten)]
    pub(crate) report: ReportOptions,
}

/// `notify`
#[derive(Debug, Args)]
pub(crate) struct NotifyArguments {
    /// An audit, as `comeback audit --format json` writes it.
    #[arg(value_name = "AUDIT.json")]
    pub(crate) audit: PathBuf,
    /// Address that the message is posted to, of Slack or of what is compatible with it. It is a secret: better in the
    /// environment.
    #[arg(
        long,
        value_name = "URL",
        env = "COMEBACK_WEBHOOK",
        hide_env_values = true,
        required_unless_present = "dry_run"
    )]
    pub(crate) webhook: Option<String>,
    /// The audit to compare with. Default: the last one that this webhook was told of; without any, the summary of all is
    /// posted.
    #[arg(long, value_name = "EARLIER.json")]
    pub(crate) since: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) reader: ReaderArguments,
    /// Print the message, and post nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Folder that remembers what was told. Default: $XDG_STATE_HOME/comeback.
    #[arg(long, value_name = "DIR", env = "COMEBACK_STATE")]
    pub(crate) state: Option<PathBuf>,
}
