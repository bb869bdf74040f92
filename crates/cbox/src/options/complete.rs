//! Words that a shell may complete. Targets, hosts and systems come from `cbox.toml` and the
//! folders of hosts: neither Nix nor git is asked, since somebody waits with a finger on Tab.
//!
//! The protocol and the scripts are clap's (`clap_complete::env`): the script that a shell
//! loads calls cbox with the words so far and `COMPLETE=<shell>`. For Nushell, which clap
//! does not know, both are here.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    io::Write,
    path::Path,
    sync::OnceLock,
};

use cbox_driver::{
    Environment,
    flake::{
        config::TargetConfig,
        last_known::{LastKnown, Place},
        project::Project,
        reference::Reference,
    },
    image::download::EXTENSIONS,
    target_name::TargetName,
    text::is_obeyed,
};
use clap::Command;
use clap_complete::{
    CompleteEnv,
    engine::{
        ArgValueCandidates, ArgValueCompleter, CompletionCandidate, PathCompleter,
        ValueCompleter as _, complete,
    },
    env::{Bash, EnvCompleter, Fish, Shells, Zsh},
};
use nix_formats::system::System;

/// The variable by which a shell asks.
const VARIABLE: &str = "COMPLETE";

const SHELLS: Shells<'static> = Shells(&[&Bash, &Fish, &Nushell, &Zsh]);

/// A shell with completion.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Fish,
    Nushell,
    Zsh,
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

/// The line that is completed. Clap calls what offers words without an argument, so the one
/// line of this process is here.
static LINE: OnceLock<Line> = OnceLock::new();

/// Answers a shell that asks for completion, of what `command` makes. `false`: nobody has
/// asked.
///
/// # Errors
/// Why there is no answer.
pub(crate) fn answer(
    words: &[OsString],
    environment: Option<&Environment>,
    project: Option<&Project>,
    command: impl Fn() -> Command,
) -> Result<bool, String> {
    let folder = environment.map(|here| here.folder.as_std_path());
    let factory = || {
        let mut line = Line::of(words, project);
        line.in_flake = environment.map_or_else(Vec::new, |here| in_flake(words, here));
        let _first = LINE.set(line);
        // Among dozens of options the few names that are wanted would be lost.
        let last = words.last().map(|word| word.as_encoded_bytes());
        let with_options = last.is_some_and(|word| word.starts_with(b"-"));
        offering(command(), with_options)
    };
    CompleteEnv::with_factory(factory)
        .var(VARIABLE)
        .shells(SHELLS)
        .try_complete(words, folder)
        .map_err(|error| error.to_string())
}

/// `command` with the kinds of image among its commands. Its options are hidden, which means
/// offered where there is nothing else, unless they are wanted.
fn offering(command: Command, with_options: bool) -> Command {
    // Clap adds these two later, where they could not be hidden.
    let command = match with_options {
        true => command,
        false => command.disable_help_flag(true).disable_version_flag(true),
    };
    command
        .hide(false)
        .mut_args(|arg| {
            let is_hidden = arg.is_hide_set() || !(with_options || arg.is_positional());
            arg.hide(is_hidden)
        })
        .mut_subcommands(|command| offering(command, with_options))
}

/// What a line has before the word that is completed, and the names that can follow.
#[derive(Debug, Default)]
struct Line {
    before: Vec<String>,
    images: Vec<TargetConfig>,
    hosts: Vec<String>,
    /// The hosts and variants that the last runs found.
    known: LastKnown,
    /// The hosts of the flake that stands before the `#` of the word, behind it: `.#box`.
    in_flake: Vec<String>,
}

