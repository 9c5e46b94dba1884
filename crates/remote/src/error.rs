//! What can go wrong with another machine.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use comeback_protocol::{Failure, LineError};

/// Why something could not be done on the other machine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// Nobody could be talked to until the deadline.
    #[error(
        "{address}: no SSH connection within {}: {last}; does the machine run, and do its security groups and routes let \
         TCP port {} in from here?", seconds(.waited), address.port()
    )]
    Unreachable {
        /// Whom.
        address: SocketAddr,
        /// How long it was tried.
        waited: Duration,
        /// What the last try came to.
        last: String,
    },
    /// Somebody else answers. Nothing was sent.
    #[error(
        "{address}: the machine shows the host key {found}, expected {expected}; nothing was sent to it. It did not start \
         with the user data that was made for it, or it is another machine"
    )]
    HostKey {
        /// Whom.
        address: SocketAddr,
        /// Fingerprint of the key that it was given.
        expected: String,
        /// Fingerprint of the key that it showed, or the kinds of those that it has.
        found: String,
    },
    /// The key was refused, and still is after some time.
    #[error(
        "{address}: the machine does not let {user} in with the key {key}, after {}; look at cloud-init's output on its \
         console, and whether the image's user is called {user}", seconds(.waited)
    )]
    Refused {
        /// Whom.
        address: SocketAddr,
        /// As which user.
        user: String,
        /// Fingerprint of the key.
        key: String,
        /// How long it was tried.
        waited: Duration,
    },
    /// The connection broke.
    #[error("{address}: the connection broke while {doing}: {reason}; try again, every step can be repeated")]
    Cut {
        /// Whom.
        address: SocketAddr,
        /// What was being done.
        doing: String,
        /// What is known about it.
        reason: String,
    },
    /// It took too long.
    #[error("{address}: {doing} took longer than {}; the machine may hang: look at its console, then try again", seconds(.limit))]
    TimedOut {
        /// Whom.
        address: SocketAddr,
        /// What was being done.
        doing: String,
        /// The limit.
        limit: Duration,
    },
    /// A command failed.
    #[error("{address}: {doing}: {how}{}", said(.stderr))]
    Command {
        /// Whom.
        address: SocketAddr,
        /// What was being done.
        doing: String,
        /// How it ended.
        how: String,
        /// The end of what it said.
        stderr: String,
    },
    /// The user may not become root.
    #[error("{address}: {user} cannot become root without a password (`sudo -n true`){}", said(.stderr))]
    NotRoot {
        /// Whom.
        address: SocketAddr,
        /// The user.
        user: String,
        /// The end of what was said.
        stderr: String,
    },
    /// What arrived is not what was sent.
    #[error("{address}: {path} arrived with other bytes than it was sent with; is the disk full? Try again{}", said(.stderr))]
    Damaged {
        /// Whom.
        address: SocketAddr,
        /// The file over there.
        path: String,
        /// The end of what was said.
        stderr: String,
    },
    /// The agent says that it could not do it.
    #[error("{address}: {}", failure.message)]
    Agent {
        /// Whom.
        address: SocketAddr,
        /// What it says.
        failure: Box<Failure>,
    },
    /// What the agent says makes no sense.
    #[error("{address}: {doing}: {source}{}", said(.stderr))]
    Strange {
        /// Whom.
        address: SocketAddr,
        /// What was being done.
        doing: String,
        /// What is wrong.
        source: LineError,
        /// The end of what it said to people.
        stderr: String,
    },
    /// The saved bytes that came back are not what was expected.
    #[error("{address}: the saved bytes: {reason}")]
    Saved {
        /// Whom.
        address: SocketAddr,
        /// What is wrong.
        reason: String,
    },
    /// A file on this machine could not be read or written.
    #[error("{doing} {}: {source}", path.display())]
    Local {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The agent or its boot code is not there.
    #[error(transparent)]
    Payload(#[from] PayloadError),
}

impl RemoteError {
    /// Whether the connection is the reason: what was asked for may have been done all the same, and can be asked again.
    pub fn is_connection(&self) -> bool {
        matches!(
            self,
            RemoteError::Unreachable { .. } | RemoteError::Cut { .. } | RemoteError::TimedOut { .. }
        )
    }
}

/// Why a key could not be made, saved or loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Its file could not be read or written.
    #[error("{doing} {}: {source}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others may read it.
    #[error("{} may be read by others (mode {mode:o}, expected 600); what was encrypted with it is not safe: chmod 600, and better make a new run", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is no ed25519 key.
    #[error("{what} is no ed25519 key in OpenSSH's format: {reason}")]
    Format {
        /// The file, or what it was to be.
        what: String,
        /// What is wrong, never the key itself.
        reason: String,
    },
}

/// Why there is nothing to send.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// It is nowhere.
    #[error("{what} not found; looked in {}. {remedy}", looked.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "))]
    Missing {
        /// What.
        what: &'static str,
        /// Where it was looked for.
        looked: Vec<PathBuf>,
        /// What to do.
        remedy: &'static str,
    },
    /// It cannot be read.
    #[error("reading {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn seconds(duration: &Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 10.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{seconds:.0} s")
    }
}

fn said(stderr: &str) -> String {
    let text: String = stderr
        .trim()
        .chars()
        .map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c })
        .collect();
    if text.is_empty() { text } else { format!(": {text}") }
}
