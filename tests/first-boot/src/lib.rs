//! What the tests of `packages/first-boot` stand on: a Coder server that is
//! none, and a machine that runs the program and lets nothing slip.
//!
//! [`coder`] answers as Coder does and misbehaves on demand; [`machine`] holds
//! the folders that systemd would make, starts the program with nothing but
//! the tools it declares, and checks after each start that no secret got out.
//! [`templates`] puts the workspace templates together.

pub mod coder;
mod http;
pub mod machine;
mod plug;
pub mod templates;
