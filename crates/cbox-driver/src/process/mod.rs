//! The process: its environment, read once; the memory and disk of its machine; what a run is
//! asked for and where its output goes; and work that waits for files.

pub mod blocking;
pub mod environment;
pub mod machine;
pub mod options;
pub mod outputs;
pub mod user_config;
