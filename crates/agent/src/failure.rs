//! Why it came to nothing: for the event, for people, and as an exit code.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

use comeback_convert::conversion::ConvertError;
use comeback_convert::refusal;
use comeback_disk::image::ImageError;
use comeback_disk::saved::SavedError;
use comeback_protocol::{Event, Failure, FailureKind};

use crate::find::FindError;

/// Something blocks, or no device can be told.
const BLOCKED: u8 = 1;
/// The operation failed.
const FAILED: u8 = 3;

/// Makes the failure of an error.
pub(crate) fn of(error: &anyhow::Error) -> Failure {
    let find = error.downcast_ref::<FindError>();
    let in_use = |cause: &(dyn std::error::Error + 'static)| {
        matches!(cause.downcast_ref::<ImageError>(), Some(ImageError::InUse { .. }))
    };
    let kind = if find.is_some() {
        FailureKind::NotFound
    } else if error.chain().any(refusal::is_refusal) {
        FailureKind::Blocked
    } else if error.chain().any(in_use) {
        FailureKind::InUse
    } else if error
        .chain()
        .any(|cause| matches!(cause.downcast_ref(), Some(SavedError::WrittenTo { .. })))
    {
        FailureKind::Blocked
    } else {
        FailureKind::Failed
    };
    let convert = error.chain().find_map(|cause| cause.downcast_ref::<ConvertError>());
    Failure {
        kind,
        message: message(error),
        findings: convert.map_or(serde_json::Value::Null, |convert| {
            serde_json::to_value(refusal::findings(convert)).unwrap_or_default()
        }),
        candidates: find.map(|find| find.candidates().to_vec()).unwrap_or_default(),
    }
}

/// The error with its causes. Causes that the message has in it already are not repeated.
fn message(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            let _ = write!(text, "{}{cause}", if text.is_empty() { "" } else { ": " });
        }
    }
    text
}

/// Tells people, and gives back the exit code.
pub(crate) fn report(failure: &Failure) -> ExitCode {
    // What comes from a disk must not steer a terminal.
    let text: String = failure
        .message
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    let _ = writeln!(io::stderr().lock(), "comeback-agent: {text}");
    ExitCode::from(match failure.kind {
        FailureKind::Blocked | FailureKind::NotFound => BLOCKED,
        FailureKind::InUse | FailureKind::Failed => FAILED,
    })
}

/// The exit code of a command that came to an end of its own.
pub(crate) fn code_of_end(event: &Event) -> ExitCode {
    match event {
        // A disk that was put back in part only is not done.
        Event::Reverted(reverted) if !reverted.reverted || !reverted.kept.is_empty() => ExitCode::from(BLOCKED),
        _ => ExitCode::SUCCESS,
    }
}
