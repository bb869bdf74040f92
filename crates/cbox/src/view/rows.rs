//! What the live view shows at a moment, row by row; a sign of life in a pipe says its first.

use std::time::Duration;

use cbox_driver::{
    progress::{
        UnderWay,
        builds::{Build, Builds, Silence},
        copying::Copying,
        evaluations::{Evaluation, Evaluations},
        fetches::{Counts, Fetched},
        pushing::Pushing,
    },
    text::{count, elapsed, size},
};

/// How many evaluations or builds are shown at most.
const SHOWN: usize = 4;

/// A row of the live view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) look: Look,
    /// What it says, the most important first: parts that do not fit are left out.
    pub(super) parts: Vec<String>,
    /// How far it is, where that is known.
    pub(super) bar: Option<Counts>,
}

/// What kind of a row it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// The first: what is done.
    Head,
    /// One of the things that are done.
    Below,
    /// The last line of a log.
    Log,
}

impl Row {
    fn new(look: Look, parts: Vec<String>) -> Self {
        Self {
            look,
            parts: parts.into_iter().filter(|part| !part.is_empty()).collect(),
            bar: None,
        }
    }

    /// The row with a bar, if there is something that it can show.
    fn with_bar(mut self, counts: Counts) -> Self {
        self.bar = Some(counts).filter(|counts| counts.expected > 1);
        self
    }
}

/// The rows for all that is under way.
pub(super) fn rows(under_way: &UnderWay, now: Duration) -> Vec<Row> {
    let UnderWay {
        doing,
        evaluations,
        copies,
        builds,
        pushing,
        ..
    } = under_way;
    let mut rows = evaluating(evaluations, now);
    rows.extend(copies.iter().map(|copying| copied(copying, now)));
    rows.extend(builds.iter().flat_map(|builds| building(builds, now)));
    rows.extend(pushing.iter().map(|pushing| pushed(pushing, now)));
    rows.extend(doing.iter().map(|doing| {
        let parts = vec![doing.text.clone(), running_for(now, doing.since)];
        Row::new(Look::Head, parts)
    }));
    // There is one head.
    for row in rows.iter_mut().skip(1) {
        if row.look == Look::Head {
            row.look = Look::Below;
        }
    }
    rows
}

/// A sign of life: what is done, and the first of the things that are. None is needed while
/// the user is waited for.
pub(super) fn heartbeat(under_way: &UnderWay, now: Duration) -> Option<String> {
    if under_way.doing.as_ref().is_some_and(|doing| doing.waits) {
        return None;
    }
    let rows = rows(under_way, now).into_iter();
    let rows = rows.filter(|row| row.look != Look::Log).take(2);
    let parts: Vec<String> = rows.flat_map(|row| row.parts).collect();
    (!parts.is_empty()).then(|| format!("still {}", parts.join(" · ")))
}

/// The time behind a name, once there is one to speak of.
pub(super) fn running_for(now: Duration, since: Duration) -> String {
    match now.saturating_sub(since) {
        time if time < Duration::from_secs(1) => String::new(),
        time => elapsed(time),
    }
}

fn copied(copying: &Copying, now: Duration) -> Row {
    let Copying { what, bytes, .. } = copying;
    let percent = u128::from(bytes.done) * 100 / u128::from(bytes.expected.max(1));
    let left = copying.left(now);
    let left = left.map(|left| format!("{} left", elapsed(left)));
    let (percent, far) = match bytes.expected {
        0 => (String::new(), size(bytes.done)),
        expected => (
            format!("{percent} %"),
            format!("{} of {}", size(bytes.done), size(expected)),
        ),
    };
    let parts = vec![
        what.clone(),
        percent,
        left.unwrap_or_default(),
        far,
        rate(copying.rate(now)),
    ];
    Row::new(Look::Head, parts).with_bar(*bytes)
}

fn pushed(pushing: &Pushing, now: Duration) -> Row {
    let paths = pushing.paths(now);
    let parts = vec![
        format!("pushing {} to {}", pushing.target, pushing.store),
        running_for(now, pushing.since),
        match paths.expected {
            0 => String::new(),
            expected => format!("{}/{expected} paths", paths.done),
        },
    ];
    Row::new(Look::Head, parts).with_bar(paths)
}

fn rate(rate: u64) -> String {
    match rate {
        0 => String::new(),
        rate => format!("{}/s", size(rate)),
    }
}

