//! How cbox runs `nix` and `git`, and what it understands of their answers.
//!
//! Every process of cbox starts in [`process`], with arguments that [`argv`] or [`git`]
//! made; every answer is read by a pure function that its tests feed with literals.
//!
//! ```
//! use cbox_nix::events::{Event, Reader};
//!
//! let mut reader = Reader::default();
//! // A line of `nix build --log-format internal-json`.
//! let line = br#"@nix {"action":"msg","level":0,"msg":"\u001b[31;1merror:\u001b[0m no such host"}"#;
//! let Some(Event::Message { is_error, text }) = reader.line(line) else {
//!     panic!("it is a message");
//! };
//! assert!(is_error);
//! assert_eq!(text, "error: no such host");
//! assert_eq!(reader.other_errors(), ["error: no such host"]);
//! ```

mod error;
mod lines;
#[cfg(test)]
mod test_runtime;

pub mod argv;
pub mod build;
pub mod builders;
pub mod derivations;
pub mod eval;
pub mod evaluation_cache;
pub mod evaluation_key;
pub mod events;
pub mod expression;
pub mod fetch;
pub mod git;
pub mod interrupt;
pub mod lock_file;
pub mod machine;
pub mod messages;
pub mod metadata;
pub mod nix;
pub mod nix_error;
pub mod one_or_several;
pub mod opened_files;
pub mod overrides;
pub mod pass_through;
pub mod plan;
pub mod process;
pub mod push;
pub mod rebuild;
pub mod regular_file;
pub mod remembered;
pub mod store;
pub mod store_fault;
pub mod temporary;
pub mod worker_protocol;

pub use error::NixError;
pub use interrupt::{Cancel, Interrupt, Signal};
