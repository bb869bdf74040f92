//! From the command line to an exit code.

use std::process::ExitCode;

use cbox_driver::{Environment, Error, Kind, subject::target};
use cbox_nix::Interrupt;
use clap::{Parser as _, error::ErrorKind};

use crate::{
    cli::{Cli, Command, Common, Format, ImageArgs},
    commands, completion,
    context::Context,
    terminal::Terminal,
    view::{Loudness, View},
};

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    match completion::answer() {
        Ok(true) => return ExitCode::SUCCESS,
        Ok(false) => {}
        Err(message) => {
            let view = View::new(&Terminal::unknown(), Loudness::Normal, false);
            return fail(&view, &Error::new(Kind::Usage, message));
        }
    }
    let cli = Cli::try_parse();
    // Help needs no environment, and is wanted most where something is wrong with it.
    let read = Environment::read().and_then(|environment| Ok((environment, Terminal::read()?)));
    let (environment, terminal) = match (read, &cli) {
        (Ok(read), _) => read,
        (Err(_), Err(error)) => return usage(&Terminal::unknown(), error),
        (Err(error), Ok(_)) => {
            // Without an environment there is no view yet: a plain one serves.
            let view = View::new(&Terminal::unknown(), Loudness::Normal, false);
            return fail(&view, &error);
        }
    };
    let cli = match cli {
        Ok(cli) => cli,
        Err(error) => return usage(&terminal, &error),
    };
    let plain_view = |json| View::new(&terminal, Loudness::Normal, json);
    let (image, common) = match &cli.command {
        Command::Image(words) => {
            let parsed = match commands::image::parse(words) {
                Err(error) if error.kind() == ErrorKind::DisplayHelp => {
                    return usage(&terminal, &error);
                }
                parsed => parsed,
            };
            let behind = parsed.as_ref().map(|image| image.common.clone());
            let common = cli.common.clone().merge(behind.unwrap_or_default());
            if let Err(error) = commands::image::check_kind(&environment, &common, words) {
                return fail(&plain_view(common.json), &error);
            }
            match parsed {
                Ok(image) => (Some(image), common),
                Err(error) => return usage(&terminal, &error),
            }
        }
        _ => (None, cli.common.clone()),
    };
    let common = match cli.command.format() {
        Some(format) if common.json && format != Format::Json => {
            let error = Error::new(Kind::Usage, "`--json` and `--format` ask for two forms");
            return fail(&plain_view(false), &error);
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
        trace(&terminal);
    }
    let view = View::new(&terminal, loudness, common.json);
    let ended = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::new(Kind::Environment, format!("cannot start: {error}")))
        .and_then(|runtime| {
            let work = async {
                let interrupt = Interrupt::listen().map_err(|error| {
                    let message = format!("cannot take over signals: {error}");
                    Error::new(Kind::Environment, message)
                })?;
                let context = Context {
                    environment: &environment,
                    terminal: &terminal,
                    view: &view,
                    interrupt: &interrupt,
                    common: &common,
                };
                dispatch(&context, cli.command, image).await
            };
            runtime.block_on(work)
        });
    view.close();
    match ended.and_then(|()| view.written()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&view, &error),
    }
}

async fn dispatch(
    context: &Context<'_>,
    command: Command,
    image: Option<ImageArgs>,
) -> Result<(), Error> {
    match (command, image) {
        (Command::Image(words), Some(args)) => {
            let kind = words.first().map_or("", String::as_str);
            commands::image::run(context, kind, &args).await
        }
        (Command::Image(_), None) => Ok(()),
        (Command::Build(args), _) => {
            let names = target::parse_names(&args.targets)?;
            commands::build::run(context, &args.flags, &names).await
        }
        (Command::Init(args), _) => commands::init::run(context, &args).await,
        (Command::Matrix(args), _) => commands::matrix::run(context, &args),
        (Command::List, _) => commands::list::run(context),
        (Command::Hosts { limits }, _) => commands::hosts::run(context, limits).await,
        (Command::Source(source), _) => commands::source::run(context, &source).await,
        (Command::VerifyHosts(args), _) => commands::verify_hosts::run(context, &args).await,
        (Command::Accept(args), _) => commands::accept::run(context, &args).await,
        (Command::Diff(args), _) => commands::diff::run(context, &args).await,
        (Command::Completions { shell }, _) => {
            commands::completions::run(context.view, shell);
            Ok(())
        }
        (Command::Man { folder }, _) => {
            commands::completions::man(&context.environment.absolute(&folder))
        }
        (Command::Size(args), _) => commands::size::run(context, &args).await,
        (Command::Doctor, _) => commands::doctor::run(context).await,
        (Command::Watch(args), _) => commands::watch::run(context, &args).await,
        (Command::Boot(args), _) => commands::boot::run(context, &args).await,
        (Command::Flash(args), _) => commands::flash::run(context, &args).await,
        (Command::Status(args), _) => commands::status::run(context, &args).await,
        (Command::Clean(args), _) => commands::clean::run(context, &args).await,
    }
}

/// Shows an error and gives its exit code.
fn fail(view: &View, error: &Error) -> ExitCode {
    view.json_error(&commands::document("error", error.to_json()));
    view.error(error);
    ExitCode::from(error.kind.code())
}

/// What clap has to say: help and version on standard output, the rest is misuse.
fn usage(terminal: &Terminal, error: &clap::Error) -> ExitCode {
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
            &View::new(terminal, Loudness::Normal, true),
            &Error::new(Kind::Usage, message),
        );
    }
    let _gone = error.print();
    ExitCode::from(Kind::Usage.code())
}

/// Shows every command that is run, on standard error.
fn trace(terminal: &Terminal) {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(terminal.colour)
        .with_target(false)
        .without_time()
        .init();
}
