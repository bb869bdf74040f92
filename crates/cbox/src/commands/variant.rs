//! `cbox image HOST VARIANT [SYSTEM]`: builds an image that a host offers by itself.

use cbox_driver::{
    error::{Error, Kind},
    eval::hosts,
    subject::{
        target::{self, Image},
        variants,
    },
    target_name::TargetName,
};

use super::build;
use crate::{
    commands::context::Context,
    options::{BuildOptions, complete},
};

const EXAMPLES: &str = "\
Examples:
  cbox image box                       which images the host `box` offers
  cbox image box iso                   build its ISO, for the system that the host is for
  cbox image box qemu aarch64          for another system, which is forced on the host
  cbox image box sd-card --dry-run     what would be built and fetched";

/// Build an image that a host offers, without a cbox.toml
///
/// Every host of nixpkgs 25.05 or newer offers the variants of `system.build.images`; others offer
/// what they are themselves an image for: an ISO, an SD card, the disk images of disko. `cbox list
/// HOST` shows them. What cbox.toml calls HOST/VARIANT comes first.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct VariantArgs {
    /// The host, by its name in nixosConfigurations
    #[arg(add = complete::hosts())]
    host: String,
    /// The variant, such as `iso`
    #[arg(add = complete::rest_of_image())]
    variant: Option<String>,
    /// The system: `x86_64-linux`, or short `x86_64`, `amd64`, `aarch64`, `arm64`
    /// [default: the host's own]
    #[arg(add = complete::rest_of_image())]
    system: Option<String>,
    #[command(flatten)]
    pub(super) build: BuildOptions,
}

/// Runs the command.
pub(crate) async fn run(context: &Context<'_>, args: &VariantArgs) -> Result<(), Error> {
    let session = &context.open(args.build.out_dir.as_deref())?;
    let name = args
        .variant
        .as_ref()
        .map(|variant| TargetName::image(&args.host, variant, args.system.as_deref()))
        .transpose()
        .map_err(|error| target::no_target(&error, "`cbox list HOST` shows what a host offers"))?;
    let nix = args.build.nix_arguments();
    let (evaluator, sources) = session.to_evaluate(&nix).await?;
    let names = hosts::names(&evaluator, &sources).await?;
    let host = &args.host;
    if names.is_empty() {
        return Err(hosts::none(&evaluator));
    }
    let is_target = match &name {
        Some(TargetName::Image { kind, format, .. }) => {
            let image = target::find(&session.project, kind, format);
            image.ok().and_then(Image::target)
        }
        _ => None,
    };
    if !names.contains(host) && is_target.is_none() {
        return Err(hosts::no_host(host, &names));
    }
    let Some(name) = name else {
        let limits = args.build.limits.into();
        let offers = variants::of(&evaluator, &sources, &names_of(host), &limits).await?;
        let offer = offers.into_iter().next().transpose()?;
        return Err(which(host, offer));
    };
    // What was looked at already says at once what there is.
    if let (TargetName::Image { format, .. }, None) = (&name, is_target)
        && variants::remembered(&evaluator, &sources, &names_of(host)).await? == [true]
    {
        let limits = args.build.limits.into();
        let offers = variants::of(&evaluator, &sources, &names_of(host), &limits).await?;
        if let Some(Ok(offer)) = offers.first() {
            offer.check(host, format)?;
        }
    }
    if let Some(target) = is_target.filter(|target| target.host != *host) {
        context.view.note(&format!(
            "{} is a target of cbox.toml, an image of `{}`: it comes before the variant of `{host}`",
            target.target(),
            target.origin()
        ));
    }
    build::build_from(context, &evaluator, &sources, &args.build, &[name]).await
}

fn names_of(host: &str) -> [String; 1] {
    [host.to_owned()]
}

/// The error for a host without a variant.
fn which(host: &str, offer: Option<variants::Offer>) -> Error {
    let variants = offer.as_ref().map(variants::Offer::variants);
    let (own, others) = variants.unwrap_or_default();
    let names = own.iter().chain(&others);
    let names: Vec<&str> = names.map(|variant| &*variant.name).collect();
    let hint = match names.as_slice() {
        [] => format!("host `{host}` offers none"),
        [only] => format!("there is only `cbox image {host} {only}`"),
        names => format!("there are {}", names.join(", ")),
    };
    Error::new(Kind::Usage, format!("which image of `{host}`?")).hint(hint)
}
