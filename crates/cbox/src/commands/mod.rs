//! The commands. A file has all of one: its arguments, their help, and what is done.

mod accept;
mod boot;
mod build;
mod clean;
pub(crate) mod command_line;
mod companions;
mod completions;
pub(crate) mod context;
mod diff;
mod doctor;
mod flash;
mod hosts;
pub(crate) mod image;
mod init;
pub(crate) mod junit;
mod list;
mod man;
mod matrix;
mod provenance;
mod report;
mod reproduce;
mod sbom;
mod sign;
mod size;
mod source;
mod status;
mod variant;
mod verdicts;
mod verify_hosts;
mod verify_image;
mod watch;

use cbox_driver::Error;

use crate::{commands::context::Context, options::junit::JunitOption};

/// All commands, in the order of `cbox --help`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Build(build::BuildArgs),
    Init(init::InitArgs),
    List(list::ListArgs),
    #[command(name = "image")]
    Variant(variant::VariantArgs),
    Hosts(hosts::HostsArgs),
    VerifyHosts(verify_hosts::VerifyArgs),
    Accept(accept::AcceptArgs),
    Diff(diff::DiffArgs),
    Watch(watch::WatchArgs),
    Boot(boot::BootArgs),
    Flash(flash::FlashArgs),
    Sign(sign::SignArgs),
    VerifyImage(verify_image::VerifyImageArgs),
    Reproduce(reproduce::ReproduceArgs),
    Size(size::SizeArgs),
    Sbom(sbom::SbomArgs),
    Provenance(provenance::ProvenanceArgs),
    Source(source::SourceArgs),
    Doctor(doctor::DoctorArgs),
    Status(status::StatusArgs),
    Clean(clean::CleanArgs),
    Matrix(matrix::MatrixArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
    /// A kind of image in `cbox.toml`, which is known when the program runs.
    #[command(skip)]
    Image(String, image::ImageArgs),
}

/// What a command needs of a flake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// None at all.
    Nothing,
    /// Its files, as they are.
    Tree,
    /// A working tree, which the user writes to or cbox does; what it cannot do without one.
    WorkingTree(&'static str),
}

impl Command {
    /// What it needs of the flake.
    pub(crate) fn needs(&self) -> Needs {
        match self {
            Self::Completions(_) | Self::Man(_) => Needs::Nothing,
            Self::Accept(_) => Needs::WorkingTree("no baseline can be written into it"),
            Self::Init(_) => Needs::WorkingTree("no cbox.toml can be written into it"),
            Self::Watch(_) => Needs::WorkingTree("nothing in it ever changes"),
            _ => Needs::Tree,
        }
    }

    /// Whether it is of no use where the user's own settings cannot be read.
    pub(crate) fn uses_preferences(&self) -> bool {
        !matches!(self, Self::Doctor(_) | Self::Completions(_) | Self::Man(_))
    }

    /// What its reports call it, and where they go; `None` where it tests nothing.
    fn junit(&self) -> Option<(&'static str, &JunitOption)> {
        Some(match self {
            Self::Build(args) => ("build", &args.options.junit),
            Self::Variant(args) => ("build", &args.build.junit),
            Self::Image(_, args) => ("build", &args.build.junit),
            Self::VerifyHosts(args) => ("verify-hosts", &args.junit),
            Self::Boot(args) => ("boot", &args.junit),
            Self::Size(args) => ("size", &args.junit),
            Self::Reproduce(args) => ("reproduce", &args.junit),
            _ => return None,
        })
    }

    /// Whether the logs of builds are wanted.
    pub(crate) fn wants_build_logs(&self) -> bool {
        match self {
            Self::Build(args) => args.options.print_build_logs,
            Self::Variant(args) => args.build.print_build_logs,
            Self::Image(_, args) => args.build.print_build_logs,
            _ => false,
        }
    }

    /// Runs the command.
    pub(crate) async fn run(&self, context: &Context<'_>) -> Result<(), Error> {
        match self {
            Self::Build(args) => build::run(context, args).await,
            Self::Init(args) => init::run(context, args).await,
            Self::List(args) => list::run(context, args).await,
            Self::Variant(args) => variant::run(context, args).await,
            Self::Hosts(args) => hosts::run(context, args).await,
            Self::VerifyHosts(args) => verify_hosts::run(context, args).await,
            Self::Accept(args) => accept::run(context, args).await,
            Self::Diff(args) => diff::run(context, args).await,
            Self::Watch(args) => watch::run(context, args).await,
            Self::Boot(args) => boot::run(context, args).await,
            Self::Flash(args) => flash::run(context, args).await,
            Self::Sign(args) => sign::run(context, args).await,
            Self::VerifyImage(args) => verify_image::run(context, args).await,
            Self::Reproduce(args) => reproduce::run(context, args).await,
            Self::Size(args) => size::run(context, args).await,
            Self::Sbom(args) => sbom::run(context, args).await,
            Self::Provenance(args) => provenance::run(context, args).await,
            Self::Source(args) => source::run(context, args).await,
            Self::Doctor(_) => doctor::run(context).await,
            Self::Status(args) => status::run(context, args).await,
            Self::Clean(args) => clean::run(context, args).await,
            Self::Matrix(args) => matrix::run(context, args).await,
            Self::Completions(args) => completions::run(context, args),
            Self::Man(args) => man::run(context, args),
            Self::Image(kind, args) => image::run(context, kind, args).await,
        }
    }
}
