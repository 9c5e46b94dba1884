//! Exit codes.

use std::process::ExitCode;

use comeback_convert::conversion::ConvertError;
use comeback_convert::relocation::RelocationError;
use comeback_guest::system::SystemError;

/// How the program ends. Scripts rely on these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, or it boots.
    Done = 0,
    /// The verdict is negative, or something blocks.
    Blocked = 1,
    /// The operation failed.
    Failed = 3,
    /// Wrong usage.
    Usage = 64,
}

/// The part of `--help` that documents them.
pub(crate) const HELP: &str = "\
Exit codes:
  0   done, or it boots
  1   the verdict is negative, or something blocks
  3   the operation failed
  64  wrong usage";

impl Exit {
    /// Tells what blocks from what failed.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        let blocked = error.chain().any(|cause| {
            let convert = cause.downcast_ref::<ConvertError>();
            matches!(
                convert,
                Some(ConvertError::Plan(_) | ConvertError::NotProven { .. } | ConvertError::NoWayBack { .. })
            ) || matches!(cause.downcast_ref::<RelocationError>(), Some(RelocationError::AlreadyGpt))
                || matches!(
                    cause.downcast_ref::<SystemError>(),
                    Some(SystemError::Foreign { .. } | SystemError::NoRoot { .. } | SystemError::SeveralRoots { .. })
                )
                || matches!(convert, Some(ConvertError::System(SystemError::Foreign { .. } | SystemError::NoRoot { .. } | SystemError::SeveralRoots { .. })))
        });
        if blocked { Exit::Blocked } else { Exit::Failed }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// Prints what clap has to say. Help and version are no errors.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    // Nothing can be done about a terminal that is gone.
    let _ = error.print();
    if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() }
}
