//! Marks: texts by which a key, a token or a file of state is told, wherever it stands.
//!
//! A text is searched for the words of all rules in one pass; only there is a rule's pattern
//! tried. The rules are [`super::known`]'s and [`super::gitleaks`]'.

use std::{
    ops::Range,
    sync::{LazyLock, OnceLock},
};

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use memchr::{memchr_iter, memmem};
use regex::bytes::{Captures, Regex, RegexBuilder};

use super::{
    Collected, Finding, Found, Redacted, gitleaks, known,
    values::{entropy, is_no_token},
};

/// How far behind its word a mark can reach, in bytes.
const REACH: usize = 4096;

/// The same where the pattern has to be looked for before the word.
const REACH_BESIDE: usize = 256;

/// A group that is shorter is only a part of the value.
const SHORTEST: usize = 8;

/// How many tries of one rule may fail in one run of the characters that tokens are made of,
/// if that is longer than any token: so that a file made of nothing but words takes no longer
/// than another.
const TRIES: u32 = 8;

/// A run of characters of tokens that is longer than most of them.
const LONG_RUN: usize = 256;

/// The form of something that must not be there.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) finding: Finding,
    pub(super) what: String,
    /// The words, in either case, at which the pattern is tried.
    pub(super) words: Vec<String>,
    /// How many bytes of a match can stand before the word.
    pub(super) before: usize,
    /// Whether the word is a name beside the value: it may be a part of a longer one.
    pub(super) in_name: bool,
    /// Its form, from the word on, or from `before` it.
    pub(super) pattern: String,
    /// The group that is the value, if there is one; 0 for the first that is long enough.
    pub(super) group: usize,
    /// The least entropy of the value, in bits for each byte.
    pub(super) least_entropy: f64,
    /// What has to hold of the text and the place of the word for the pattern to be tried.
    pub(super) is_candidate: fn(&[u8], usize) -> bool,
    /// What else the value has to be.
    pub(super) is_value: fn(&[u8]) -> bool,
    /// What else has to be in the text.
    pub(super) beside: &'static [&'static str],
    /// Whether it is the whole file that is told by the mark, at the beginning of a line.
    pub(super) tells_file: bool,
    pub(super) compiled: OnceLock<Option<Regex>>,
}

impl Default for Rule {
    fn default() -> Self {
        Self {
            finding: Finding::Token,
            what: String::new(),
            words: Vec::new(),
            before: 0,
            in_name: false,
            pattern: String::new(),
            group: 0,
            least_entropy: 0.0,
            is_candidate: |_, _| true,
            is_value: |_| true,
            beside: &[],
            tells_file: false,
            compiled: OnceLock::new(),
        }
    }
}

impl Rule {
    /// Its pattern; `None` if it is none, which a test shows of none.
    fn compiled(&self) -> Option<&Regex> {
        let compiled = self.compiled.get_or_init(|| {
            let begin = if self.before == 0 { "^" } else { "" };
            let mut pattern = RegexBuilder::new(&format!("{begin}(?:{})", self.pattern));
            pattern.unicode(false).build().ok()
        });
        compiled.as_ref()
    }

    /// What it finds at the word at `start`.
    fn find<'t>(&self, text: &'t [u8], start: usize) -> Option<Hit<'t>> {
        let from = start.saturating_sub(self.before);
        let reach = if self.before == 0 {
            REACH
        } else {
            REACH_BESIDE
        };
        let until = text.len().min(start + reach);
        let groups = self.compiled()?.captures(&text[from..until])?;
        let whole = groups.get(0)?.range();
        let whole = from + whole.start..from + whole.end;
        let at = whole.start;
        if !whole.contains(&start) || self.continues_word(text, at) {
            return None;
        }
        let value = value(&groups, self.group)?;
        // What tells a file stands at the beginning of a line; elsewhere a text tells of it.
        let is_meant = match self.tells_file {
            true => begins_line(&text[..at]),
            false => {
                !is_no_token(value)
                    && (self.is_value)(value)
                    && entropy(value) >= self.least_entropy
            }
        };
        is_meant.then_some(Hit { whole, value })
    }

    /// Whether all is in the text that has to be beside it.
    fn has_all_beside(&self, text: &[u8]) -> bool {
        let has = |word: &&str| memmem::find(text, word.as_bytes()).is_some();
        self.beside.iter().all(has)
    }

    /// Whether what is at `at` is the middle of a word, and so there by chance.
    fn continues_word(&self, text: &[u8], at: usize) -> bool {
        let (before, rest) = text.split_at(at);
        let (Some(last), Some(first)) = (before.last(), rest.first()) else {
            return false;
        };
        first.is_ascii_alphanumeric()
            && !self.in_name
            && match last {
                b'+' | b'/' => ends_base64(before, 24),
                b'\n' => ends_base64(before[..at - 1].trim_ascii_end(), 60),
                _ => last.is_ascii_alphanumeric() && !ends_escape(before),
            }
    }
}

/// Where a rule found something.
struct Hit<'t> {
    whole: Range<usize>,
    value: &'t [u8],
}

fn value<'t>(groups: &Captures<'t>, group: usize) -> Option<&'t [u8]> {
    let found = match group {
        0 => groups
            .iter()
            .skip(1)
            .flatten()
            .find(|it| it.len() >= SHORTEST),
        group => groups.get(group),
    };
    found.or_else(|| groups.get(0)).map(|it| it.as_bytes())
}

