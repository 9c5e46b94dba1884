//! How answers look: XML of EC2, XML of the Query protocol, JSON.

use std::time::Duration;

use crate::wire::{ApiError, Xml};

/// EC2's XML namespace.
const EC2_NAMESPACE: &str = "http://ec2.amazonaws.com/doc/2016-11-15/";

/// An answer as it goes.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) body: Vec<u8>,
    /// To wait before it goes.
    pub(crate) delay: Duration,
    /// The connection closes without it.
    pub(crate) lost: bool,
}

/// How answers of a service look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Ec2,
    Query(&'static str),
    Json,
}

/// The answer with this inside.
pub(crate) fn success(dialect: Dialect, action: &str, inside: &str, id: &str) -> Reply {
    let (content_type, body) = match dialect {
        Dialect::Ec2 => (
            "text/xml;charset=UTF-8",
            format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{action}Response xmlns=\"{EC2_NAMESPACE}\"><requestId>{id}</requestId>{inside}</{action}Response>"
            ),
        ),
        Dialect::Query(namespace) => (
            "text/xml",
            format!(
                "<{action}Response xmlns=\"{namespace}\"><{action}Result>{inside}</{action}Result><ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata></{action}Response>"
            ),
        ),
        Dialect::Json => ("application/x-amz-json-1.1", inside.to_owned()),
    };
    Reply {
        status: 200,
        content_type,
        body: body.into_bytes(),
        delay: Duration::ZERO,
        lost: false,
    }
}

/// The answer that is an error.
pub(crate) fn refuse(dialect: Dialect, error: &ApiError, id: &str) -> Reply {
    let mut inside = Xml::new();
    let (content_type, body) = match dialect {
        Dialect::Ec2 => {
            inside.element("Response", |xml| {
                xml.element("Errors", |xml| {
                    xml.element("Error", |xml| {
                        xml.text("Code", &error.code).text("Message", &error.message);
                    });
                })
                .text("RequestID", id);
            });
            let body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}", inside.as_str());
            ("text/xml;charset=UTF-8", body)
        }
        Dialect::Query(namespace) => {
            inside
                .element("Error", |xml| {
                    xml.text("Type", if error.status < 500 { "Sender" } else { "Receiver" })
                        .text("Code", &error.code)
                        .text("Message", &error.message);
                })
                .text("RequestId", id);
            let body = format!(
                "<ErrorResponse xmlns=\"{namespace}\">{}</ErrorResponse>",
                inside.as_str()
            );
            ("text/xml", body)
        }
        Dialect::Json => {
            let body = serde_json::json!({ "__type": error.code, "message": error.message });
            ("application/x-amz-json-1.1", body.to_string())
        }
    };
    Reply {
        status: error.status,
        content_type,
        body: body.into_bytes(),
        delay: Duration::ZERO,
        lost: false,
    }
}
