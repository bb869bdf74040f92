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
    let causes = explanation.causes.iter();
    causes.map(|cause| of_cause(cause, added)).collect()
}

/// The place of a cause among the lines that were added.
fn of_cause(cause: &Cause, added: &[AddedLine]) -> Option<Place> {
    if cause.is_source
        && let Some(place) = of_source(cause, added)
    {
        return Some(place);
    }
    let words = new_words(cause);
    let mut best: Option<(usize, &AddedLine)> = None;
    for line in added {
        let score = words
            .iter()
            .filter(|word| line.text.contains(word.as_str()))
            .count();
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

/// The words that are in the cause now and were not before; a line counts as one more, for
/// those that have nothing but short words.
fn new_words(cause: &Cause) -> BTreeSet<String> {
    let (mut new, mut known) = (BTreeSet::new(), BTreeSet::new());
    if let Some(bump) = &cause.bump {
        new.insert(bump.after.clone());
    }
    for difference in &cause.differences {
        match &difference.change {
            Change::Added { value } => {
                new.insert(difference.field.clone());
                new.extend(words_and_lines(value));
            }
            Change::Removed { value } => known.extend(words_and_lines(value)),
            Change::Changed { before, after } => {
                known.extend(words_and_lines(before));
                new.extend(words_and_lines(after));
            }
            Change::Text { lines } => {
                for line in lines {
                    match line.sign {
                        Sign::Added => new.extend(words_and_lines(&line.text)),
                        _ => known.extend(words_and_lines(&line.text)),
                    }
                }
            }
        }
    }
    new.difference(&known)
        .filter(|word| word.len() >= SHORTEST)
        .cloned()
        .collect()
}

fn words_and_lines(text: &str) -> impl Iterator<Item = String> + '_ {
    words(text).chain(text.lines().map(|line| line.trim().to_owned()))
}

fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    let part_of_word = |character: char| character.is_alphanumeric() || "_-.".contains(character);
    text.split(move |character| !part_of_word(character))
        .map(|word| word.trim_matches('.').to_owned())
}

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
            shown(of_cause(&cause(vec![text.clone()], false), &all)),
            "nixos/b.nix:7"
        );
        assert_eq!(
            shown(of_cause(&cause(vec![text.clone()], false), &all[..1])),
            "none"
        );
        let lock = [added("flake.lock", 9, "\"rev\": \"x\"")];
        assert_eq!(
            shown(of_cause(&cause(vec![text], false), &lock)),
            "flake.lock:9"
        );
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
            shown(of_cause(&cause(vec![change(before, after)], false), &all))
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
            shown(of_cause(&cause(vec![file], true), &all)),
            "coderd/templates/x/main.tf:5"
        );
    }
}
