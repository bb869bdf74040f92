//! What was built as Markdown, for the summary of a CI system: each target, where it was built, and
//! how much each machine did.

use std::collections::BTreeMap;

use cbox_driver::{
    build::Built,
    progress::{Ended, builds::short},
    target_name::TargetName,
    text::{count, size},
};

use super::markdown::cell;

/// How many rows a table has: a summary can have 1 MB.
const ROWS: usize = 300;

/// What this machine is called.
const HERE: &str = "here";

/// What became of the targets called `names`. `skipped` are those that were to be left out.
pub(crate) fn summary(
    names: &[TargetName],
    skipped: &[String],
    built: &[Built],
    ended: &[Ended],
) -> String {
    let machines: BTreeMap<&str, &Ended> = ended.iter().map(|one| (&*one.drv, one)).collect();
    let mut rows = Vec::new();
    for name in names {
        let name = name.to_string();
        let done = built.iter().find(|done| done.manifest.target == name);
        let what = match done.map(|done| &done.pushed) {
            None if skipped.contains(&name) => "cached",
            None => "**not built**",
            Some(None) => "built",
            Some(Some(Ok(()))) => "built, pushed",
            Some(Some(Err(_))) => "built, **not pushed**",
        };
        let bytes = done.map_or(0, |done| {
            let files = done.manifest.artifacts.iter();
            files.map(|file| file.size).sum::<u64>()
        });
        let bytes = if bytes == 0 {
            String::new()
        } else {
            size(bytes)
        };
        let machine = done.map(|done| match machines.get(done.manifest.drv.as_str()) {
            Some(build) => build.machine.as_deref().unwrap_or(HERE),
            None => "it was there",
        });
        rows.push(format!(
            "| {} | {what} | {bytes} | {} |",
            cell(&name),
            cell(machine.unwrap_or_default())
        ));
    }
    let title = count(names.len(), "target");
    let mut text = format!("### Build of {title}\n\n");
    text.push_str(&table(
        "| target | what became of it | image | built by |\n|---|---|---|---|",
        &rows,
    ));
    text.push_str(&by_machine(ended));
    text
}

/// How much each machine did, where others than this one did something.
fn by_machine(ended: &[Ended]) -> String {
    let mut machines: BTreeMap<&str, Vec<&Ended>> = BTreeMap::new();
    for build in ended {
        let machine = build.machine.as_deref().unwrap_or(HERE);
        machines.entry(machine).or_default().push(build);
    }
    if machines.keys().all(|machine| *machine == HERE) {
        return String::new();
    }
    let rows = machines.iter().map(|(machine, builds)| {
        let bad = builds.iter().filter(|build| build.failed);
        let bad: Vec<&str> = bad.map(|build| short(&build.drv)).collect();
        let good = builds.len() - bad.len();
        format!("| {} | {good} | {} |", cell(machine), cell(&bad.join(", ")))
    });
    let rows: Vec<String> = rows.collect();
    let head = "| machine | derivations built | failed there |\n|---|---|---|";
    format!("\n{}", table(head, &rows))
}

/// A table, of whose rows no more are shown than a summary has room for.
fn table(head: &str, rows: &[String]) -> String {
    let shown = rows.len().min(ROWS);
    let mut text = format!("{head}\n{}\n", rows[..shown].join("\n"));
    if shown < rows.len() {
        text.push_str(&format!("\n… and {} more\n", rows.len() - shown));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_is_not_built_is_in_bold_and_no_name_breaks_the_table() {
        let names = ["hosts/a", "hosts/b_c"].map(|name| name.parse().unwrap());
        let text = summary(&names, &["hosts/a".to_owned()], &[], &[]);
        assert_eq!(
            text,
            "### Build of 2 targets\n\n| target | what became of it | image | built by |\n|---|---|---|---|\n\
             | hosts/a | cached |  |  |\n| hosts/b\\_c | **not built** |  |  |\n"
        );
    }

    #[test]
    fn machines_have_a_table_where_there_are_others() {
        let ended = |drv: &str, machine: Option<&str>, failed| Ended {
            drv: format!("/nix/store/hash-{drv}.drv"),
            machine: machine.map(str::to_owned),
            failed,
        };
        assert_eq!(by_machine(&[ended("a", None, true)]), "");
        let builds = [
            ended("a", Some("ssh://x|y"), false),
            ended("b", Some("ssh://x|y"), true),
            ended("c", None, false),
        ];
        assert_eq!(
            by_machine(&builds),
            "\n| machine | derivations built | failed there |\n|---|---|---|\n\
             | here | 1 |  |\n| ssh://x\\|y | 1 | b |\n"
        );
    }

    #[test]
    fn a_table_is_bounded() {
        let rows = vec!["| x |".to_owned(); ROWS + 2];
        let text = table("| h |", &rows);
        assert_eq!(text.matches("| x |").count(), ROWS);
        assert!(text.ends_with("\n… and 2 more\n"));
    }
}
