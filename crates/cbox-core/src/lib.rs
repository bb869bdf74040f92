//! The pure parts of `cbox`: names, values, formats and rules.
//!
//! Nothing here reads a file, starts a process or knows the time: the manifest
//! of this crate holds no crate that could. What the other crates read is given
//! to it as values, and every rule can be tested on literals.

pub mod audit;
pub mod baseline;
pub mod block_devices;
pub mod builders;
pub mod byte_size;
pub mod closure;
pub mod disk_image;
pub mod duration;
pub mod evaluation_key;
pub mod expression;
pub mod lock;
pub mod manifest;
pub mod memory_budget;
pub mod nearest;
pub mod nix_error;
pub mod overrides;
pub mod plan;
pub mod starter;
pub mod system;
pub mod target;
pub mod utc;
pub mod verdict;
