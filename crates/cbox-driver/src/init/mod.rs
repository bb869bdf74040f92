//! `cbox init`: what a first `cbox.toml` says of the hosts and images that were found.

pub mod starter;
