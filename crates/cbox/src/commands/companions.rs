//! What `cbox build` writes beside an image for others, when they ask for it: its provenance and
//! the signature of its checksum.

use camino::Utf8Path;
use cbox_driver::{
    build::Built,
    error::{Error, Kind},
    eval::evaluator::Evaluator,
    links::{
        Companion,
        attached::{Records, attach},
    },
    progress::Reporter,
    provenance::{BUILDER, statement},
    signature::SigningKey,
};

use super::sign;
use crate::{commands::context::Context, options::BuildOptions};

/// What is to be written beside the images of a build.
pub(super) struct Wanted {
    key: Option<SigningKey>,
    has_provenance: bool,
    /// When they are built, in seconds since 1970, where the caller says that.
    time: Option<u64>,
}

impl Wanted {
    /// What `flags` ask for. A password is asked for now, before what takes long.
    ///
    /// # Errors
    /// When that cannot be: the links are on another machine, or the key will not do.
    pub(super) async fn of(
        context: &Context<'_>,
        evaluator: &Evaluator<'_>,
        flags: &BuildOptions,
    ) -> Result<Self, Error> {
        let asked = [
            ("--sign", flags.sign.is_some(), "signs checksums"),
            ("--provenance", flags.provenance, "writes"),
        ];
        if let Some((option, _, writes)) = asked.into_iter().find(|(_, is_asked, _)| *is_asked)
            && !evaluator.nix.outputs.is_here()
        {
            let message = format!(
                "`{option}` {writes} beside links, and the links of this store are on another machine"
            );
            return Err(Error::new(Kind::Unsupported, message).hint(
                "fetch what was built, and build it here, which then only links it, with the same option",
            ));
        }
        let has_provenance = flags.provenance;
        Ok(Self {
            time: match has_provenance {
                true => context.environment.source_date()?,
                false => None,
            },
            has_provenance,
            key: match &flags.sign {
                Some(file) => Some(sign::key(context, file).await?),
                None => None,
            },
        })
    }

    /// Writes it for `built`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) async fn write(&self, context: &Context<'_>, built: &Built) -> Result<(), Error> {
        let target = &built.manifest.target;
        let link = match &built.link {
            Some(link) if !built.manifest.artifacts.is_empty() => link,
            _ => {
                if self.key.is_some() {
                    context.view.note(&format!(
                        "{target} has no file with a checksum, so nothing of it is signed"
                    ));
                }
                if self.has_provenance {
                    context.view.note(&format!(
                        "{target} has no file with a checksum, so no provenance is written"
                    ));
                }
                return Ok(());
            }
        };
        if self.has_provenance {
            let make = |records: &Records<'_>| statement(records.manifest, self.time, BUILDER);
            put(context, link, Companion::Provenance, "the provenance", make).await?;
        }
        if let Some(key) = &self.key {
            sign::sign(context, link, key).await?;
        }
        Ok(())
    }
}

/// Writes what `make` gives beside `link`, and says so.
async fn put(
    context: &Context<'_>,
    link: &Utf8Path,
    companion: Companion,
    what: &str,
    make: impl FnOnce(&Records<'_>) -> Result<String, Error>,
) -> Result<(), Error> {
    let shown = context.environment.display_path(link);
    let hears = (context.view as &dyn Reporter, context.interrupt);
    let file = attach(hears, (link, &shown), companion, make).await?;
    let file = context.environment.display_path(&file);
    context.view.note(&format!("wrote {what} {file}"));
    Ok(())
}
