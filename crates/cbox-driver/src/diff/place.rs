//! Where in the repository a cause comes from: the line that was added and says the same.
//!
//! A derivation does not know which line made it. But a change that made a difference
//! adds lines, and those hold the words that are new in the derivation.

use std::collections::BTreeSet;

use camino::Utf8PathBuf;
use cbox_nix::git::AddedLine;
use drv_causes::{Cause, Change, Explanation, Sign};

use crate::{
    error::Place,
    flake::{session::Session, version::Version},
};

/// Shorter words stand in too many lines to point anywhere.
const SHORTEST: usize = 3;

/// The lines that `version` has beyond a commit, in files that are staged. None where git
/// cannot say: they only help to point.
pub async fn added_since(
    session: &Session<'_>,
    version: &Version<'_>,
    commit: &str,
) -> Vec<AddedLine> {
    let to = version.revision().filter(|_| version.is_commit());
    let lines = match &session.project.repository {
        Some(repository) => repository
            .added_lines(commit, to, session.interrupt)
            .await
            .unwrap_or_default(),
        None => vec![],
    };
    let staged = |line: &AddedLine| version.base.contains(&line.file);
    lines.into_iter().filter(staged).collect()
}

/// The place of each cause among the lines that were added.
pub fn of_causes(explanation: &Explanation, added: &[AddedLine]) -> Vec<Option<Place>> {
    let words = added.iter().map(|line| words(&line.text).collect());
    let words: Vec<BTreeSet<String>> = words.collect();
    let causes = explanation.causes.iter();
    causes.map(|cause| of_cause(cause, added, &words)).collect()
}

/// The place of a cause among the lines that were added, whose `words` are these.
fn of_cause(cause: &Cause, added: &[AddedLine], words: &[BTreeSet<String>]) -> Option<Place> {
    if cause.is_source
        && let Some(place) = of_source(cause, added)
    {
        return Some(place);
    }
    let new = New::of(cause);
    let mut best: Option<(usize, &AddedLine)> = None;
    for (line, words) in added.iter().zip(words) {
        let score = new.score(&line.text, words);
        if score > best.map_or(0, |(most, _)| most) {
            best = Some((score, line));
        }
    }
    // Another lock file changes packages without a word of them in any other line.
    let locked = || added.iter().find(|line| line.file.ends_with("flake.lock"));
    place(best.map(|(_, line)| line).or_else(locked)?)
}

/// The first added line of a file that is in the source, under the same path.
fn of_source(cause: &Cause, added: &[AddedLine]) -> Option<Place> {
    let in_source = |line: &AddedLine| {
        let fields = cause.differences.iter().map(|difference| &difference.field);
        fields
            .filter(|field| *field != "content")
            .any(|field| line.file.ends_with(field))
            || line.file.ends_with(&cause.name)
    };
    place(added.iter().find(|line| in_source(line))?)
}

fn place(line: &AddedLine) -> Option<Place> {
    Some(Place {
        file: Utf8PathBuf::from_path_buf(line.file.clone()).ok()?,
        line: line.line,
    })
}

/// What is in a cause now and was not before.
#[derive(Debug, Default)]
struct New {
    words: BTreeSet<String>,
    /// Whole lines, for those that have nothing but short words.
    lines: BTreeSet<String>,
}

impl New {
    fn of(cause: &Cause) -> Self {
        let (mut new, mut known) = (Self::default(), Self::default());
        if let Some(bump) = &cause.bump {
            new.words.insert(bump.after.clone());
        }
        for difference in &cause.differences {
            match &difference.change {
                Change::Added { value } => {
                    new.add(&difference.field);
                    new.add(value);
                }
                Change::Removed { value } => known.add(value),
                Change::Changed { before, after } => {
                    known.add(before);
                    new.add(after);
                }
                Change::Text { lines } => {
                    for line in lines {
                        match line.sign {
                            Sign::Added => new.add(&line.text),
                            _ => known.add(&line.text),
                        }
                    }
                }
            }
        }
        new.words.retain(|word| !known.words.contains(word));
        new.lines.retain(|line| !known.lines.contains(line));
        new
    }

    fn add(&mut self, text: &str) {
        self.words.extend(words(text));
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| line.len() >= SHORTEST);
        self.lines.extend(lines.map(str::to_owned));
    }

    /// How much of it is in a line of the repository, and among the words of that.
    fn score(&self, line: &str, words: &BTreeSet<String>) -> usize {
        let lines = self.lines.iter().filter(|new| line.contains(new.as_str()));
        self.words.intersection(words).count() + lines.count()
    }
}

/// The words of a text that can point somewhere: those that hold together (`9.1.2`, `/var/lib/a`),
/// and in lower case their parts, since `TMUX_TMPDIR` and `htop-3.5.1` come of `programs.tmux` and `pkgs.htop`.
fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    let held = |by: &'static str| {
        let holds = move |one: char| one.is_alphanumeric() || by.contains(one);
        text.split(move |one| !holds(one))
            .map(|word| word.trim_matches('.').to_owned())
            .filter(|word| word.contains(['_', '-', '.', '/']))
    };
    let whole = held(".").chain(held("_-.")).chain(held("_-./"));
    let parts = text.split(|character: char| !character.is_alphanumeric());
    let parts = parts.filter(|part| part.contains(char::is_alphabetic));
    let parts = parts.map(str::to_lowercase);
    let parts = parts.filter(|part| !EVERYWHERE.contains(&part.as_str()));
    whole.chain(parts).filter(|word| word.len() >= SHORTEST)
}

