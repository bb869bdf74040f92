//! What a user waits for each time: the start of the program, and what a closure is made of.

use crate::{
    environment::Environment,
    failure::Failure,
    fixture::synthetic::{self, Kind},
    peers::Peer,
    report::{Columns, Report},
    results::Ratio,
    run::{Contender, SHORT, SHORTEST, in_turn},
    text::grouped,
};

const PATHS: [usize; 3] = [100, 1_000, 10_000];

/// From the start to the end of what does next to nothing.
pub(crate) fn startup(environment: &Environment, report: &mut Report) -> Result<(), Failure> {
    let top = &environment.top;
    let contenders = [
        Contender::new("nix --version", vec![environment.nix(top, ["--version"])]),
        Contender::new("cbox --version", vec![environment.cbox(top, ["--version"])]),
        Contender::new("cbox --help", vec![environment.cbox(top, ["--help"])]),
        Contender::new("cbox list", vec![environment.cbox(top, ["list"])]),
    ];
    let series = in_turn(environment, &contenders, SHORTEST);
    report.timings(&series, Ratio::Growth, &Columns::default());
    Ok(())
}

/// A closure by size, and against another, as it grows.
pub(crate) fn size(environment: &Environment, report: &mut Report) -> Result<(), Failure> {
    report.note("closures of texts that refer to each other: nothing is built for them");
    let top = &environment.top;
    let mut contenders = Vec::new();
    let mut missing = None;
    for count in environment.wanted(&PATHS) {
        let [before, after] = ["before", "after"]
            .map(|word| synthetic::instantiate(environment, Kind::Texts, count, word));
        let (before, after) = (before?, after?);
        let mut add = |command, name: &str| {
            let number = grouped(count as u64);
            let contender = Contender::new(format!("{name}, {number} paths"), vec![command]);
            contenders.push(contender.point(name, count));
        };
        // With --closure-size it follows every path anew, which takes minutes.
        let words = ["path-info", "--recursive", "--size", &before];
        add(
            environment.nix(top, words),
            "nix path-info --recursive --size",
        );
        add(environment.cbox(top, ["size", &before]), "cbox size");
        let words = ["size", &after, "--against", &before];
        add(environment.cbox(top, words), "cbox size --against");
        match environment.peer(Peer::Dix, top, [&before, &after]) {
            Ok(command) => add(command, "dix"),
            Err(why) => missing = Some(why),
        }
    }
    if let Some(why) = missing {
        report.left_out(&why);
    }
    let series = in_turn(environment, &contenders, SHORT);
    report.timings(&series, Ratio::Growth, &Columns::default());
    Ok(())
}
