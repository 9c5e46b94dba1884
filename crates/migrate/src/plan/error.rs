//! Why there is no plan.

use comeback_cloud::CloudError;
use comeback_cloud::ids::{ImageId, InstanceId};

use super::refuse::Refusal;

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A call failed.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// There is no such instance.
    #[error("{0} is not there; check account and region")]
    NoInstance(InstanceId),
    /// The account is not known.
    #[error("the credentials tell no account")]
    NoAccount,
    /// The image of the host will not do.
    #[error("image {image} cannot be the host's: {why}; take another with --host-image")]
    HostImage {
        /// The image.
        image: ImageId,
        /// Why not.
        why: String,
    },
    /// The instance cannot be migrated.
    #[error("{instance} cannot be migrated: {}", .reasons.iter().map(|refusal| refusal.reason.as_str()).collect::<Vec<_>>().join("; "))]
    Refused {
        /// The instance.
        instance: InstanceId,
        /// Every reason.
        reasons: Vec<Refusal>,
    },
}
