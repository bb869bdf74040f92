//! An explanation as lines, with the packages that differ.

use cbox_driver::{
    diff::packages::PackageDifference,
    error::Place,
    text::{count, harmless, visible},
};
use drv_causes::{Cause, Change, Difference, Explanation, Sign};

use super::packages::lines as package_lines;
use crate::options::{Explain, ExplainOptions};

/// Longer lines are cut.
const WIDEST: usize = 160;

/// A change of a value that is longer takes two lines.
const ONE_LINE: usize = 72;

/// How many lines one cause may take, so that others have theirs.
const OF_ONE_CAUSE: usize = 12;

/// How many steps of a way are shown.
const STEPS: usize = 5;

/// Packages have one line of so many, where there are too many lines.
const PART_OF_PACKAGES: usize = 3;

/// How many names of those that are alike are shown.
const ALIKE: usize = 3;

/// A line of an explanation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OutputLine {
    pub(crate) depth: usize,
    /// Whether the line was added or removed.
    pub(crate) sign: Sign,
    pub(crate) text: String,
}

/// Why something is another one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown<'a> {
    /// The causes, where derivations could be compared.
    pub(crate) explanation: Option<&'a Explanation>,
    /// Where the causes come from, as far as is known.
    pub(crate) places: &'a [Option<Place>],
    /// The packages that differ.
    pub(crate) packages: Option<&'a PackageDifference>,
}

/// The lines of what is shown: no more than are asked for, of which packages have a part at
/// least.
pub(crate) fn lines(shown: Shown<'_>, detail: ExplainOptions) -> Vec<OutputLine> {
    // Beside causes it is no news that no package differs.
    let packages = |most: usize| match shown.packages {
        Some(packages) if shown.explanation.is_none() || !packages.changes.is_empty() => {
            package_lines(packages, most)
        }
        _ => vec![],
    };
    if detail.explain == Explain::Full {
        let explanation = shown.explanation;
        let mut lines = explanation.map_or_else(Vec::new, |it| causes(it, shown.places, detail));
        lines.extend(packages(usize::MAX));
        return lines;
    }
    let part = packages(detail.max_lines / PART_OF_PACKAGES).len();
    let for_causes = ExplainOptions {
        max_lines: detail.max_lines - part,
        ..detail
    };
    let explanation = shown.explanation;
    let mut lines = explanation.map_or_else(Vec::new, |it| causes(it, shown.places, for_causes));
    lines.extend(packages(
        detail.max_lines.saturating_sub(lines.len()).max(part),
    ));
    lines
}

/// The lines of `explanation`; `places` says where its causes come from.
fn causes(
    explanation: &Explanation,
    places: &[Option<Place>],
    detail: ExplainOptions,
) -> Vec<OutputLine> {
    let full = detail.explain == Explain::Full;
    let mut lines = Vec::new();
    for (number, cause) in explanation.causes.iter().enumerate() {
        let place = places.get(number).and_then(Option::as_ref);
        let of_cause = cause_lines(cause, place, explanation.same_output, full);
        if full {
            lines.extend(of_cause);
            continue;
        }
        // The last two lines are for what is left out and for the summary.
        let room = detail.max_lines.saturating_sub(lines.len() + 2);
        if room == 0 {
            let left = count(explanation.causes.len() - number, "more cause");
            lines.push(gap(0, &format!("{left} (`--explain full` shows all)")));
            break;
        }
        lines.extend(cut(of_cause, room.min(OF_ONE_CAUSE)));
    }
    lines.push(line(0, Sign::Same, &summary(explanation)));
    lines
}

/// At most `most` lines, the last of which says how many were cut off.
pub(super) fn cut(mut lines: Vec<OutputLine>, most: usize) -> Vec<OutputLine> {
    if lines.len() > most {
        let kept = most.saturating_sub(1).max(1);
        let more = lines.len() - kept;
        lines.truncate(kept);
        if most > 1 {
            lines.push(gap(1, &count(more, "more line")));
        }
    }
    lines
}

pub(super) fn gap(depth: usize, text: &str) -> OutputLine {
    line(depth, Sign::Gap, &format!("… {text}"))
}

/// A line; in one that came or went nothing is invisible.
pub(super) fn line(depth: usize, sign: Sign, text: &str) -> OutputLine {
    let text = match sign {
        Sign::Added | Sign::Removed => harmless(&visible(text), WIDEST),
        _ => harmless(text, WIDEST),
    };
    OutputLine { depth, sign, text }
}

