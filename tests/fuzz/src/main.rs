//! `cbox-fuzz TARGET SECONDS [FOLDER]`: bytes that somebody has spoilt, for all that parses bytes
//! from outside. `cbox-fuzz` alone lists the targets.
//!
//! Inputs are made of those that were recorded ([`seeds`]) by changing them at random
//! ([`mutation`]); one with which a target does something new is changed further. Without a
//! nightly compiler nothing is known of the code that ran, so "new" is what a target says of its
//! answer ([`targets`]).
//!
//! A worker of its own has bounds on memory and on the time of one input. When it dies, or stays
//! with one input, that input is written to FOLDER and another worker goes on. The last line says
//! how many inputs there were and what was found; the exit code is 1 if something was.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it starts itself as a worker, and prints"
)]

mod mutation;
mod seeds;
mod targets;

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use rustix::{
    process::{Resource, Rlimit, setrlimit},
    time::{ClockId, clock_gettime},
};

use crate::{
    mutation::Mutator,
    targets::{TARGETS, Target},
};

/// How long a worker may stay with one input, whatever else the machine does.
const PATIENCE: Duration = Duration::from_secs(120);

/// How much memory a worker may have, in bytes of addresses.
const MEMORY: u64 = 2 << 30;

/// How large an input is at most.
const LARGEST: usize = 1 << 17;

/// How many inputs are kept to be changed further.
const KEPT: usize = 2000;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let known = |name: &str| TARGETS.iter().find(|target| target.name == name);
    let answer = match words[..] {
        [] => {
            TARGETS
                .iter()
                .for_each(|target| println!("{}", target.name));
            Ok(true)
        }
        ["--worker", name, seconds, folder, seed] => match (known(name), seed.parse()) {
            (Some(target), Ok(seed)) => {
                on_small_stack(|| work(target, seconds, Path::new(folder), seed))
            }
            _ => Err("a worker is not started by hand".to_owned()),
        },
        ["--again", name, file] => {
            known(name)
                .ok_or("no such target".to_owned())
                .and_then(|target| {
                    let bytes = fs::read(file).map_err(|error| format!("{file}: {error}"))?;
                    on_small_stack(|| {
                        println!("{:?}", (target.run)(&bytes));
                        Ok(true)
                    })?;
                    Ok(true)
                })
        }
        [name, seconds, ref rest @ ..] => match known(name) {
            Some(target) => lead(target, seconds, rest.first().copied()),
            None => Err(format!("there is no target `{name}`")),
        },
        _ => Err(
            "usage: cbox-fuzz TARGET SECONDS [FOLDER], cbox-fuzz --again TARGET FILE".to_owned(),
        ),
    };
    match answer {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::from(2)
        }
    }
}

/// Does `work` where whatever calls itself too often is found out.
fn on_small_stack(work: impl FnOnce() -> Result<bool, String> + Send) -> Result<bool, String> {
    const STACK: usize = 1 << 20;
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK);
        let worker = thread
            .spawn_scoped(scope, work)
            .map_err(|error| error.to_string())?;
        // A panic has said why.
        worker.join().unwrap_or_else(|_| std::process::abort())
    })
}

