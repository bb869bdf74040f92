//! `cbox watch`: what each save changes.
//!
//! [`file_watcher`] tells when files were saved, [`round`] evaluates what that can have changed
//! and says what it did. A save during a round ends it, and the next one begins.

pub mod file_watcher;
pub mod round;
