//! Evaluation: one pure `nix eval` for each host, and what its errors mean.

use nix_formats::{nix_text::without_escapes, system::System};
use rustix::process::Signal;

use crate::{
    NixError,
    expression::{self, Evaluated, Request},
    messages::Messages,
    nix::{Nix, Staged},
    nix_error::{
        Cause, Fault,
        memory::{Death, death, ended_by_kernel},
    },
    overrides::OptionPath,
};

/// The size that the heap of Nix's collector starts with, in bytes.
pub const HEAP_VARIABLE: &str = "GC_INITIAL_HEAP_SIZE";

/// The names of the hosts of a staged flake, sorted; `None` where it has no
/// `nixosConfigurations`.
///
/// # Errors
/// When the flake does not evaluate.
pub async fn host_names(nix: &Nix, staged: &Staged) -> Result<Option<Vec<String>>, NixError> {
    let command = nix.command(nix.options.eval(
        &staged.reference(),
        expression::HOSTS,
        expression::NAMES,
    ));
    match command.run(nix.interrupt()).await {
        Ok(output) => serde_json::from_slice(&output.stdout)
            .map(Some)
            .map_err(|error| NixError::Answer {
                command: command.to_shell(),
                reason: error.to_string(),
            }),
        Err(NixError::Failed {
            stderr,
            signal: None,
            ..
        }) => {
            let stderr = without_escapes(&stderr);
            let message = error_part(&stderr);
            if message.contains("does not provide attribute 'nixosConfigurations'") {
                return Ok(None);
            }
            let fault = Box::new(fault(nix, staged, message));
            Err(NixError::Flake { fault })
        }
        Err(error) => Err(error),
    }
}

/// The names of the packages of a staged flake for `system` that are images, sorted. Packages
/// that do not evaluate keep nobody from anything: then there are none.
///
/// # Errors
/// When a signal comes.
pub async fn image_packages(
    nix: &Nix,
    staged: &Staged,
    system: &System,
) -> Result<Vec<String>, NixError> {
    let path = expression::packages(system);
    let arguments = nix
        .options
        .eval(&staged.reference(), &path, expression::IMAGE_PACKAGES);
    match nix.command(arguments).run(nix.interrupt()).await {
        Ok(output) => Ok(serde_json::from_slice(&output.stdout).unwrap_or_default()),
        Err(error @ NixError::Interrupted(_)) => Err(error),
        Err(error) => {
            tracing::debug!("no packages are looked at: {error}");
            Ok(vec![])
        }
    }
}

/// Evaluates one host of a staged flake, and writes its derivation to the store. Nix's
/// collector starts with `heap` bytes, or as it would anyway. What Nix says besides its
/// answer and its error goes to `said`.
///
/// # Errors
/// When the flake has no such host, the host no such attribute or option, when it does
/// not evaluate, or when the memory does not suffice.
pub async fn evaluate(
    nix: &Nix,
    staged: &Staged,
    request: &Request,
    heap: Option<u64>,
    said: &mut Messages,
) -> Result<Evaluated, NixError> {
    let arguments = nix.options.eval(
        &staged.reference(),
        &request.attribute_path(),
        &request.expression()?,
    );
    let mut command = nix.command(arguments);
    if let Some(bytes) = heap {
        command = command.with(HEAP_VARIABLE, bytes.to_string());
    }
    let before = ended_by_kernel();
    let output = command
        .stream(nix.interrupt(), |line| said.push(line))
        .await
        .map_err(|error| {
            let by_kernel = before
                .zip(ended_by_kernel())
                .map(|(one, other)| other > one);
            failed(nix, staged, request, by_kernel, error)
        })?;
    serde_json::from_slice(&output.stdout).map_err(|error| NixError::Answer {
        command: command.to_shell(),
        reason: error.to_string(),
    })
}

/// What it means that the evaluation of a host failed.
fn failed(
    nix: &Nix,
    staged: &Staged,
    request: &Request,
    by_kernel: Option<bool>,
    error: NixError,
) -> NixError {
    let NixError::Failed {
        status,
        signal,
        stderr,
        ..
    } = error
    else {
        return error;
    };
    let stderr = without_escapes(&stderr);
    let asked = request.asked();
    match death(signal, &stderr, by_kernel) {
        Some(Death::Memory(said)) => NixError::Memory {
            asked,
            status,
            said,
        },
        Some(Death::Signal) => NixError::Crashed {
            asked,
            status,
            killed: [Signal::KILL, Signal::TERM]
                .iter()
                .any(|it| signal == Some(it.as_raw())),
            said: error_part(&stderr).trim().to_owned(),
        },
        None => explain(request, fault(nix, staged, &stderr)),
    }
}

/// Nix's error alone, without the traces and warnings before it, which can be megabytes.
/// Where there is no error, the last lines.
fn error_part(stderr: &str) -> &str {
    const LINES: usize = 20;
    if stderr.starts_with("error:") {
        return stderr;
    }
    let start = match stderr.rfind("\nerror:") {
        Some(before) => before + 1,
        None => stderr
            .rmatch_indices('\n')
            .nth(LINES)
            .map_or(0, |(before, _)| before + 1),
    };
    &stderr[start..]
}

