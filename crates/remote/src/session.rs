//! A connection to another machine: made by a deadline, to that machine and no other, and never waited for forever.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use russh::client::{self, AuthResult};
use russh::keys::{Algorithm, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::{AlgorithmKind, ChannelMsg, Disconnect, Preferred};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::error::RemoteError;
use crate::key::{KeyPair, PublicKey};

/// Between two tries to connect.
const PAUSE: Duration = Duration::from_millis(500);
/// How much of what a command says to people is kept, in bytes, from its end.
const MAX_STDERR: usize = 4 << 10;

/// Whom to connect to, and as whom.
#[derive(Debug, Clone)]
pub struct Login {
    /// Address and port of its SSH server.
    pub address: SocketAddr,
    /// The user; others than root have to be allowed to use `sudo` without a password.
    pub user: String,
    /// What lets us in.
    pub key: KeyPair,
    /// The key that the machine has to show.
    pub host_key: PublicKey,
}

/// How long to wait for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For the connection, from the first try on. A machine may still be starting.
    pub connect: Duration,
    /// For one try.
    pub attempt: Duration,
    /// For a key to be accepted that was refused: cloud-init may not have got that far.
    pub refused: Duration,
    /// For a command that only looks.
    pub command: Duration,
    /// For one file, or the saved bytes of a disk.
    pub transfer: Duration,
    /// For a conversion or a revert.
    pub convert: Duration,
    /// For a sign of life, when nothing else is said; after three of them without one, the connection counts as broken.
    pub keepalive: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connect: Duration::from_secs(300),
            attempt: Duration::from_secs(15),
            refused: Duration::from_secs(90),
            command: Duration::from_secs(60),
            transfer: Duration::from_secs(300),
            convert: Duration::from_secs(900),
            keepalive: Duration::from_secs(5),
        }
    }
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code; 128 and more if a signal ended it.
    pub code: u32,
    /// The end of what it said to people.
    pub stderr: String,
}

/// A connection. When it is dropped, so is the connection; commands that run over there go on without it.
pub struct Session {
    handle: client::Handle<Gatekeeper>,
    address: SocketAddr,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("address", &self.address)
            .field("closed", &self.is_closed())
            .finish()
    }
}

/// Lets nobody but the one machine be talked to.
#[derive(Debug)]
struct Gatekeeper {
    expected: PublicKey,
    /// Fingerprint of the key that was shown instead.
    stranger: Arc<Mutex<Option<String>>>,
}

impl client::Handler for Gatekeeper {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        if let PublicKeyOrCertificate::PublicKey { key, .. } = shown
            && self.expected.is(key)
        {
            return Ok(true);
        }
        let fingerprint = shown.public_key().fingerprint(russh::keys::HashAlg::Sha256).to_string();
        *self.stranger.lock().unwrap_or_else(PoisonError::into_inner) = Some(fingerprint);
        Ok(false)
    }
}

/// What a try to connect came to.
enum Attempt {
    /// No use in trying again.
    Final(RemoteError),
    /// The key was refused.
    Refused,
    /// Anything else, in words.
    Failed(String),
}

impl Session {
    /// Connects, and tries again until the deadline.
    ///
    /// # Errors
    /// [`RemoteError::Unreachable`], [`RemoteError::Refused`]; [`RemoteError::HostKey`] at once.
    pub async fn connect(login: &Login, limits: &Limits) -> Result<Session, RemoteError> {
        let started = Instant::now();
        let mut refused_since = None;
        loop {
            let attempt = match timeout(limits.attempt, attempt(login, limits)).await {
                Ok(Ok(session)) => return Ok(session),
                Ok(Err(attempt)) => attempt,
                Err(_) => Attempt::Failed(format!("no answer within {} s", limits.attempt.as_secs_f64())),
            };
            let waited = started.elapsed();
            let is_over = waited + PAUSE >= limits.connect;
            match attempt {
                Attempt::Final(error) => return Err(error),
                Attempt::Refused => {
                    let since = *refused_since.get_or_insert_with(Instant::now);
                    if is_over || since.elapsed() + PAUSE >= limits.refused {
                        return Err(RemoteError::Refused {
                            address: login.address,
                            user: login.user.clone(),
                            key: login.key.fingerprint(),
                            waited,
                        });
                    }
                }
                Attempt::Failed(last) if is_over => {
                    return Err(RemoteError::Unreachable {
                        address: login.address,
                        waited,
                        last,
                    });
                }
                Attempt::Failed(last) => {
                    // Between two refusals the machine may have restarted its SSH server.
                    tracing::debug!(address = %login.address, last, "no connection yet");
                }
            }
            sleep(PAUSE).await;
        }
    }

