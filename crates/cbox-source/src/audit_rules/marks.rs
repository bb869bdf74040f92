//! Marks: texts by which a key, a token or a file of state is told, wherever it stands.
//!
//! All files are searched for the words with which marks begin, in one pass; only there is
//! a mark's pattern tried.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use regex::bytes::Regex;

use super::{Finding, Found, Redacted, line_of, values::is_no_token};

/// How far behind its first word a mark can reach, in bytes.
const REACH: usize = 4096;

/// The form of something that must not be there.
struct Mark {
    finding: Finding,
    what: &'static str,
    /// With which words it begins.
    begins: &'static [&'static str],
    /// Its form, from that word on. The first group, if there is one, is the value.
    pattern: &'static str,
    /// What else has to be in the file.
    beside: &'static [&'static str],
    /// Whether the value can be an example.
    has_value: bool,
}

impl Mark {
    const fn value(
        finding: Finding,
        what: &'static str,
        begins: &'static [&'static str],
        pattern: &'static str,
    ) -> Self {
        Self {
            finding,
            what,
            begins,
            pattern,
            beside: &[],
            has_value: true,
        }
    }

    const fn file(
        finding: Finding,
        what: &'static str,
        begins: &'static [&'static str],
        pattern: &'static str,
        beside: &'static [&'static str],
    ) -> Self {
        Self {
            finding,
            what,
            begins,
            pattern,
            beside,
            has_value: false,
        }
    }
}

/// The marks. Where the forms come from: RFC 7468 and 4880 (armour), the documentation of
/// age and PuTTY, crypt(5), RFC 7519 (JWT), and what each service publishes for scanners of
/// secrets.
const MARKS: &[Mark] = &[
    Mark::value(
        Finding::PrivateKey,
        "a private key",
        &["-----BEGIN "],
        // Behind the first line come headers at most, and then the key.
        r#"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(?:\s|\\[nr]|["'+,]|[A-Z][A-Za-z-]*: [^\n\\]*)*([A-Za-z0-9+/]{24,}={0,2})"#,
    ),
    Mark::value(
        Finding::PrivateKey,
        "an age key",
        &["AGE-SECRET-KEY-1"],
        r"AGE-SECRET-KEY-1[0-9A-Z]{50,}",
    ),
    Mark::file(
        Finding::PrivateKey,
        "a PuTTY key",
        &["PuTTY-User-Key-File-"],
        r"PuTTY-User-Key-File-[123]: [a-z0-9-]+",
        &["Private-Lines: "],
    ),
    Mark::value(
        Finding::Token,
        "an AWS access key",
        &["AKIA", "ASIA"],
        r"A[KS]IA[A-Z2-7]{16}\b",
    ),
    Mark::value(
        Finding::Token,
        "a GitHub token",
        &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"],
        r"gh[pousr]_[A-Za-z0-9]{36,255}\b",
    ),
    Mark::value(
        Finding::Token,
        "a GitHub token",
        &["github_pat_"],
        r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}\b",
    ),
    Mark::value(
        Finding::Token,
        "a GitLab token",
        &["glpat-", "glptt-", "gldt-", "glrt-", "glcbt-", "glsoat-"],
        r"gl[a-z]+-[A-Za-z0-9_-]{20,}",
    ),
    Mark::value(
        Finding::Token,
        "a Slack token",
        &["xoxa-", "xoxb-", "xoxe-", "xoxp-", "xoxr-", "xoxs-"],
        r"xox[abeprs]-[A-Za-z0-9]+-[A-Za-z0-9-]{10,}",
    ),
    Mark::value(
        Finding::Token,
        "a Slack webhook",
        &["hooks.slack.com/services/"],
        r"hooks\.slack\.com/services/(T[A-Za-z0-9]{6,}/B[A-Za-z0-9]{6,}/[A-Za-z0-9]{16,})",
    ),
    Mark::value(
        Finding::Token,
        "a Google API key",
        &["AIza"],
        r"AIza[A-Za-z0-9_-]{35}",
    ),
    Mark::value(
        Finding::Token,
        "a JSON web token",
        &["eyJ"],
        r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{16,}",
    ),
    Mark::value(
        Finding::Token,
        "an npm token",
        &["npm_"],
        r"npm_[A-Za-z0-9]{36}\b",
    ),
    Mark::value(
        Finding::Token,
        "a PyPI token",
        &["pypi-AgE"],
        r"pypi-AgE[A-Za-z0-9_-]{50,}",
    ),
    Mark::value(
        Finding::Token,
        "a Hugging Face token",
        &["hf_"],
        r"hf_[A-Za-z]{34}\b",
    ),
    Mark::value(
        Finding::PasswordHash,
        "the hash of a password",
        &[
            "$1$", "$5$", "$6$", "$7$", "$y$", "$gy$", "$2a$", "$2b$", "$2x$", "$2y$",
        ],
        concat!(
            r"\$(?:1\$[./0-9A-Za-z]{1,8}\$[./0-9A-Za-z]{22}",
            r"|5\$(?:rounds=\d+\$)?[./0-9A-Za-z]{1,16}\$[./0-9A-Za-z]{43}",
            r"|6\$(?:rounds=\d+\$)?[./0-9A-Za-z]{1,16}\$[./0-9A-Za-z]{86}",
            r"|7\$[./0-9A-Za-z]{11,97}\$[./0-9A-Za-z]{43}",
            r"|g?y\$[./0-9A-Za-z]+\$[./0-9A-Za-z]{1,86}\$[./0-9A-Za-z]{43}",
            r"|2[abxy]\$\d\d\$[./0-9A-Za-z]{53})",
        ),
    ),
    Mark::value(
        Finding::PasswordHash,
        "the hash of a password",
        &["$argon2"],
        r"\$argon2(?:id|i|d)\$v=\d+\$m=\d+,t=\d+,p=\d+\$[+/0-9A-Za-z]{11,}\$[+/0-9A-Za-z]{22,}",
    ),
    Mark::file(
        Finding::TerraformState,
        "the state of Terraform",
        &["\"terraform_version\""],
        r#""terraform_version"\s*:"#,
        &["\"lineage\"", "\"serial\"", "\"resources\""],
    ),
    Mark::file(
        Finding::Kubeconfig,
        "the way into a Kubernetes cluster",
        &["kind: Config", "\"kind\": \"Config\""],
        r#"(?:kind: "?Config"?[ \t\r]*(?:\n|$)|"kind": "Config")"#,
        &["clusters", "users", "contexts"],
    ),
];

