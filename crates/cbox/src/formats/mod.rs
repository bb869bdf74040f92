//! Explanations and verdicts as text: for people, for Markdown, for GitHub.

pub(crate) mod explanation;
pub(crate) mod github;
pub(crate) mod markdown;
pub(crate) mod page;
pub(crate) mod plain;
pub(crate) mod size;
