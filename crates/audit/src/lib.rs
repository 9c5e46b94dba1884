//! Which instances will not come back, by which date, and what was not looked at.

pub mod model;