/// What follows from the causes, in one line.
fn summary(explanation: &Explanation) -> String {
    if explanation.same_output {
        return "nothing is rebuilt: the output is the same".to_owned();
    }
    let them = match explanation.causes.len() {
        1 => "it",
        _ => "them",
    };
    match explanation.cascade {
        0 => "nothing else follows".to_owned(),
        1 => format!("1 more derivation follows from {them}"),
        cascade => format!("{} more derivations follow from {them}", number(cascade)),
    }
}

/// The name of a cause with what it makes rebuild, in one line.
pub(crate) fn heading(cause: &Cause, same_output: bool) -> String {
    let mut text = match &cause.bump {
        Some(bump) => format!("{} {} → {}", bump.package, bump.before, bump.after),
        None => cause.name.clone(),
    };
    text.push_str(&alike(cause));
    if !same_output {
        text.push_str(&format!(": {} rebuilt", number(cause.rebuilds)));
    }
    harmless(&text, WIDEST)
}

/// What else changed in the same way; the parts of a version bump belong to it anyway.
fn alike(cause: &Cause) -> String {
    if cause.bump.is_some() {
        return String::new();
    }
    let is_other = |name: &&str| *name != cause.name;
    let mut others: Vec<&str> = cause
        .alike
        .iter()
        .map(String::as_str)
        .filter(is_other)
        .collect();
    let variants = cause.alike.len() - others.len() + 1;
    others.sort_unstable();
    others.dedup();
    let mut text = String::new();
    if variants > 1 {
        text.push_str(&format!(" in {variants} variants"));
    }
    if others.len() > ALIKE {
        text.push_str(&format!(" and {} others alike", number(others.len())));
    } else if !others.is_empty() {
        text.push_str(&format!(", likewise {}", others.join(", ")));
    }
    text
}

/// The lines of one cause.
pub(super) fn cause_lines(
    cause: &Cause,
    place: Option<&Place>,
    same_output: bool,
    full: bool,
) -> Vec<OutputLine> {
    let mut heading = heading(cause, same_output);
    if let Some(place) = place {
        heading.push_str(&format!(", from {place}"));
    }
    let mut lines = vec![line(0, Sign::Same, &heading)];
    if cause.way.len() > 1 {
        lines.push(line(1, Sign::Same, &format!("in {}", way(&cause.way))));
    }
    for difference in &cause.differences {
        difference_lines(difference, full, &mut lines);
    }
    if cause.differences.is_empty() && cause.is_source {
        lines.push(line(1, Sign::Same, "the source is another one"));
    }
    if full && !cause.alike.is_empty() {
        lines.push(line(
            1,
            Sign::Same,
            &format!("alike: {}", cause.alike.join(", ")),
        ));
    }
    lines
}

fn way(steps: &[String]) -> String {
    if steps.len() <= STEPS {
        return steps.join(" → ");
    }
    let (first, last) = (&steps[..2], &steps[steps.len() - 2..]);
    format!("{} → … → {}", first.join(" → "), last.join(" → "))
}

fn difference_lines(difference: &Difference, full: bool, lines: &mut Vec<OutputLine>) {
    let field = &difference.field;
    match &difference.change {
        Change::Added { value } => value_lines(field, Sign::Added, value, full, lines),
        Change::Removed { value } => value_lines(field, Sign::Removed, value, full, lines),
        Change::Changed { before, after } => {
            let short = before.chars().count() + after.chars().count() <= ONE_LINE;
            if short && !before.contains('\n') && !after.contains('\n') {
                let (before, after) = (visible(or_empty(before)), visible(or_empty(after)));
                lines.push(line(1, Sign::Same, &format!("{field}: {before} → {after}")));
            } else {
                value_lines(field, Sign::Removed, before, full, lines);
                value_lines(field, Sign::Added, after, full, lines);
            }
        }
        Change::Text { lines: text } => {
            lines.push(line(1, Sign::Same, &format!("{field}:")));
            lines.extend(text.iter().map(|part| match part.sign {
                Sign::Gap => line(2, Sign::Gap, "…"),
                sign => line(2, sign, &part.text),
            }));
        }
    }
}

fn or_empty(text: &str) -> &str {
    if text.is_empty() { "(empty)" } else { text }
}

/// A value that came or went, of which the first lines will do.
fn value_lines(field: &str, sign: Sign, value: &str, full: bool, lines: &mut Vec<OutputLine>) {
    const FIRST: usize = 3;
    let parts: Vec<&str> = value.split_terminator('\n').collect();
    let first = parts.first().copied().unwrap_or_default();
    let text = match field {
        "input" => format!("{field} {first}"),
        _ => format!("{field} = {}", or_empty(first)),
    };
    lines.push(line(1, sign, &text));
    let kept = if full {
        parts.len()
    } else {
        parts.len().min(FIRST)
    };
    lines.extend(
        parts
            .iter()
            .take(kept)
            .skip(1)
            .map(|part| line(2, sign, part)),
    );
    if kept < parts.len() {
        lines.push(gap(2, &count(parts.len() - kept, "more line")));
    }
}

