//! What goes over the wire: parameters in, XML or JSON out, errors as AWS spells them, signatures.

pub(crate) mod error;
pub(crate) mod params;
pub(crate) mod sigv4;
pub(crate) mod xml;

pub(crate) use error::ApiError;
pub(crate) use params::Params;
pub(crate) use xml::Xml;

/// A point in time as EC2 writes it: UTC, milliseconds always zero.
pub(crate) fn iso(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()
}
