//! Flakes among the words of a command line, as users of Nix write them: `cbox build .#host`,
//! `cbox image --flake github:o/r#host iso`. Before clap sees the words, they are made
//! what they stand for: `cbox --flake github:o/r image host iso`.

use std::ffi::{OsStr, OsString};

use cbox_driver::{
    Environment, Error, Kind,
    flake::reference::{Meant, Reference},
    target_name::HOSTS,
};

/// What a command takes that a flake can stand before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// Targets, hosts among them.
    Targets,
    /// A host, a variant and a system.
    Image,
    /// Hosts alone.
    Hosts,
    /// Targets, also of several flakes.
    Sides,
}

/// The commands that take such. All others are about a flake as a whole, or about none.
const COMMANDS: [(&str, Takes); 16] = [
    ("accept", Takes::Hosts),
    ("boot", Takes::Targets),
    ("build", Takes::Targets),
    ("clean", Takes::Targets),
    ("diff", Takes::Sides),
    ("flash", Takes::Targets),
    ("image", Takes::Image),
    ("list", Takes::Hosts),
    ("matrix", Takes::Targets),
    ("provenance", Takes::Targets),
    ("reproduce", Takes::Targets),
    ("sbom", Takes::Targets),
    ("sign", Takes::Targets),
    ("size", Takes::Targets),
    ("status", Takes::Targets),
    ("verify-hosts", Takes::Hosts),
];

/// A word with a flake.
struct Named {
    /// Its place on the line.
    place: usize,
    word: String,
    reference: Reference,
    fragment: Option<String>,
}

/// `words` in the form that clap takes, of a program whose commands are those of `command`.
///
/// # Errors
/// When a word names a flake, and what is meant in it cannot be told.
pub(crate) fn resolve(
    words: &[OsString],
    environment: &Environment,
    command: impl Fn() -> clap::Command,
) -> Result<Vec<OsString>, Error> {
    let may_name = |word: &str| word.contains(['#', ':']) || word == "." || word == "..";
    if !words
        .iter()
        .skip(1)
        .any(|word| word.to_str().is_some_and(may_name))
    {
        return Ok(words.to_vec());
    }
    let command = command();
    let line = Line::of(words, &command);
    let takes = COMMANDS.iter().find(|(name, _)| *name == line.command);
    let takes = takes.map(|(_, takes)| *takes);
    let mut all: Vec<Vec<OsString>> = words.iter().map(|word| vec![word.clone()]).collect();
    // What `--flake` names.
    let mut main = None;
    let mut first = None;
    if let Some((place, inline, value)) = line.flake {
        let (reference, fragment) = Reference::of_option(environment, value)?;
        if let Some(fragment) = fragment {
            let option = reference.as_option();
            all[place] = vec![match inline {
                true => format!("--flake={option}").into(),
                false => option.into(),
            }];
            let Some(takes) = takes else {
                return Err(takes_none(line.command, value));
            };
            first = Some((takes, fragment));
        }
        main = Some(reference);
    }
    let mut named = Vec::new();
    if let Some(takes) = takes {
        for &(place, word) in &line.positional {
            let found = Reference::of_word(environment, word)?;
            // Elsewhere a path alone is a file or a link, and `a:b` a commit.
            let found = found.filter(|(_, fragment)| {
                fragment.is_some() || takes != Takes::Sides && !takes_paths(line.command)
            });
            named.extend(found.map(|(reference, fragment)| Named {
                place,
                word: word.to_owned(),
                reference,
                fragment: fragment.filter(|fragment| !fragment.is_empty()),
            }));
        }
        if main.is_none() {
            // A side without a flake is one of the flake that is here, unless it is of none.
            let is_of_flake = |(place, word): &&(usize, &str)| {
                let is_named = named.iter().any(|named| named.place == *place);
                !is_named && !word.starts_with(['/', '.']) && !word.contains("://")
            };
            let is_here =
                takes == Takes::Sides && line.positional.iter().find(is_of_flake).is_some();
            let references = || named.iter().map(|named| &named.reference);
            let is_folder = |reference: &&Reference| !matches!(reference, Reference::Fetched(_));
            main = references()
                .find(is_folder)
                .or_else(|| references().next())
                .filter(|_| !is_here)
                .cloned();
            if let Some(reference) = main.as_ref().filter(|main| **main != Reference::Here) {
                all[0].extend(["--flake".into(), reference.as_option().into()]);
            } else if main.is_some() && environment.flake.is_some() {
                all[0].extend(["--flake".into(), ".".into()]);
            }
        }
        let here = main.unwrap_or(Reference::Here);
        for one in &named {
            if !one.reference.is_same(&here, environment) {
                if takes == Takes::Sides {
                    continue;
                }
                return Err(two_flakes(line.command, here.as_option(), one));
            }
            let next = line.positional.iter().find(|(place, _)| *place > one.place);
            let is_joined = next.is_some_and(|(place, word)| {
                let is_named = named.iter().any(|other| other.place == *place);
                !is_named && !word.contains(['/', ':', '.'])
            });
            all[one.place] = match &one.fragment {
                Some(fragment) => meant(takes, fragment, is_joined, line.command)?,
                None if line.command == "list" => vec![],
                None => return Err(which_host(line.command, &one.word)),
            };
        }
    }
    if let Some((takes, fragment)) = first {
        let next = line.positional.first();
        let is_joined = next.is_some_and(|(_, word)| !word.contains(['/', ':', '.']));
        all[line.place].extend(meant(takes, &fragment, is_joined, line.command)?);
    }
    Ok(all.into_iter().flatten().collect())
}

