//! Explanations and verdicts as text: for people, for Markdown, for CI systems.

pub(crate) mod builds;
pub(crate) mod ci;
pub(crate) mod explanation;
pub(crate) mod junit;
pub(crate) mod markdown;
pub(crate) mod packages;
pub(crate) mod page;
pub(crate) mod plain;
pub(crate) mod result_file;
pub(crate) mod size;
