//! Words that a shell may complete. Targets, hosts and systems come from `cbox.toml` and the
//! folders of hosts: neither Nix nor git is asked, since somebody waits with a finger on Tab.
//!
//! The protocol and the scripts are clap's (`clap_complete::env`): the script that a shell
//! loads calls cbox with the words so far and `COMPLETE=<shell>`. For Nushell, which clap
//! does not know, both are here.

use std::{collections::BTreeSet, ffi::OsString, io::Write, path::Path};

use camino::Utf8PathBuf;
use cbox_driver::{
    environment::Environment,
    flake::project::Project,
    subject::name::{HOSTS, TargetName},
};
use clap::{Arg, Command, CommandFactory as _, ValueHint};
use clap_complete::{
    CompleteEnv,
    engine::{ArgValueCandidates, CompletionCandidate, complete},
    env::{Bash, EnvCompleter, Fish, Shells, Zsh},
};

use crate::cli::{Cli, ImageArgs, Shell};

/// The variable by which a shell asks.
const VARIABLE: &str = "COMPLETE";

const SHELLS: Shells<'static> = Shells(&[&Bash, &Fish, &Nushell, &Zsh]);

/// Answers a shell that asks for completion. `false`: nobody has asked.
///
/// # Errors
/// Why there is no answer.
pub(crate) fn answer() -> Result<bool, String> {
    let words: Vec<OsString> = std::env::args_os().collect();
    let flake = flake_in(&words);
    // Among dozens of options the few names that are wanted would be lost.
    let with_options = words
        .last()
        .is_some_and(|word| word.as_encoded_bytes().starts_with(b"-"));
    let environment = Environment::read();
    let folder = environment.as_ref().ok().map(|here| here.folder.clone());
    let known = || {
        let environment = environment.as_ref().ok()?;
        let project = Project::find(environment, flake.as_deref(), None).ok()?;
        Some(Known::of(&project))
    };
    CompleteEnv::with_factory(|| command(&known().unwrap_or_default(), with_options))
        .var(VARIABLE)
        .shells(SHELLS)
        .try_complete(words, folder.as_deref().map(AsRef::as_ref))
        .map_err(|error| error.to_string())
}

