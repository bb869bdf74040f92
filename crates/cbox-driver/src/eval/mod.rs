//! Evaluations: [`evaluation`] makes one, through the evaluation cache; [`schedule`] makes
//! several at once, as [`memory_budget`] allows; [`durations`] says how long the last one like
//! it took. [`read_set`] tells which files an evaluation reads, so that a change of others needs
//! none. [`platform`] compares what an answer is for with what was asked for, and
//! [`self_attributes`] finds what only git could answer.

pub mod diagnose;
pub mod durations;
pub mod evaluation;
pub mod evaluator;
pub mod hosts;
pub mod memory_budget;
pub mod platform;
pub mod read_set;
pub mod schedule;
pub mod self_attributes;
