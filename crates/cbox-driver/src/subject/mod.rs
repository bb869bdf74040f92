//! From words to what they name.

pub mod name;
pub mod side;
pub mod target;
