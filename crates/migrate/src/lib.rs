//! Migrations.

pub mod journal;
pub mod run;
