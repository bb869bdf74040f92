//! What the bench asks of Nix while nothing is timed.

use std::{collections::BTreeSet, path::Path};

use crate::{environment::Environment, failure::Failure};

/// The derivation of `host` of the flake in `folder`, with `module` on top.
pub(crate) fn with_module(
    environment: &Environment,
    folder: &Path,
    host: &str,
    module: &str,
) -> Result<String, Failure> {
    let function = format!(
        "host: (host.extendModules {{ modules = [ {module} ]; }}).config.system.build.toplevel.drvPath"
    );
    let host = format!(".#nixosConfigurations.{host}");
    let words = ["eval", "--raw", &host, "--apply", &function];
    environment.nix(folder, words).ask()
}

/// The `.drv` files that the derivation at `drv` needs, itself among them.
pub(crate) fn closure(environment: &Environment, drv: &str) -> Result<BTreeSet<String>, Failure> {
    let answer = environment.nix_tool("nix-store", ["--query", "--requisites", drv]);
    let text = answer.ask()?;
    let drvs = text.lines().filter(|line| line.ends_with(".drv"));
    Ok(drvs.map(str::to_owned).collect())
}
