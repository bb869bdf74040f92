//! From the command line to an exit code.

use std::{convert::Infallible, ffi::OsString, process::ExitCode};

use cbox_driver::{
    Environment, Error, Kind,
    flake::{
        project::Project,
        reference::{self, Fetched, Reference},
    },
    progress::Reporter,
};
use cbox_nix::{Interrupt, Signal, process::launcher};
use clap::error::ErrorKind;

use crate::{
    commands::{
        Command, Needs,
        command_line::{self, Cli, Refusal},
        context::Context,
        junit::Junit,
    },
    options::{GlobalOptions, complete, flake_words},
    view::{Form, Loudness, Traces, View, terminal::Terminal},
};

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    let typed: Vec<OsString> = std::env::args_os().collect();
    let environment = Environment::read();
    let words = match &environment {
        Ok(environment) => {
            flake_words::resolve(&typed, environment, || command_line::command(None))
        }
        Err(_) => Ok(typed.clone()),
    };
    let (words, unresolved) = match words {
        Ok(words) => (words, None),
        Err(error) => (typed, Some(error)),
    };
    let flake = command_line::flake_among(&words);
    // What Nix has to fetch is fetched once it is known what it is for.
    let fetched = match environment
        .as_ref()
        .map(|it| Reference::of_run(it, flake.as_deref()))
    {
        Ok(Ok(Reference::Fetched(reference))) => Some(reference),
        _ => None,
    };
    let project = environment
        .as_ref()
        .map_err(Clone::clone)
        .and_then(|environment| command_line::find_project(environment, flake.as_deref()));
    let unknown = || View::new(&Terminal::unknown(), Loudness::Normal, Form::Text);
    let here = project.as_ref().ok();
    let command = || command_line::command(here);
    match complete::answer(&words, environment.as_ref().ok(), here, command) {
        Ok(true) => return ExitCode::SUCCESS,
        Ok(false) => {}
        Err(message) => return fail(&unknown(), &Error::new(Kind::Usage, message)),
    }
    let cli = match (unresolved, &project) {
        (Some(error), _) => Err(error.into()),
        (None, Err(error)) if fetched.is_some() => command_line::parse_unfetched(error, &words),
        (None, project) => command_line::parse(project.as_ref(), &words),
    };
    // Of words that are no command line, this one is looked for.
    let color = match &cli {
        Ok(cli) => cli.options.color,
        Err(_) => command_line::color_among(&words),
    };
    // Help needs no environment, and is wanted most where something is wrong with it.
    let read = environment.and_then(|environment| {
        let terminal = Terminal::read(&environment, color.map(Into::into))?;
        Ok((environment, terminal))
    });
    match (read, cli) {
        (Ok((environment, terminal)), Ok(cli)) => {
            let flake = match &fetched {
                Some(reference) => Flake::Unfetched(reference, &words),
                None => Flake::Found(&project),
            };
            run(&environment, &terminal, flake, cli)
        }
        (Ok((_, terminal)), Err(refusal)) => refuse(&terminal, &refusal),
        (Err(_), Err(refusal)) => refuse(&Terminal::unknown(), &refusal),
        // Without an environment there is no view yet: a plain one serves.
        (Err(error), Ok(_)) => fail(&unknown(), &error),
    }
}

/// The flake of a run.
enum Flake<'f> {
    /// What was found where it is looked for.
    Found(&'f Result<Project, Error>),
    /// A reference that Nix has to fetch, and the words of the command line, whose meaning may
    /// depend on the flake.
    Unfetched(&'f str, &'f [OsString]),
}

/// Runs a command.
fn run(environment: &Environment, terminal: &Terminal, flake: Flake<'_>, cli: Cli) -> ExitCode {
    let options = &cli.options;
    let loudness = match (options.quiet, options.repeated.verbose) {
        (true, _) => Loudness::Quiet,
        (false, 0) => Loudness::Normal,
        (false, 1) => Loudness::Verbose,
        (false, _) => Loudness::Trace,
    };
    if options.repeated.verbose > 1 {
        trace();
    }
    let command = &cli.command;
    let view = View::new(terminal, loudness, options.form()).repeating(cli.repeated);
    if let (Err(error), true) = (&environment.user, command.uses_preferences()) {
        return fail(&view, error);
    }
    let junit = match Junit::wanted(environment, &cli.command) {
        Ok(junit) => junit,
        Err(error) => return fail(&view, &error),
    };
    // All work that starts processes is done on this thread, which is there to the end.
    launcher::children_end_with_this_process();
    let ended = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::new(Kind::Environment, format!("cannot start: {error}")))
        .and_then(|runtime| {
            let work = async {
                let interrupt = Interrupt::listen().map_err(|error| {
                    let message = format!("cannot handle signals: {error}");
                    Error::new(Kind::Environment, message)
                })?;
                let run = async {
                    let fetched;
                    let project = match flake {
                        Flake::Found(project) => project,
                        Flake::Unfetched(reference, words) => {
                            fetched = fetch(
                                &view,
                                (environment, &interrupt),
                                options,
                                command,
                                (reference, words),
                            )
                            .await?;
                            &fetched
                        }
                    };
                    let context = Context {
                        environment,
                        terminal,
                        view: &view,
                        interrupt: &interrupt,
                        options,
                        project,
                        junit: junit.as_ref(),
                    };
                    command.run(&context).await
                };
                tokio::select! {
                    biased;
                    ended = run => ended,
                    never = tell_slow(&interrupt, &view) => match never {},
                }
            };
            runtime.block_on(work)
        });
    view.close();
    let written = junit.map_or(Ok(()), |junit| junit.write(&ended));
    let ended = match (ended, written) {
        (Err(error), Err(lost)) => {
            view.error(&lost);
            Err(error)
        }
        (ended, written) => ended.and(written),
    };
    match ended.and_then(|()| view.written()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&view, &error),
    }
}