/// What Nix's error in `stderr` says; whole if the user wants it so.
pub(crate) fn fault(nix: &Nix, staged: &Staged, stderr: &str) -> Fault {
    let message = error_part(stderr);
    let root = nix.store.root().to_string_lossy();
    let fault = Fault::of(message, &root, staged.path.as_str());
    if nix.options.pass_through.wants_trace() {
        fault.whole(message)
    } else {
        fault
    }
}

/// What a failed evaluation means, as far as it is about what was asked; the rest is the
/// flake's own business.
#[must_use]
pub fn explain(request: &Request, fault: Fault) -> NixError {
    let host = request.host.clone();
    let asked = request.attribute_path();
    let asked = asked.trim_start_matches('.');
    match &fault.cause {
        Some(cause @ (Cause::NoFlakeAttribute | Cause::NoDerivation))
            if request.package.is_some()
                && (*cause == Cause::NoDerivation
                    || fault.summary.contains(&format!("'{asked}'"))) =>
        {
            return NixError::NoPackage {
                package: request.asked().to_string().trim_matches('`').to_owned(),
                exists: *cause == Cause::NoDerivation,
            };
        }
        Some(Cause::NoVariant { names }) => {
            return NixError::NoVariant {
                host,
                variant: request.variant().unwrap_or_default().to_owned(),
                names: names.clone(),
            };
        }
        Some(Cause::NoFlakeAttribute)
            if fault.summary.contains(&format!("'{asked}'"))
                || fault
                    .summary
                    .contains(&format!("nixosConfigurations.{host}'")) =>
        {
            let near = fault.did_you_mean().map(str::to_owned);
            return NixError::NoHost { host, near };
        }
        Some(Cause::NoConfigAttribute { attribute }) => {
            let attribute = attribute.clone();
            return NixError::NoAttribute { host, attribute };
        }
        _ => {}
    }
    if let Some(option) = fault.missing_option()
        && let Ok(path) = option.parse::<OptionPath>()
        && let Some((set, _)) = request
            .overrides
            .iter()
            .find(|(set, _)| path.contains(set) || set.contains(&path))
    {
        return NixError::NoOption {
            host,
            set: set.to_string(),
            option: option.to_owned(),
            near: fault.did_you_mean().map(str::to_owned),
        };
    }
    NixError::Evaluation {
        asked: request.asked(),
        fault: Box::new(fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overrides::Overrides;
    use serde_json::json;

    fn request(set: &[&str]) -> Request {
        let mut overrides = Overrides::default();
        for path in set {
            overrides.force(path.parse().unwrap(), json!(1));
        }
        Request {
            host: "a-b".into(),
            overrides,
            ..Request::default()
        }
    }

    fn explained(request: &Request, message: &str) -> NixError {
        explain(request, Fault::of(message, "", "/nix/store/x-source"))
    }

    #[test]
    fn a_missing_host_is_told_from_a_missing_attribute() {
        let message = "error: flake 'path:/nix/store/x-source?narHash=y' does not provide attribute 'nixosConfigurations.\"a-b\"'";
        assert!(
            matches!(explained(&request(&[]), message), NixError::NoHost { host, near: None } if host == "a-b")
        );
        let bare = "error: flake 'path:…' does not provide attribute 'nixosConfigurations.a-b'\n       Did you mean a-c?";
        assert!(matches!(
            explained(&request(&[]), bare),
            NixError::NoHost { near: Some(near), .. } if near == "a-c"
        ));
        let message = "error:\n       … while calling the 'throw' builtin\n         at «string»:1:2:\n\n       \
                       error: cbox-no-attribute: system.build.x\n";
        assert!(matches!(
            explained(&request(&[]), message),
            NixError::NoAttribute { attribute, .. } if attribute == "system.build.x"
        ));
        let own = message.replace("«string»", "/nix/store/x-source/a.nix");
        assert!(matches!(
            explained(&request(&[]), &own),
            NixError::Evaluation { .. }
        ));
    }

    #[test]
    fn warnings_are_no_part_of_an_error() {
        let error = "error:\n  … while\n\n  error: nope";
        assert_eq!(error_part(error), error);
        assert_eq!(error_part(&format!("warning: a\ntrace: b\n{error}")), error);
        let lines: Vec<String> = (0..100).map(|number| format!("{number}")).collect();
        assert!(error_part(&lines.join("\n")).starts_with("79\n80\n"));
        assert_eq!(error_part("one\ntwo"), "one\ntwo");
        assert_eq!(error_part(""), "");
    }

    #[test]
    fn a_missing_option_counts_only_where_it_was_set() {
        let message = "error: The option `services.x.enabel' does not exist. Definition values:\n- In `cbox overrides': true";
        assert!(matches!(
            explained(&request(&["services.x.enabel"]), message),
            NixError::NoOption { option, .. } if option == "services.x.enabel"
        ));
        assert!(matches!(
            explained(&request(&["services.x.enabel.deeper"]), message),
            NixError::NoOption { .. }
        ));
        assert!(matches!(
            explained(&request(&["other"]), message),
            NixError::Evaluation { .. }
        ));
        assert!(matches!(
            explained(&request(&["a"]), "error: x"),
            NixError::Evaluation { .. }
        ));
    }
}
