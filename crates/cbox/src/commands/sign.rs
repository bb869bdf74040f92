//! `cbox sign`: signs the checksum of what was built, as `build --sign` does.

use std::io::{IsTerminal as _, stdin};

use camino::{Utf8Path, Utf8PathBuf};
use cbox_driver::{
    error::Error,
    flake::session::Session,
    image::checksum::{self, Checksum},
    links::{
        Companion,
        attached::{Records, attach},
        image::{self, Built},
    },
    progress::Reporter,
    signature::{KeyFile, SigningKey},
    subject::words,
};
use cbox_nix::NixError;
use clap::ValueHint;
use serde_json::json;

use crate::{
    commands::context::Context,
    options::{OutDirOption, complete},
    view::prompt,
};

const EXAMPLES: &str = "\
Examples:
  minisign -G -p minisign.pub -s ~/minisign.key       make a pair of keys, once
  cbox sign appliance iso --key ~/minisign.key        writes out/appliance-iso.sha256.minisig
  cbox build appliance iso --sign ~/minisign.key      build and sign in one go";

/// Sign the checksum of an image that was built
///
/// The signature is one of minisign, over the file with the checksums, and lies beside it. The image
/// is compared with its checksum first. A key with a password asks for it on the terminal, or reads
/// it as a line of standard input.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SignArgs {
    /// The image: `<kind> <format> [system]`, or with slashes
    #[arg(required = true, value_name = "TARGET", add = complete::targets())]
    target: Vec<String>,
    /// The file with the secret key, as `minisign -G` makes it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    key: Utf8PathBuf,
    #[command(flatten)]
    links: OutDirOption,
}

/// Runs the command.
pub(crate) async fn run(context: &Context<'_>, args: &SignArgs) -> Result<(), Error> {
    let session = &context.open(args.links.out_dir.as_deref())?;
    let name = words::image(&session.project, &args.target)?;
    let store = session.options.store.as_deref();
    let built = image::find(context.environment, &session.project, &name, store)?;
    let key = key(context, &args.key).await?;
    compare(context, session, &built).await?;
    let signature = sign(context, &built.link, &key).await?;
    context.lines([context.environment.display_path(&signature)].map(Utf8PathBuf::into_string));
    context.parts(
        "sign",
        json!({
            "target": name.to_string(),
            "signature": signature,
            "publicKey": key.public(),
            "keyId": key.number(),
        }),
    );
    Ok(())
}

/// Compares the files of `built` with their record.
pub(super) async fn compare(
    context: &Context<'_>,
    session: &Session<'_>,
    built: &Built,
) -> Result<(), Error> {
    let link = context.environment.display_path(&built.link);
    for file in &built.files {
        let wanted = Checksum {
            said_in: format!("{link}.json").into(),
            sha256: file.artifact.sha256.clone(),
        };
        let (hears, bytes) = (session.hears(), file.artifact.size);
        let shown = Utf8PathBuf::from(file.artifact.below(link.as_str()));
        checksum::verify(hears, &file.path, &shown, bytes, &[wanted]).await?;
    }
    Ok(())
}

/// The key in `file`, with its password asked for where it has one.
pub(super) async fn key(context: &Context<'_>, file: &Utf8Path) -> Result<SigningKey, Error> {
    let key = KeyFile::read(context.environment, file)?;
    let mut password = None;
    if key.is_locked() {
        let is_asked = stdin().is_terminal();
        if is_asked {
            context.view.ask(&format!("Password of {file}: "));
        }
        let answer = prompt::read_secret(context.interrupt).await;
        if is_asked {
            // What was typed had no end to be seen.
            context.view.ask("\n");
        }
        password = answer.map_err(|signal| Error::from(NixError::Interrupted(signal)))?;
    }
    key.unlock(password)
}

/// Signs the checksum of `link`, and says with which key.
pub(super) async fn sign(
    context: &Context<'_>,
    link: &Utf8Path,
    key: &SigningKey,
) -> Result<Utf8PathBuf, Error> {
    let shown = context.environment.display_path(link);
    let hears = (context.view as &dyn Reporter, context.interrupt);
    let make = |records: &Records<'_>| records.sign(key);
    let signature = attach(hears, (link, &shown), Companion::Signature, make).await?;
    context.view.note(&format!(
        "signed {shown}.sha256; `cbox verify-image IMAGE --public-key {}` verifies it",
        key.public()
    ));
    Ok(signature)
}