/// Has Nix fetch the flake of a run, for a command that can do with one that is read-only. Why
/// there is none concerns only those who need one.
async fn fetch(
    view: &View,
    (environment, interrupt): (&Environment, &Interrupt),
    options: &GlobalOptions,
    command: &Command,
    (reference, words): (&str, &[OsString]),
) -> Result<Result<Project, Error>, Error> {
    let called = Fetched::called(reference);
    match command.needs() {
        Needs::Nothing => return Ok(Err(called.lacks("nothing is looked for in it"))),
        Needs::Tree => {}
        Needs::WorkingTree(why) => return Err(called.lacks(why)),
    }
    let run_options = options.run_options();
    let hears = (view as &dyn Reporter, interrupt);
    let tree = reference::fetch(environment, &run_options, hears, reference).await;
    let project = tree
        .and_then(|tree| Project::fetched(environment, tree))
        .and_then(command_line::checked);
    // Only now is it known which kinds of image there are.
    if let (Ok(project), Command::Image(..)) = (&project, command) {
        match command_line::parse(Ok(project), words) {
            Ok(_) => {}
            Err(Refusal::Cbox(error)) => return Err(error),
            Err(Refusal::Clap(error)) => {
                let text = error.to_string();
                let text = text.trim().trim_start_matches("error: ");
                return Err(Error::new(Kind::Usage, text));
            }
            Err(Refusal::TwoForms) => return Err(Refusal::two_forms()),
        }
    }
    Ok(project)
}

/// Says which program takes its time to end after a signal. Never returns.
async fn tell_slow(interrupt: &Interrupt, view: &View) -> Infallible {
    let program = match interrupt.slow_to_end().await {
        program if program == "nix" => "Nix".to_owned(),
        program => program,
    };
    let again = match interrupt.signal() {
        Some(Signal::Interrupt) => " (Ctrl-C again kills it)",
        _ => "",
    };
    view.note(&format!("waiting for {program} to end{again}"));
    std::future::pending().await
}

/// Shows an error and gives its exit code.
fn fail(view: &View, error: &Error) -> ExitCode {
    view.json_error(error);
    view.last_error(error);
    ExitCode::from(error.kind.code())
}

/// Words that are no command. Help and version go to standard output, the rest is misuse.
fn refuse(terminal: &Terminal, refusal: &Refusal) -> ExitCode {
    // Nothing is parsed, so the wish for JSON has to be looked for.
    let has = |option: &str| std::env::args_os().any(|argument| argument == option);
    let form = match (has("--json-lines"), has("--json")) {
        (true, _) => Form::JsonLines,
        (false, true) => Form::Json,
        (false, false) => Form::Text,
    };
    let view = View::new(terminal, Loudness::Normal, form);
    match refusal {
        Refusal::Clap(error)
            if matches!(
                error.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            ) =>
        {
            view.help(error);
            match view.written() {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => fail(&view, &error),
            }
        }
        Refusal::Clap(error) if view.is_json() => {
            let text = error.render().to_string();
            let message = text.trim().trim_start_matches("error: ").to_owned();
            fail(&view, &Error::new(Kind::Usage, message))
        }
        Refusal::Clap(error) => {
            view.usage_error(error);
            ExitCode::from(Kind::Usage.code())
        }
        Refusal::Cbox(error) => fail(&view, error),
        Refusal::TwoForms => fail(&view, &Refusal::two_forms()),
    }
}

/// Shows every command that is run, on standard error.
fn trace() {
    tracing_subscriber::fmt()
        .with_writer(|| Traces)
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_target(false)
        .without_time()
        .init();
}
