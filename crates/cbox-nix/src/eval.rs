//! Evaluation: one pure `nix eval` for each host, and what its errors mean.

use std::collections::BTreeMap;

use cbox_core::{
    expression::{self, Evaluated, Request},
    lock::{Declared, Lock},
    nix_text::without_escapes,
    overrides::OptionPath,
};

use crate::{
    NixError,
    nix::{Nix, Staged},
};

/// The word with which the expression says that an attribute is missing.
const NO_ATTRIBUTE: &str = "cbox-no-attribute: ";

/// Checks that `lock_file` (the content of `flake.lock`, if it is there) locks what the
/// staged flake declares, and that every replaced input exists.
///
/// # Errors
/// What does not hold, or that Nix cannot read `flake.nix`.
pub async fn check_lock(
    nix: &Nix,
    staged: &Staged,
    lock_file: Option<&[u8]>,
) -> Result<(), NixError> {
    let lock = Lock::parse(lock_file)?;
    let hash = staged.nar_hash.to_string();
    let expression =
        expression::declared_inputs(staged.path.as_str(), &hash, &staged.file("flake.nix"));
    let command = nix.command(nix.options.eval_expression(&expression));
    let output = command
        .run(nix.interrupt())
        .await
        .map_err(|error| match error {
            NixError::Failed { stderr, .. } => NixError::Evaluation {
                host: "(inputs of flake.nix)".to_owned(),
                message: without_escapes(&stderr),
            },
            other => other,
        })?;
    let declared: BTreeMap<String, Declared> =
        serde_json::from_slice(&output.stdout).map_err(|error| NixError::Answer {
            command: command.to_shell(),
            reason: error.to_string(),
        })?;
    if lock_file.is_none() && !declared.is_empty() {
        let inputs = declared.keys().cloned().collect::<Vec<_>>().join(", ");
        return Err(cbox_core::lock::LockError::Missing { inputs }.into());
    }
    lock.check(&declared)?;
    for (name, _) in &nix.options.override_inputs {
        lock.check_override(name)?;
    }
    Ok(())
}

/// Evaluates one host of a staged flake, and writes its derivation to the store.
///
/// # Errors
/// When the flake has no such host, the host no such attribute or option, or when it does
/// not evaluate.
pub async fn evaluate(
    nix: &Nix,
    staged: &Staged,
    request: &Request,
) -> Result<Evaluated, NixError> {
    let arguments = nix.options.eval(
        &staged.reference(),
        &request.attribute_path(),
        &request.expression()?,
    );
    let command = nix.command(arguments);
    let output = command
        .run(nix.interrupt())
        .await
        .map_err(|error| match error {
            NixError::Failed { stderr, .. } => {
                let mut message = without_escapes(&stderr);
                if !nix.options.pass_through.wants_trace() {
                    message = fold_trace(&message, staged.path.as_str());
                }
                explain(request, message)
            }
            other => other,
        })?;
    serde_json::from_slice(&output.stdout).map_err(|error| NixError::Answer {
        command: command.to_shell(),
        reason: error.to_string(),
    })
}

/// What Nix's message about a failed evaluation means, as far as it is about what was
/// asked; the rest is the flake's own business and is shown as it is.
fn explain(request: &Request, message: String) -> NixError {
    let host = request.host.clone();
    let missing_host = format!(
        "does not provide attribute '{}'",
        request.attribute_path().trim_start_matches('.')
    );
    if message.contains("does not provide attribute")
        && (message.contains(&missing_host)
            || message.contains(&format!("nixosConfigurations.{host}'")))
    {
        return NixError::NoHost(host);
    }
    if let Some((_, rest)) = message.split_once(&format!("error: {NO_ATTRIBUTE}")) {
        let attribute = rest.lines().next().unwrap_or_default().trim().to_owned();
        return NixError::NoAttribute { host, attribute };
    }
    if let Some(option) = missing_option(&message)
        && let Ok(path) = option.parse::<OptionPath>()
        && let Some((set, _)) = request
            .overrides
            .iter()
            .find(|(set, _)| path.contains(set) || set.contains(&path))
    {
        return NixError::NoOption {
            host,
            set: set.to_string(),
            option,
        };
    }
    NixError::Evaluation { host, message }
}