/// The hosts of the flake before the `#` of the last of `words`, as far as they are known.
fn in_flake(words: &[OsString], environment: &Environment) -> Vec<String> {
    let last = words.last().and_then(|word| word.to_str());
    let Some((before, _)) = last.and_then(|word| word.split_once('#')) else {
        return vec![];
    };
    let hosts = match Reference::parse(environment, before) {
        Ok(Reference::Fetched(reference)) => {
            let known = Place::of(&environment.cache, reference.as_str().into()).read();
            known.hosts().map(str::to_owned).collect()
        }
        Ok(reference) => {
            let project = Project::find(environment, Some(reference.as_option().into()));
            Line::of(&[], project.ok().as_ref()).hosts
        }
        Err(_) => vec![],
    };
    let in_flake = hosts.iter().map(|host| format!("{before}#{host}"));
    in_flake.collect()
}

impl Line {
    fn of(words: &[OsString], project: Option<&Project>) -> Self {
        let before = words.split_last().map_or(&[][..], |(_, before)| before);
        let known = project.map_or_else(LastKnown::default, Project::last_known);
        let hosts = match project {
            // Folders are a guess where nothing says that they are hosts.
            Some(project) if project.is_configured() || known.hosts().next().is_none() => {
                project.install_hosts()
            }
            _ => known.hosts().map(str::to_owned).collect(),
        };
        Self {
            before: before
                .iter()
                .map(|word| word.to_string_lossy().into_owned())
                .collect(),
            images: project.map_or_else(Vec::new, |project| project.config().targets),
            hosts,
            known,
            in_flake: vec![],
        }
    }

    /// What the flake before the `#` of the word offers.
    fn in_flake(&self) -> impl Iterator<Item = CompletionCandidate> {
        self.in_flake.iter().map(|host| word(host, "a host"))
    }

    /// The formats of a kind that stands before, or the systems of an image that does.
    fn rest_of_image(&self) -> Option<Vec<CompletionCandidate>> {
        let with_kind = |kind: &str| {
            let images = self.images.iter();
            let images: Vec<&TargetConfig> = images.filter(|image| image.kind == kind).collect();
            images
        };
        match self.before.as_slice() {
            [.., kind] if !with_kind(kind).is_empty() => {
                let formats = with_kind(kind).into_iter();
                let format =
                    |image: &TargetConfig| word(&image.format, &format!("from {}", image.origin()));
                let mut found: Vec<CompletionCandidate> = formats.map(format).collect();
                // A host may be called as the kind is.
                found.extend(self.variants(kind, ""));
                let mut known = BTreeSet::new();
                found.retain(|word| known.insert(word.get_value().to_owned()));
                Some(found)
            }
            [.., host] if !self.known.variants(host).is_empty() => Some(self.variants(host, "")),
            [.., kind, format] => {
                let images = with_kind(kind).into_iter();
                let image = images.into_iter().find(|image| image.format == *format);
                let is_variant = self.known.variants(kind).contains(format);
                let systems = match image {
                    Some(image) => image.systems(),
                    None if is_variant => {
                        let usual = System::usual_names().filter_map(|name| name.parse().ok());
                        usual.collect::<BTreeSet<System>>().into_iter().collect()
                    }
                    None => return None,
                };
                let systems = systems.into_iter();
                Some(systems.map(|system| word(system.as_str(), "")).collect())
            }
            _ => None,
        }
    }

    /// The variants of `host`, as far as they are known, each behind `before`.
    fn variants(&self, host: &str, before: &str) -> Vec<CompletionCandidate> {
        let variants = self.known.variants(host).iter();
        let help = format!("an image of {host}");
        variants
            .map(|variant| word(format!("{before}{variant}"), &help))
            .collect()
    }

    /// The variants of the host whose name stands before the slash of an unfinished word, of
    /// which all hosts have many.
    fn variants_behind(&self, current: &OsStr) -> Vec<CompletionCandidate> {
        let host = current.to_str().and_then(|word| word.split_once('/'));
        host.map_or_else(Vec::new, |(host, _)| {
            self.variants(host, &format!("{host}/"))
        })
    }

    /// Images in the form of a target, once alone and once with each system.
    fn images(&self) -> Vec<CompletionCandidate> {
        let images = self.images.iter().flat_map(|image| {
            let (name, systems) = (image.target(), image.systems());
            let with_system = systems.iter().map(|system| format!("{name}/{system}"));
            let names: Vec<String> = std::iter::once(name.clone()).chain(with_system).collect();
            let help = format!("an image of {}", image.origin());
            names.into_iter().map(move |name| word(name, &help))
        });
        images.collect()
    }

