//! The faces of a report: each a pure function from it to bytes.

pub mod csv;
pub mod html;
pub mod ics;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod ocsf;
pub mod table;