/// `3824` as `3,824`.
pub(crate) fn number(number: usize) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;
    use drv_causes::{Bump, Line};

    fn cause(name: &str, differences: Vec<Difference>) -> Cause {
        Cause {
            name: name.into(),
            bump: None,
            before: String::new(),
            after: String::new(),
            is_source: false,
            alike: vec![],
            rebuilds: 3824,
            way: vec!["etc".into(), name.into()],
            differences,
        }
    }

    fn text(causes: Vec<Cause>, explain: Explain, max_lines: usize) -> Vec<String> {
        let explanation = Explanation {
            causes,
            rebuilt: 3830,
            cascade: 3826,
            ..Explanation::default()
        };
        let shown = Shown {
            explanation: Some(&explanation),
            places: &[],
            packages: None,
        };
        let lines = lines(shown, ExplainOptions { explain, max_lines });
        let rendered = |line: &OutputLine| {
            format!(
                "{}{}{}",
                "  ".repeat(line.depth),
                line.sign.as_str(),
                line.text
            )
        };
        lines.iter().map(rendered).collect()
    }

    fn difference(field: &str, change: Change) -> Difference {
        Difference {
            field: field.into(),
            change,
        }
    }

    #[test]
    fn a_cause_has_its_name_its_way_and_its_differences() {
        let line = |sign, text: &str| Line {
            sign,
            text: text.into(),
        };
        let lines = vec![
            line(Sign::Same, "[Service]"),
            line(Sign::Added, "A=\u{1b}[2J\tb"),
        ];
        let (before, after) = (String::new(), "1".to_owned());
        let differences = vec![
            difference("flag", Change::Changed { before, after }),
            difference("text", Change::Text { lines }),
        ];
        assert_eq!(
            text(vec![cause("a.service", differences)], Explain::Causes, 40),
            [
                " a.service: 3,824 rebuilt",
                "   in etc → a.service",
                "   flag: (empty) → 1",
                "   text:",
                "     [Service]",
                "    +A=\\u{1b}[2J\\tb",
                " 3,826 more derivations follow from it",
            ]
        );
    }

    #[test]
    fn a_bump_is_one_line() {
        let mut cause = cause("coder-2.25.0", vec![]);
        cause.bump = Some(Bump {
            package: "coder".into(),
            before: "2.24.1".into(),
            after: "2.25.0".into(),
        });
        cause.alike = vec!["coder-2.25.0.tar.gz".into()];
        cause.way = vec!["coder-2.25.0".into()];
        let rendered = text(vec![cause], Explain::Causes, 40);
        assert_eq!(rendered[0], " coder 2.24.1 → 2.25.0: 3,824 rebuilt");
        assert_eq!(rendered.len(), 2);
    }

    #[test]
    fn what_is_alike_is_named_or_counted() {
        let heading_of = |alike: &[&str]| {
            let mut cause = cause("zlib", vec![]);
            cause.alike = alike.iter().map(|&name| name.to_owned()).collect();
            heading(&cause, true)
        };
        assert_eq!(heading_of(&[]), "zlib");
        assert_eq!(heading_of(&["zlib"]), "zlib in 2 variants");
        assert_eq!(
            heading_of(&["zlib", "b", "a", "a"]),
            "zlib in 2 variants, likewise a, b"
        );
        assert_eq!(heading_of(&["a", "b", "c", "d"]), "zlib and 4 others alike");
    }

    #[test]
    fn what_is_too_much_is_counted() {
        let value = "a\nb\nc\nd\ne".to_owned();
        let many: Vec<Difference> = (0..30)
            .map(|number| {
                difference(
                    &format!("f{number}"),
                    Change::Added {
                        value: value.clone(),
                    },
                )
            })
            .collect();
        let causes: Vec<Cause> = (0..50)
            .map(|number| cause(&format!("c{number}"), many.clone()))
            .collect();
        let rendered = text(causes.clone(), Explain::Causes, 40);
        assert_eq!(rendered.len(), 40, "{rendered:#?}");
        assert!(rendered[11].contains("more lines"), "{}", rendered[11]);
        assert!(rendered[38].contains("more causes"), "{}", rendered[38]);
        assert_eq!(text(causes.clone(), Explain::Causes, 1).len(), 2);
        assert!(text(causes, Explain::Full, 40).len() > 7000);
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(number),
            ["0", "999", "1,000", "1,234,567"]
        );
    }
}
