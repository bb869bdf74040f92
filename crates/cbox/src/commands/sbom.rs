//! `cbox sbom TARGET`: what an image or a host is made of, for those who have to know.

use camino::Utf8PathBuf;
use cbox_driver::{
    error::{Error, Kind},
    eval::hosts,
    sbom::{self, Question},
    subject::words,
};
use clap::ValueHint;

use crate::{
    commands::context::Context,
    formats::result_file::ResultFile,
    options::{LimitOptions, NixOptions, OfBuildOptions, complete},
};

const EXAMPLES: &str = "\
Examples:
  cbox sbom appliance iso --output ../appliance.cdx.json   into a file
  cbox build appliance iso --sbom                          beside the image, when it is built
  cbox sbom box | jq '.components | length'                to standard output
  cbox sbom HEAD~1:box --output -                          of a host at a commit
";

/// The file of a bill of materials. What cbox says in its head is of no other tool.
const FILE: ResultFile = ResultFile {
    what: "the SBOM",
    made_by: "cbox sbom",
    mark: "\"cbox:",
    hint: "`--output -` writes to standard output",
};

/// Write what an image or a host is made of: an SBOM, CycloneDX 1.6
///
/// It lists what is packed and what that refers to if all of it is built: `system.build.toplevel`
/// of the target's host, and what an image has beside it. Otherwise it lists every derivation that
/// it takes to build the target; the property `cbox:closure` says which, `runtime` or `build`.
/// Nothing is built. Names, versions, sources, hashes and patches are those of the derivations;
/// licences, homepages, CPE and purl those of the host's packages, by one more evaluation, and
/// NOASSERTION where these do not say. The same target gives the same bytes; the time is that of
/// SOURCE_DATE_EPOCH, or left out.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SbomArgs {
    /// An image, a host, or one at a commit: REV:image
    #[arg(required = true, value_name = "TARGET", add = complete::sides())]
    target: Vec<String>,
    /// Where it is written; `-` is standard output
    #[arg(short, long, value_name = "FILE", default_value = "-", value_hint = ValueHint::FilePath)]
    output: Utf8PathBuf,
    #[command(flatten)]
    of: OfBuildOptions,
    #[command(flatten)]
    limits: LimitOptions,
    #[command(flatten)]
    nix: NixOptions,
}

/// Runs the command.
pub(crate) async fn run(context: &Context<'_>, args: &SbomArgs) -> Result<(), Error> {
    let session = &context.open(None)?;
    let view = context.view;
    let to_stdout = args.output == "-";
    if to_stdout && view.is_json() {
        let message = "`--json` and the SBOM would both be written to standard output";
        return Err(Error::new(Kind::Usage, message).hint("name a file with `--output FILE`"));
    }
    let file = session.environment.absolute(&args.output);
    if !to_stdout {
        FILE.check(&file, &args.output)?;
    }
    hosts::for_words(session, &args.target).await?;
    let target = words::subject(&session.project, &args.target)?;
    let evaluator = session.evaluator(&args.nix.arguments()).await?;
    let forced = args.of.forced();
    let question = Question {
        target: &target,
        forced: &forced,
        with_local: args.of.with_local,
        limits: args.limits.into(),
    };
    let bill = sbom::bill(session, &evaluator, question).await?;
    if !bill.is_runtime {
        view.note(&format!(
            "{} is not built, so the SBOM lists all that it takes to build it",
            bill.target
        ));
    }
    if to_stdout {
        view.document(bill.text.trim_end());
        return Ok(());
    }
    FILE.write(&file, &args.output, || Ok(bill.text.clone()))?;
    context.document("sbom", "sbom", || {
        let mut value = bill.to_json();
        value["path"] = args.output.as_str().into();
        value
    });
    view.note(&format!("wrote the SBOM {}", args.output));
    Ok(())
}
