//! `cbox provenance TARGET`: where a built image comes from, for those who were not there.

use camino::Utf8PathBuf;
use cbox_driver::{
    error::{Error, Kind},
    links::{Companion, image},
    provenance::{BUILDER, statement},
    subject::words,
};
use clap::ValueHint;
use serde_json::json;

use super::sign;
use crate::{
    commands::context::Context,
    formats::result_file::ResultFile,
    options::{OutDirOption, complete, uri},
};

const EXAMPLES: &str = "\
Examples:
  cbox provenance appliance iso                          to standard output
  cbox provenance appliance iso -o ../a.provenance.json  into a file
  cbox build appliance iso --provenance                  build, and write it beside the image";

/// Write what an image was built from, as SLSA's provenance
///
/// It is a statement of in-toto (version 1) with SLSA's provenance (version 1), from the record
/// that the build left in `out/`: the image files with their SHA-256, the target with what was
/// forced on it, the source tree and the locked inputs with their hashes, and the derivation. The
/// image is compared with its checksum first. The same build gives the same bytes; the time is
/// that of SOURCE_DATE_EPOCH, or left out.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ProvenanceArgs {
    /// The image: `<kind> <format> [system]`, or with slashes
    #[arg(required = true, value_name = "TARGET", add = complete::targets())]
    target: Vec<String>,
    /// Where it is written; `-` is standard output
    #[arg(short, long, value_name = "FILE", default_value = "-", value_hint = ValueHint::FilePath)]
    output: Utf8PathBuf,
    /// Who built it: a URI for the machine, or for the service
    #[arg(long, value_name = "URI", default_value = BUILDER, value_parser = uri)]
    builder_id: String,
    #[command(flatten)]
    links: OutDirOption,
}

/// Runs the command.
pub(crate) async fn run(context: &Context<'_>, args: &ProvenanceArgs) -> Result<(), Error> {
    let session = &context.open(args.links.out_dir.as_deref())?;
    let (view, environment) = (context.view, context.environment);
    let to_stdout = args.output == "-";
    if to_stdout && view.is_json() {
        let message = "`--json` and the provenance would both be written to standard output";
        return Err(Error::new(Kind::Usage, message).hint("name a file with `--output FILE`"));
    }
    let result = ResultFile {
        what: "the provenance",
        made_by: "cbox provenance",
        mark: Companion::Provenance.mark(),
        hint: "`--output -` writes to standard output",
    };
    let file = environment.absolute(&args.output);
    if !to_stdout {
        result.check(&file, &args.output)?;
    }
    let time = environment.source_date()?;
    let name = words::image(&session.project, &args.target)?;
    let store = session.options.store.as_deref();
    let built = image::find(environment, &session.project, &name, store)?;
    let text = statement(&built.manifest, time, &args.builder_id)?;
    sign::compare(context, session, &built).await?;
    if to_stdout {
        view.document(text.trim_end());
        return Ok(());
    }
    result.write(&file, &args.output, || Ok(text))?;
    context.document("provenance", "provenance", || {
        json!({
            "target": built.manifest.target,
            "path": args.output,
            "builderId": args.builder_id,
        })
    });
    view.note(&format!("wrote the provenance {}", args.output));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_builder_is_called_by_a_uri() {
        for good in [BUILDER, "https://example.org/b?x=1#y", "a+b-c.1:x"] {
            assert_eq!(uri(good).as_deref(), Ok(good));
        }
        for bad in [
            "",
            "mine",
            "1a:b",
            ":b",
            "a:",
            "a:b c",
            "a:\u{1b}[2J",
            "ä:b",
            "a:\"",
        ] {
            assert!(uri(bad).is_err(), "{bad}");
        }
    }
}
