//! Keys that are made for one run.

use std::fmt;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;

use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, HashAlg, PrivateKey};

use crate::error::KeyError;

/// What the keys are called where somebody lists them.
const COMMENT: &str = "comeback";
/// A key file is not larger, in bytes.
const MAX_FILE: u64 = 64 << 10;

/// An ed25519 key and its public half. `Debug` shows the fingerprint only.
#[derive(Clone)]
pub struct KeyPair(Arc<PrivateKey>);

/// The public half of a key.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(russh::keys::PublicKey);

impl KeyPair {
    /// Makes a new key from the system's random numbers.
    ///
    /// # Errors
    /// [`KeyError::Format`] if none can be made.
    pub fn generate() -> Result<Self, KeyError> {
        let mut key = PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519)
            .map_err(|error| format_error("a new key", &error))?;
        key.set_comment(COMMENT);
        Ok(KeyPair(Arc::new(key)))
    }

    /// Reads a key in OpenSSH's format, without a passphrase.
    ///
    /// # Errors
    /// [`KeyError::Format`].
    pub fn from_openssh(text: &str) -> Result<Self, KeyError> {
        KeyPair::parse("the text", text)
    }

    fn parse(what: &str, text: &str) -> Result<Self, KeyError> {
        let key = PrivateKey::from_openssh(text).map_err(|error| format_error(what, &error))?;
        let wrong = |reason: &str| {
            Err(KeyError::Format {
                what: what.to_owned(),
                reason: reason.to_owned(),
            })
        };
        if key.is_encrypted() {
            return wrong("it has a passphrase");
        }
        if key.algorithm() != Algorithm::Ed25519 {
            return wrong("it is of another kind");
        }
        Ok(KeyPair(Arc::new(key)))
    }

    /// The private key in OpenSSH's format. It is wiped from memory when it is dropped.
    ///
    /// # Errors
    /// [`KeyError::Format`] if it cannot be written down.
    pub fn to_openssh(&self) -> Result<impl AsRef<str> + use<>, KeyError> {
        let text = self
            .0
            .to_openssh(LineEnding::LF)
            .map_err(|error| format_error("the key", &error))?;
        Ok(Secret(text))
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.public_key().clone())
    }

    /// SHA-256 fingerprint of the public half, as `ssh-keygen -l` shows it.
    pub fn fingerprint(&self) -> String {
        self.0.fingerprint(HashAlg::Sha256).to_string()
    }

    /// Saves the private key in a new file of mode 0600, on stable storage.
    ///
    /// # Errors
    /// [`KeyError::Io`], also if the file exists.
    pub fn save(&self, path: &Path) -> Result<(), KeyError> {
        let text = self.to_openssh()?;
        let write = || -> io::Result<()> {
            let mut file = fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path)?;
            file.write_all(text.as_ref().as_bytes())?;
            file.sync_all()
        };
        write().map_err(|source| KeyError::Io {
            doing: "writing the key to",
            path: path.to_owned(),
            source,
        })
    }

    /// Loads a key that was saved.
    ///
    /// # Errors
    /// [`KeyError::Exposed`] if others may read the file, [`KeyError::Format`], [`KeyError::Io`].
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let failed = |source| KeyError::Io {
            doing: "reading the key in",
            path: path.to_owned(),
            source,
        };
        let file = fs::File::open(path).map_err(failed)?;
        let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Exposed {
                path: path.to_owned(),
                mode,
            });
        }
        let mut text = String::new();
        file.take(MAX_FILE).read_to_string(&mut text).map_err(failed)?;
        KeyPair::parse(&path.display().to_string(), &text)
    }

    pub(crate) fn private(&self) -> Arc<PrivateKey> {
        Arc::clone(&self.0)
    }
}

impl PublicKey {
    /// Reads a line of `authorized_keys` or of a `.pub` file.
    ///
    /// # Errors
    /// [`KeyError::Format`].
    pub fn from_openssh(line: &str) -> Result<Self, KeyError> {
        let key = russh::keys::PublicKey::from_openssh(line).map_err(|error| format_error("the line", &error))?;
        Ok(PublicKey(key))
    }

    /// As a line of `authorized_keys`, without the end of the line.
    ///
    /// # Errors
    /// [`KeyError::Format`] if it cannot be written down.
    pub fn to_openssh(&self) -> Result<String, KeyError> {
        self.0.to_openssh().map_err(|error| format_error("the key", &error))
    }

    /// SHA-256 fingerprint, as `ssh-keygen -l` shows it.
    pub fn fingerprint(&self) -> String {
        self.0.fingerprint(HashAlg::Sha256).to_string()
    }

    /// Whether it is the same key, whatever it is called.
    pub(crate) fn is(&self, other: &russh::keys::PublicKey) -> bool {
        self.0.key_data() == other.key_data()
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyPair({})", self.fingerprint())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.fingerprint())
    }
}

/// Text that is wiped when it is dropped.
struct Secret<T>(T);

impl<T: AsRef<str>> AsRef<str> for Secret<T>
where
    T: std::ops::Deref<Target = String>,
{
    fn as_ref(&self) -> &str {
        self.0.deref()
    }
}

fn format_error(what: &str, error: &russh::keys::ssh_key::Error) -> KeyError {
    KeyError::Format {
        what: what.to_owned(),
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_key_is_the_same_key_and_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let key = KeyPair::generate().unwrap();
        key.save(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let loaded = KeyPair::load(&path).unwrap();
        assert_eq!(loaded.public(), key.public());
        assert_eq!(
            loaded.to_openssh().unwrap().as_ref(),
            key.to_openssh().unwrap().as_ref()
        );
        assert!(
            matches!(key.save(&path), Err(KeyError::Io { .. })),
            "a key was overwritten"
        );

        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = KeyPair::load(&path).unwrap_err().to_string();
        assert!(error.contains("mode 640"), "{error}");
    }

    #[test]
    fn keys_differ_and_do_not_show() {
        let [a, b] = [KeyPair::generate().unwrap(), KeyPair::generate().unwrap()];
        assert_ne!(a.public(), b.public());
        let secret = a.to_openssh().unwrap();
        let middle = secret.as_ref().lines().nth(2).unwrap();
        let shown = format!("{a:?} {:?}", a.public());
        assert!(shown.contains("SHA256:") && !shown.contains(middle), "{shown}");
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, "hunter2").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let error = KeyPair::load(&path).unwrap_err().to_string();
        assert!(
            error.contains("no ed25519 key") && !error.contains("hunter2"),
            "{error}"
        );
        assert!(KeyPair::load(&folder.path().join("none")).is_err());
    }

    #[test]
    fn a_public_key_is_read_as_it_was_written() {
        let key = KeyPair::generate().unwrap().public();
        let line = key.to_openssh().unwrap();
        assert!(line.starts_with("ssh-ed25519 AAAA"), "{line}");
        assert_eq!(PublicKey::from_openssh(&line).unwrap(), key);
        assert!(PublicKey::from_openssh("ssh-ed25519").is_err());
    }
}
