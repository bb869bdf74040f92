//! Nix's message about an error, taken apart.
//!
//! Nix writes the way to the error first, outermost step first, each a paragraph that begins
//! with `…` and has its place below it, and the error last, behind `error:`. All but the very
//! first line is indented by seven. Source: `showErrorInfo` in `src/libutil/error.cc` of Nix.

/// What Nix indents with.
const INDENT: &str = "       ";

/// A message.
#[derive(Debug)]
pub(super) struct Message<'a> {
    /// The error itself, without its places.
    pub(super) text: String,
    /// The places of the error itself.
    pub(super) at: Vec<At<'a>>,
    /// The way to it, outermost first.
    pub(super) steps: Vec<Step<'a>>,
}

/// A step on the way to an error.
#[derive(Debug)]
pub(super) struct Step<'a> {
    /// What Nix did: `while calling the 'throw' builtin`.
    pub(super) text: String,
    pub(super) at: Option<At<'a>>,
}

/// A place in a file, or in an expression of the command line (`«string»`).
#[derive(Debug)]
pub(super) struct At<'a> {
    pub(super) file: &'a str,
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) excerpt: Vec<&'a str>,
}

impl<'a> Message<'a> {
    /// Takes `text` apart; `None` where it holds no error.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let mut lines: Vec<&str> = text.lines().collect();
        // Warnings and other words come before; what is thrown is indented.
        let begins = lines.iter().rposition(|line| line.starts_with("error:"));
        lines.drain(..begins.unwrap_or(0));
        let start = start(&lines)?;
        let mut message = Self {
            text: String::new(),
            at: vec![],
            steps: steps(&lines[..start]),
        };
        let first = lines[start].trim_start();
        let mut text = vec![first.strip_prefix("error:").unwrap_or(first).trim_start()];
        let mut rest = start + 1;
        while let Some(line) = lines.get(rest) {
            let line = line.strip_prefix(INDENT).unwrap_or(line);
            match At::parse(line) {
                Some(mut at) => {
                    rest += 1 + at.take_excerpt(&lines[rest + 1..]);
                    message.at.push(at);
                }
                None => {
                    text.push(line.trim_end());
                    rest += 1;
                }
            }
        }
        message.text = text.join("\n").trim().to_owned();
        Some(message)
    }

    /// The file from which the error was thrown, if it was.
    pub(super) fn thrown_from(&self) -> Option<&'a str> {
        let last = self.steps.last()?;
        let thrown = ["throw", "abort"]
            .iter()
            .any(|word| last.text == format!("while calling the '{word}' builtin"));
        thrown.then(|| last.at.as_ref().map_or("", |at| at.file))
    }
}

/// The line with which the error itself begins: the first that is behind all steps. What
/// is thrown may hold such lines too, but no steps behind them.
fn start(lines: &[&str]) -> Option<usize> {
    let is_step = |number: usize| lines[number].starts_with(&format!("{INDENT}… "));
    let after_blank = |number: usize| number > 0 && lines[number - 1].trim().is_empty();
    let last_step = (0..lines.len())
        .rev()
        .find(|&number| is_step(number) && (after_blank(number) || number == 1));
    let begins = |number: usize| {
        let line = lines[number];
        let inner = line.strip_prefix(INDENT).filter(|_| after_blank(number));
        let outer = (last_step.is_none()).then_some(line);
        let of = |line: &str| line == "error:" || line.starts_with("error: ");
        inner.or(outer).is_some_and(of)
    };
    (last_step.unwrap_or(0)..lines.len()).find(|&number| begins(number))
}

fn steps<'a>(lines: &[&'a str]) -> Vec<Step<'a>> {
    let mut steps: Vec<Step<'a>> = Vec::new();
    let mut number = 0;
    while number < lines.len() {
        let line = lines[number].trim_start();
        number += 1;
        if let Some(text) = line.strip_prefix("… ") {
            steps.push(Step {
                text: text.to_owned(),
                at: None,
            });
        } else if let (Some(step), Some(mut at)) = (steps.last_mut(), At::parse(line))
            && step.at.is_none()
        {
            number += at.take_excerpt(&lines[number..]);
            step.at = Some(at);
        }
    }
    steps
}

impl<'a> At<'a> {
    /// Reads `at /a/b.nix:12:3:`.
    fn parse(line: &'a str) -> Option<Self> {
        let place = line.strip_prefix("at ")?.trim_end().strip_suffix(':')?;
        let mut parts = place.rsplitn(3, ':');
        let column = parts.next()?.parse().ok()?;
        let line = parts.next()?.parse().ok()?;
        let file = parts.next()?;
        file.starts_with(['/', '«']).then_some(Self {
            file,
            line,
            column,
            excerpt: vec![],
        })
    }

    /// Takes the lines of code that stand below the place, and says how many there are.
    fn take_excerpt(&mut self, lines: &[&'a str]) -> usize {
        let is_code = |line: &&&str| {
            let digits = line
                .trim_start()
                .trim_start_matches(|c: char| c.is_ascii_digit());
            line.starts_with(' ') && digits.starts_with('|')
        };
        let code: Vec<&str> = lines.iter().take_while(is_code).copied().collect();
        let number = code.len();
        let indent = |line: &&str| line.len() - line.trim_start().len();
        let least = code.iter().map(indent).min().unwrap_or(0);
        let excerpt = code
            .iter()
            .map(|line| line.get(least..).unwrap_or("").trim_end());
        self.excerpt = excerpt.collect();
        // A line number without code behind it is the end of the file.
        while self.excerpt.last().is_some_and(|line| {
            let bare = line.trim_end_matches('|');
            bare.len() < line.len() && bare.trim().parse::<usize>().is_ok()
        }) {
            self.excerpt.pop();
        }
        number
    }
}

/// The files of the staged source that stand in `text` behind `before`, as paths below it:
/// ``In `/nix/store/…-source/hosts/a': …``.
pub(super) fn quoted_files<'t>(text: &'t str, before: &str, staged: &str) -> Vec<&'t str> {
    let opening = format!("{before}{staged}/");
    let behind = text.split(opening.as_str()).skip(1);
    // `…/flake.nix, via option x'`
    let files = behind.filter_map(|rest| rest.split(['\'', ',', '\n']).next());
    files.filter(|file| !file.is_empty()).collect()
}