/// Ends a worker that is left behind.
struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended.
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// Leads workers until the time is over. `true` if nothing was found.
fn lead(target: &Target, seconds: &str, found: Option<&str>) -> Result<bool, String> {
    let seconds: u64 = seconds
        .parse()
        .map_err(|_| "SECONDS is a whole number".to_owned())?;
    let failed = |error: std::io::Error| error.to_string();
    // In memory where that is possible: each input is written before it is tried.
    let memory = Path::new("/dev/shm");
    let folder = tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir());
    let folder = folder.map_err(failed)?;
    let found = found.map_or_else(|| PathBuf::from("fuzz-found"), PathBuf::from);
    let begun = Instant::now();
    let (mut findings, mut executions, mut peak) = (0, 0_u64, 0_u64);
    while begun.elapsed().as_secs() < seconds.max(1) && findings < 10 {
        let left = seconds.max(1) - begun.elapsed().as_secs();
        let program = std::env::current_exe().map_err(failed)?;
        let worker = Command::new(program)
            .args(["--worker", target.name, &left.to_string()])
            .arg(folder.path())
            .arg((fastrand::u64(..) ^ u64::from(std::process::id())).to_string())
            .stdin(Stdio::null())
            .stderr(fs::File::create(folder.path().join("said")).map_err(failed)?)
            .spawn()
            .map_err(failed)?;
        let why = watch(Worker(worker), folder.path())?;
        let counted = fs::read_to_string(folder.path().join("count")).unwrap_or_default();
        let mut counted = counted
            .split(' ')
            .map(|number| number.trim().parse().unwrap_or(0));
        executions += counted.next().unwrap_or(0);
        peak = peak.max(counted.next().unwrap_or(0));
        if let Some(why) = why {
            findings += 1;
            fs::create_dir_all(&found).map_err(failed)?;
            let file = found.join(format!("{}-{}-{findings}", target.name, std::process::id()));
            fs::copy(folder.path().join("input"), &file).map_err(failed)?;
            let said = fs::read(folder.path().join("said")).unwrap_or_default();
            let said = String::from_utf8_lossy(&said).into_owned();
            println!(
                "{}: {why}: {}\n{}",
                target.name,
                file.display(),
                said.trim_end()
            );
        }
    }
    println!(
        "{}: {executions} inputs in {} s, {} MB at the most, {findings} findings",
        target.name,
        begun.elapsed().as_secs(),
        peak >> 20
    );
    Ok(findings == 0)
}

/// Waits for the end of a worker: why it is a finding, if it is one.
fn watch(mut worker: Worker, folder: &Path) -> Result<Option<String>, String> {
    let changed = || {
        fs::metadata(folder.join("alive"))
            .and_then(|file| file.modified())
            .ok()
    };
    let (mut last, mut since) = (changed(), Instant::now());
    loop {
        match worker.0.try_wait() {
            Ok(None) => {}
            Ok(Some(status)) if status.success() => return Ok(None),
            Ok(Some(status)) => return Ok(Some(format!("{status}"))),
            Err(error) => return Err(error.to_string()),
        }
        let now = changed();
        if now != last {
            (last, since) = (now, Instant::now());
        } else if since.elapsed() > PATIENCE {
            return Ok(Some(format!("no answer within {} s", PATIENCE.as_secs())));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Tries inputs until the time is over, in a process of its own.
fn work(target: &Target, seconds: &str, folder: &Path, seed: u64) -> Result<bool, String> {
    let seconds = seconds
        .parse()
        .map_err(|_| "no number of seconds".to_owned())?;
    let limit = Rlimit {
        current: Some(MEMORY),
        maximum: Some(MEMORY),
    };
    setrlimit(Resource::As, limit).map_err(|error| error.to_string())?;
    let mut mutator = Mutator::new(seed, (target.seeds)(), target.words);
    let (begun, end) = (Instant::now(), Duration::from_secs(seconds));
    let (mut executions, mut told) = (0_u64, Instant::now());
    let create =
        |name: &str| fs::File::create(folder.join(name)).map_err(|error| error.to_string());
    let mut alive = create("alive")?;
    let failed = |error: std::io::Error| error.to_string();
    while begun.elapsed() < end {
        let input = mutator.next(LARGEST, KEPT);
        // Should this be the last one, it is there.
        fs::write(folder.join("input"), &input).map_err(failed)?;
        let started = computed();
        let answer = (target.run)(&input);
        let took = computed().saturating_sub(started);
        if took > target.patience {
            return Err(format!("it took {took:?}"));
        }
        mutator.learn(answer, input);
        executions += 1;
        if told.elapsed() > Duration::from_millis(200) || begun.elapsed() >= end {
            told = Instant::now();
            alive.write_all(b".").map_err(failed)?;
            let text = format!("{executions} {}", peak());
            fs::write(folder.join("count"), text).map_err(failed)?;
        }
    }
    Ok(true)
}

/// How long this process has computed, whatever others did meanwhile.
fn computed() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// The most memory that this process had, in bytes.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    number.unwrap_or(0) << 10
}
