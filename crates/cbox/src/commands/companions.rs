//! What `cbox build` writes beside an image for others, when they ask for it: its SBOM, its
//! provenance and the signature of its checksum.

use camino::Utf8Path;
use cbox_driver::{
    build::{Built, Job},
    error::{Error, Kind},
    eval::evaluator::Evaluator,
    links::{
        Companion,
        attached::{Records, attach},
    },
    progress::Reporter,
    provenance::statement,
    sbom::{self, Described},
    signature::SigningKey,
};

use super::sign;
use crate::{commands::context::Context, options::BuildOptions};

/// What is to be written beside the images of a build.
pub(super) struct Wanted {
    key: Option<SigningKey>,
    has_provenance: bool,
    /// Who builds it, for the provenance.
    builder: String,
    has_sbom: bool,
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
            ("--sbom", flags.sbom, "writes"),
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
        let is_dated = flags.provenance || flags.sbom;
        Ok(Self {
            time: match is_dated {
                true => context.environment.source_date()?,
                false => None,
            },
            has_provenance: flags.provenance,
            builder: flags.builder_id.clone(),
            has_sbom: flags.sbom,
            key: match &flags.sign {
                Some(file) => Some(sign::key(context, file).await?),
                None => None,
            },
        })
    }

    /// Writes it for `built`, which one of `jobs` was to build.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) async fn write(
        &self,
        context: &Context<'_>,
        evaluator: &Evaluator<'_>,
        jobs: &[Job<'_>],
        built: &Built,
    ) -> Result<(), Error> {
        let target = &built.manifest.target;
        let link = match &built.link {
            Some(link) if !built.manifest.artifacts.is_empty() => link,
            _ => {
                for (is_wanted, what) in [
                    (self.key.is_some(), "nothing of it is signed"),
                    (self.has_provenance, "no provenance is written"),
                    (self.has_sbom, "no SBOM is written; `cbox sbom` prints one"),
                ] {
                    if is_wanted {
                        context
                            .view
                            .note(&format!("{target} has no file with a checksum, so {what}"));
                    }
                }
                return Ok(());
            }
        };
        let job = jobs
            .iter()
            .find(|job| job.derivation.drv == built.manifest.drv);
        if let Some(job) = job.filter(|_| self.has_sbom) {
            let described = Described {
                target: job.target,
                snapshot: job.snapshot,
                evaluated: &job.evaluated,
                derivation: &job.derivation,
                files: &built.manifest.artifacts,
            };
            let bill = sbom::of(evaluator, &described).await?;
            let make = |records: &Records<'_>| match records.manifest.out == built.manifest.out {
                true => Ok(bill.text),
                false => {
                    let message = format!("another cbox built another {target} meanwhile");
                    Err(Error::new(Kind::Artifact, message).hint("build it again"))
                }
            };
            put(context, link, Companion::Sbom, "the SBOM", make).await?;
        }
        if self.has_provenance {
            let make =
                |records: &Records<'_>| statement(records.manifest, self.time, &self.builder);
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
