//! What the live view shows at a moment, as lines that fit into the window.

use std::time::Duration;

use cbox_driver::{
    progress::{
        Task,
        builds::{Build, Builds},
        copying::Copying,
        evaluations::Evaluations,
        fetches::Fetched,
    },
    text::{count, elapsed, size},
};

use super::text::{fit, fit_parts};

/// How wide a line is at most, however wide the window: one that is made half as wide wraps
/// lines that do not fit any more, and can push what it wraps out of reach.
const WIDEST: usize = 79;

/// How many builds are shown at most.
const BUILDS_SHOWN: usize = 4;

/// How many evaluations are named.
const NAMES_SHOWN: usize = 3;

const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

/// How long a picture of the spinner stays.
const TURN: Duration = Duration::from_millis(100);

/// A window's size, in columns and rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) columns: usize,
    pub(super) rows: usize,
}

/// The lines for `task`. The last column stays free, and so does a row: a terminal turns
/// to the next line behind either.
pub(super) fn frame(task: &Task, now: Duration, window: Window) -> Vec<String> {
    let width = window.columns.saturating_sub(1).min(WIDEST);
    let (head, more) = match task {
        Task::Idle => return vec![],
        Task::Doing { text, since } => (vec![text.clone(), running_for(now, *since)], vec![]),
        Task::Copying(copying) => (copied(copying, now), vec![]),
        Task::Evaluating(evaluations) => (evaluating(evaluations, now), vec![]),
        Task::Building(builds) => (head(builds, now), lines(builds, now, width)),
    };
    let turn = (now.as_millis() / TURN.as_millis()) as usize % SPINNER.len();
    let head = fit_parts(&head, width.saturating_sub(2));
    let mut frame = vec![fit(&format!("{} {head}", SPINNER[turn]), width)];
    frame.extend(more);
    frame.truncate(window.rows.saturating_sub(1).max(1));
    frame
}

/// The time behind a name, once there is one to speak of.
pub(super) fn running_for(now: Duration, since: Duration) -> String {
    match now.saturating_sub(since) {
        time if time < Duration::from_secs(1) => String::new(),
        time => elapsed(time),
    }
}

/// A copy in parts: `writing to sdb`, `34 %`, `180.2 MB of 530.0 MB`, `14 s left`, and the rate.
pub(super) fn copied(copying: &Copying, now: Duration) -> Vec<String> {
    let Copying { text, bytes, .. } = copying;
    let percent = u128::from(bytes.done) * 100 / u128::from(bytes.expected.max(1));
    let left = copying.left(now);
    let left = left.map(|left| format!("{} left", elapsed(left)));
    let rate = match copying.rate(now) {
        0 => String::new(),
        rate => format!("{}/s", size(rate)),
    };
    vec![
        text.clone(),
        format!("{percent} %"),
        format!("{} of {}", size(bytes.done), size(bytes.expected)),
        rate,
        left.unwrap_or_default(),
    ]
}

