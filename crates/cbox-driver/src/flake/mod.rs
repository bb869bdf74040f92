//! The flake.

pub mod audit;
pub mod baked;
pub mod checkout;
pub mod config;
pub mod project;
pub mod snapshot;
pub mod version;
