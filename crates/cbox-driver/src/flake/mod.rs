//! The flake.

pub mod audit;
pub mod baked;
pub mod checkout;
pub mod config;
pub mod mention;
pub mod project;
pub mod snapshot;
pub mod unstaged;
pub mod version;
