//! soon
use crate::{
    cli::{Common, JudgeArgs},
    error::Error,
    session::Session,
};
pub(crate) async fn run(_s: &Session<'_>, _c: &Common, _a: &JudgeArgs) -> Result<(), Error> {
    Ok(())
}
