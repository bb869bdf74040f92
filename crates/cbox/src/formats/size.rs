//! Sizes as lines for people.

use cbox_driver::{
    size::{
        change::Change,
        measured::{Comparison, Measured, Why},
    },
    text::{columns, count, signed_size, size},
};

/// How many steps of a way a table has room for.
const STEPS: usize = 3;

/// Where every way begins.
const TOP: &str = "toplevel";

/// The first lines: what is looked at, and how large it is in all.
pub(crate) fn heading(measured: &Measured) -> Vec<String> {
    let subject = &measured.subject;
    let title = match &subject.system {
        Some(system) => format!("{} ({system})", subject.name),
        None => subject.name.clone(),
    };
    let of = |budget: &Option<cbox_driver::text::byte_size::ByteSize>| match budget {
        Some(budget) => format!(" (budget {budget})"),
        None => String::new(),
    };
    let mut rows = Vec::new();
    if let Some(image) = subject.image_size() {
        let all = format!("{}{}", size(image), of(&subject.budget.image));
        rows.push(["  image".to_owned(), all]);
    }
    let all = format!(
        "{}{} in {}, {}",
        size(measured.closure.size()),
        of(&subject.budget.closure),
        count(measured.closure.members().len(), "path"),
        count(measured.packages.len(), "package"),
    );
    rows.push(["  closure".to_owned(), all]);
    let mut lines = vec![title];
    lines.extend(columns(&rows));
    lines
}

/// The largest packages, `most` of them.
pub(crate) fn packages(measured: &Measured, most: usize) -> Vec<String> {
    let total = measured.closure.size();
    let mut rows = vec![table_row(
        "PACKAGE",
        ["SIZE", "SHARE", "FREES"],
        "PULLED IN BY",
    )];
    let (listed, rest) = split(&measured.packages, most);
    for package in listed {
        let figures = [
            &*size(package.size),
            &share(package.size, total),
            &size(package.freed),
        ];
        let label = package.label();
        rows.push(table_row(&label, figures, &pulled_in_by(&package.way)));
    }
    let mut lines = columns(&rows);
    if !rest.is_empty() {
        let sizes = rest.iter().map(|package| package.size).sum();
        lines.push(format!(
            "and {} with {} (`--all` shows them)",
            count(rest.len(), "more package"),
            size(sizes)
        ));
    }
    lines
}

/// What changed, `most` packages of it.
pub(crate) fn changes(measured: &Measured, comparison: &Comparison, most: usize) -> Vec<String> {
    let (old, new) = (comparison.old.closure.size(), measured.closure.size());
    let mut lines = vec![format!(
        "against {}: {}",
        comparison.old.subject.name,
        from_to(old, new)
    )];
    let old = comparison.old.subject.image_size();
    if let (Some(old), Some(new)) = (old, measured.subject.image_size()) {
        lines.push(format!("image: {}", from_to(old, new)));
    }
    let (listed, rest) = split(&comparison.changes, most);
    if listed.is_empty() && rest.is_empty() {
        lines.push("no package came, went, grew or shrank".to_owned());
        return lines;
    }
    let mut rows = vec![table_row("PACKAGE", ["CHANGE", "", "SIZE"], "PULLED IN BY")];
    for change in listed {
        let figures = [
            &*signed_size(change.old, change.new),
            change.fate.word(),
            &size(change.new),
        ];
        let label = format!("{}{}", change.name, versions(change));
        rows.push(table_row(&label, figures, &pulled_in_by(&change.way)));
    }
    lines.extend(columns(&rows));
    if !rest.is_empty() {
        lines.push(format!(
            "and {} (`--all` shows them)",
            count(rest.len(), "more package")
        ));
    }
    lines
}

/// Every way to a package, `most` of them.
pub(crate) fn why(measured: &Measured, why: &Why<'_>, most: usize) -> Vec<String> {
    let package = why.package;
    let mut lines = vec![format!(
        "{}: {} in {}, {} of the closure; without it {} would go",
        package.label(),
        size(package.size),
        count(package.members.len(), "path"),
        share(package.size, measured.closure.size()),
        size(package.freed)
    )];
    if package.way.is_empty() {
        lines.push("all the others are there because of it".to_owned());
        return lines;
    }
    if !why.only_way.is_empty() {
        lines.push(format!("every way leads through {}", chain(&why.only_way)));
    }
    lines.push(format!("{}:", count(why.ways.len(), "way")));
    let (listed, rest) = split(&why.ways, most);
    for way in listed {
        let name = way
            .path
            .split_once('-')
            .map_or(&*way.path, |(_, name)| name);
        let steps = [&[TOP.to_owned()], way.by.as_slice(), &[name.to_owned()]].concat();
        lines.push(format!("  {}", chain(&steps)));
    }
    if !rest.is_empty() {
        lines.push(format!(
            "and {} (`--all` shows them)",
            count(rest.len(), "more way")
        ));
    }
    lines
}

/// What a package was pulled in by: its way, itself left out, in as many words as there is
/// room for in a line.
pub(crate) fn pulled_in_by(way: &[String]) -> String {
    match way {
        [] => String::new(),
        [_] => TOP.to_owned(),
        [by @ .., _] if by.len() <= STEPS => chain(by),
        [first, .., before, by, _] => {
            chain(&[first.clone(), "…".to_owned(), before.clone(), by.clone()])
        }
        [first, ..] => first.clone(),
    }
}

/// A part of a whole: `12.5 %`.
pub(crate) fn share(part: u64, whole: u64) -> String {
    format!("{:.1} %", part as f64 * 100.0 / whole.max(1) as f64)
}

fn chain(steps: &[String]) -> String {
    steps.join(" → ")
}

/// A row whose figures end below each other.
fn table_row(name: &str, [one, two, three]: [&str; 3], by: &str) -> [String; 5] {
    [
        name.to_owned(),
        format!("{one:>9}"),
        format!("{two:>7}"),
        format!("{three:>9}"),
        by.to_owned(),
    ]
}

fn split<T>(all: &[T], most: usize) -> (&[T], &[T]) {
    all.split_at(most.min(all.len()))
}

/// Two sizes and their difference.
fn from_to(old: u64, new: u64) -> String {
    match old == new {
        true => format!("as large as before, {}", size(new)),
        false => format!("{}, {} → {}", signed_size(old, new), size(old), size(new)),
    }
}

/// The versions of a package that changed: ` 1.2 → 1.3`.
fn versions(change: &Change) -> String {
    let (old, new) = (
        change.old_versions.join(", "),
        change.new_versions.join(", "),
    );
    match (old.as_str(), new.as_str()) {
        ("", "") => String::new(),
        (old, "") => format!(" {old}"),
        ("", new) => format!(" {new}"),
        (old, new) if old == new => format!(" {new}"),
        (old, new) => format!(" {old} → {new}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_ways_are_cut_in_the_middle() {
        let by = |way: &str| {
            let way: Vec<String> = way.split_terminator(' ').map(str::to_owned).collect();
            pulled_in_by(&way)
        };
        assert_eq!(by(""), "");
        assert_eq!(by("etc"), "toplevel");
        assert_eq!(by("etc coder"), "etc");
        assert_eq!(by("a b c coder"), "a → b → c");
        assert_eq!(by("a b c d coder"), "a → … → c → d");
    }

    #[test]
    fn differences_have_a_sign() {
        assert_eq!(from_to(1500, 500), "-1.0 kB, 1.5 kB → 500 B");
        assert_eq!(from_to(500, 500), "as large as before, 500 B");
        assert_eq!(share(1, 8), "12.5 %");
        assert_eq!(share(0, 0), "0.0 %");
    }
}
