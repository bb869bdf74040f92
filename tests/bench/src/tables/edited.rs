//! What an edit costs in a fleet, as hosts grow in number: of a host's own file, of a file that
//! no host reads, of one that all read.
//!
//! What each host reads was found out before, by `verify-hosts --self-test`, as in a job of a
//! CI or in the pauses of `cbox watch`.

use std::path::{Path, PathBuf};

use super::{
    fleet::{self, EVALUATED, MANY},
    verify,
};
use crate::{
    command::Command,
    environment::Environment,
    failure::Failure,
    fixture::{commit, real::Real, write},
    report::{Columns, Report},
    results::Ratio,
    run::{Contender, LONG, LONGEST, SHORT, in_turn},
};

/// A file that is staged and that no host reads. It is no Nix: a small tree of nothing but what is
/// likely read counts as read.
const UNREAD: &str = "nixos/tests/edited-by-the-bench.txt";
/// A host's own file.
pub(super) const OWN: &str = "hosts/growth-1/default.nix";
/// What every host reads, real or made up.
const SHARED: [&str; 2] = ["nixos/modules/default.nix", "graph.nix"];

/// The edits, with what is said of them.
pub(super) const EDITS: [(Edit, &str); 3] = [
    (Edit::Own, "a host's own file edited"),
    (Edit::Unread, "a file edited that no host reads"),
    (Edit::Shared, "a shared module edited"),
];

/// Which file is edited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edit {
    Own,
    Unread,
    Shared,
}

impl Edit {
    pub(super) fn file(self, real: Option<&Real>) -> &'static str {
        match self {
            Self::Own => OWN,
            Self::Unread => UNREAD,
            Self::Shared => SHARED[usize::from(real.is_none())],
        }
    }
}

/// Measures them, beside evaluating the one host alone.
pub(crate) fn make(
    environment: &Environment,
    real: Option<&Real>,
    report: &mut Report,
) -> Result<(), Failure> {
    report.note(&fleet::what(real));
    let mut contenders = Vec::new();
    for count in environment.wanted(&EVALUATED) {
        let folder = known(environment, real, count)?;
        if contenders.is_empty() {
            let alone = ["growth-1".to_owned()];
            contenders.push(verify::by_hand(environment, &folder, &alone));
            let alone = ["--no-cache", "--host", "growth-1"];
            contenders.push(verify::verify(environment, &folder, &alone));
        }
        for (edit, what) in EDITS {
            let contender = edited(environment, &folder, edit.file(real), count, what);
            contenders.push(match edit {
                Edit::Shared if real.is_some() && count >= MANY => contender.at_most(LONGEST),
                _ => contender,
            });
        }
    }
    let rounds = if real.is_some() { LONG } else { SHORT };
    let series = in_turn(environment, &contenders, rounds);
    report.timings(&series, Ratio::Growth, &Columns::default());
    Ok(())
}

/// A fleet of `count` hosts, accepted, of which it is known what each reads.
pub(super) fn known(
    environment: &Environment,
    real: Option<&Real>,
    count: usize,
) -> Result<PathBuf, Failure> {
    let folder = fleet::many(environment, real, count)?;
    write(&folder.join(UNREAD), "{ }\n")?;
    commit(environment, &folder)?;
    eprintln!("accepting hosts, and finding what they read: {count}");
    environment.cbox(&folder, ["accept"]).ask()?;
    commit(environment, &folder)?;
    let words = ["verify-hosts", "--self-test", "--host", "growth-*"];
    environment.cbox(&folder, words).ask()?;
    Ok(folder)
}

/// `cbox verify-hosts` behind an edit of `file`, another one each time. Edits before it are
/// taken back: else the file of the run before would be one more that changed.
fn edited(
    environment: &Environment,
    folder: &Path,
    file: &str,
    count: usize,
    what: &str,
) -> Contender {
    let restore = environment.git(folder, ["checkout", "--quiet", "--", "."]);
    let script = "date '+# %s.%N' >> \"$1\"";
    let shell = Path::new("/bin/sh");
    let edit = Command::new(shell, folder, ["-c", script, "edit", file]);
    let verify = verify::verify(environment, folder, &[]);
    let name = format!("{}, hosts: {count}, {what}", verify.name);
    verify
        .named(name)
        .behind([restore, edit])
        .point(what, count)
}
