//! Copying what was built to another store, as `nix copy` does it.

use nix_formats::store_path::OutPath;

use crate::{
    NixError,
    events::{Event, Reader},
    nix::Nix,
    process::Command,
    store_fault::StoreFault,
};

/// Copies `path` and all that it needs to `store`.
///
/// # Errors
/// [`StoreFault::Refused`] with the reason when the store does not take it.
pub async fn push(
    nix: &Nix,
    store: &str,
    path: &OutPath,
    mut on_event: impl FnMut(Event),
) -> Result<(), NixError> {
    let mut reader = Reader::default();
    let command = nix.command(nix.options.push(store, path)).ends_orderly();
    let ended = command
        .stream(nix.interrupt(), |line| {
            if let Some(event) = reader.line(line) {
                on_event(event);
            }
        })
        .await;
    match ended {
        Ok(_) => Ok(()),
        Err(NixError::Failed { status, stderr, .. }) => {
            let said = reader
                .other_errors()
                .last()
                .map_or(&*stderr, String::as_str);
            let reason = match reader.ssh() {
                Some(ssh) => ssh.to_owned(),
                None => reason(said).unwrap_or(status),
            };
            let store = without_password(store);
            Err(StoreFault::Refused { store, reason }.into())
        }
        Err(error) => Err(error),
    }
}

/// The command that does the same by hand.
#[must_use]
pub fn command(nix: &Nix, store: &str, path: &OutPath) -> String {
    let store = without_password(store);
    let mut words = vec!["copy"];
    if let Some(from) = &nix.options.store {
        words.extend(["--from", from]);
    }
    words.extend(["--to", &store, path.as_str()]);
    Command::new("nix", words).to_shell()
}

/// Why `store` cannot be used, as far as it says so within a moment; `None` where it answers.
///
/// # Errors
/// When Nix cannot be started, or a signal comes.
pub async fn fault(nix: &Nix, store: &str) -> Result<Option<StoreFault>, NixError> {
    let said = match nix.run(nix.options.store_info(store)).await {
        Ok(_) => return Ok(None),
        Err(NixError::Failed { stderr, .. }) => stderr,
        Err(error) => return Err(error),
    };
    let store = without_password(store);
    let unknown = ["don't know how to open Nix store", "Cannot parse Nix store"];
    if unknown.iter().any(|words| said.contains(words)) {
        return Ok(Some(StoreFault::Unknown(store)));
    }
    let reason = reason(&said).unwrap_or_else(|| "Nix does not say why".to_owned());
    Ok(Some(StoreFault::Refused { store, reason }))
}

/// The last error in what Nix said, in a line.
fn reason(said: &str) -> Option<String> {
    let at = said.rfind("error:").map_or(0, |at| at + "error:".len());
    let mut lines = said[at..].lines().map(str::trim);
    let line = lines.find(|line| !line.is_empty())?;
    Some(line.trim_end_matches(['.', ':']).to_owned())
}

/// The URI of a store as it is shown: without a password in it.
#[must_use]
pub fn without_password(uri: &str) -> String {
    let Some((scheme, rest)) = uri.split_once("://") else {
        return uri.to_owned();
    };
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    match host
        .rsplit_once('@')
        .and_then(|(user, _)| user.split_once(':'))
    {
        Some((user, password)) => {
            let rest = &rest[user.len() + 1 + password.len()..];
            format!("{scheme}://{user}:…{rest}")
        }
        None => uri.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_error_is_the_reason() {
        for (said, expected) in [
            (
                "error:\n       … while copying\n\n       error: writing to file: No space left on device\n",
                Some("writing to file: No space left on device"),
            ),
            (
                "warning: x\nerror: unable to upload 'http://a/b': HTTP error 500\n       response body:\n\n       no",
                Some("unable to upload 'http://a/b': HTTP error 500"),
            ),
            ("what is this", Some("what is this")),
            ("", None),
        ] {
            assert_eq!(reason(said).as_deref(), expected, "{said}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        for (uri, shown) in [
            ("https://me:secret@cache/x?y", "https://me:…@cache/x?y"),
            ("https://me:a@b@cache", "https://me:…@cache"),
            ("ssh-ng://me@host", "ssh-ng://me@host"),
            ("file:///srv/a:b@c", "file:///srv/a:b@c"),
            ("s3://bucket?endpoint=a:b@c", "s3://bucket?endpoint=a:b@c"),
            ("/srv/x", "/srv/x"),
        ] {
            assert_eq!(without_password(uri), shown);
        }
    }
}
