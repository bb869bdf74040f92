//! GitHub Actions, and all that cbox knows of it.
//!
//! Sources: GitHub's documentation, "Variables reference", "Workflow commands for GitHub Actions"
//! and "Workflow syntax" (`jobs.<job_id>.strategy.matrix.include`); ActionCommand.cs of its
//! runner.

use camino::Utf8PathBuf;
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{CiSystem, Group, Job, Level, Line, MatrixJob, defused};
use crate::{
    error::{Error, Kind, Place},
    matrix::shards::Shard,
    text::count,
};

/// How many jobs GitHub makes of one matrix.
const MOST: usize = 256;

/// GitHub Actions.
#[derive(Debug)]
pub(super) struct GitHub;

impl CiSystem for GitHub {
    fn name(&self) -> &'static str {
        "github"
    }

    fn title(&self) -> &'static str {
        "GitHub Actions"
    }

    fn form(&self) -> &'static str {
        "Annotations, summary and outputs of GitHub Actions"
    }

    fn change(&self) -> &'static str {
        "pull request"
    }

    fn whole_history(&self) -> &'static str {
        "`fetch-depth: 0` of actions/checkout"
    }

    fn job(&'static self, variable: &dyn Fn(&str) -> Option<String>) -> Job {
        let event = variable("GITHUB_EVENT_NAME");
        let branch =
            variable("GITHUB_BASE_REF").filter(|_| event.as_deref() == Some("pull_request"));
        Job {
            system: self,
            is_here: variable("GITHUB_ACTIONS").as_deref() == Some("true"),
            bases: branch.map_or(vec![], |branch| vec![format!("origin/{branch}"), branch]),
            not_told: None,
            summary: variable("GITHUB_STEP_SUMMARY").map(Utf8PathBuf::from),
            outputs: variable("GITHUB_OUTPUT").map(Utf8PathBuf::from),
        }
    }

    fn group(&self, group: &Group, _now: u64) -> Line {
        Line::gated(&format!("::group::{}", data(&defused(&group.title))))
    }

    fn end_group(&self, _group: &Group, _now: u64) -> Line {
        Line::gated("::endgroup::")
    }

    /// `::error file=…,line=…,title=…::message`
    fn annotation(
        &self,
        level: Level,
        place: Option<&Place>,
        title: &str,
        message: &str,
    ) -> Option<Line> {
        let level = match level {
            Level::Error => "error",
            Level::Notice => "notice",
        };
        let place = place.map_or_else(String::new, |place| {
            let file = property(place.file.as_str());
            format!("file={file},line={},", place.line)
        });
        let (title, message) = (property(&defused(title)), data(&defused(message)));
        let line = format!("::{level} {place}title={title}::{message}");
        Some(Line::gated(&line))
    }

    /// A command is `::` at the beginning of a line, whatever blanks stand before it, and the
    /// older `##[` anywhere.
    fn completes_command(&self, line: &str, next: char) -> bool {
        match next {
            ':' => line.trim_start() == ":",
            '[' => line.ends_with("##"),
            _ => false,
        }
    }

    fn framed(&self, mut lines: Vec<String>) -> Vec<Line> {
        // A word that whoever wrote one of the lines could not know: it is made of all.
        let token = HEXLOWER.encode(&Sha256::digest(lines.join("\n"))[..16]);
        lines.insert(0, format!("::stop-commands::{token}"));
        lines.push(format!("::{token}::"));
        lines.into_iter().map(Line).collect()
    }

    fn matrix_examples(&self) -> [&'static str; 2] {
        [
            "cbox matrix appliance/iso --runner x86_64=ubuntu-latest --runner aarch64=ubuntu-24.04-arm",
            r#"echo "matrix=$(cbox matrix)" >>"$GITHUB_OUTPUT""#,
        ]
    }

    fn matrix(&self, jobs: &[MatrixJob]) -> Result<String, Error> {
        check_number(jobs.len(), "split the targets between two matrices")?;
        Ok(json!({ "include": jobs }).to_string())
    }

    /// The hosts are one word of JSON, which a step makes words of a command line again.
    fn shards(&self, shards: &[Shard]) -> Result<String, Error> {
        check_number(shards.len(), "ask for fewer shards")?;
        let job = |shard: &Shard| json!({ "shard": shard.shard, "hosts": shard.words() });
        let include: Vec<Value> = shards.iter().map(job).collect();
        Ok(json!({ "include": include }).to_string())
    }
}

/// Whether a matrix can have so many jobs; `hint` says what to do if not.
fn check_number(number: usize, hint: &str) -> Result<(), Error> {
    if number <= MOST {
        return Ok(());
    }
    let jobs = count(number, "job");
    let message = format!("{jobs} are more than the {MOST} that GitHub allows in a matrix");
    Err(Error::new(Kind::Usage, message).hint(hint))
}

fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_a_command_early() {
        let place = Place {
            file: "a,b:c.nix".into(),
            line: 3,
        };
        let line = GitHub.annotation(Level::Error, Some(&place), "box: 100%", "one\r\ntwo::x");
        assert_eq!(
            line.unwrap().as_str(),
            "::error file=a%2Cb%3Ac.nix,line=3,title=box%3A 100%25::one%0D%0Atwo::x"
        );
        let line = GitHub.annotation(Level::Notice, None, "a", "b ##[error]c\n::warning::d");
        assert_eq!(
            line.unwrap().as_str(),
            "::notice title=a::b ## [error]c%0A: :warning::d"
        );
        let group = Group {
            title: "a\n##[x]".to_owned(),
            id: String::new(),
        };
        assert_eq!(GitHub.group(&group, 0).as_str(), "::group::a%0A## [x]");
    }

    #[test]
    fn lines_of_a_log_are_no_commands() {
        let lines = GitHub.framed(vec!["::error::x".to_owned()]);
        let lines: Vec<&str> = lines.iter().map(Line::as_str).collect();
        let token = lines[0].strip_prefix("::stop-commands::").unwrap();
        assert_eq!(token.len(), 32);
        assert_eq!(lines[1..], ["::error::x", &format!("::{token}::")]);
    }

    #[test]
    fn only_pull_requests_have_a_base() {
        let bases = |variables: &[(&str, &str)]| {
            let value = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            GitHub.job(&value).bases
        };
        let (pull_request, push) = (
            ("GITHUB_EVENT_NAME", "pull_request"),
            ("GITHUB_EVENT_NAME", "push"),
        );
        let branch = ("GITHUB_BASE_REF", "main");
        assert_eq!(bases(&[pull_request, branch]), ["origin/main", "main"]);
        assert!(bases(&[pull_request]).is_empty());
        assert!(bases(&[push, branch]).is_empty());
        assert!(bases(&[]).is_empty());
    }
}