pub(super) fn evaluating(evaluations: &Evaluations, now: Duration) -> Vec<String> {
    let Evaluations { running, done, all } = evaluations;
    let names: Vec<&str> = running.iter().map(|one| one.name.as_str()).collect();
    let shown = names[..names.len().min(NAMES_SHOWN)].join(", ");
    let more = match names.len().saturating_sub(NAMES_SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let names = format!("{shown}{more}");
    let mut parts = match all {
        0 | 1 => vec![format!("evaluating {names}")],
        all => vec![format!("evaluating {done}/{all}"), names],
    };
    if let Some(first) = running.first() {
        let mut time = running_for(now, first.since);
        if let Some(last) = first.last {
            if !time.is_empty() {
                time.push_str(", ");
            }
            time.push_str(&format!("{} last time", elapsed(last)));
        }
        parts.push(time);
    }
    parts
}

pub(super) fn head(builds: &Builds, now: Duration) -> Vec<String> {
    let counts = builds.counts();
    let fetched = builds.fetched(now);
    let Fetched { paths, bytes, .. } = fetched;
    let running = builds.at_once();
    let goes_on =
        bytes.done < bytes.expected || (bytes.expected > 0 && paths.done < paths.expected);
    // What Nix finds elsewhere it has counted among the builds before.
    let only_fetches = running == 0 && goes_on;
    let doing = if only_fetches {
        format!("fetching {}", amount(&fetched))
    } else if counts.expected > 0 {
        format!("building {}/{}", counts.done, counts.expected)
    } else if paths.expected > 0 || bytes.expected > 0 {
        "fetching".to_owned()
    } else {
        "building".to_owned()
    };
    let failed = match builds.failed() {
        0 => String::new(),
        number => format!("{number} failed"),
    };
    let mut parts = vec![doing, failed];
    if bytes.expected > 0 && !only_fetches {
        parts.push(format!("fetched {}", amount(&fetched)));
    }
    // Nix expects paths too of which it then finds that nobody has them.
    if paths.done > 0 || (paths.expected > 0 && bytes.expected > 0) {
        parts.push(format!("{}/{} paths", paths.done, paths.expected));
    }
    parts.push(match running {
        0 | 1 => String::new(),
        number => format!("{number} at once"),
    });
    parts.push(running_for(now, builds.since()));
    parts
}

/// `3.2 MB of 120.0 MB at 4.1 MB/s`, as far as there is something to say.
fn amount(fetched: &Fetched) -> String {
    let Fetched { bytes, rate, .. } = fetched;
    let of = match bytes.done < bytes.expected {
        true => format!(" of {}", size(bytes.expected)),
        false => String::new(),
    };
    let rate = match rate {
        0 => String::new(),
        rate => format!(" at {}/s", size(*rate)),
    };
    format!("{}{of}{rate}", size(bytes.done))
}

fn lines(builds: &Builds, now: Duration, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for build in builds.running().take(BUILDS_SHOWN) {
        let line = fit_parts(&parts(builds, build, now), width.saturating_sub(2));
        lines.push(fit(&format!("  {line}"), width));
    }
    if let Some(more @ 1..) = builds.running().len().checked_sub(BUILDS_SHOWN) {
        lines.push(fit(&format!("  and {}", count(more, "more build")), width));
    }
    // The longest-running one has begun first.
    if let Some(first) = builds.running().next()
        && !first.last_line.is_empty()
    {
        lines.insert(1, fit(&format!("  │ {}", first.last_line), width));
    }
    lines
}

/// A build in parts, the most important first.
pub(super) fn parts(builds: &Builds, build: &Build, now: Duration) -> Vec<String> {
    let place = match &build.machine {
        Some(machine) => format!("{} on {machine}", build.name()),
        None => build.name().to_owned(),
    };
    let phase = build.phase.clone().unwrap_or_default();
    let mut parts = vec![place, running_for(now, build.since)];
    if let Some(silence) = builds.silence(build, now) {
        parts.push(format!("no output for {}", elapsed(silence)));
        parts.push(build.known.to_owned());
    }
    parts.push(phase);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::recorded::{read, recorded};
    use cbox_nix::events::{Activity, Event};
    use unicode_width::UnicodeWidthStr as _;

    const WIDE: Window = Window {
        columns: 80,
        rows: 24,
    };

    const fn seconds(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    /// The lines less the spinner.
    fn shown(task: &Task, now: Duration, window: Window) -> Vec<String> {
        let mut lines = frame(task, now, window);
        if let Some(first) = lines.first_mut() {
            *first = first.chars().skip(2).collect();
        }
        lines
    }

    #[test]
    fn evaluations_say_how_long_it_took() {
        let mut evaluations = Evaluations::of(9);
        for (number, name) in ["a", "b", "c", "d"].into_iter().enumerate() {
            let last = (number == 0).then_some(seconds(62));
            evaluations.begin(name, last, seconds(10));
        }
        evaluations.done = 1;
        let lines = |evaluations: &Evaluations, now| {
            shown(&Task::Evaluating(evaluations.clone()), now, WIDE)
        };
        assert_eq!(
            lines(&evaluations, seconds(25)),
            ["evaluating 1/9 · a, b, c and 1 more · 15 s, 1 min 2 s last time"]
        );
        let mut one = Evaluations::of(1);
        one.begin("a", None, seconds(3));
        assert_eq!(lines(&one, seconds(3)), ["evaluating a"]);
        assert_eq!(lines(&one, seconds(7)), ["evaluating a · 4 s"]);
    }

    #[test]
    fn a_recorded_build_is_shown() {
        for stream in recorded!("lines") {
            let (builds, _) = read(stream, |line| line.contains(r#""fields":["last"]"#));
            let since = builds.running().next().unwrap().since;
            let task = Task::Building(Box::new(builds));
            let lines = shown(&task, since + seconds(75), WIDE);
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
        let task = Task::Building(Box::new(busy()));
        assert_eq!(
            shown(&task, seconds(100), WIDE),
            [
                "building 3/14 · 1 failed · fetched 3.2 MB of 120.0 MB · 12/40 paths",
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
        let mut copying = Copying::begin("writing to sdb", 530_000_000, seconds(0));
        for second in 1..=100 {
            copying.look(second * 1_800_000, seconds(second));
        }
        copying
    }

    #[test]
    fn a_copy_says_how_far_it_is() {
        assert_eq!(
            shown(&Task::Copying(copy()), seconds(100), WIDE),
            ["writing to sdb · 33 % · 180.0 MB of 530.0 MB · 1.8 MB/s · 3 min 14 s left"]
        );
        let begun = Copying::begin("writing to sdb", 0, seconds(0));
        assert_eq!(
            shown(&Task::Copying(begun), seconds(0), WIDE),
            ["writing to sdb · 0 % · 0 B of 0 B"]
        );
    }

    #[test]
    fn no_line_is_wider_than_the_window_and_no_frame_higher() {
        let mut evaluations = Evaluations::of(3);
        evaluations.begin("a-rather-long-name", Some(seconds(9)), seconds(0));
        let tasks = [
            Task::Idle,
            Task::Doing {
                text: "hashing iso/box.iso (22.7 MB)".into(),
                since: seconds(0),
            },
            Task::Evaluating(evaluations),
            Task::Building(Box::new(busy())),
            Task::Copying(copy()),
        ];
        for task in &tasks {
            for columns in 0..100 {
                for rows in [0, 1, 2, 3, 24] {
                    let lines = frame(task, seconds(100), Window { columns, rows });
                    assert!(lines.len() <= rows.saturating_sub(1).max(1));
                    let widest = lines.iter().map(|line| line.width()).max();
                    assert!(
                        widest.unwrap_or(0) <= columns.saturating_sub(1),
                        "{lines:?}"
                    );
                }
            }
        }
        let narrow = Window {
            columns: 20,
            rows: 24,
        };
        assert_eq!(
            shown(&tasks[3], seconds(100), narrow)[..3],
            [
                "building 3/14",
                "  linux-6.10 on ss…",
                "  │   CC  drivers/…"
            ]
        );
    }
}
