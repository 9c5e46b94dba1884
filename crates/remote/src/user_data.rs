//! User data that gives a machine its host key and lets one key in.
//!
//! Source: cloud-init's module `ssh`. `ssh_keys` replaces the host keys that the machine would make, so that it has this one
//! only; `ssh_authorized_keys` adds to the keys of the image's default user.

use std::fmt;

use crate::error::KeyError;
use crate::key::{KeyPair, PublicKey};

/// A script for cloud-init. It holds a private key, so `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct UserData(String);

impl UserData {
    /// The script itself, not encoded.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for UserData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserData({} bytes)", self.0.len())
    }
}

/// Makes the user data of a machine that has the host key `host` and lets `user` in. There is nothing else in it: what the
/// machine's owner gave it as user data is for its life afterwards.
///
/// Whatever runs on the machine can read its user data. The host key is therefore for the time of the conversion only.
///
/// # Errors
/// [`KeyError::Format`] if a key cannot be written down.
pub fn user_data(host: &KeyPair, user: &PublicKey) -> Result<UserData, KeyError> {
    let mut text = String::from("#cloud-config\nssh_keys:\n  ed25519_private: |\n");
    for line in host.to_openssh()?.as_ref().lines() {
        text.push_str("    ");
        text.push_str(line);
        text.push('\n');
    }
    text.push_str(&format!(
        "  ed25519_public: {}\nssh_authorized_keys:\n  - {}\n",
        host.public().to_openssh()?,
        user.to_openssh()?
    ));
    Ok(UserData(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cloud_init_gets_both_keys_and_nothing_else() {
        let (host, user) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let data = user_data(&host, &user.public()).unwrap();
        let text = data.as_str();
        assert!(text.starts_with("#cloud-config\n"));
        let top: Vec<&str> = text.lines().skip(1).filter(|line| !line.starts_with(' ')).collect();
        assert_eq!(top, ["ssh_keys:", "ssh_authorized_keys:"]);
        let private: String = text
            .lines()
            .filter_map(|line| line.strip_prefix("    "))
            .map(|line| format!("{line}\n"))
            .collect();
        assert_eq!(KeyPair::from_openssh(&private).unwrap().public(), host.public());
        let public = |start: &str| PublicKey::from_openssh(text.lines().find_map(|l| l.strip_prefix(start)).unwrap());
        assert_eq!(public("  ed25519_public: ").unwrap(), host.public());
        assert_eq!(public("  - ").unwrap(), user.public());
        let own = user.to_openssh().unwrap();
        assert!(
            !text.contains(own.as_ref().lines().nth(2).unwrap()),
            "the user's private key is in it"
        );
        assert!(!format!("{data:?}").contains("PRIVATE"));
    }
}