/// The rules, ready to search.
struct Search {
    words: AhoCorasick,
    /// The rule of each word.
    of_word: Vec<usize>,
    rules: Vec<Rule>,
}

/// `None` if a table is broken, which a test shows it is not.
static SEARCH: LazyLock<Option<Search>> = LazyLock::new(|| {
    let mut rules = known::rules();
    rules.extend(gitleaks::rules()?);
    let words = rules.iter().enumerate();
    let words = words.flat_map(|(rule, it)| it.words.iter().map(move |word| (rule, word)));
    let (of_word, words): (Vec<usize>, Vec<&String>) = words.unzip();
    let words = AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .kind(Some(AhoCorasickKind::DFA))
        .build(words)
        .ok()?;
    Some(Search {
        words,
        of_word,
        rules,
    })
});

/// Adds what is found in `text` to `found`.
pub(super) fn find(text: &[u8], found: &mut Collected<'_>) {
    let Some(search) = &*SEARCH else {
        return;
    };
    let mut tries = vec![Tries::default(); search.rules.len()];
    let mut lines = Lines::default();
    let mut run_end = 0;
    for word in search.words.find_overlapping_iter(text) {
        let number = search.of_word[word.pattern().as_usize()];
        let (rule, tries, start) = (&search.rules[number], &mut tries[number], word.start());
        let is_part = rule.before == 0 && rule.continues_word(text, start);
        if start < tries.until || is_part || !(rule.is_candidate)(text, start) {
            continue;
        }
        if let Some(hit) = rule.find(text, start) {
            // The text is searched for the rest once.
            let has_all = || rule.has_all_beside(text);
            if found.is_full(rule.finding) || !*tries.has_all_beside.get_or_insert_with(has_all) {
                tries.until = text.len();
                continue;
            }
            tries.until = hit.whole.end;
            found.add(Found {
                line: Some(lines.line_of(text, start)),
                finding: rule.finding,
                what: rule.what.clone(),
                value: (!rule.tells_file).then(|| Redacted::of(hit.value)),
            });
            continue;
        }
        if start >= run_end {
            let is_in_run =
                |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.+/=~:$,".contains(byte);
            run_end = start + text[start..].iter().take_while(|it| is_in_run(it)).count();
        }
        if run_end - start.min(run_end) < LONG_RUN {
            continue;
        }
        tries.failed = if tries.run_end == run_end {
            tries.failed + 1
        } else {
            1
        };
        tries.run_end = run_end;
        if tries.failed >= TRIES {
            tries.until = run_end;
        }
    }
}

/// Where one rule has been tried in a text.
#[derive(Debug, Clone, Copy, Default)]
struct Tries {
    /// It is not tried before this.
    until: usize,
    /// Whether what has to be beside it is there, once that was asked.
    has_all_beside: Option<bool>,
    /// How often it failed in the run that ends at `run_end`.
    failed: u32,
    run_end: usize,
}

/// The lines of a text, asked for in order.
#[derive(Debug, Default)]
pub(super) struct Lines {
    counted: usize,
    ends: usize,
}

impl Lines {
    /// The line of the byte at `offset`, from 1. Whoever asks does not go back.
    pub(super) fn line_of(&mut self, text: &[u8], offset: usize) -> usize {
        if offset > self.counted {
            self.ends += memchr_iter(b'\n', &text[self.counted..offset]).count();
            self.counted = offset;
        }
        self.ends + 1
    }
}

/// Whether the last of `before` is the end of an escape that stands for another character:
/// `\n`, `\x2d`, `\u002d`, `%20`.
fn ends_escape(before: &[u8]) -> bool {
    let ends = |begin: &[u8], digits: usize| {
        let Some(at) = before.len().checked_sub(digits) else {
            return false;
        };
        before[..at].ends_with(begin) && before[at..].iter().all(u8::is_ascii_hexdigit)
    };
    let is_letter = before.last().is_some_and(|last| b"nrtfbv0".contains(last));
    (is_letter && before[..before.len() - 1].ends_with(b"\\"))
        || ends(b"%", 2)
        || ends(b"\\x", 2)
        || ends(b"\\u", 4)
}

/// Whether there is a digit before the word at `at`.
pub(super) fn follows_digit(text: &[u8], at: usize) -> bool {
    text[..at].last().is_some_and(u8::is_ascii_digit)
}

/// Whether the last `length` bytes are base64: in data, the beginning of a token stands by
/// chance, also where a line of it ends.
fn ends_base64(before: &[u8], length: usize) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let start = before.len().checked_sub(length);
    start.is_some_and(|start| before[start..].iter().all(is_digit))
}

/// Whether the last line of `before` is empty but for space and brackets.
fn begins_line(before: &[u8]) -> bool {
    let is_space = |byte: &&u8| byte.is_ascii_whitespace() || matches!(byte, b'{' | b',');
    let before = before
        .iter()
        .rev()
        .find(|it| **it == b'\n' || !is_space(it));
    before.is_none_or(|last| *last == b'\n')
}

#[cfg(test)]
pub(super) fn broken() -> Vec<String> {
    let rules = &SEARCH.as_ref().unwrap().rules;
    let broken = rules.iter().filter(|rule| rule.compiled().is_none());
    broken.map(|rule| rule.pattern.clone()).collect()
}
