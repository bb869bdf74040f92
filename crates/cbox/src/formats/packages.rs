//! The packages that differ as lines: what changed its version, came and went.

use cbox_driver::{
    diff::packages::{Compared, PackageDifference, Sizes},
    text::{count, signed_size, size},
};
use drv_causes::Sign;
use nix_formats::packages::{OnePackage, VersionChange};

use super::explanation::{OutputLine, gap, line};

/// The lines of `packages`, `most` of them: a heading, then a line a package.
pub(crate) fn lines(packages: &PackageDifference, most: usize) -> Vec<OutputLine> {
    let changes = &packages.changes;
    if most == 0 {
        return vec![];
    }
    let mut listed: Vec<(Sign, String)> = Vec::new();
    let changed = changes.changed.iter().map(change);
    listed.extend(changed.map(|text| (Sign::Same, text)));
    listed.extend(changes.added.iter().map(|one| (Sign::Added, label(one))));
    listed.extend(
        changes
            .removed
            .iter()
            .map(|one| (Sign::Removed, label(one))),
    );
    let mut lines = vec![line(0, Sign::Same, &heading(packages))];
    let room = most - 1;
    let cut = match listed.len() > room {
        true => room.saturating_sub(1),
        false => listed.len(),
    };
    let rest = listed.split_off(cut);
    lines.extend(listed.iter().map(|(sign, text)| line(1, *sign, text)));
    if !rest.is_empty() && room > 0 {
        lines.push(gap(1, &count(rest.len(), "more package")));
    }
    lines
}

/// What follows, in one line.
fn heading(packages: &PackageDifference) -> String {
    let changes = &packages.changes;
    let what = match packages.compared {
        Compared::Closures => "packages",
        Compared::Derivations => "packages, as far as the derivations tell",
        Compared::Mixed => "packages, as far as the derivations of one tell",
    };
    let numbers = [
        (changes.changed.len(), "changed"),
        (changes.added.len(), "added"),
        (changes.removed.len(), "removed"),
    ];
    let numbers = numbers.into_iter().filter(|(number, _)| *number > 0);
    let mut parts: Vec<String> = numbers
        .map(|(number, what)| format!("{number} {what}"))
        .collect();
    if parts.is_empty() {
        parts.push("the same".to_owned());
    }
    let mut text = format!("{what}: {}", parts.join(", "));
    if let Some(sizes) = packages.closure_size {
        text.push_str(&format!("; closure {}", closure(sizes)));
    }
    text
}

/// The sizes of both closures.
fn closure(Sizes { from, to }: Sizes) -> String {
    match from == to {
        true => size(to),
        false => format!("{} → {} ({})", size(from), size(to), signed_size(from, to)),
    }
}

/// A package with its versions before and now; a name without one is shown as that.
fn change(change: &VersionChange) -> String {
    let versions = |versions: &[String]| match versions {
        [] => "(no version)".to_owned(),
        versions => versions.join(", "),
    };
    let (from, to) = (versions(&change.from), versions(&change.to));
    format!("{} {from} → {to}", change.name)
}

fn label(one: &OnePackage) -> String {
    match one.versions.as_slice() {
        [] => one.name.clone(),
        versions => format!("{} {}", one.name, versions.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use nix_formats::packages::Packages;

    use super::*;

    fn difference(old: &[&str], new: &[&str], closure_size: Option<Sizes>) -> PackageDifference {
        let (old, new): (Packages<'_>, Packages<'_>) =
            (old.iter().copied().collect(), new.iter().copied().collect());
        PackageDifference {
            compared: match closure_size {
                Some(_) => Compared::Closures,
                None => Compared::Derivations,
            },
            changes: old.changes(&new),
            closure_size,
        }
    }

    fn shown(packages: &PackageDifference, most: usize) -> Vec<String> {
        let lines = lines(packages, most).into_iter();
        lines
            .map(|line| format!("{}{}", line.sign.as_str(), line.text))
            .collect()
    }

    const OLD: [&str; 4] = ["coder-2.24.1", "gone", "python3-3.9", "python3-3.10"];
    const NEW: [&str; 3] = ["coder-2.25.0", "new-1", "python3-3.10"];

    #[test]
    fn packages_change_come_and_go() {
        let all = difference(&OLD, &NEW, None);
        let expected = [
            " packages, as far as the derivations tell: 2 changed, 1 added, 1 removed",
            " coder 2.24.1 → 2.25.0",
            " python3 3.9, 3.10 → 3.10",
            "+new 1",
            "-gone",
        ];
        assert_eq!(shown(&all, 5), expected);
        assert_eq!(shown(&all, 4)[..3], expected[..3]);
        assert_eq!(shown(&all, 4)[3], "…… 2 more packages");
        assert_eq!(shown(&all, 1), expected[..1]);
        assert!(shown(&all, 0).is_empty());
    }

    #[test]
    fn closures_have_their_sizes() {
        let sizes = |from, to| Some(Sizes { from, to });
        let same = difference(&OLD, &OLD, sizes(1000, 1000));
        assert_eq!(shown(&same, 9), [" packages: the same; closure 1.0 kB"]);
        let grown = difference(&["a-1", "b"], &["a-2", "b-1"], sizes(1000, 2500));
        let expected = [
            " packages: 2 changed; closure 1.0 kB → 2.5 kB (+1.5 kB)",
            " a 1 → 2",
            " b (no version) → 1",
        ];
        assert_eq!(shown(&grown, 9), expected);
    }
}
