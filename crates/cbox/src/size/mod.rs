//! How large a built target is, and why: [`subject`] finds what was built, [`measured`]
//! asks the store about it, [`budget`] holds it against `cbox.toml`, and [`shown`] and
//! [`page`] say it to people.

pub(crate) mod budget;
pub(crate) mod measured;
pub(crate) mod page;
pub(crate) mod shown;
pub(crate) mod subject;
