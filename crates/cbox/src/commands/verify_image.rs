//! `cbox verify-image`: whether an image file is what somebody vouches for.

use camino::Utf8PathBuf;
use cbox_driver::{
    error::{Error, Kind},
    image::proof::{self, Check, Proof},
    progress::Reporter,
    signature::VerifyingKey,
};
use clap::ValueHint;
use serde_json::{Value, json};

use crate::commands::context::Context;

const EXAMPLES: &str = "\
Examples:
  cbox verify-image appliance.iso --public-key minisign.pub
  cbox verify-image out/appliance-iso/appliance.iso --public-key minisign.pub    what was just built";

/// Check who vouches for an image file, and whether it is whole
///
/// Checks the signature of the checksum file beside it (FILE.sha256.minisig or SHA256SUMS.minisig),
/// the checksum, and whether the manifest (FILE.json), the provenance (FILE.provenance.json) and the
/// SBOM (FILE.sbom.json) are its own. A signature and a checksum have to be there; the others need not.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct VerifyImageArgs {
    /// The image file
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: Utf8PathBuf,
    /// The public key of minisign, or a file with it
    #[arg(short, long, value_name = "KEY|FILE", value_hint = ValueHint::FilePath)]
    public_key: String,
}

/// Runs the command.
pub(crate) async fn run(context: &Context<'_>, args: &VerifyImageArgs) -> Result<(), Error> {
    let (environment, file) = (context.environment, &args.file);
    let key = VerifyingKey::find(environment, &args.public_key)?;
    let hears = (context.view as &dyn Reporter, context.interrupt);
    let proof = proof::check(environment, hears, file, &key).await?;
    let rows = proof.checks.iter().map(|check| {
        let (what, status) = (check.what.name(), check.status.name());
        [what.to_owned(), status.to_owned(), check.message.clone()]
    });
    context.table(&rows.collect::<Vec<_>>());
    context.parts("verify-image", document(args, &key, &proof));
    match proof.fault() {
        None => Ok(()),
        Some(Check { message, .. }) => {
            let message = format!("{file} is not verified: {message}");
            Err(Error::new(Kind::Artifact, message).hint(
                "do not use it; get the image, its checksum, its signature and the public key again from where they are published",
            ))
        }
    }
}

fn document(args: &VerifyImageArgs, key: &VerifyingKey, proof: &Proof) -> Value {
    let checks = proof.checks.iter().map(|check| {
        json!({
            "what": check.what.name(),
            "status": check.status.name(),
            "file": check.file,
            "message": check.message,
        })
    });
    json!({
        "image": { "path": args.file, "size": proof.bytes, "sha256": proof.sha256 },
        "keyId": key.number,
        "verified": proof.fault().is_none(),
        "checks": checks.collect::<Vec<_>>(),
    })
}
