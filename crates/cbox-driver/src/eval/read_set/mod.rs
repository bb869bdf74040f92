//! Which files of the tree a host's evaluation reads, so that a change of others evaluates
//! nothing.
//!
//! [`proof`] finds them by experiment and is the only one that says so; [`record`] keeps what it
//! found, [`unread`] answers from it. The rule of what counts is: a path that
//! came, went, or changed its kind, its mode or where it leads counts for everybody, since whether
//! a path is there can be asked without opening it; the content of a file counts for those who
//! open it.

pub mod proof;
pub mod record;
pub mod unread;
