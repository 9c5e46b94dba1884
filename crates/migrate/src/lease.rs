//! A tag on the source by which two operators see each other: `comeback:lease = RUN/UNTIL`.

use comeback_cloud::model::Instance;
use jiff::Timestamp;

use crate::run::RunId;

/// Key of the tag.
pub const TAG: &str = "comeback:lease";

/// What the tag says.
pub(crate) fn value(run: &RunId, until: Timestamp) -> String {
    format!("{run}/{until}")
}

/// The run that holds an instance, if it is another one and its time is not over. A value that nobody understands is
/// somebody's.
pub fn held_by_another(instance: &Instance, run: &RunId, now: Timestamp) -> Option<String> {
    let (holder, until) = holder(instance)?;
    (holder != run.as_str() && until.is_none_or(|until| until > now)).then_some(holder)
}

/// The run that holds an instance now.
pub fn held_by(instance: &Instance, now: Timestamp) -> Option<String> {
    let (holder, until) = holder(instance)?;
    until.is_none_or(|until| until > now).then_some(holder)
}

pub(crate) fn is_ours(instance: &Instance, run: &RunId) -> bool {
    holder(instance).is_some_and(|(holder, _)| holder == run.as_str())
}

fn holder(instance: &Instance) -> Option<(String, Option<Timestamp>)> {
    let value = instance.tag(TAG)?;
    let (holder, until) = value.split_once('/').unwrap_or((value, ""));
    Some((holder.to_owned(), until.parse().ok()))
}