    /// Whether there is an image before already.
    fn has_image(&self) -> bool {
        self.images.iter().any(|image| {
            let (name, mut before) = (image.target(), self.before.iter());
            let mut pairs = self.before.windows(2);
            before.any(|word| *word == name || word.starts_with(&format!("{name}/")))
                || pairs.any(|pair| *pair == [image.kind.as_str(), image.format.as_str()])
        })
    }

    /// Whether a file with an image is before already.
    fn has_image_file(&self) -> bool {
        self.before
            .iter()
            .any(|word| is_called_image(Path::new(word)))
    }

    /// What can follow where one image is taken.
    fn one_image(&self) -> Vec<CompletionCandidate> {
        let rest = self.rest_of_image();
        rest.unwrap_or_else(|| match self.has_image() {
            true => vec![],
            false => self.images(),
        })
    }

    /// Whether the kind of an image stands before, so that its format follows.
    fn is_in_image(&self) -> bool {
        let last = self.before.last();
        last.is_some_and(|kind| self.images.iter().any(|image| image.kind == *kind))
    }

    /// What can follow where a side of a comparison is: what targets are, hosts by their plain
    /// names too, and the same behind the commit that `current` begins with.
    fn sides(&self, current: &str) -> Vec<CompletionCandidate> {
        let host = |name: &String| word(name, "an install host");
        let mut found = self.targets();
        if !self.is_in_image() {
            found.extend(self.hosts.iter().map(host));
        }
        match current.rsplit_once(':') {
            None => found,
            Some((revision, _)) => {
                let behind = found.into_iter();
                let behind = behind.map(|word| word.add_prefix(format!("{revision}:")));
                behind.collect()
            }
        }
    }

    /// What can follow where targets are taken.
    fn targets(&self) -> Vec<CompletionCandidate> {
        let host = |name: &String| {
            let target = TargetName::Host { name: name.clone() };
            word(target.to_string(), "an install host")
        };
        match self.before.last() {
            Some(kind) if self.images.iter().any(|image| image.kind == *kind) => {
                self.rest_of_image().unwrap_or_default()
            }
            _ => {
                let systems = self.rest_of_image().unwrap_or_default().into_iter();
                let hosts = self.hosts.iter().map(host);
                systems.chain(hosts).chain(self.images()).collect()
            }
        }
    }
}

fn word(value: impl Into<OsString>, help: &str) -> CompletionCandidate {
    let help = (!help.is_empty()).then(|| help.to_owned().into());
    CompletionCandidate::new(value).help(help)
}

/// Words that are a part of this line.
fn of_line(words: fn(&Line) -> Vec<CompletionCandidate>) -> ArgValueCandidates {
    ArgValueCandidates::new(move || {
        let found = LINE.get().map(|line| {
            let mut found = words(line);
            found.extend(line.in_flake());
            found
        });
        found.unwrap_or_default()
    })
}

/// Words that are a part of this line, and those that go on from the one that is typed.
fn with_variants(words: fn(&Line) -> Vec<CompletionCandidate>) -> ArgValueCompleter {
    ArgValueCompleter::new(move |current: &OsStr| {
        let found = LINE.get().map(|line| {
            let mut found = words(line);
            found.extend(line.variants_behind(current));
            found
        });
        with_files(found.unwrap_or_default(), current, None)
    })
}

/// Targets: images and hosts, any number of them.
pub(crate) fn targets() -> ArgValueCompleter {
    with_variants(Line::targets)
}

/// Hosts of any kind.
pub(crate) fn hosts() -> ArgValueCandidates {
    of_line(|line| {
        let images = line.images.iter().map(|image| image.host.as_str());
        let hosts = line.hosts.iter().map(String::as_str).chain(images);
        let hosts: BTreeSet<&str> = hosts.chain(line.known.hosts()).collect();
        let hosts = hosts.into_iter().filter(|host| !host.is_empty());
        hosts.map(|host| word(host, "")).collect()
    })
}

