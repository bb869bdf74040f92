//! How large a built target is, and why: [`subject`] finds what was built, [`measured`]
//! asks the store about it, [`budget`] holds it against `cbox.toml`, and [`shown`] and
//! [`page`] say it to people.

pub mod budget;
pub mod change;
pub mod measured;
pub mod packages;
pub mod subject;
