//! Evaluation.

pub mod durations;
pub mod evaluation;
pub mod memory_budget;
pub mod schedule;
