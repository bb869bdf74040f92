//! From the command line to an exit code.

use std::process::ExitCode;

use cbox_nix::Interrupt;
use clap::{Parser as _, error::ErrorKind};

use crate::{
    cli::{Cli, Command, Common, Format, ImageArgs},
    commands, completion,
    environment::Environment,
    error::Error,
    exit::Kind,
    session::Session,
    targets,
    view::{Loudness, View},
};

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    match completion::answer() {
        Ok(true) => return ExitCode::SUCCESS,
        Ok(false) => {}
        Err(message) => {
            let view = View::new(&Environment::unknown(), Loudness::Normal, false);
            return fail(&view, &Error::new(Kind::Usage, message));
        }
    }
    let cli = Cli::try_parse();
    // Help needs no environment, and is wanted most where something is wrong with it.
    let environment = match (Environment::read(), &cli) {
        (Ok(environment), _) => environment,
        (Err(_), Err(error)) => return usage(&Environment::unknown(), error),
        (Err(error), Ok(_)) => {
            // Without an environment there is no view yet: a plain one serves.
            let environment = Environment::unknown();
            return fail(&View::new(&environment, Loudness::Normal, false), &error);
        }
    };
    let cli = match cli {
        Ok(cli) => cli,
        Err(error) => return usage(&environment, &error),
    };
    let (image, common) = match &cli.command {
        Command::Image(words) => {
            let parsed = match commands::image::parse(words) {
                Err(error) if error.kind() == ErrorKind::DisplayHelp => {
                    return usage(&environment, &error);
                }
                parsed => parsed,
            };
            let behind = parsed.as_ref().map(|image| image.common.clone());
            let common = cli.common.clone().merge(behind.unwrap_or_default());
            if let Err(error) = commands::image::check_kind(&environment, &common, words) {
                return fail(
                    &View::new(&environment, Loudness::Normal, common.json),
                    &error,
                );
            }
            match parsed {
                Ok(image) => (Some(image), common),
                Err(error) => return usage(&environment, &error),
            }
        }
        _ => (None, cli.common.clone()),
    };
    let common = match cli.command.format() {
        Some(format) if common.json && format != Format::Json => {
            let error = Error::new(Kind::Usage, "`--json` and `--format` ask for two forms");
            return fail(&View::new(&environment, Loudness::Normal, false), &error);
        }
        Some(Format::Json) => Common {
            json: true,
            ..common
        },
        _ => common,
    };
    let loudness = match (common.quiet, common.verbose) {
        (true, _) => Loudness::Quiet,
        (false, 0) => Loudness::Normal,
        (false, 1) => Loudness::Verbose,
        (false, _) => Loudness::Trace,
    };
    if common.verbose > 1 {
        trace(&environment);
    }
    let view = View::new(&environment, loudness, common.json);
    let ended = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::new(Kind::Environment, format!("cannot start: {error}")))
        .and_then(|runtime| {
            runtime.block_on(dispatch(&environment, &view, cli.command, image, &common))
        });
    view.close();
    match ended.and_then(|()| view.written()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&view, &error),
    }
}

async fn dispatch(
    environment: &Environment,
    view: &View,
    command: Command,
    image: Option<ImageArgs>,
    common: &Common,
) -> Result<(), Error> {
    let interrupt = Interrupt::listen().map_err(|error| {
        Error::new(
            Kind::Environment,
            format!("cannot take over signals: {error}"),
        )
    })?;
    let open = |out_dir: Option<&camino::Utf8PathBuf>| {
        Session::open(
            environment,
            view,
            &interrupt,
            common,
            out_dir.map(camino::Utf8PathBuf::as_path),
        )
    };
    match (command, image) {
        (Command::Image(words), Some(args)) => {
            let kind = words.first().map_or("", String::as_str);
            commands::image::run(environment, view, &interrupt, kind, &args, common).await
        }
        (Command::Image(_), None) => Ok(()),
        (Command::Build(args), _) => {
            let names = targets::parse_names(&args.targets)?;
            let session = open(args.flags.out_dir.as_ref())?;
            commands::build::run(&session, common, &args.flags, &names).await
        }
        (Command::Init(args), _) => {
            commands::init::run((environment, view, &interrupt), common, &args).await
        }
        (Command::Matrix(args), _) => commands::matrix::run(&open(None)?, &args),
        (Command::List, _) => commands::list::run(&open(None)?),
        (Command::Hosts { limits }, _) => commands::hosts::run(&open(None)?, common, &limits).await,
        (Command::Source(source), _) => commands::source::run(&open(None)?, common, &source).await,
        (Command::VerifyHosts(args), _) => {
            commands::verify_hosts::run(&open(None)?, common, &args).await
        }
        (Command::Accept(args), _) => {
            commands::accept::run(&open(None)?, common, &args.judge, args.dirty).await
        }
        (Command::Diff(args), _) => {
            let context = (environment, view, &interrupt);
            commands::diff::run(context, common, &args).await
        }
        (Command::Completions { shell }, _) => {
            commands::completions::run(view, shell);
            Ok(())
        }
        (Command::Man { folder }, _) => commands::completions::man(&environment.absolute(&folder)),
        (Command::Size(args), _) => {
            let session = open(None)?;
            commands::size::run(&session, common, &args).await
        }
        (Command::Doctor, _) => {
            commands::doctor::run((environment, view, &interrupt), common).await
        }
        (Command::Watch(args), _) => {
            let context = (environment, view, &interrupt);
            commands::watch::run(context, common, &args).await
        }
        (Command::Boot(args), _) => {
            let session = open(args.out_dir.as_ref())?;
            commands::boot::run(&session, common, &args).await
        }
        (Command::Flash(args), _) => {
            let session = open(args.out_dir.as_ref())?;
            commands::flash::run(&session, common, &args).await
        }
        (Command::Status { out_dir }, _) => commands::status::run(&open(out_dir.as_ref())?),
    }
}

/// Shows an error and gives its exit code.
fn fail(view: &View, error: &Error) -> ExitCode {
    view.json_error(&commands::document("error", error.to_json()));
    view.error(error);
    ExitCode::from(error.kind.code())
}

/// What clap has to say: help and version on standard output, the rest is misuse.
fn usage(environment: &Environment, error: &clap::Error) -> ExitCode {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        // A closed pipe is no error.
        let _gone = error.print();
        return ExitCode::SUCCESS;
    }
    // Nothing is parsed, so the wish for JSON has to be looked for.
    if std::env::args_os().any(|argument| argument == "--json") {
        let text = error.render().to_string();
        let message = text.trim().trim_start_matches("error: ").to_owned();
        return fail(
            &View::new(environment, Loudness::Normal, true),
            &Error::new(Kind::Usage, message),
        );
    }
    let _gone = error.print();
    ExitCode::from(Kind::Usage.code())
}

/// Shows every command that is run, on standard error.
fn trace(environment: &Environment) {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(environment.colour)
        .with_target(false)
        .without_time()
        .init();
}
