//! `docs/benchmarks.md` and its plots, made of the results that are kept and of nothing else.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::{
    failure::Failure,
    fixture::write,
    plot::{self, THEMES},
    report::lines,
    results::{Made, Outcome, known},
    tables::Table,
};

const PAGE: &str = "docs/benchmarks.md";
/// Of the plots, below `docs`.
const IMAGES: &str = "images/benchmarks";

/// The text in front of the tables. Tests run its block.
const FRONT: &str = "\
# Benchmarks

What cbox costs in time and memory, beside what people use in its place. This page and its plots are
written by `make bench` from the results in [`tests/bench/results`](../tests/bench/results): no figure here was
typed, and a test compares the page with the results.

How to read the tables:

- The commands of a table ran in turn (A B A B …) on the same input, so that whatever else the machine did hit
  them alike. *least* and *median* are of so many *runs*; a run before them, which reads files for the first
  time, does not count.
- *first/this* is how many times the median of this row the first row takes (more is faster), *this/first* the
  opposite (less is faster).
- *memory* is the peak of the largest process, *all* that of all processes at one moment, looked at every
  20 ms.
- Both axes of a plot are logarithmic.
- Every command has to give the right answer, or its row says `FAILED`. No time is judged.

## Repeat it

```sh
make bench                                  # every table; rewrites this page
make bench tables=\"startup causes\"          # some tables, only printed
make bench tables=\"startup causes\" write=1  # some tables, which replace theirs on this page
```

Real hosts need nixpkgs: `BOX_LOCKED=1` takes what `flake.lock` names, `BOX_NIXPKGS` and `BOX_DISKO` name local
copies. With them, all tables together take some hours on two cores; without them, some minutes.
";

/// What no run compares with, and why.
const NEVER: &str = "
nh is not compared: it evaluates with `nix build`, which is in the tables, and `nh os build` builds what it has
evaluated. Tools that build or switch are beside the point, since cbox leaves the building to Nix.
";

/// Writes the page and its plots for the repository at `top`, and removes plots of the past.
pub(crate) fn write_all(top: &Path) -> Result<(), Failure> {
    let files = files(top)?;
    for file in plots(top)? {
        if !files.contains_key(&file) {
            fs::remove_file(&file).map_err(|error| Failure::file("remove", &file, &error))?;
        }
    }
    for (file, text) in &files {
        write(file, text)?;
    }
    Ok(())
}

/// The plots that there are.
fn plots(top: &Path) -> Result<Vec<PathBuf>, Failure> {
    let folder = top.join("docs").join(IMAGES);
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let fail = |error| Failure::file("read", &folder, &error);
    let entries = fs::read_dir(&folder).map_err(fail)?;
    entries
        .map(|entry| Ok(entry.map_err(fail)?.path()))
        .collect()
}

/// Every file with its text.
fn files(top: &Path) -> Result<BTreeMap<PathBuf, String>, Failure> {
    let known = known(top)?;
    let mut files = BTreeMap::new();
    for (table, outcome) in &known {
        let (Some(axis), Some(outcome)) = (table.axis(), outcome) else {
            continue;
        };
        if plot::has_plot(outcome) {
            for theme in THEMES {
                let file = top.join("docs").join(image(*table, theme.name));
                files.insert(file, plot::svg(outcome, axis, theme)?);
            }
        }
    }
    files.insert(top.join(PAGE), page(&known));
    Ok(files)
}

/// Where a plot is, as the page names it.
fn image(table: Table, theme: &str) -> String {
    format!("{IMAGES}/{}-{theme}.svg", table.word())
}

fn page(known: &[(Table, Option<Outcome>)]) -> String {
    let outcomes: Vec<&Outcome> = known.iter().filter_map(|(_, of)| of.as_ref()).collect();
    let mut text = format!("{FRONT}\n{}{}", made(&outcomes), left_out(known));
    for (table, outcome) in known {
        text.push_str(&section(*table, outcome.as_ref()));
    }
    text
}

/// On what it was made, a paragraph for each place that differs from the others.
fn made(outcomes: &[&Outcome]) -> String {
    let mut places: Vec<(&Made, Vec<String>)> = Vec::new();
    for outcome in outcomes {
        let made = &outcome.made;
        let same = |(known, _): &&mut (&Made, Vec<String>)| {
            (&known.machine, &known.versions) == (&made.machine, &made.versions)
        };
        let word = format!("`{}`", outcome.table);
        match places.iter_mut().find(same) {
            Some((_, words)) => words.push(word),
            None => places.push((made, vec![word])),
        }
    }
    let mut text = "## What it was measured on\n\n".to_owned();
    let all = places.len() < 2;
    for (made, words) in places {
        if !all {
            text.push_str(&format!("Of {}:\n\n", words.join(", ")));
        }
        text.push_str(&format!("- {}\n", escaped(&made.machine)));
        for (name, version) in &made.versions {
            text.push_str(&format!("- {}: {}\n", escaped(name), escaped(version)));
        }
        text.push('\n');
    }
    text
}

