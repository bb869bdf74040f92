//! Putting the working tree into the store, beside Nix's own way, as files grow in number.
//!
//! Each side has a store of its own below a root, so that nothing is there from the other, and
//! caches of its own. For a new tree both are empty.

use std::path::Path;

use crate::{
    command::Command,
    environment::Environment,
    failure::Failure,
    fixture::{commit, write},
    report::{Columns, Report},
    results::Ratio,
    run::{Contender, LONG, Series, in_turn},
    text::grouped,
};

const NUMBERS_OF_FILES: [usize; 4] = [100, 1_000, 10_000, 50_000];
/// How long a file is, in bytes: about the median of nixpkgs, and what a module has.
const LENGTH: usize = 2_000;
/// The file that is edited.
const EDITED: &str = "folder-0/file-0.nix";

pub(crate) fn make(environment: &Environment, report: &mut Report) -> Result<(), Failure> {
    report.note(&format!(
        "files of {} bytes, 100 in each folder, all committed",
        grouped(LENGTH as u64)
    ));
    let mut contenders = Vec::new();
    let mut names = Vec::new();
    for count in environment.wanted(&NUMBERS_OF_FILES) {
        let folder = tree(environment, count)?;
        let reference = format!("git+file://{}", folder.display());
        for (side, command) in [
            (
                "nix flake metadata git+file:",
                environment.nix(&folder, ["flake", "metadata", "--json", &reference]),
            ),
            (
                "cbox source ref",
                environment.cbox(&folder, ["source", "ref"]),
            ),
        ] {
            for what in ["new tree", "one file changed"] {
                let name = format!("{side}, {} files, {what}", grouped(count as u64));
                let place = environment.scratch(&format!("stores/{}", contenders.len()));
                let command = command
                    .clone()
                    .variable("NIX_REMOTE", &place.join("store"))
                    .variable("XDG_CACHE_HOME", &place.join("cache"));
                let mut contender = Contender::new(&name, vec![command.clone()]);
                contender = if what == "new tree" {
                    contender.behind([restore(environment, &folder), empty(&place)])
                } else {
                    // As it is after the first time, where nothing is empty any more.
                    let script = format!("date '+# %s.%N' >> {EDITED}");
                    let edit = Command::new(Path::new("/bin/sh"), &folder, ["-c", &script]);
                    contender.behind([edit])
                };
                contenders.push(contender.point(format!("{side}, {what}"), count));
                names.push((what, count, place));
            }
        }
    }
    let mut series = in_turn(environment, &contenders, LONG);
    for (series, (what, count, place)) in series.iter_mut().zip(&names) {
        if series.failure.is_none() && *what == "new tree" {
            series.failure = is_there(series, *count, place).err();
        }
    }
    for (_, _, place) in &names {
        empty(place).ask()?;
    }
    report.timings(&series, Ratio::Growth, &Columns::default());
    Ok(())
}

/// A repository of `count` files and a flake that says nothing.
fn tree(environment: &Environment, count: usize) -> Result<std::path::PathBuf, Failure> {
    eprintln!("writing {count} files");
    let folder = environment.scratch_folder(&format!("files-{count}"))?;
    write(&folder.join("flake.nix"), "{ outputs = _: { }; }\n")?;
    for number in 1..count {
        let line = format!("# file {number} of {count}\n");
        let text = line.repeat(LENGTH / line.len());
        let file = format!("folder-{}/file-{}.nix", number / 100, number % 100);
        write(&folder.join(file), &text)?;
    }
    write(&folder.join(EDITED), "{ }\n")?;
    commit(environment, &folder)?;
    Ok(folder)
}

fn restore(environment: &Environment, folder: &Path) -> Command {
    environment.git(folder, ["checkout", "--quiet", "--", "."])
}

/// Makes an empty folder of `place`, in which stores cannot be written to.
fn empty(place: &Path) -> Command {
    let script =
        "if [ -e \"$1\" ]; then chmod -R u+w \"$1\"; rm -rf \"$1\"; fi; mkdir -p \"$1/store\"";
    let place = place.to_string_lossy();
    Command::new(
        Path::new("/bin/sh"),
        Path::new("/"),
        ["-c", script, "empty", &place],
    )
}

/// Whether the tree that the answer names is in the store, with all its files.
fn is_there(series: &Series, count: usize, place: &Path) -> Result<(), Failure> {
    let answer = String::from_utf8_lossy(&series.output);
    let wrong = |why: &str| Failure::new(format!("its answer {why}: {}", answer.trim()));
    let (_, rest) = answer
        .split_once("/nix/store/")
        .ok_or_else(|| wrong("names no store path"))?;
    let name: String = rest
        .chars()
        .take_while(|letter| letter.is_ascii_alphanumeric() || "-._+".contains(*letter))
        .collect();
    let path = place.join("store/nix/store").join(name);
    let script = "test \"$(find \"$1\" -type f | wc -l)\" -eq \"$2\"";
    let path = path.to_string_lossy();
    // The files, the one that is edited among them, and flake.nix.
    let count = (count + 1).to_string();
    let words = ["-c", script, "count", &path, &count];
    let counted = Command::new(Path::new("/bin/sh"), Path::new("/"), words).ask();
    counted.map_or_else(
        |_| Err(wrong("is of a tree that is not all there")),
        |_| Ok(()),
    )
}
