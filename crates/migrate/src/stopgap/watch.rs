//! Watching an instance come up, or not.

use std::time::Duration;

use comeback_cloud::ids::InstanceId;
use comeback_cloud::model::Status;
use comeback_cloud::{CloudError, Region};
use comeback_console::{Finding, Says, reading};
use tokio::time::{Instant, sleep};

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watched {
    /// Both of EC2's checks pass.
    Up,
    /// The console shows a failure that it was not showing before.
    Failed(Finding),
    /// The time is over.
    Late,
}

/// A boot takes minutes: it is looked at this much more seldom than a change that EC2 carries out.
const LOOKS: u32 = 5;

/// Watches an instance that was just started: until EC2's checks pass, a new failure is on its console, or the time is over. `before`
/// is the console before that start: EC2 goes on showing it for minutes, and it says nothing about this boot.
///
/// # Errors
/// What a call can fail with, but for what passes by itself.
pub async fn watch(
    region: &Region,
    instance: &InstanceId,
    before: &[u8],
    within: Duration,
    pause: Duration,
    mut tell: impl FnMut(&str),
) -> Result<Watched, CloudError> {
    let until = Instant::now() + within;
    let mut told = String::new();
    loop {
        let statuses = passing(region.statuses(std::slice::from_ref(instance)).await)?;
        let status = statuses.as_ref().and_then(|statuses| statuses.first());
        if status.is_some_and(Status::is_ok) {
            return Ok(Watched::Up);
        }
        let console = passing(region.console_output(instance, false).await)?.unwrap_or_default();
        let mut says = status.map_or_else(
            || "EC2 has no status yet".to_owned(),
            |status| format!("checks: {}", status.guest.state),
        );
        if !console.is_empty() && console != before {
            match reading::read(&console).says {
                Says::Failure(finding) => return Ok(Watched::Failed(finding)),
                Says::Working(finding) => says = format!("{says}; {}", finding.title),
                Says::Login(_) => says = format!("{says}; a login prompt is on its console"),
                Says::Nothing => {}
            }
        }
        if says != told {
            tell(&says);
            told = says;
        }
        if Instant::now() >= until {
            return Ok(Watched::Late);
        }
        sleep((pause * LOOKS).min(until.saturating_duration_since(Instant::now()))).await;
    }
}

/// Nothing where an answer failed for reasons that pass.
fn passing<T>(answer: Result<T, CloudError>) -> Result<Option<T>, CloudError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_transient() => Ok(None),
        Err(error) => Err(error),
    }
}
