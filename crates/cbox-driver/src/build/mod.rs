//! Building what was evaluated.

pub mod preflight;
pub mod realise;
pub mod silence;
