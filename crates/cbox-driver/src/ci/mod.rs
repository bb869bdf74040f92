//! What CI systems read: annotations, log lines that they do not obey.

pub mod workflow_command;
