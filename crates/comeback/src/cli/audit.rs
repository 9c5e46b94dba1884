//! What can be said to `audit`.

use std::path::PathBuf;

use clap::Args;

/// `audit`
#[derive(Debug, Args)]
pub(crate) struct AuditArguments {
    /// Profile of the AWS command line; can be given several times. Without any, and without --accounts: the environment's
    /// credentials.
    #[arg(long)]
    pub(crate) profile: Vec<String>,
    /// File of accounts: a list of [[account]] with `client`, `account`, `role` (an ARN or a name), `profile`, `external-id`,
    /// `regions`, `tags`.
    #[arg(long, value_name = "FILE.toml")]
    pub(crate) accounts: Option<PathBuf>,
    /// Read all accounts of the organization, each by its role of this name. The credentials are to be of the account that
    /// speaks for it.
    #[arg(long, value_name = "NAME", conflicts_with = "accounts")]
    pub(crate) organization_role: Option<String>,
    /// Region; can be given several times. Default: all that are switched on.
    #[arg(long)]
    pub(crate) region: Vec<comeback_cloud::RegionName>,
    /// File of findings not to be shown: a list of [[silence]] with `rule`, `instance`, `tag` or `account`, and with `reason`
    /// and `until`.
    #[arg(long, value_name = "FILE.toml")]
    pub(crate) silence: Option<PathBuf>,
    /// Part of EC2's documented request rates that is used; the rest is left to the accounts' own automation.
    #[arg(long, value_name = "PART", default_value_t = 0.5)]
    pub(crate) rate_share: f64,
    #[command(flatten)]
    pub(crate) report: super::report::ReportOptions,
}
