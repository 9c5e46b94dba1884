//! Who is told what is being read.

use comeback_cloud::ids::{AccountId, RegionName};

/// What has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// So many ways into accounts are tried.
    Begun {
        /// How many.
        ways: usize,
    },
    /// An account was entered, and has so many regions to be read.
    Entered {
        /// The account.
        account: AccountId,
        /// How many regions.
        regions: usize,
    },
    /// An account could not be entered.
    Shut {
        /// By which way.
        via: String,
    },
    /// A region was read, or could not be.
    Region {
        /// The account.
        account: AccountId,
        /// The region.
        region: RegionName,
        /// Instances that were read.
        instances: u64,
        /// Whether all of it was read.
        whole: bool,
    },
    /// Kernel images and types of a region are read.
    Details {
        /// The region.
        region: RegionName,
    },
}

/// Is told.
pub trait Progress: Send + Sync {
    /// Something has happened. It is called from several threads, and is not to wait for anything.
    fn tell(&self, event: Event);
}

/// Nobody.
impl Progress for () {
    fn tell(&self, _: Event) {}
}