/// What is left of one image: its format, or its system.
pub(crate) fn rest_of_image() -> ArgValueCandidates {
    of_line(|line| line.rest_of_image().unwrap_or_default())
}

/// One image: a target, or a file.
pub(crate) fn image_or_file() -> ArgValueCompleter {
    with_images(|has_image| (!has_image).then(image_files))
}

/// One image, and a file behind it.
pub(crate) fn image_and_file() -> ArgValueCompleter {
    with_images(|has_image| match has_image {
        true => Some(PathCompleter::any()),
        false => Some(image_files()),
    })
}

/// What stands for a derivation or a store path: targets and hosts by their plain names, also at a
/// commit, links in `out/`, and files.
pub(crate) fn sides() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let line = LINE.get();
        let words = line.map(|line| line.sides(&current.to_string_lossy()));
        let is_in_image = line.is_some_and(Line::is_in_image);
        let files = (!is_in_image).then(PathCompleter::any);
        let mut found = with_files(words.unwrap_or_default(), current, files);
        found.retain(|word| word.get_value() != ".");
        found
    })
}

/// Files that are called like images. Completion goes through folders by itself.
fn image_files() -> PathCompleter {
    PathCompleter::file().filter(is_called_image)
}

fn is_called_image(path: &Path) -> bool {
    let extension = path.extension().and_then(OsStr::to_str);
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension))
}

/// The images that begin with what is typed, and `files`, which are told whether there is an image
/// before already.
fn with_images(files: fn(bool) -> Option<PathCompleter>) -> ArgValueCompleter {
    ArgValueCompleter::new(move |current: &OsStr| {
        let line = LINE.get();
        let has_image = line.is_some_and(|line| line.has_image() || line.has_image_file());
        let mut words = match line {
            Some(line) if !line.has_image_file() => line.one_image(),
            _ => vec![],
        };
        words.extend(line.iter().flat_map(|line| line.variants_behind(current)));
        let is_in_image = line.is_some_and(Line::is_in_image);
        let files = files(has_image).filter(|_| !is_in_image);
        let mut found = with_files(words, current, files);
        // Before anything is typed, folders would hide the images between them.
        found.retain(|word| {
            !current.is_empty() || !word.get_value().as_encoded_bytes().ends_with(b"/")
        });
        found
    })
}

/// Those of `words` that begin with `current`, and files. A name that cannot be shown is no help to
/// whoever types.
fn with_files(
    words: Vec<CompletionCandidate>,
    current: &OsStr,
    files: Option<PathCompleter>,
) -> Vec<CompletionCandidate> {
    let start = current.as_encoded_bytes();
    let is_begun =
        |word: &CompletionCandidate| word.get_value().as_encoded_bytes().starts_with(start);
    let in_flake = LINE.get().into_iter().flat_map(Line::in_flake);
    let words = words.into_iter().chain(in_flake);
    let mut found: Vec<CompletionCandidate> = words.filter(is_begun).collect();
    found.extend(files.into_iter().flat_map(|files| files.complete(current)));
    found.retain(|word| !word.get_value().to_string_lossy().contains(is_obeyed));
    found
}

/// A flake: a folder, and hosts behind its `#`.
pub(crate) fn flakes() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        with_files(vec![], current, Some(PathCompleter::dir()))
    })
}

/// The hosts that run on machines.
pub(crate) fn install_hosts() -> ArgValueCandidates {
    of_line(|line| line.hosts.iter().map(|host| word(host, "")).collect())
}

/// The hosts that images are made of.
pub(crate) fn image_hosts() -> ArgValueCandidates {
    of_line(|line| {
        let hosts: BTreeSet<&String> = line.images.iter().map(|image| &image.host).collect();
        let hosts = hosts.into_iter().filter(|host| !host.is_empty());
        hosts.map(|host| word(host, "")).collect()
    })
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
        let script = include_str!("complete.nu");
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
