//! `verify-hosts`: verdicts on the install hosts, and the check that nothing else moves
//! them.
//!
//! [`scope`] says which hosts there are, [`judge`] evaluates and compares, [`why`] explains,
//! [`report`] is what they found, and [`merge`] makes one of the reports of several machines.
//! [`uncommitted`] keeps from being accepted what a commit may lack. [`self_test`] shows that files
//! which must not matter do not, with [`probes`] for files.

pub mod judge;
pub mod merge;
mod probes;
pub mod report;
pub mod scope;
pub mod self_test;
mod uncommitted;
pub mod verdict;
mod why;