    /// Whether the connection is known to be gone.
    pub fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }

    /// Runs a command line to its end, in the login shell of the user. `input` is its standard input, `output` is given
    /// what it writes to standard output, as it comes.
    ///
    /// After an error other than [`RemoteError::Command`] the connection should not be used any more.
    ///
    /// # Errors
    /// [`RemoteError::Cut`], [`RemoteError::TimedOut`], [`RemoteError::Command`] if it cannot be started. How it ended is not
    /// looked at.
    pub async fn run(
        &self,
        doing: &str,
        command: &str,
        input: &[u8],
        limit: Duration,
        output: &mut (dyn FnMut(&[u8]) + Send),
    ) -> Result<Ended, RemoteError> {
        match timeout(limit, self.run_to_end(doing, command, input, output)).await {
            Ok(ended) => ended,
            Err(_) => Err(RemoteError::TimedOut {
                address: self.address,
                doing: doing.to_owned(),
                limit,
            }),
        }
    }

    async fn run_to_end(
        &self,
        doing: &str,
        command: &str,
        input: &[u8],
        output: &mut (dyn FnMut(&[u8]) + Send),
    ) -> Result<Ended, RemoteError> {
        let cut = |reason: String| RemoteError::Cut {
            address: self.address,
            doing: doing.to_owned(),
            reason,
        };
        let channel = self
            .handle
            .channel_open_session()
            .await
            .map_err(|error| cut(error.to_string()))?;
        channel
            .exec(true, command)
            .await
            .map_err(|error| cut(error.to_string()))?;
        let (mut from, to) = channel.split();
        let sending = async {
            if !input.is_empty() {
                to.data(input).await?;
            }
            to.eof().await
        };
        let mut sending = pin!(sending);
        let mut is_sent = false;
        let mut code = None;
        let mut stderr = Vec::new();
        loop {
            let message = tokio::select! {
                biased;
                message = from.wait() => message,
                // How the command ended says more than that it did not listen.
                _ = &mut sending, if !is_sent => {
                    is_sent = true;
                    continue;
                }
            };
            match message {
                None | Some(ChannelMsg::Close) => break,
                Some(ChannelMsg::Data { data }) => output(&data),
                Some(ChannelMsg::ExtendedData { data, .. }) => keep_end(&mut stderr, &data),
                Some(ChannelMsg::ExitStatus { exit_status }) => code = Some(exit_status),
                Some(ChannelMsg::ExitSignal { signal_name, .. }) => {
                    keep_end(&mut stderr, format!("ended by signal {signal_name:?}").as_bytes());
                    code = Some(128);
                }
                Some(ChannelMsg::Failure) => {
                    return Err(RemoteError::Command {
                        address: self.address,
                        doing: doing.to_owned(),
                        how: "the machine refused to run a command".to_owned(),
                        stderr: String::new(),
                    });
                }
                Some(_) => {}
            }
        }
        match code {
            Some(code) => Ok(Ended {
                code,
                stderr: String::from_utf8_lossy(&stderr).trim().to_owned(),
            }),
            None => Err(cut("it ended before the command did".to_owned())),
        }
    }

    /// Says goodbye. Dropping the session does as well, without telling the other side why.
    pub async fn close(self) {
        // Nothing is lost if it does not hear it.
        let _ = self.handle.disconnect(Disconnect::ByApplication, "", "").await;
    }
}

async fn attempt(login: &Login, limits: &Limits) -> Result<Session, Attempt> {
    let failed = |error: russh::Error| Attempt::Failed(error.to_string());
    let stream = TcpStream::connect(login.address)
        .await
        .map_err(|error| Attempt::Failed(error.to_string()))?;
    // What is sent is small, and waited for.
    stream
        .set_nodelay(true)
        .map_err(|error| Attempt::Failed(error.to_string()))?;
    let config = client::Config {
        preferred: Preferred {
            // A machine may have several host keys; this one is known.
            key: Cow::Borrowed(&[Algorithm::Ed25519]),
            ..Preferred::DEFAULT
        },
        keepalive_interval: Some(limits.keepalive),
        keepalive_max: 3,
        ..client::Config::default()
    };
    let stranger = Arc::new(Mutex::new(None));
    let gatekeeper = Gatekeeper {
        expected: login.host_key.clone(),
        stranger: Arc::clone(&stranger),
    };
    let mut handle = match client::connect_stream(Arc::new(config), stream, gatekeeper).await {
        Ok(handle) => handle,
        Err(error) => {
            let found = stranger.lock().unwrap_or_else(PoisonError::into_inner).take();
            return Err(match found {
                Some(found) => Attempt::Final(RemoteError::HostKey {
                    address: login.address,
                    expected: login.host_key.fingerprint(),
                    found,
                }),
                None => match error {
                    // Waiting does not help: a server that has a key of this kind offers it from its start.
                    russh::Error::NoCommonAlgo {
                        kind: AlgorithmKind::Key,
                        theirs,
                        ..
                    } => Attempt::Final(RemoteError::HostKey {
                        address: login.address,
                        expected: login.host_key.fingerprint(),
                        found: format!("of another kind ({})", theirs.join(", ")),
                    }),
                    error => failed(error),
                },
            });
        }
    };
    let key = PrivateKeyWithHashAlg::new(login.key.private(), None);
    match handle
        .authenticate_publickey(login.user.clone(), key)
        .await
        .map_err(failed)?
    {
        AuthResult::Success => Ok(Session {
            handle,
            address: login.address,
        }),
        AuthResult::Failure { .. } => Err(Attempt::Refused),
    }
}

/// Adds to what is kept, and drops what is too much from its beginning.
fn keep_end(kept: &mut Vec<u8>, data: &[u8]) {
    kept.extend_from_slice(data);
    let excess = kept.len().saturating_sub(MAX_STDERR);
    kept.drain(..excess);
}
