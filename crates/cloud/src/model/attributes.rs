//! What an instance is asked for one attribute at a time.

use super::text_enum;
use base64::Engine as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

text_enum!(
    /// What a shutdown from inside the guest does.
    ShutdownBehavior {
        /// The instance stops.
        Stop = "stop",
        /// The instance is terminated, with the volumes that go with it.
        Terminate = "terminate",
    }
);

/// The script and configuration that an instance was launched with. It often holds passwords: it shows its length only,
/// and is text in base64 when it is saved.
#[derive(Clone, PartialEq, Eq)]
pub struct UserData(pub Vec<u8>);

impl UserData {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn to_base64(&self) -> String {
        base64::engine::general_purpose::STANDARD.encode(&self.0)
    }

    pub(crate) fn from_base64(text: &str) -> Option<UserData> {
        let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        base64::engine::general_purpose::STANDARD
            .decode(text)
            .ok()
            .map(UserData)
    }
}

impl fmt::Debug for UserData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserData({} bytes)", self.0.len())
    }
}

impl Serialize for UserData {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_base64())
    }
}

impl<'de> Deserialize<'de> for UserData {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<UserData, D::Error> {
        let text = String::deserialize(deserializer)?;
        UserData::from_base64(&text).ok_or_else(|| de::Error::custom("user data is not base64"))
    }
}

/// Attributes of an instance that `DescribeInstances` leaves out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// What it was launched with.
    pub user_data: Option<UserData>,
    /// Whether termination is refused.
    pub termination_protected: bool,
    /// Whether stopping is refused.
    pub stop_protected: bool,
    /// What a shutdown from inside does.
    pub shutdown_behavior: ShutdownBehavior,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_data_is_hidden_from_debug_and_survives_json() {
        let attributes = Attributes {
            user_data: Some(UserData(b"password=hunter2".to_vec())),
            termination_protected: true,
            stop_protected: false,
            shutdown_behavior: ShutdownBehavior::Stop,
        };
        let shown = format!("{attributes:?}");
        assert!(
            shown.contains("UserData(16 bytes)") && !shown.contains("hunter2"),
            "{shown}"
        );
        let json = serde_json::to_string(&attributes).expect("json");
        assert!(!json.contains("hunter2"));
        assert_eq!(
            serde_json::from_str::<Attributes>(&json).expect("attributes"),
            attributes
        );
    }
}
