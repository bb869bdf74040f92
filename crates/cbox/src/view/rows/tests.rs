//! What the rows of the live view say.

use super::*;
use crate::view::{
    bars::Bars,
    recorded::{read, recorded},
    text::Paint,
};
use cbox_driver::progress::{Doing, Event as DriverEvent, builds::Wanted};
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
    let lines =
        |evaluations: &Evaluations, now| drawn(&of_evaluations(evaluations.clone()), now, 80, 24);
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
fn a_push_is_shown_with_its_paths() {
    let mut under_way = UnderWay::default();
    let event = DriverEvent::PushBegan {
        target: "a/b",
        store: "s3://x",
    };
    under_way.event(event, seconds(2));
    let line = || drawn(&under_way, seconds(2), 80, 24);
    assert_eq!(line(), ["pushing a/b to s3://x"]);
    for event in [
        Event::Started {
            id: 1,
            kind: Activity::CopyPaths,
            what: String::new(),
            from: String::new(),
        },
        Event::Progress {
            id: 1,
            done: 3,
            expected: 12,
            running: 1,
            failed: 0,
        },
    ] {
        under_way.event(DriverEvent::Push(&event), seconds(5));
    }
    assert_eq!(
        drawn(&under_way, seconds(9), 80, 24),
        ["pushing a/b to s3://x [==>       ] 7 s · 3/12 paths"]
    );
    under_way.event(DriverEvent::PushEnded { good: Some(true) }, seconds(9));
    assert_eq!(drawn(&under_way, seconds(9), 80, 24), [""; 0]);
    assert_eq!(under_way.summary.pushed, 1);
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
