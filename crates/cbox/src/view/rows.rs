//! What the live view shows at a moment, row by row; a sign of life in a pipe says its first.

use std::time::Duration;

use cbox_driver::{
    progress::{
        UnderWay,
        builds::{Build, Builds, Silence},
        copying::Copying,
        evaluations::{Evaluation, Evaluations},
        fetches::{Counts, Fetched},
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
        ..
    } = under_way;
    let mut rows = evaluating(evaluations, now);
    rows.extend(copies.iter().map(|copying| copied(copying, now)));
    rows.extend(builds.iter().flat_map(|builds| building(builds, now)));
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
mod tests {
    use super::*;
    use crate::view::{
        bars::Bars,
        recorded::{read, recorded},
        text::Paint,
    };
    use cbox_driver::progress::{Doing, builds::Wanted};
    use cbox_nix::events::{Activity, Event};
    use indicatif::InMemoryTerm;
    use unicode_width::UnicodeWidthStr as _;

    fn of_builds(builds: Builds) -> UnderWay {
        UnderWay {
            builds: Some(builds),
            ..UnderWay::default()
        }
    }

    fn of_copies(copies: Vec<Copying>) -> UnderWay {
        UnderWay {
            copies,
            ..UnderWay::default()
        }
    }

    fn of_evaluations(evaluations: Evaluations) -> UnderWay {
        UnderWay {
            evaluations,
            ..UnderWay::default()
        }
    }

    const fn seconds(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    /// What a terminal of this size shows, less the spinner.
    fn drawn(under_way: &UnderWay, now: Duration, columns: u16, height: u16) -> Vec<String> {
        let terminal = InMemoryTerm::new(height, columns);
        let mut bars = Bars::new(Box::new(terminal.clone()), Paint::NONE);
        // Twice, since what is there is drawn over.
        for now in [now.saturating_sub(seconds(1)), now] {
            bars.show(&rows(under_way, now), columns, height);
        }
        let contents = terminal.contents();
        let mut lines: Vec<String> = contents.lines().map(str::to_owned).collect();
        if let Some(first) = lines.first_mut() {
            *first = first.chars().skip(2).collect();
        }
        lines
    }

    #[test]
    fn evaluations_say_how_long_it_took() {
        let mut evaluations = Evaluations::default();
        evaluations.expect(9);
        for (number, name) in ["a", "b", "c", "d"].into_iter().enumerate() {
            let last = (number == 0).then_some(seconds(62));
            evaluations.begin(name, last, seconds(10));
        }
        evaluations.done = 1;
        for name in ["e", "f"] {
            evaluations.begin(name, None, seconds(24));
        }
        let lines = |evaluations: &Evaluations, now| {
            drawn(&of_evaluations(evaluations.clone()), now, 80, 24)
        };
        assert_eq!(
            lines(&evaluations, seconds(25)),
            [
                "evaluating 1/9 [=>        ] 6 at once · 15 s",
                "  a · 15 s, 1 min 2 s last time",
                "  b · 15 s",
                "  c · 15 s",
                "  d · 15 s",
                "  and 2 more evaluations",
            ]
        );
        let mut one = Evaluations::default();
        one.expect(1);
        one.begin("a", None, seconds(3));
        assert_eq!(lines(&one, seconds(3)), ["evaluating a"]);
        assert_eq!(lines(&one, seconds(7)), ["evaluating a · 4 s"]);
    }

    #[test]
    fn a_recorded_build_is_shown() {
        for stream in recorded!("lines") {
            let (builds, _) = read(stream, |line| line.contains(r#""fields":["last"]"#));
            let since = builds.running().next().unwrap().since;
            let lines = drawn(&of_builds(builds), since + seconds(75), 80, 24);
            assert!(lines[0].starts_with("building 0/1 · 1 min "), "{lines:?}");
            assert_eq!(lines[1], "  lines · 1 min 15 s · buildPhase");
            assert!(lines[2].starts_with("  │ ") && lines[2].ends_with("new"));
            assert_eq!(lines.len(), 3);
        }
    }

    fn busy() -> Builds {
        let mut builds = Builds::default();
        let text = |kind: Activity, id| Event::Started {
            id,
            kind,
            what: "x".into(),
            from: "https://cache".into(),
        };
        let progress = |id, done, expected, failed| Event::Progress {
            id,
            done,
            expected,
            running: 0,
            failed,
        };
        let mut events = vec![
            text(Activity::Builds, 1),
            text(Activity::CopyPaths, 2),
            text(Activity::FileTransfer, 3),
            progress(1, 3, 14, 1),
            progress(2, 12, 40, 0),
            progress(3, 3_200_000, 120_000_000, 0),
        ];
        for id in 10..17 {
            events.push(Event::BuildStarted {
                id,
                drv: format!("/nix/store/hash-linux-6.{id}.drv"),
                machine: (id == 10).then(|| "ssh://builder".to_owned()),
            });
            events.push(Event::Phase {
                id,
                phase: "buildPhase".into(),
            });
        }
        events.push(Event::BuildLog {
            id: 10,
            line: "  CC  drivers/日本語/very/long/path/to/a/file/that/does/not/fit/in/a/window.o"
                .into(),
        });
        for (second, event) in (0..).zip(&events) {
            builds.event(event, seconds(second));
        }
        builds
    }

    #[test]
    fn everything_at_once_is_shown_in_a_few_lines() {
        assert_eq!(
            drawn(&of_builds(busy()), seconds(100), 80, 24),
            [
                "building 3/14 [==>       ] 1 failed · 7 at once · 1 min 40 s",
                "  fetching [>         ] 3.2 MB of 120.0 MB · 12/40 paths",
                "  linux-6.10 on ssh://builder · 1 min 34 s · buildPhase",
                "  │   CC  drivers/日本語/very/long/path/to/a/file/that/does/not/fit/in/a/windo…",
                "  linux-6.11 · 1 min 32 s · buildPhase",
                "  linux-6.12 · 1 min 30 s · buildPhase",
                "  linux-6.13 · 1 min 28 s · buildPhase",
                "  and 3 more builds",
            ]
        );
    }

    /// 100 s into a copy.
    fn copy() -> Copying {
        let mut copying = Copying::begin("writing to sdb", None, 530_000_000, seconds(0));
        for second in 1..=100 {
            copying.look(second * 1_800_000, seconds(second));
        }
        copying
    }

    #[test]
    fn three_images_of_one_name_are_three_rows() {
        let target = |(name, drv): (&str, &str)| Wanted {
            name: name.to_owned(),
            needs: [drv.to_owned()].into(),
        };
        let images = [
            ("appliance/iso", "/nix/store/a-image.drv"),
            ("appliance/raw", "/nix/store/b-image.drv"),
            ("appliance/qcow2", "/nix/store/c-image.drv"),
        ];
        let wanted = images.map(target).to_vec();
        let mut builds = Builds::begun(seconds(0), None, wanted);
        for (id, (_, drv)) in (0..).zip(images) {
            let event = Event::BuildStarted {
                id,
                drv: drv.to_owned(),
                machine: (id == 2).then(|| "ssh://builder".to_owned()),
            };
            builds.event(&event, seconds(id));
        }
        let under_way = of_builds(builds);
        assert_eq!(
            drawn(&under_way, seconds(9), 80, 24),
            [
                "building 0/3 [          ] 3 at once · 9 s",
                "  appliance/iso: image · 9 s",
                "  appliance/raw: image · 8 s",
                "  appliance/qcow2: image on ssh://builder · 7 s",
            ]
        );
        assert_eq!(
            drawn(&under_way, seconds(9), 20, 24)[1..],
            [
                "  appliance/iso: i…",
                "  appliance/raw: i…",
                "  appliance/qcow2:…"
            ]
        );
    }

    #[test]
    fn what_goes_on_at_once_is_one_picture() {
        let mut evaluations = Evaluations::default();
        evaluations.expect(1);
        evaluations.begin("a", None, seconds(90));
        let doing = |waits| Doing {
            text: "staging 12 files".into(),
            since: seconds(98),
            waits,
        };
        let mut under_way = UnderWay {
            doing: Some(doing(false)),
            evaluations,
            copies: vec![copy()],
            ..UnderWay::default()
        };
        let lines = drawn(&under_way, seconds(100), 80, 24);
        assert_eq!(lines[0], "evaluating a · 10 s");
        assert!(lines[1].starts_with("  writing to sdb ["), "{lines:?}");
        assert_eq!(lines[2..], ["  staging 12 files · 2 s"]);
        assert!(heartbeat(&under_way, seconds(100)).is_some());
        under_way.doing = Some(doing(true));
        assert_eq!(heartbeat(&under_way, seconds(100)), None);
    }

    #[test]
    fn a_copy_says_how_far_it_is() {
        for (columns, line) in [
            (
                80,
                "writing to sdb [===>      ] 33 % · 3 min 14 s left · 180.0 MB of 530.0 MB",
            ),
            (40, "writing to sdb · 33 % · 1.8 MB/s"),
            (20, "writing to sdb"),
        ] {
            let copies = of_copies(vec![copy()]);
            assert_eq!(drawn(&copies, seconds(100), columns, 24), [line]);
        }
        let begun = Copying::begin("writing to sdb", None, 0, seconds(0));
        assert_eq!(
            drawn(&of_copies(vec![begun]), seconds(0), 80, 24),
            ["writing to sdb · 0 B"]
        );
    }

    #[test]
    fn no_line_is_wider_than_the_window_and_no_frame_higher() {
        let mut evaluations = Evaluations::default();
        evaluations.expect(3);
        evaluations.begin("a-rather-long-name", Some(seconds(9)), seconds(0));
        let tasks = [
            UnderWay::default(),
            UnderWay {
                doing: Some(Doing {
                    text: "staging 12 files".into(),
                    since: seconds(0),
                    waits: false,
                }),
                ..UnderWay::default()
            },
            of_evaluations(evaluations.clone()),
            of_builds(busy()),
            of_copies(vec![copy(), copy()]),
            UnderWay {
                evaluations,
                copies: vec![copy()],
                builds: Some(busy()),
                ..UnderWay::default()
            },
        ];
        for task in &tasks {
            for columns in 1..100 {
                for height in [1, 2, 3, 24] {
                    let lines = drawn(task, seconds(100), columns, height);
                    assert!(lines.len() <= usize::from(height).saturating_sub(1).max(1));
                    let widest = lines.iter().map(|line| line.width()).max();
                    assert!(
                        widest.unwrap_or(0) <= usize::from(columns).saturating_sub(1),
                        "{lines:?}"
                    );
                }
            }
        }
        assert_eq!(
            drawn(&tasks[3], seconds(100), 20, 24)[..4],
            [
                "building 3/14",
                "  fetching",
                "  linux-6.10 on ss…",
                "  │   CC  drivers/…"
            ]
        );
    }

    #[test]
    fn a_heartbeat_says_what_goes_on() {
        assert_eq!(heartbeat(&UnderWay::default(), seconds(1)), None);
        let mut copying = Copying::begin("writing to sdb", None, 4000, seconds(0));
        copying.look(1000, seconds(4));
        assert_eq!(
            heartbeat(&of_copies(vec![copying]), seconds(4)).unwrap(),
            "still writing to sdb · 25 % · 12 s left · 1.0 kB of 4.0 kB · 250 B/s"
        );
        for stream in recorded!("lines") {
            let (builds, _) = read(stream, |line| line.contains(r#""fields":["last"]"#));
            let since = builds.running().next().unwrap().since;
            let line = heartbeat(&of_builds(builds), since + seconds(75)).unwrap();
            let of_all = "still building 0/1 · 1 min ";
            let of_one = " · lines · 1 min 15 s · buildPhase";
            assert!(line.starts_with(of_all) && line.ends_with(of_one), "{line}");
        }
    }
}
