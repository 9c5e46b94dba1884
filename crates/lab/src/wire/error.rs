//! Errors with the codes that EC2 documents ("Error codes for the Amazon EC2 API"), so that clients take the same branch.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// An answer that is an error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{code}: {message}")]
pub(crate) struct ApiError {
    /// As a client sees it, such as `InvalidVolume.NotFound`.
    pub(crate) code: Cow<'static, str>,
    /// For a person.
    pub(crate) message: String,
    /// HTTP status.
    pub(crate) status: u16,
}

impl ApiError {
    pub(crate) fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            status: 400,
        }
    }

    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn missing(parameter: &str) -> Self {
        Self::new(
            "MissingParameter",
            format!("The request must contain the parameter {parameter}"),
        )
    }

    pub(crate) fn invalid(parameter: &str, value: &str) -> Self {
        Self::new(
            "InvalidParameterValue",
            format!("Value ({value}) for parameter {parameter} is invalid."),
        )
    }

    pub(crate) fn combination(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterCombination", message)
    }

    /// `what` as in "The instance ID 'i-…' does not exist".
    pub(crate) fn not_found(code: &'static str, what: &str, id: &str) -> Self {
        Self::new(code, format!("The {what} '{id}' does not exist"))
    }

    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::new("Unsupported", message)
    }

    /// The lab itself could not do what it should have done, such as copying a file.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new("InternalError", message).with_status(500)
    }
}
