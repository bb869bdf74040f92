//! The flake of a run ([`session`]): what it is named by ([`reference`]), its [`config`]
//! (`cbox.toml`), where it is and which hosts it has ([`project`]), a [`version`] of it that is
//! laid out in a [`checkout`], the [`base`] that it is compared with, and the [`snapshot`] that is
//! put into the [`store`], while it is hashed if [`send_ahead`] guesses that it is new. [`audit`]
//! looks in it for what must not be baked into images, [`crate::baked`] shows what is.

pub mod audit;
pub mod base;
pub mod checkout;
pub mod config;
pub mod last_known;
pub mod project;
pub mod reference;
pub(crate) mod send_ahead;
pub mod session;
pub mod snapshot;
pub mod store;
pub mod submodules;
pub mod version;