/// The command that `words` are a line of, or the kind of image; empty where there is none.
pub(crate) fn command_among<'w>(words: &'w [OsString], command: &clap::Command) -> &'w str {
    Line::of(words, command).command
}

/// Whether a word without a `#` is rather a file or a link to `command`.
fn takes_paths(command: &str) -> bool {
    matches!(command, "boot" | "flash" | "size")
}

/// The words that stand for what is behind a `#`. Behind them may be one that belongs to them.
fn meant(
    takes: Takes,
    fragment: &str,
    is_joined: bool,
    command: &str,
) -> Result<Vec<OsString>, Error> {
    let words: Vec<String> = match (takes, Meant::parse(fragment)?) {
        (Takes::Hosts | Takes::Image, Meant::Host(host)) => vec![host],
        (Takes::Image, Meant::Variant(host, variant)) => vec![host, variant],
        (Takes::Image, Meant::Target(target)) => target.split('/').map(str::to_owned).collect(),
        (Takes::Hosts, _) => {
            let message = format!("`#{fragment}` names an image, and `cbox {command}` takes hosts");
            return Err(Error::new(Kind::Usage, message).hint("write `#HOST`"));
        }
        (_, Meant::Host(host)) if is_joined => vec![host],
        (_, Meant::Host(host)) => vec![format!("{HOSTS}/{host}")],
        (_, Meant::Variant(host, variant)) => vec![format!("{host}/{variant}")],
        (_, Meant::Target(target)) => vec![target],
    };
    Ok(words.into_iter().map(OsString::from).collect())
}

fn takes_none(command: &str, value: &str) -> Error {
    let message = match command {
        "" => format!("`--flake {value}` names something in a flake, and no command takes it"),
        _ => format!(
            "`--flake {value}` names something in a flake, and `cbox {command}` takes the flake alone"
        ),
    };
    let flake = value.split('#').next().unwrap_or_default();
    Error::new(Kind::Usage, message).hint(format!("write `--flake {flake}`"))
}

fn two_flakes(command: &str, one: &str, other: &Named) -> Error {
    let message = format!(
        "one run is about one flake, but this line names {one} and {}",
        other.reference.as_option()
    );
    Error::new(Kind::Usage, message).hint(match command {
        "size" => "`--against` takes a target of another flake",
        _ => "run cbox once for each",
    })
}

fn which_host(command: &str, word: &str) -> Error {
    let message = format!("`{word}` is a flake: which host of it?");
    let word = match word.trim_end_matches('#') {
        "" => ".",
        word => word,
    };
    Error::new(Kind::Usage, message).hint(format!(
        "`cbox list {word}` shows the hosts, and `cbox {command} {word}#HOST` names one"
    ))
}