/// The script that `shell` loads.
pub(crate) fn script(shell: Shell) -> String {
    let shell: &dyn EnvCompleter = match shell {
        Shell::Bash => &Bash,
        Shell::Fish => &Fish,
        Shell::Nushell => &Nushell,
        Shell::Zsh => &Zsh,
    };
    let mut script = Vec::new();
    // Memory takes all that is written.
    let _written = shell.write_registration(VARIABLE, "cbox", "cbox", "cbox", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// The folder that `--flake` names among the words of a line that is not finished.
fn flake_in(words: &[OsString]) -> Option<Utf8PathBuf> {
    let mut words = words.iter().filter_map(|word| word.to_str());
    while let Some(word) = words.next() {
        match word.strip_prefix("--flake") {
            Some("") => return words.next().map(Utf8PathBuf::from),
            Some(rest) => return rest.strip_prefix('=').map(Utf8PathBuf::from),
            None => {}
        }
    }
    None
}

/// A word that can be completed, with what it is, in a few words.
#[derive(Debug, Clone)]
struct Word(String, String);

impl Word {
    fn candidate(&self) -> CompletionCandidate {
        let help = (!self.1.is_empty()).then(|| self.1.clone().into());
        CompletionCandidate::new(&self.0).help(help)
    }
}

/// The names in a flake.
#[derive(Debug, Clone, Default)]
struct Known {
    images: Vec<Image>,
    hosts: Vec<String>,
}

#[derive(Debug, Clone)]
struct Image {
    kind: String,
    format: String,
    host: String,
    systems: Vec<String>,
}

impl Known {
    fn of(project: &Project) -> Self {
        let targets = project.config().targets;
        let images = targets.iter().map(|target| Image {
            kind: target.kind.clone(),
            format: target.format.clone(),
            host: target.host.clone(),
            systems: target.systems().iter().map(ToString::to_string).collect(),
        });
        Self {
            images: images.collect(),
            hosts: project.install_hosts(),
        }
    }

    /// Images in the form of a target, once alone and once with each system.
    fn images(&self) -> Vec<Word> {
        let mut found = Vec::new();
        for image in &self.images {
            let name = format!("{}/{}", image.kind, image.format);
            let with_systems = image
                .systems
                .iter()
                .map(|system| format!("{name}/{system}"));
            let names = std::iter::once(name.clone()).chain(with_systems);
            found.extend(names.map(|name| Word(name, format!("an image of {}", image.host))));
        }
        found
    }

    fn targets(&self) -> Vec<Word> {
        let host = |name: &String| {
            let target = TargetName::Host { name: name.clone() };
            Word(target.to_string(), "an install host".to_owned())
        };
        let hosts = self.hosts.iter().map(host);
        hosts.chain(self.images()).collect()
    }

    /// What a word with this name on the command line can be; `None` if nobody knows.
    fn words(&self, command: &str, name: &str) -> Option<Vec<Word>> {
        let plain = |words: &[String]| {
            let words = words.iter().cloned();
            words.map(|word| Word(word, String::new())).collect()
        };
        Some(match (name, command) {
            ("TARGET", "build" | "clean" | "matrix" | "size" | "status" | "watch")
            | ("A" | "B", _) => self.targets(),
            ("TARGET", _) => self.images(),
            // What is baked is in images.
            ("HOST", "baked") => {
                let hosts: BTreeSet<&String> =
                    self.images.iter().map(|image| &image.host).collect();
                plain(&hosts.into_iter().cloned().collect::<Vec<_>>())
            }
            ("HOST" | "GLOB", _) => plain(&self.hosts),
            _ => return None,
        })
    }
}

/// The command line with all that is known of this flake. Options are hidden, which means
/// offered where there is nothing else, unless they are wanted.
fn command(known: &Known, with_options: bool) -> Command {
    let mut command = Cli::command();
    let mut kinds: Vec<&str> = known
        .images
        .iter()
        .map(|image| image.kind.as_str())
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    for kind in kinds.into_iter().filter(|kind| *kind != HOSTS) {
        command = command.subcommand(image_command(kind, known));
    }
    with_words(command, known, with_options)
}

/// `cbox <kind> <format> [system]` for one kind.
fn image_command(kind: &str, known: &Known) -> Command {
    let images: Vec<&Image> = known
        .images
        .iter()
        .filter(|image| image.kind == kind)
        .collect();
    let formats = images
        .iter()
        .map(|image| Word(image.format.clone(), format!("from {}", image.host)))
        .collect();
    let mut systems: Vec<&String> = images.iter().flat_map(|image| &image.systems).collect();
    systems.sort_unstable();
    systems.dedup();
    let systems = systems.into_iter().cloned();
    let systems = systems.map(|system| Word(system, String::new())).collect();
    ImageArgs::command()
        .name(kind.to_owned())
        .about("Build an image of this kind")
        // Each goes to the end of the list when it is changed, so the places are said.
        .mut_arg("format", |arg| offering(arg, formats).index(1))
        .mut_arg("system", |arg| offering(arg, systems).index(2))
        .mut_arg("nix_args", |arg| arg.index(3))
}

fn with_words(command: Command, known: &Known, with_options: bool) -> Command {
    let name = command.get_name().to_owned();
    // Clap adds these two later, where they could not be hidden.
    let command = match with_options {
        true => command,
        false => command.disable_help_flag(true).disable_version_flag(true),
    };
    command
        .mut_args(|arg| {
            let is_hidden = arg.is_hide_set() || !(with_options || arg.is_positional());
            let arg = arg.hide(is_hidden);
            let value = arg.get_value_names().and_then(|names| names.first());
            let Some(value) = value.map(ToString::to_string) else {
                return arg;
            };
            if let Some(found) = known.words(&name, &value) {
                return offering(arg, found);
            }
            match value.as_str() {
                // Flags have a value name too, which nobody sees.
                _ if !arg.get_action().takes_values() => arg,
                "DIR" => arg.value_hint(ValueHint::DirPath),
                "FILE" | "DEVICE" => arg.value_hint(ValueHint::FilePath),
                _ => arg,
            }
        })
        .mut_subcommands(|command| with_words(command, known, with_options))
}

fn offering(arg: Arg, words: Vec<Word>) -> Arg {
    arg.add(ArgValueCandidates::new(move || {
        words.iter().map(Word::candidate).collect()
    }))
}

/// Nushell: its external completer gets the words, and takes a list of records as JSON.
struct Nushell;

impl EnvCompleter for Nushell {
    fn name(&self) -> &'static str {
        "nushell"
    }

    fn is(&self, name: &str) -> bool {
        name == "nushell" || name == "nu"
    }

    fn write_registration(
        &self,
        var: &str,
        _name: &str,
        bin: &str,
        completer: &str,
        buffer: &mut dyn Write,
    ) -> Result<(), std::io::Error> {
        let script = include_str!("completion.nu");
        let script = script.replace("VARIABLE", var).replace("PROGRAM", bin);
        buffer.write_all(script.replace("COMPLETER", completer).as_bytes())
    }

    fn write_complete(
        &self,
        command: &mut Command,
        words: Vec<OsString>,
        folder: Option<&Path>,
        buffer: &mut dyn Write,
    ) -> Result<(), std::io::Error> {
        let last = words.len().saturating_sub(1);
        let found = complete(command, words, last, folder)?;
        let found: Vec<serde_json::Value> = found
            .iter()
            .map(|candidate| {
                let help = candidate.get_help().map(ToString::to_string);
                serde_json::json!({
                    "value": candidate.get_value().to_string_lossy(),
                    "description": help.unwrap_or_default().lines().next().unwrap_or_default(),
                })
            })
            .collect();
        write!(buffer, "{}", serde_json::Value::from(found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flake_is_found_on_an_unfinished_line() {
        let flake = |line: &str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            flake_in(&words).map(Utf8PathBuf::into_string)
        };
        assert_eq!(flake("cbox --flake a/b build "), Some("a/b".into()));
        assert_eq!(flake("cbox build --flake=a x"), Some("a".into()));
        assert_eq!(flake("cbox build --flake"), None);
        assert_eq!(flake("cbox build --flakes x"), None);
    }

    #[test]
    fn the_definitions_hold_with_the_names_of_a_flake() {
        let image = Image {
            kind: "appliance".into(),
            format: "iso".into(),
            host: "x".into(),
            systems: vec!["x86_64-linux".into()],
        };
        let known = Known {
            images: vec![image],
            hosts: vec!["box".into()],
        };
        command(&known, true).debug_assert();
    }
}
