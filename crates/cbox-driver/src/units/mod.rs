//! Sizes, durations and times, as people write them and as file names hold them.

pub mod byte_size;
pub mod duration;
pub mod utc;
