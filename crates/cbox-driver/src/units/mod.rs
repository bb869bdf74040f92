//! Units.

pub mod byte_size;
pub mod duration;
pub mod utc;
