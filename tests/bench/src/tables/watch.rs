//! `cbox watch`: from a save to the verdict about every host.
//!
//! It goes on running, so its memory is that of its whole life so far: of the first evaluation of
//! all hosts, and of finding out in its pauses what they read.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    process::Child,
    thread::sleep,
    time::{Duration, Instant},
};

use unix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{
    edited::{EDITS, Edit, known},
    fleet, verify,
};
use crate::{
    environment::Environment,
    failure::Failure,
    fixture::real::Real,
    measure::Taken,
    memory::Watch as Memory,
    report::{Columns, Report},
    results::{Point, Ratio},
    run::{LONG, SHORT, Series, in_turn},
};

const NUMBERS_OF_HOSTS: [usize; 3] = [1, 4, 16];
/// How often it is looked whether a verdict is there.
const POLL: Duration = Duration::from_millis(2);
/// After which a verdict comes no more.
const PATIENCE: Duration = Duration::from_secs(1200);

/// Measures edits of a host's own file and of one that no host reads.
pub(crate) fn make(
    environment: &Environment,
    real: Option<&Real>,
    report: &mut Report,
) -> Result<(), Failure> {
    report.note(&fleet::what(real));
    let rounds = if real.is_some() { LONG } else { SHORT };
    let mut all = Vec::new();
    for count in environment.wanted(&NUMBERS_OF_HOSTS) {
        let folder = known(environment, real, count)?;
        if all.is_empty() {
            let alone = ["--no-cache", "--host", "growth-1"];
            let alone = verify::verify(environment, &folder, &alone);
            all.extend(in_turn(environment, &[alone], rounds));
        }
        all.extend(saves(environment, real, &folder, count, rounds));
    }
    report.timings(&all, Ratio::Growth, &Columns::default());
    Ok(())
}

/// The series of one fleet.
fn saves(
    environment: &Environment,
    real: Option<&Real>,
    folder: &Path,
    count: usize,
    rounds: usize,
) -> Vec<Series> {
    let edits = EDITS.iter().filter(|(edit, _)| *edit != Edit::Shared);
    let mut all: Vec<(Edit, Series)> = edits
        .map(|&(edit, what)| {
            let point = Point {
                line: what.to_owned(),
                at: count as u64,
            };
            let series = Series {
                name: format!("cbox watch, hosts: {count}, {what}"),
                point: Some(point),
                runs: Vec::new(),
                output: Vec::new(),
                failure: None,
            };
            (edit, series)
        })
        .collect();
    let measured = Watching::start(environment, folder, count).and_then(|mut watching| {
        for round in 0..=rounds {
            for (edit, series) in &mut all {
                eprintln!("  round {round} of {rounds}: {}", series.name);
                let taken = watching.save(&folder.join(edit.file(real)))?;
                series.runs.extend((round > 0).then_some(taken));
            }
        }
        Ok(())
    });
    for (_, series) in &mut all {
        series.failure = measured.as_ref().err().cloned();
    }
    all.into_iter().map(|(_, series)| series).collect()
}

/// A cbox that watches, ended when this is dropped.
struct Watching {
    child: Child,
    told: PathBuf,
    rounds: usize,
}

impl Watching {
    /// Once it has told of `count` hosts as they are.
    fn start(environment: &Environment, folder: &Path, count: usize) -> Result<Self, Failure> {
        let place = environment.scratch_folder(&format!("watch-{count}"))?;
        let (told, stderr) = (place.join("stdout"), place.join("stderr"));
        let command = environment.cbox(folder, ["watch", "--json"]);
        let child = command
            .process(&told, &stderr)?
            .spawn()
            .map_err(|error| Failure::file("start", Path::new("cbox"), &error))?;
        let mut watching = Self {
            child,
            told,
            rounds: 0,
        };
        watching.next_round()?;
        Ok(watching)
    }

    /// Saves another text in `file`, and waits for the verdict.
    fn save(&mut self, file: &Path) -> Result<Taken, Failure> {
        // What it does in a pause is done, and its queue is empty.
        sleep(Duration::from_secs(2));
        self.wait_until_idle()?;
        let memory = Memory::over(self.child.id());
        let text = format!("# {:?}\n", Instant::now());
        let begin = Instant::now();
        let opened = OpenOptions::new().append(true).open(file);
        opened
            .and_then(|mut opened| opened.write_all(text.as_bytes()))
            .map_err(|error| Failure::file("write", file, &error))?;
        self.next_round()?;
        let time = begin.elapsed();
        Ok(Taken::part(time, memory.end().0))
    }

    /// Until none of its children has run for a second.
    fn wait_until_idle(&mut self) -> Result<(), Failure> {
        let begin = Instant::now();
        let mut quiet = Instant::now();
        while quiet.elapsed() < Duration::from_secs(1) {
            if crate::memory::has_children(self.child.id()) {
                quiet = Instant::now();
            }
            self.is_alive(begin)?;
            sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Until it has told one round more.
    fn next_round(&mut self) -> Result<(), Failure> {
        let begin = Instant::now();
        loop {
            let text =
                fs::read(&self.told).map_err(|error| Failure::file("read", &self.told, &error))?;
            let lines = text.iter().filter(|&&byte| byte == b'\n').count();
            if lines > self.rounds {
                self.rounds = lines;
                return Ok(());
            }
            self.is_alive(begin)?;
            sleep(POLL);
        }
    }

    fn is_alive(&mut self, since: Instant) -> Result<(), Failure> {
        let ended = self.child.try_wait();
        if !matches!(ended, Ok(None)) {
            return Err(Failure::new("`cbox watch` ended by itself"));
        }
        if since.elapsed() > PATIENCE {
            return Err(Failure::new("`cbox watch` gives no verdict"));
        }
        Ok(())
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        if let Ok(process) = i32::try_from(self.child.id()) {
            // One that has ended already needs no signal.
            let _ = kill(Pid::from_raw(process), Signal::SIGINT);
        }
        let _ = self.child.wait();
    }
}