/// The marks, ready to search.
struct Search {
    words: AhoCorasick,
    /// The mark that each word begins.
    marks: Vec<usize>,
    patterns: Vec<Regex>,
}

/// `None` if the table is broken, which a test shows it is not.
static SEARCH: LazyLock<Option<Search>> = LazyLock::new(|| {
    let begins = MARKS.iter().enumerate();
    let begins: Vec<(usize, &str)> = begins
        .flat_map(|(mark, it)| it.begins.iter().map(move |word| (mark, *word)))
        .collect();
    let pattern = |mark: &Mark| Regex::new(&format!("^(?-u:{})", mark.pattern)).ok();
    Some(Search {
        words: AhoCorasick::new(begins.iter().map(|(_, word)| word)).ok()?,
        marks: begins.into_iter().map(|(mark, _)| mark).collect(),
        patterns: MARKS.iter().map(pattern).collect::<Option<_>>()?,
    })
});

/// Adds what is found in `content` to `found`.
pub(super) fn find(content: &[u8], found: &mut Vec<Found>) {
    let Some(search) = &*SEARCH else {
        return;
    };
    for word in search.words.find_iter(content) {
        let number = search.marks[word.pattern().as_usize()];
        let (mark, pattern) = (&MARKS[number], &search.patterns[number]);
        let (before, rest) = content.split_at(word.start());
        // In the middle of a word it is chance.
        let in_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        if rest.first().is_some_and(in_word) && before.last().is_some_and(in_word) {
            continue;
        }
        // What tells a file stands at the beginning of a line; elsewhere a text tells of it.
        if !mark.has_value && !begins_line(before) {
            continue;
        }
        let Some(groups) = pattern.captures(&rest[..rest.len().min(REACH)]) else {
            continue;
        };
        let value = groups
            .get(1)
            .or(groups.get(0))
            .map(|value| value.as_bytes());
        let value = value.filter(|_| mark.has_value);
        let has = |text: &&str| memchr::memmem::find(content, text.as_bytes()).is_some();
        if value.is_some_and(is_no_token) || !mark.beside.iter().all(has) {
            continue;
        }
        found.push(Found {
            line: Some(line_of(content, word.start())),
            finding: mark.finding,
            what: mark.what.to_owned(),
            value: value.map(Redacted::of),
        });
    }
}

/// Whether the last line of `before` is empty but for space and brackets.
fn begins_line(before: &[u8]) -> bool {
    let start = memchr::memrchr(b'\n', before).map_or(0, |end| end + 1);
    let is_space = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'{' | b',');
    before[start..].iter().all(is_space)
}

#[cfg(test)]
pub(super) fn is_sound() -> bool {
    SEARCH.is_some()
}
