//! A starting cbox.toml.

pub mod starter;
