//! The rules that are gitleaks': what it knows of the tokens of services, as data.
//!
//! `gitleaks/rules.toml` is written by `scripts/renew-audit-rules.sh` from gitleaks' own
//! configuration, and is theirs, under the MIT License beside it. A rule of gitleaks is tried
//! on a whole file; here it is tried only where one of its words stands, so it has to be known
//! where in a match that is.

use serde::Deserialize;

use super::{
    Finding,
    marks::{Rule, follows_digit},
    values::is_mixed,
};

const RULES: &str = include_str!("gitleaks/rules.toml");

/// With what rules begin that want the name of a service beside the value. The words are
/// such names, and what stands before them does not matter.
const ANY_NAME: [(&str, &str); 2] = [
    (r"[\w.-]{0,50}?(?i:[\w.-]{0,50}?(?:", "(?i:(?:"),
    (r"(?i)[\w.-]{0,50}?(?:", "(?i)(?:"),
];

/// What has to stand around a value: to gitleaks quotes, blanks and few others, which misses
/// values in lists, in calls, in comments and in escapes.
const AROUND: [(&str, &str); 3] = [
    (r#"(?:[\x60'"\s;]|\\[nr]|$)"#, END),
    (r#"(?:^|[\\'"\x60\s>=:(,)])"#, ""),
    (
        r#"(?:$|[\\'"\x60\s<),])"#,
        r"(?:[^0-9A-Za-z_~.-]|\.[^0-9A-Za-z]|\.?$)",
    ),
];

/// No longer word, no call, no name of a file.
const END: &str = r"(?:[^0-9A-Za-z_(.-]|\.[^0-9A-Za-z]|\.?$)";

/// The words of rules that begin otherwise than with gitleaks' words for them.
const WORDS: &[(&str, &[&str])] = &[
    ("airtable-personnal-access-token", &["pat"]),
    ("lob-api-key", &["lob"]),
    ("new-relic-", &["new-relic", "newrelic", "new_relic"]),
    ("typeform-api-token", &["typeform"]),
];

/// Rules whose word is not the beginning, and how many bytes can stand before it.
const BEFORE: &[(&str, usize)] = &[
    ("azure-ad-client-secret", 4),
    ("hashicorp-tf-api-token", 15),
    ("maxmind-license-key", 36),
    ("microsoft-teams-webhook", 80),
    ("sidekiq-sensitive-url", 26),
];

/// What people call what a rule finds, by the beginning of its name.
const NAMES: &[(&str, &str)] = &[
    ("aws-", "an AWS access key"),
    ("gcp-api-key", "a Google API key"),
    ("github-", "a GitHub token"),
    ("gitlab-", "a GitLab token"),
    ("huggingface-", "a Hugging Face token"),
    ("npm-", "an npm token"),
    ("slack-webhook-url", "a Slack webhook"),
    ("slack-", "a Slack token"),
];

#[derive(Deserialize)]
struct File {
    rules: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    id: String,
    regex: String,
    #[serde(default)]
    entropy: f64,
    #[serde(default)]
    secret_group: usize,
    keywords: Vec<String>,
}

/// All of them; `None` if the file is broken, which a test shows it is not.
pub(super) fn rules() -> Option<Vec<Rule>> {
    let file: File = toml::from_str(RULES).ok()?;
    Some(file.rules.into_iter().map(rule).collect())
}

fn rule(entry: Entry) -> Rule {
    let id = entry.id.as_str();
    let words = of(WORDS, id).map(|words| words.iter().map(|&word| word.to_owned()).collect());
    let named = ANY_NAME.iter().find_map(|(begin, instead)| {
        let rest = entry.regex.strip_prefix(begin)?;
        Some(format!("{instead}{rest}"))
    });
    let in_name = named.is_some();
    let pattern = named.unwrap_or(entry.regex.clone());
    let pattern = AROUND.iter().fold(pattern, |pattern, (around, instead)| {
        pattern.replace(around, instead)
    });
    let what = of(NAMES, id).map_or_else(|| format!("a secret ({id})"), str::to_owned);
    Rule {
        finding: Finding::Token,
        what,
        words: words.unwrap_or(entry.keywords),
        before: of(BEFORE, id).unwrap_or(0),
        in_name,
        pattern,
        group: entry.secret_group,
        least_entropy: entry.entropy,
        is_candidate: match id {
            "azure-ad-client-secret" => follows_digit,
            _ => |_, _| true,
        },
        is_value: if in_name { is_mixed } else { |_| true },
        ..Rule::default()
    }
}

/// What `table` has for the rule of this name, or for those that begin like it.
fn of<T: Copy>(table: &[(&str, T)], id: &str) -> Option<T> {
    let found = table.iter().find(|(begin, _)| id.starts_with(begin));
    found.map(|(_, value)| *value)
}

#[cfg(test)]
/// The rules as they stand in the file: name, pattern, least entropy, words.
pub(super) fn as_written() -> Vec<(String, String, f64, Vec<String>)> {
    let file: File = toml::from_str(RULES).unwrap();
    let entries = file.rules.into_iter();
    let entries = entries.map(|it| (it.id, it.regex, it.entropy, it.keywords));
    entries.collect()
}
