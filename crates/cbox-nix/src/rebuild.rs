//! Building once more what is in the store, and what Nix says of the difference.

use nix_formats::store_path::OutPath;

use crate::{NixError, build::run, events::Event, nix::Nix};

/// What came of building again what is in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rebuilt {
    /// The same, to the bit.
    Same,
    /// Something else.
    Differs {
        /// The outputs that do, of those that were asked about.
        outputs: Vec<OutPath>,
        /// The folder in which it was built, where Nix says that it kept that.
        folder: Option<String>,
    },
}

/// What stands behind the path of an output where Nix keeps what came out differently.
///
/// Source: the Nix manual, "Verifying Build Reproducibility".
pub const CHECK: &str = ".check";

/// Builds `installable` once more, which is in the store with these `outputs`. The store keeps
/// what it has; what comes out differently lies beside it, with [`CHECK`] behind its name.
///
/// # Errors
/// [`NixError::Build`] when that build fails.
pub async fn rebuild(
    nix: &Nix,
    installable: &str,
    outputs: &[OutPath],
    mut on_event: impl FnMut(Event),
) -> Result<Rebuilt, NixError> {
    let (mut differing, mut folder) = (Vec::new(), None);
    let look = |event: Event| {
        if let Event::Message { is_error, text } = &event {
            let said = outputs.iter().filter(|out| *is_error && differs(text, out));
            differing.extend(said.cloned());
            folder = folder.take().or_else(|| kept_folder(text));
        }
        on_event(event);
    };
    let ended = run(nix, nix.options.rebuild(installable), look).await;
    match ended {
        Ok(_) => Ok(Rebuilt::Same),
        Err(NixError::Build(failure)) if failure.failed.is_empty() && !differing.is_empty() => {
            differing.sort();
            differing.dedup();
            Ok(Rebuilt::Differs {
                outputs: differing,
                folder,
            })
        }
        Err(error) => Err(error),
    }
}

/// Whether an error of Nix says that `out` came out differently. The quotes around it are those
/// of old releases and of new ones.
fn differs(error: &str, out: &OutPath) -> bool {
    let named = |quote| error.contains(&format!("{quote}{out}{quote} differs"));
    error.contains("may not be deterministic: ") && (named('\'') || named('"'))
}

/// The folder of a build that Nix says it keeps.
fn kept_folder(note: &str) -> Option<String> {
    let named = note.trim().strip_prefix("note: keeping build directory ")?;
    Some(named.trim_matches(['\'', '"']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Nix 2.26.3, 2.34.8 and, without `--keep-failed`, both said it.
    #[test]
    fn a_second_build_that_differs_is_told_by_every_release() {
        let out: OutPath = "/nix/store/msp5nkd9xb6p7fhj9mpffywr1ddwfkp4-rq-x"
            .parse()
            .unwrap();
        let head = "error: derivation '/nix/store/07skc8jc3pn61688sqnn4fm056vfqj75-rq-x.drv' may not be deterministic: output";
        for said in [
            format!("{head} '{out}' differs from '{out}.check'"),
            format!("{head} \"{out}\" differs from \"{out}.check\""),
            format!("{head} '{out}' differs"),
        ] {
            assert!(differs(&said, &out), "{said}");
        }
        for said in [
            format!("{head} '{out}-doc' differs from '{out}-doc.check'"),
            format!("error: '{out}' differs"),
        ] {
            assert!(!differs(&said, &out), "{said}");
        }
        let kept = |note| kept_folder(note);
        let folder = Some("/tmp/nix-build-x.drv-0".to_owned());
        assert_eq!(
            kept("note: keeping build directory '/tmp/nix-build-x.drv-0'"),
            folder
        );
        assert_eq!(
            kept("note: keeping build directory \"/tmp/nix-build-x.drv-0\"\n"),
            folder
        );
        assert_eq!(kept("keeping"), None);
    }
}
