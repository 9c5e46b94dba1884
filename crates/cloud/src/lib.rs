//! EC2 through the AWS SDK, as plain values.
//!
//! This is the only crate that knows the SDK, whose million lines are slow to build; no type of it is in the public
//! interface. What it adds to the SDK:
//!
//! * **A budget.** Every call takes from token buckets of the documented sizes, per account, region and action, times the
//!   share that this program may use, so that the account's own automation is not starved ([`Options::share`]).
//! * **One describe for all who wait.** A wait such as [`Region::instance_when`] does not poll by itself: whoever has the
//!   turn asks for all (module `poller`).
//! * **Honest failures.** [`CloudError`] tells whether a call was carried out, was not, or may have been. A change is
//!   made again after a lost answer only where twice is as good as once: with a client token, or by its nature.
//! * **Observers.** Every attempt at a call is shown before and after ([`Observer`]).
//!
//! All functions can be dropped at any await: nothing runs on in the background.
//!
//! ```no_run
//! # async fn example() -> Result<(), comeback_cloud::CloudError> {
//! use comeback_cloud::{Filter, Options, Session, model::InstanceState};
//! use std::time::Duration;
//!
//! let session = Session::load(Options::default()).await?;
//! for name in session.regions().await? {
//!     let region = session.region(&name);
//!     for instance in region.instances_where(&[Filter::new("virtualization-type", ["paravirtual"])]).await? {
//!         println!("{name} {} {:?}", instance.id, instance.kernel);
//!         region
//!             .instance_when(&instance.id, Duration::from_secs(300), |i| (i.state == InstanceState::Stopped).then_some(()))
//!             .await?;
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod budget;
pub mod calls;
mod convert;
mod endpoint;
pub mod error;
pub mod ids;
pub mod kernels;
pub mod market;
pub mod model;
pub mod policy;
mod poller;
pub mod prices;
mod region;
mod request;
mod session;

pub use crate::{
    calls::{Action, Call, Observer, Outcome, actions},
    error::{CloudError, Denial, ErrorKind},
    ids::*,
    poller::Polling,
    region::{Filter, InstancePages, Region},
    request::{
        AddressUse, Credits, ImageRequest, InterfaceUse, MetadataChange, NetworkUse, NewDevice, NewInterface,
        RunRequest, VolumeRequest,
    },
    session::{Keys, Options, Session},
};
