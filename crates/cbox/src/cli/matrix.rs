//! The words of `cbox matrix`.

use std::str::FromStr;

use clap::Args;

pub(super) const EXAMPLES: &str = "\
Examples:
  cbox matrix
  cbox matrix appliance/iso --runner x86_64=ubuntu-latest --runner aarch64=ubuntu-24.04-arm
  echo \"matrix=$(cbox matrix)\" >>\"$GITHUB_OUTPUT\"
";

/// `cbox matrix`
#[derive(Debug, Args)]
pub(crate) struct MatrixArgs {
    /// What to build [default: every image for every system]
    #[arg(value_name = "TARGET")]
    pub(crate) targets: Vec<String>,
    /// The runner for a system or a target; an empty label leaves it out
    #[arg(long = "runner", value_name = "WHAT=LABEL")]
    pub(crate) runners: Vec<Runner>,
}

/// Which machine builds something.
#[derive(Debug, Clone)]
pub(crate) struct Runner {
    /// A system or a target.
    pub(crate) what: String,
    /// What the machine is called; empty where there is none.
    pub(crate) label: String,
}

impl FromStr for Runner {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((what, label)) if !what.is_empty() => Ok(Self {
                what: what.to_owned(),
                label: label.to_owned(),
            }),
            _ => Err("it is a system or a target, `=` and the label: aarch64=ubuntu-24.04-arm"),
        }
    }
}