/// Words that stand in many lines of a configuration, or of any script.
const EVERYWHERE: &[&str] = &[
    "and",
    "bin",
    "boot",
    "config",
    "default",
    "dev",
    "enable",
    "environment",
    "etc",
    "export",
    "false",
    "for",
    "hardware",
    "home",
    "import",
    "imports",
    "lib",
    "mkdefault",
    "mkforce",
    "mkif",
    "name",
    "networking",
    "nix",
    "nixpkgs",
    "null",
    "options",
    "out",
    "package",
    "packages",
    "path",
    "paths",
    "pkgs",
    "programs",
    "root",
    "run",
    "service",
    "services",
    "settings",
    "share",
    "store",
    "system",
    "systemd",
    "systempackages",
    "text",
    "the",
    "this",
    "true",
    "type",
    "user",
    "users",
    "usr",
    "value",
    "var",
    "with",
    "yes",
];

#[cfg(test)]
mod tests {
    use super::*;
    use drv_causes::{Difference, Line};

    fn cause(differences: Vec<Difference>, is_source: bool) -> Cause {
        Cause {
            name: "coder.service".into(),
            bump: None,
            before: String::new(),
            after: String::new(),
            is_source,
            alike: vec![],
            rebuilds: 1,
            way: vec![],
            differences,
        }
    }

    fn added(file: &str, line: usize, text: &str) -> AddedLine {
        AddedLine {
            file: file.into(),
            line,
            text: text.into(),
        }
    }

    fn of_one(cause: &Cause, added: &[AddedLine]) -> Option<Place> {
        let causes = vec![cause.clone()];
        let explanation = Explanation {
            causes,
            ..Explanation::default()
        };
        of_causes(&explanation, added).pop().flatten()
    }

    fn shown(place: Option<Place>) -> String {
        place.map_or("none".to_owned(), |place| place.to_string())
    }

    #[test]
    fn the_line_with_most_of_the_new_words_it_is() {
        let lines = vec![
            Line {
                sign: Sign::Same,
                text: "[Service]".into(),
            },
            Line {
                sign: Sign::Added,
                text: "Environment=\"CODER_TELEMETRY=off\"".into(),
            },
            Line {
                sign: Sign::Same,
                text: "Environment=\"PATH=…\"".into(),
            },
        ];
        let text = Difference {
            field: "text".into(),
            change: Change::Text { lines },
        };
        let all = [
            added("nixos/a.nix", 3, "  # about the Environment"),
            added("nixos/b.nix", 7, "  environment.CODER_TELEMETRY = \"off\";"),
        ];
        assert_eq!(
            shown(of_one(&cause(vec![text.clone()], false), &all)),
            "nixos/b.nix:7"
        );
        assert_eq!(
            shown(of_one(&cause(vec![text.clone()], false), &all[..1])),
            "none"
        );
        let lock = [added("flake.lock", 9, "\"rev\": \"x\"")];
        assert_eq!(
            shown(of_one(&cause(vec![text], false), &lock)),
            "flake.lock:9"
        );
    }

    /// The name of a package, of a variable or of a setting points to the option that brought it.
    #[test]
    fn words_that_nixpkgs_puts_together_are_taken_apart() {
        let all = [
            added("a.nix", 1, "  time.timeZone = \"Europe/Berlin\";"),
            added("a.nix", 2, "  environment.systemPackages = [ pkgs.htop ];"),
            added("a.nix", 3, "  programs.tmux.enable = true;"),
            added("a.nix", 4, "  users.users.bob.isNormalUser = true;"),
            added(
                "a.nix",
                5,
                "  services.openssh.settings.X11Forwarding = true;",
            ),
        ];
        let of = |value: &str| {
            let value = value.to_owned();
            let difference = Difference {
                field: "text".into(),
                change: Change::Added { value },
            };
            shown(of_one(&cause(vec![difference], false), &all))
        };
        for (value, expected) in [
            (
                r#"{"paths":["fmnh7ka…-htop-3.5.1"],"priority":10}"#,
                "a.nix:2",
            ),
            (
                "export TMUX_TMPDIR=${XDG_RUNTIME_DIR:-\"/run/user/$(id -u)\"}",
                "a.nix:3",
            ),
            ("X11Forwarding yes", "a.nix:5"),
            ("chmod \"u+s,g+x,o+x\" \"$wrapperDir/utempter\"", "none"),
        ] {
            assert_eq!(of(value), expected, "{value}");
        }
    }

    #[test]
    fn a_line_of_short_words_is_found_as_a_whole() {
        let change = |before: &str, after: &str| Difference {
            field: "text".into(),
            change: Change::Changed {
                before: before.into(),
                after: after.into(),
            },
        };
        let all = [
            added("a.nix", 1, "  # it is up on the desk"),
            added("b.nix", 2, "  text = \"it is on the desk\\n\";"),
        ];
        let of = |before: &str, after: &str| {
            shown(of_one(&cause(vec![change(before, after)], false), &all))
        };
        assert_eq!(of("it is by the desk\n", "it is on the desk\n"), "b.nix:2");
        assert_eq!(of("it is on the desk\n", "\n}\n"), "none");
    }

    #[test]
    fn a_file_of_a_source_is_found_by_its_path() {
        let change = Change::Changed {
            before: "1".into(),
            after: "2".into(),
        };
        let file = Difference {
            field: "templates/x/main.tf".into(),
            change,
        };
        let all = [
            added("README.md", 1, "x"),
            added("coderd/templates/x/main.tf", 5, "y"),
        ];
        assert_eq!(
            shown(of_one(&cause(vec![file], true), &all)),
            "coderd/templates/x/main.tf:5"
        );
    }
}
