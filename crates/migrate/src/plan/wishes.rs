//! What may be asked of a plan.

use comeback_cloud::ids::ImageId;

use super::disk::DiskSeen;
use super::target::Wanted;
use super::{Reach, Verify, Volumes};

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wishes {
    /// Type and platform of the target.
    pub target: Wanted,
    /// Which volumes the target gets.
    pub volumes: Volumes,
    /// Image of the host; nothing means the newest Amazon Linux 2023.
    pub host_image: Option<ImageId>,
    /// Who logs in there; nothing means who does by custom on the image.
    pub host_user: Option<String>,
    /// How the target is proven.
    pub verify: Verify,
    /// What is on the source's root, if somebody has looked. It is of one instance: a plan for several cannot use it.
    pub disk: Option<DiskSeen>,
}

impl Default for Wishes {
    fn default() -> Self {
        Self {
            target: Wanted::default(),
            volumes: Volumes::Original,
            host_image: None,
            host_user: None,
            verify: Verify {
                ports: Vec::new(),
                command: None,
                within_s: 900,
                reach: Reach::Public,
                ssh_port: 22,
            },
            disk: None,
        }
    }
}
