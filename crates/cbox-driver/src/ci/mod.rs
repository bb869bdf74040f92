//! What CI systems are told.

pub mod workflow_command;
