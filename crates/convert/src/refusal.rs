//! What keeps a disk from being converted, told from what failed.

use std::error::Error;

use comeback_disk::ext::ExtError;
use comeback_guest::system::SystemError;

use crate::conversion::ConvertError;
use crate::finding::Finding;
use crate::plan::PlanError;
use crate::relocation::RelocationError;

/// Whether an error says that the disk is not fit for what was asked, rather than that something went wrong. Its causes are
/// not looked at: ask for each of them.
pub fn is_refusal(error: &(dyn Error + 'static)) -> bool {
    let convert = error.downcast_ref::<ConvertError>();
    matches!(
        error.downcast_ref::<ExtError>(),
        Some(ExtError::NoSpace { .. } | ExtError::Fragmented { .. } | ExtError::Features { .. })
    ) || matches!(
        convert,
        Some(ConvertError::Plan(_) | ConvertError::NotProven { .. } | ConvertError::NoWayBack { .. })
    ) || matches!(
        error.downcast_ref::<RelocationError>(),
        Some(RelocationError::AlreadyGpt | RelocationError::NotBare | RelocationError::NoRoom { .. })
    ) || matches!(
        error.downcast_ref::<SystemError>(),
        Some(SystemError::Foreign { .. } | SystemError::NoRoot { .. } | SystemError::SeveralRoots { .. })
    ) || matches!(
        convert,
        Some(ConvertError::System(
            SystemError::Foreign { .. } | SystemError::NoRoot { .. } | SystemError::SeveralRoots { .. }
        ))
    )
}

/// The findings that stand against a conversion, where findings do.
pub fn findings(error: &ConvertError) -> &[Finding] {
    match error {
        ConvertError::Plan(error @ (PlanError::Forbidden(_) | PlanError::Blocked { .. })) => error.findings(),
        ConvertError::NotProven { findings, .. } => findings,
        _ => &[],
    }
}
