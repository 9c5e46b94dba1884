//! Which instances will not come back, by which date, and what was not looked at.
//!
//! An audit changes nothing. [`scope`] says which accounts and regions are meant; [`read`] reads them, few calls at a time, and
//! keeps a ledger of what could not be read; [`kernels`](comeback_cloud::kernels) tells what a kernel image is; [`rules`] see what is wrong with an
//! instance, each a pure function of its [`facts`]; [`silence`] takes out what somebody does not want to see; [`rank`] puts
//! first what dies first, and says what to do. The result is a [`model::Audit`], which reports show.

pub mod audit;
pub mod facts;
pub mod model;
pub mod policy;
pub mod progress;
pub mod rank;
pub mod read;
pub mod rules;
pub mod scope;
pub mod silence;
