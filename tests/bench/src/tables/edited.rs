//! What an edit costs in a fleet: of a host's own file, and of a file that no host reads, as
//! hosts grow in number.
//!
//! What each host reads was found out before, by `verify-hosts --self-test`, as in a job of a
//! CI or in the pauses of `cbox watch`.

use std::path::{Path, PathBuf};

use super::{growth::many, verify};
use crate::{
    command::Command,
    environment::Environment,
    failure::Failure,
    fixture::{commit, real::Real, write},
    report::{Columns, Ratio, Report},
    run::{Contender, LONG, SHORT, in_turn},
};

const NUMBERS_OF_HOSTS: [usize; 3] = [1, 4, 16];

/// A file that is staged and that no host reads.
const UNREAD: &str = "nixos/tests/edited-by-the-bench.nix";

/// Measures both, beside evaluating the one host alone.
pub(crate) fn make(
    environment: &Environment,
    real: Option<&Real>,
    report: &mut Report,
) -> Result<(), Failure> {
    let mut contenders = Vec::new();
    for count in NUMBERS_OF_HOSTS {
        let folder = many(environment, real, count)?;
        write(&folder.join(UNREAD), "{ }\n")?;
        commit(environment, &folder)?;
        eprintln!("accepting hosts, and finding what they read: {count}");
        environment.cbox(&folder, ["accept"]).ask()?;
        commit(environment, &folder)?;
        environment
            .cbox(
                &folder,
                ["verify-hosts", "--self-test", "--host", "growth-*"],
            )
            .ask()?;
        if contenders.is_empty() {
            let alone = ["--no-cache", "--host", "growth-1"];
            contenders.push(verify::verify(environment, &folder, &alone));
        }
        for (file, what) in [
            ("hosts/growth-1/default.nix", "a host's own file edited"),
            (UNREAD, "a file edited that no host reads"),
        ] {
            contenders.push(edited(environment, &folder, file, count, what));
        }
    }
    let rounds = if real.is_some() { LONG } else { SHORT };
    let series = in_turn(environment, &contenders, rounds);
    report.timings(&series, Ratio::Growth, &Columns::default());
    Ok(())
}

/// `cbox verify-hosts` behind an edit of `file`, another one each time.
fn edited(
    environment: &Environment,
    folder: &Path,
    file: &str,
    count: usize,
    what: &str,
) -> Contender {
    let script = "date '+# %s.%N' >> \"$1\"";
    let shell = PathBuf::from("/bin/sh");
    let edit = Command::new(&shell, folder, ["-c", script, "edit", file]);
    let verify = verify::verify(environment, folder, &[]);
    let name = format!("{}, hosts: {count}, {what}", verify.name);
    let steps = [vec![edit], verify.steps].concat();
    Contender::new(name, steps)
}