/// A command line, as far as it is understood without clap.
#[derive(Debug, Default)]
struct Line<'w> {
    /// The command, or the kind of image.
    command: &'w str,
    /// Its place.
    place: usize,
    /// The last value of `--flake`: its place, and whether the option is in the same word.
    flake: Option<(usize, bool, &'w str)>,
    /// What stands behind the command and is no option, each with its place.
    positional: Vec<(usize, &'w str)>,
}

impl<'w> Line<'w> {
    fn of(words: &'w [OsString], command: &clap::Command) -> Self {
        let mut line = Self::default();
        let mut level = command;
        // The option whose values follow, and how many.
        let mut open: (Option<&clap::Arg>, usize) = (None, 0);
        let values = |arg: &clap::Arg| match arg.get_action().takes_values() {
            true => arg.get_num_args().map_or(1, |number| number.min_values()),
            false => 0,
        };
        for (place, word) in words.iter().enumerate().skip(1) {
            // What is not UTF-8 names no flake, but it has its place.
            let word: &str = word.to_str().unwrap_or("\u{fffd}");
            if open.1 > 0 {
                if open.0.is_some_and(|arg| arg.get_id() == "flake") {
                    line.flake = Some((place, false, word));
                }
                open.1 -= 1;
                continue;
            }
            let find = |is_it: &dyn Fn(&clap::Arg) -> bool| {
                let own = level.get_arguments().find(|arg| is_it(arg));
                own.or_else(|| command.get_arguments().find(|arg| is_it(arg)))
            };
            match word.strip_prefix("--") {
                Some("") => break,
                Some(long) => {
                    let (name, inline) = match long.split_once('=') {
                        Some((name, value)) => (name, Some(value)),
                        None => (long, None),
                    };
                    let arg = find(&|arg| arg.get_long() == Some(name));
                    match (inline, arg) {
                        (Some(value), Some(arg)) if arg.get_id() == "flake" => {
                            line.flake = Some((place, true, value));
                        }
                        (None, Some(arg)) => open = (Some(arg), values(arg)),
                        _ => {}
                    }
                    continue;
                }
                None => {}
            }
            if let Some(short) = word.strip_prefix('-').filter(|short| !short.is_empty()) {
                for (position, letter) in short.char_indices() {
                    let arg = find(&|arg| arg.get_short() == Some(letter));
                    if let Some(arg) = arg.filter(|arg| values(arg) > 0) {
                        let is_last = position + letter.len_utf8() == short.len();
                        open = (Some(arg), values(arg) - usize::from(!is_last));
                        break;
                    }
                }
            } else if line.place == 0 {
                line.command = word;
                line.place = place;
                level = command.find_subcommand(OsStr::new(word)).unwrap_or(level);
            } else {
                line.positional.push((place, word));
            }
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::command_line::command;

    fn resolved(line: &str) -> Result<String, String> {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let environment = Environment {
            folder: "/nonexistent".into(),
            ..Environment::unknown()
        };
        match resolve(&words, &environment, || command(None)) {
            Ok(words) => {
                let words: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
                Ok(words.join(" "))
            }
            Err(error) => Err(error.lines().join("\n")),
        }
    }

    #[test]
    fn flakes_in_words_become_the_flake_of_the_run() {
        for (line, expected) in [
            ("cbox build box", "cbox build box"),
            ("cbox build .#box", "cbox build hosts/box"),
            ("cbox build .#a .#b", "cbox build hosts/a hosts/b"),
            ("cbox build #box", "cbox build hosts/box"),
            ("cbox build .#box iso", "cbox build box iso"),
            (
                "cbox build -L path:/x#a -j 2 b",
                "cbox --flake /x build -L a -j 2 b",
            ),
            (
                "cbox build --set a=.#b .#c",
                "cbox build --set a=.#b hosts/c",
            ),
            ("cbox build -o .#b .#c", "cbox build -o .#b hosts/c"),
            (
                "cbox size github:o/r#nixosConfigurations.box.config.system.build.toplevel",
                "cbox --flake github:o/r size hosts/box",
            ),
            (
                "cbox build .#nixosConfigurations.box.config.system.build.images.iso",
                "cbox build box/iso",
            ),
            ("cbox image .#box iso", "cbox image box iso"),
            (
                "cbox image github:o/r#nixosConfigurations.box.config.system.build.isoImage arm64",
                "cbox --flake github:o/r image box iso arm64",
            ),
            (
                "cbox image --flake .#laptop iso",
                "cbox image laptop --flake . iso",
            ),
            (
                "cbox --flake=github:o/r#box build",
                "cbox --flake=github:o/r build hosts/box",
            ),
            ("cbox list github:o/r", "cbox --flake github:o/r list"),
            ("cbox list .#box", "cbox list box"),
            ("cbox verify-hosts .#box", "cbox verify-hosts box"),
            (
                "cbox diff HEAD~1:box .#box",
                "cbox diff HEAD~1:box hosts/box",
            ),
            ("cbox diff fix#12:box box", "cbox diff fix#12:box box"),
            (
                "cbox diff github:o/r#box box",
                "cbox diff github:o/r#box box",
            ),
            (
                "cbox diff github:o/r#box .#box",
                "cbox diff github:o/r#box hosts/box",
            ),
            (
                "cbox diff github:o/r#box github:o/s#box",
                "cbox --flake github:o/r diff hosts/box github:o/s#box",
            ),
            (
                "cbox diff /nix/store/x github:o/r#box",
                "cbox --flake github:o/r diff /nix/store/x hosts/box",
            ),
            ("cbox boot ./a.iso", "cbox boot ./a.iso"),
            ("cbox build x -- .#y", "cbox build x -- .#y"),
        ] {
            assert_eq!(resolved(line).as_deref(), Ok(expected), "{line}");
        }
    }

    #[test]
    fn what_cannot_be_told_is_said_with_a_way_out() {
        for (line, words) in [
            (
                "cbox build .#a /x#b",
                &["one flake", ". and /x", "once for each"][..],
            ),
            ("cbox build .", &["which host", "cbox build .#HOST"]),
            ("cbox build .#", &["which host", "cbox build .#HOST"]),
            ("cbox build #", &["which host", "cbox build .#HOST"]),
            (
                "cbox build github:o/r",
                &["which host", "cbox list github:o/r"],
            ),
            (
                "cbox build .#packages.x86_64-linux.hello",
                &["no host", "package = \"packages.x86_64-linux.hello\""],
            ),
            ("cbox hosts --flake .#box", &["`cbox hosts`", "`--flake .`"]),
            ("cbox list .#box/iso", &["takes hosts"]),
            (
                "cbox build .#nixosConfigurations.box.config.system.build.vm",
                &[
                    "is no image that cbox knows",
                    "attribute = \"system.build.vm\"",
                ],
            ),
        ] {
            let message = resolved(line).unwrap_err();
            for word in words {
                assert!(message.contains(word), "{line}: {message}");
            }
        }
    }
}
