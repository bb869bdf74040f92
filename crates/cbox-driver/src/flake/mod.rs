//! The flake.

pub mod audit;
pub mod baked;
pub mod config;
pub mod mention;
pub mod origin;
pub mod project;
pub mod staging;
pub mod unstaged;
pub mod version;
