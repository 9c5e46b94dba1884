//! Runs the converter on another machine, over SSH.
//!
//! ```text
//! KeyPair ×2 ─ user_data ─ the machine starts with a host key that is known and lets one key in
//! Session    ─ connects until a deadline, runs commands as root, sends files; nothing waits forever
//! Converter  ─ sends the agent, finds the disk, converts it, brings the saved bytes back
//! ```
//!
//! Both keys are made for one run. The host key is given to the machine before it starts, so the first connection is as
//! safe as any other: a machine that shows another key is not talked to. Neither private key is ever in a log or in `Debug`
//! output; they are in files of mode 0600 if the caller saves them, since a run must be resumable.

mod converter;
mod error;
mod key;
mod payload;
mod saved;
mod session;
mod shell;
mod ssh;
mod user_data;

pub use comeback_protocol as protocol;
pub use converter::{Conversion, ConvertedDisk, Converter, Found, OnEvent, Pushed, Target, Wanted};
pub use error::{KeyError, PayloadError, RemoteError};
pub use key::{KeyPair, PublicKey};
pub use payload::Payload;
pub use session::{Ended, Limits, Login, Session};
pub use ssh::{FOLDER, SshConverter};
pub use user_data::{UserData, user_data};