/// What no figure says anything of, and why.
fn left_out(known: &[(Table, Option<Outcome>)]) -> String {
    let mut reasons: Vec<(String, Vec<String>)> = Vec::new();
    let mut add = |reason: String, table: Table| {
        let word = format!("`{}`", table.word());
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, words)) => words.push(word),
            None => reasons.push((reason, vec![word])),
        }
    };
    for (table, outcome) in known {
        match outcome {
            None => add("not measured yet".to_owned(), *table),
            Some(outcome) => {
                for reason in &outcome.left_out {
                    add(reason.clone(), *table);
                }
            }
        }
    }
    let mut text = "## What was left out\n\n".to_owned();
    for (reason, words) in &reasons {
        text.push_str(&format!("- {}: {}\n", words.join(", "), escaped(reason)));
    }
    if reasons.is_empty() {
        text.push_str("Nothing.\n");
    }
    text.push_str(NEVER);
    text
}

fn section(table: Table, outcome: Option<&Outcome>) -> String {
    let mut text = format!("\n## {}\n\n", first_upper(table.title()));
    let Some(outcome) = outcome else {
        text.push_str(&format!(
            "Not measured yet: `make bench tables={} write=1`.\n",
            table.word()
        ));
        return text;
    };
    let made = &outcome.made;
    let inputs = match made.inputs.as_slice() {
        [] => String::new(),
        inputs => format!(", {}", inputs.join(", ")),
    };
    text.push_str(&format!(
        "`{}`, {}, commit {}{}.\n",
        table.word(),
        escaped(&made.date),
        escaped(&made.commit),
        escaped(&inputs)
    ));
    for note in &outcome.notes {
        text.push_str(&format!("- {}\n", escaped(note)));
    }
    for why in &outcome.left_out {
        text.push_str(&format!("- Left out: {}\n", escaped(why)));
    }
    for failure in &outcome.failed {
        let line: Vec<&str> = failure.split_whitespace().collect();
        text.push_str(&format!("- FAILED: {}\n", escaped(&line.join(" "))));
    }
    if !outcome.rows.is_empty() {
        text.push_str(&format!("\n{}", table_of(&lines(outcome))));
    }
    if table.axis().is_some() && plot::has_plot(outcome) {
        let [light, dark] = THEMES.map(|theme| image(table, theme.name));
        text.push_str(&format!(
            "\n<picture><source media=\"(prefers-color-scheme: dark)\" srcset=\"{dark}\"><img alt=\"Plot of the table above\" src=\"{light}\"></picture>\n"
        ));
    }
    text
}

/// Rows as a table of Markdown, numbers to the right.
fn table_of(rows: &[Vec<String>]) -> String {
    let width = rows.first().map_or(0, Vec::len);
    let line = |cells: &[String]| {
        let cells = (0..width).map(|column| cells.get(column).map_or("", String::as_str));
        format!("| {} |\n", cells.map(cell).collect::<Vec<_>>().join(" | "))
    };
    let mut rows = rows.iter();
    let mut text = rows.next().map_or_else(String::new, |heads| line(heads));
    let rule = std::iter::once("---").chain(std::iter::repeat_n("---:", width.saturating_sub(1)));
    text.push_str(&format!("| {} |\n", rule.collect::<Vec<_>>().join(" | ")));
    text.extend(rows.map(|row| line(row)));
    text
}

fn cell(text: &str) -> String {
    escaped(text).replace('|', "\\|")
}

/// As Markdown shows it letter by letter, but for what is between two backquotes: code.
fn escaped(text: &str) -> String {
    let is_code = text.matches('`').count().is_multiple_of(2);
    let mut escaped = String::new();
    let mut inside = false;
    for letter in text.chars() {
        inside ^= is_code && letter == '`';
        let is_special = matches!(letter, '\\' | '*' | '_' | '<' | '>' | '[' | ']' | '#');
        if (is_special && !inside) || (letter == '`' && !is_code) {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

fn first_upper(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters
        .next()
        .map(|letter| letter.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::row;

    #[test]
    fn the_page_in_the_repository_is_what_the_results_give() {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let files = files(&top).unwrap();
        for file in plots(&top).unwrap() {
            assert!(
                files.contains_key(&file),
                "{} is of no table",
                file.display()
            );
        }
        for (file, text) in files {
            let there = fs::read_to_string(&file).unwrap_or_default();
            assert!(
                there == text,
                "{} is not what tests/bench/results gives; `cargo run -p cbox-bench -- --page` writes it",
                file.display()
            );
        }
    }

    #[test]
    fn what_is_code_stays_code() {
        assert_eq!(escaped("a_b `c_d#e`"), "a\\_b `c_d#e`");
        assert_eq!(escaped("a`b_c"), "a\\`b\\_c");
    }

    #[test]
    fn a_table_says_what_it_is_of() {
        let mut outcome = Outcome::new(Table::Unchanged, &Made::default());
        outcome.made.commit = "abc".into();
        outcome.rows = vec![row("a|b <c>", &[2.0], Some(("l", 1))), row("d", &[], None)];
        outcome.left_out = vec!["no_such thing".into()];
        let text = page(&[(Table::Unchanged, Some(outcome)), (Table::Cold, None)]);
        for part in [
            "- `unchanged`: no\\_such thing\n",
            "- `cold`: not measured yet\n",
            "commit abc.\n",
            "| a\\|b \\<c\\> | 1 | 2.0 ms | 2.0 ms | 1.00 | 2.0 MiB | 4.0 MiB |\n| d | FAILED |  |  |  |  |  |\n",
        ] {
            assert!(text.contains(part), "{part:?} is not in {text}");
        }
        // One point is no line.
        assert!(!text.contains("<picture>"), "{text}");
    }
}