/// One evaluation in one row; of several each below a head that counts them.
fn evaluating(evaluations: &Evaluations, now: Duration) -> Vec<Row> {
    let Evaluations { running, done, all } = evaluations;
    let parts = |before: &str, one: &Evaluation| {
        let last = one.last.map(|last| format!("{} last time", elapsed(last)));
        let times = [running_for(now, one.since), last.unwrap_or_default()];
        let times = times.into_iter().filter(|time| !time.is_empty());
        let times: Vec<String> = times.collect();
        vec![format!("{before}{}", one.name), times.join(", ")]
    };
    if running.is_empty() {
        return vec![];
    }
    if let (0 | 1, [one]) = (all, &running[..]) {
        return vec![Row::new(Look::Head, parts("evaluating ", one))];
    }
    let since = running.iter().map(|one| one.since).min().unwrap_or(now);
    let head = vec![
        format!("evaluating {done}/{all}"),
        at_once(running.len()),
        running_for(now, since),
    ];
    let counts = Counts {
        done: *done as u64,
        expected: *all as u64,
    };
    let mut rows = vec![Row::new(Look::Head, head).with_bar(counts)];
    let evaluations = running.iter().map(|one| parts("", one));
    below(&mut rows, evaluations, "evaluation");
    rows
}

/// Adds a row for each of `all`, as far as they are shown.
fn below(rows: &mut Vec<Row>, all: impl ExactSizeIterator<Item = Vec<String>>, noun: &str) {
    let more = all.len().saturating_sub(SHOWN);
    rows.extend(all.take(SHOWN).map(|parts| Row::new(Look::Below, parts)));
    if more > 0 {
        let more = format!("and {}", count(more, &format!("more {noun}")));
        rows.push(Row::new(Look::Below, vec![more]));
    }
}

fn at_once(number: usize) -> String {
    match number {
        0 | 1 => String::new(),
        number => format!("{number} at once"),
    }
}

fn building(builds: &Builds, now: Duration) -> Vec<Row> {
    let counts = builds.counts();
    let fetched = builds.fetched(now);
    let Fetched { paths, bytes, .. } = fetched;
    let running = builds.at_once();
    let fetches =
        bytes.done < bytes.expected || (bytes.expected > 0 && paths.done < paths.expected);
    // Nix expects paths too of which it then finds that nobody has them.
    let counts_paths = paths.done > 0 || (paths.expected > 0 && bytes.expected > 0);
    let fetching = |look, failed: String, time: String| {
        let Counts { done, expected } = bytes;
        let parts = vec![
            "fetching".to_owned(),
            match (done < expected, done) {
                (true, _) => format!("{} of {}", size(done), size(expected)),
                (false, 0) => String::new(),
                (false, done) => size(done),
            },
            failed,
            match counts_paths {
                true => format!("{}/{} paths", paths.done, paths.expected),
                false => String::new(),
            },
            rate(fetched.rate),
            time,
        ];
        Row::new(look, parts).with_bar(bytes)
    };
    let failed = match builds.failed() {
        0 => String::new(),
        number => format!("{number} failed"),
    };
    let time = running_for(now, builds.since());
    let mut rows = vec![];
    // What Nix finds elsewhere it has counted among the builds before.
    let expects = paths.expected > 0 || bytes.expected > 0;
    if running == 0 && (fetches || (counts.expected == 0 && expects)) {
        rows.push(fetching(Look::Head, failed, time));
    } else {
        let what = match counts.expected {
            0 => "building".to_owned(),
            expected => format!("building {}/{expected}", counts.done),
        };
        let parts = vec![what, failed, at_once(running), time];
        rows.push(Row::new(Look::Head, parts).with_bar(counts));
        if fetches {
            rows.push(fetching(Look::Below, String::new(), String::new()));
        }
    }
    // The log is that of the longest-running one, which has begun first.
    let first = rows.len() + 1;
    let all = builds.running().map(|build| parts(builds, build, now));
    below(&mut rows, all, "build");
    if let Some(build) = builds.running().next()
        && !build.last_line.is_empty()
    {
        let log = vec![build.last_line.clone()];
        rows.insert(first, Row::new(Look::Log, log));
    }
    rows
}

/// A build and where it is.
pub(super) fn place(build: &Build) -> String {
    match &build.machine {
        Some(machine) => format!("{} on {machine}", build.name()),
        None => build.name().to_owned(),
    }
}

/// A build in parts, the most important first.
fn parts(builds: &Builds, build: &Build, now: Duration) -> Vec<String> {
    // Builds of several targets can have the same name.
    let target = builds.target(build).map(|target| format!("{target}: "));
    let place = format!("{}{}", target.unwrap_or_default(), place(build));
    let phase = build.phase.clone().unwrap_or_default();
    let mut parts = vec![place, running_for(now, build.since)];
    if let Some(silence) = builds.silence(build, now) {
        parts.push(format!("no output for {}", elapsed(silence)));
        parts.push(match &build.known {
            Some(Silence { kvm: Some(_), .. }) => "KVM does not work".to_owned(),
            Some(_) => "in a virtual machine".to_owned(),
            None => String::new(),
        });
    }
    parts.push(phase);
    parts
}

#[cfg(test)]
mod tests;
