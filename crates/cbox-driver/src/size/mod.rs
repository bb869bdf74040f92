//! How large a built target is, and why: [`subject`] finds what was built, [`measured`]
//! asks the store about it, [`packages`] folds its paths by package, [`change`] compares two,
//! and [`budget`] holds it against `cbox.toml`.

pub mod budget;
pub mod change;
pub mod measured;
pub mod packages;
pub mod subject;