/// Nix's message without the calls that led to the error, which are the module system's
/// nearly always: the error itself, and the innermost place in the staged source.
fn fold_trace(message: &str, staged: &str) -> String {
    let lines: Vec<&str> = message.lines().collect();
    let is_error = |line: &&str| line.trim_start().starts_with("error: ");
    let Some(start) = lines.iter().rposition(is_error) else {
        return message.to_owned();
    };
    let dedent = |lines: &[&str]| -> String {
        let indent = |line: &&&str| line.len() - line.trim_start().len();
        let filled = lines.iter().filter(|line| !line.trim().is_empty());
        let least = filled.map(|line| indent(&line)).min().unwrap_or(0);
        let cut = lines
            .iter()
            .map(|line| line.get(least..).unwrap_or("").trim_end());
        cut.collect::<Vec<_>>().join("\n")
    };
    let error = dedent(&lines[start..]);
    let error = error.trim_start_matches("error: ").to_owned();
    if error.contains(staged) {
        return error;
    }
    let is_place = |line: &&str| {
        let place = line.trim_start();
        place.starts_with("at ") && place.contains(staged)
    };
    match lines[..start].iter().rposition(is_place) {
        Some(place) => {
            let block = lines[place..start]
                .iter()
                .position(|line| line.trim().is_empty());
            let end = block.map_or(start, |length| place + length);
            format!("{error}\n{}", dedent(&lines[place..end]))
        }
        None => error,
    }
}

/// The option in ``The option `a.b' does not exist``, which is how nixpkgs' module
/// system says it.
fn missing_option(message: &str) -> Option<String> {
    let before = message
        .split("' does not exist")
        .next()
        .filter(|before| before.len() < message.len())?;
    let (_, option) = before.rsplit_once("The option `")?;
    Some(option.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use cbox_core::overrides::Overrides;
    use serde_json::json;

    const STAGED: &str = "/nix/store/x-source";

    fn request(set: &[&str]) -> Request {
        let mut overrides = Overrides::default();
        for path in set {
            overrides.force(path.parse().unwrap(), json!(1));
        }
        Request {
            host: "a-b".into(),
            attribute: None,
            name: None,
            overrides,
        }
    }

    #[test]
    fn a_missing_host_is_told_from_a_missing_attribute() {
        let message = "error: flake 'path:/nix/store/x-source?narHash=y' does not provide attribute 'nixosConfigurations.\"a-b\"'";
        assert!(
            matches!(explain(&request(&[]), message.to_owned()), NixError::NoHost(host) if host == "a-b")
        );
        let bare = "error: flake 'path:…' does not provide attribute 'nixosConfigurations.a-b'\n       Did you mean a-c?";
        assert!(matches!(
            explain(&request(&[]), bare.to_owned()),
            NixError::NoHost(_)
        ));
        let message =
            "error:\n       … while calling\n\n       error: cbox-no-attribute: system.build.x\n";
        assert!(matches!(
            explain(&request(&[]), message.to_owned()),
            NixError::NoAttribute { attribute, .. } if attribute == "system.build.x"
        ));
    }

    #[test]
    fn a_missing_option_counts_only_where_it_was_set() {
        let message = "error: The option `services.x.enabel' does not exist. Definition values:\n- In `cbox overrides': true";
        assert!(matches!(
            explain(&request(&["services.x.enabel"]), message.to_owned()),
            NixError::NoOption { option, .. } if option == "services.x.enabel"
        ));
        assert!(matches!(
            explain(&request(&["services.x.enabel.deeper"]), message.to_owned()),
            NixError::NoOption { .. }
        ));
        assert!(matches!(
            explain(&request(&["other"]), message.to_owned()),
            NixError::Evaluation { .. }
        ));
        assert!(matches!(
            explain(&request(&["a"]), "error: x".to_owned()),
            NixError::Evaluation { .. }
        ));
    }

    #[test]
    fn an_error_is_shown_without_the_way_to_it() {
        let message = "error:
       … while evaluating attribute 'artifactName'
         at «string»:17:3:
           16|   hostName
             |   ^

       … while calling the 'throw' builtin
         at /nix/store/x-source/hosts/a/default.nix:5:7:
            4|   x = 1;
            5|   e = throw \"nope\";
             |       ^

       … while evaluating something
         at /nix/store/y-nixpkgs/lib/modules.nix:1:1:

       error: nope
       and more";
        assert_eq!(
            fold_trace(message, STAGED),
            "nope\nand more\nat /nix/store/x-source/hosts/a/default.nix:5:7:\n   \
             4|   x = 1;\n   5|   e = throw \"nope\";\n    |       ^"
        );
        let syntax = "error: syntax error, unexpected ','\n       at /nix/store/x-source/a.nix:1:2:\n            1| ,";
        assert!(fold_trace(syntax, STAGED).contains("a.nix:1:2"));
        assert_eq!(fold_trace("killed", STAGED), "killed");
    }
}
