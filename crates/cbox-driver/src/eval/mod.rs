//! Evaluation.

pub mod durations;
pub mod evaluation;
pub mod memory_budget;
#[cfg(test)]
mod recorded;
pub mod schedule;
