use super::*;

/// The stream that `scripts/record-events.sh` recorded, with both releases.
macro_rules! recorded {
    ($name:literal) => {
        [
            include_str!(concat!("recorded/2.26-", $name, ".jsonl")),
            include_str!(concat!("recorded/2.34-", $name, ".jsonl")),
        ]
    };
}

fn read(stream: &str) -> (Vec<Event>, Reader) {
    let mut reader = Reader::default();
    let lines = stream.lines();
    let events = lines.filter_map(|line| reader.line(line.as_bytes()));
    (events.collect(), reader)
}

fn log(events: &[Event]) -> Vec<&str> {
    let lines = events.iter().filter_map(|event| match event {
        Event::BuildLog { line, .. } => Some(line.as_str()),
        _ => None,
    });
    lines.collect()
}

fn name(drv: &str) -> &str {
    drv.split_once('-').map_or(drv, |(_, name)| name)
}

#[test]
fn a_build_is_followed() {
    for stream in recorded!("lines") {
        let (events, reader) = read(stream);
        let of_build: Vec<&Event> = events
            .iter()
            .filter(|event| {
                matches!(
                    event,
                    Event::BuildStarted { .. } | Event::Phase { .. } | Event::BuildEnded { .. }
                )
            })
            .collect();
        let [
            Event::BuildStarted { id, drv, machine },
            Event::Phase { id: of, phase },
            Event::BuildEnded { id: ended },
        ] = of_build[..]
        else {
            panic!("{events:#?}")
        };
        assert_eq!(name(drv), "lines.drv");
        assert_eq!(*machine, None);
        assert_eq!((of, ended), (id, id));
        assert_eq!(phase, "buildPhase");
        let lines = log(&events);
        assert_eq!(lines[..4], ["plain", "@nix", "@nix {", "\u{fffd}"]);
        assert_eq!(lines[4], "red", "no escapes");
        assert_eq!(lines.last(), Some(&"last"));
        assert!(reader.failed_builds().is_empty());
    }
}

#[test]
fn a_failure_is_told_apart_from_what_follows_from_it() {
    for stream in recorded!("failing") {
        let (_, reader) = read(stream);
        let mut failed = reader.failed_builds();
        failed.sort_by(|one, other| name(&one.drv).cmp(name(&other.drv)));
        let [bad, silent] = &failed[..] else {
            panic!("{failed:#?}")
        };
        assert_eq!(name(&bad.drv), "bad.drv");
        assert_eq!(bad.reason, "failed with exit code 3");
        assert_eq!(bad.tail, ["one", "two"]);
        assert_eq!(name(&silent.drv), "silent.drv");
        assert_eq!(silent.reason, "failed with exit code 1");
        assert_eq!(silent.tail, [""; 0]);
        assert_eq!(reader.other_errors(), [""; 0]);
        assert!(reader.has_failed());
    }
}

#[test]
fn paths_are_fetched() {
    for stream in recorded!("fetched") {
        let (events, _) = read(stream);
        let copies: Vec<(&str, &str)> = events
            .iter()
            .filter_map(|event| match event {
                Event::Started {
                    kind: Activity::CopyPath,
                    what,
                    from,
                    ..
                } => Some((name(what), from.as_str())),
                _ => None,
            })
            .collect();
        let from = "file:///work/cache";
        assert_eq!(copies, [("dependency", from), ("fetched", from)]);
    }
}

#[test]
fn files_are_downloaded() {
    for stream in recorded!("download") {
        let (events, _) = read(stream);
        let id = events.iter().find_map(|event| match event {
            Event::Started {
                kind: Activity::FileTransfer,
                id,
                ..
            } => Some(*id),
            _ => None,
        });
        let whole = Event::Progress {
            id: id.unwrap(),
            done: 100_000,
            expected: 100_000,
            running: 0,
            failed: 0,
        };
        assert!(events.contains(&whole), "{events:#?}");
    }
}

#[test]
fn what_is_not_known_is_passed_by() {
    let mut reader = Reader::default();
    for line in [
        r#"@nix {"action":"result","id":9,"type":199,"fields":[]}"#,
        r#"@nix {"action":"dance"}"#,
        r#"@nix {"action":"start""#,
        r#"@nix {"action":"result","id":1,"type":101,"fields":["of no build"]}"#,
        r#"@nix {"action":"result","id":1,"type":105,"fields":["a","b"]}"#,
        r#"@nix {"action":"result","id":1,"type":106,"fields":[100]}"#,
        r#"@nix {"action":"start","id":"x","type":105}"#,
        r#"@nix {"action":"start","id":4,"type":105,"fields":[]}"#,
        r#"@nix {"action":"start","id":4,"type":105,"fields":[null,1.5,-1,true,{"a":[]}]}"#,
        "@nix [",
        "@nix ",
        "@nix \u{1}",
        "",
    ] {
        assert_eq!(reader.line(line.as_bytes()), None, "{line}");
    }
    let new = r#"@nix {"action":"start","id":1,"type":113,"fields":[1,{"a":[]}],"more":{}}"#;
    assert_eq!(
        reader.line(new.as_bytes()),
        Some(Event::Started {
            id: 1,
            kind: Activity::Other(113),
            what: String::new(),
            from: String::new(),
        })
    );
    assert_eq!(
        reader.line(b"plain \xff text"),
        Some(Event::Message {
            is_error: false,
            text: "plain \u{fffd} text".into()
        })
    );
    assert_eq!(
        reader.line(b"@nix {\"action\":\"msg\",\"msg\":\"\xff\"}"),
        None
    );
}

#[test]
fn a_builder_can_say_what_it_likes_and_fails_nothing() {
    for stream in recorded!("lines") {
        let (events, reader) = read(stream);
        let fake = Event::Message {
            is_error: true,
            text: "error: not from Nix".into(),
        };
        assert!(events.contains(&fake), "Nix passes it on: {events:#?}");
        assert!(reader.failed_builds().is_empty());
    }
}

fn start(id: u64) -> String {
    format!(r#"@nix {{"action":"start","id":{id},"type":105,"fields":["/{id}.drv"]}}"#)
}

fn log_event(id: u64, text: &str) -> String {
    format!(r#"@nix {{"action":"result","fields":["{text}"],"id":{id},"type":101}}"#)
}

/// How many bytes the reader holds on to.
fn held(reader: &Reader) -> usize {
    let tails = reader.tails.iter();
    let lines = tails.flat_map(|(drv, tail)| tail.iter().chain([drv]));
    lines.map(String::capacity).sum()
}

#[test]
fn memory_is_bounded() {
    let mut reader = Reader::default();
    // Neither ends, nor are they few.
    for build in 0..1500 {
        reader.line(start(build).as_bytes());
        for _ in 0..TAIL_LINES + 2 {
            reader.line(log_event(build, &"x".repeat(2500)).as_bytes());
        }
        if build % 2 == 0 {
            reader.line(format!(r#"@nix {{"action":"stop","id":{build}}}"#).as_bytes());
        }
    }
    assert!(reader.tails.len() <= BUILDS_FOLLOWED + ENDED_KEPT);
    let most = (BUILDS_FOLLOWED + ENDED_KEPT) * (TAIL_LINES + 1) * (TAIL_WIDTH + 8);
    assert!(held(&reader) <= most, "{}", held(&reader));
}

#[test]
fn a_log_of_100_megabytes_takes_no_memory() {
    let mut reader = Reader::default();
    reader.line(start(1).as_bytes());
    let line = log_event(1, &"x".repeat(1000));
    for _ in 0..100_000 {
        assert!(reader.line(line.as_bytes()).is_some());
    }
    assert!(held(&reader) < 100_000, "{}", held(&reader));
    let long = log_event(1, &"ä".repeat(5 << 20));
    let Some(Event::BuildLog { line, .. }) = reader.line(long.as_bytes()) else {
        panic!()
    };
    assert!(line.len() <= TAIL_WIDTH + 3 && line.ends_with('…'));
}

/// Whatever a builder prints, cut off or not, is no reason to panic.
#[test]
fn broken_streams_are_read_to_their_end() {
    let mut reader = Reader::default();
    for stream in recorded!("failing").into_iter().chain(recorded!("lines")) {
        for line in stream.as_bytes().split(|&byte| byte == b'\n') {
            for end in 0..line.len() {
                reader.line(&line[..end]);
            }
        }
    }
}

#[test]
fn what_another_machine_builds_is_told_once() {
    for stream in recorded!("relayed") {
        let (events, reader) = read(stream);
        let mut running: Vec<u64> = vec![];
        let mut built: Vec<(&str, Option<&str>)> = vec![];
        for event in &events {
            match event {
                Event::BuildStarted { id, drv, machine } => {
                    running.push(*id);
                    built.push((name(drv), machine.as_deref()));
                }
                Event::BuildLog { id, line } => {
                    assert!(running.contains(id) && line == "here", "{line}");
                }
                Event::BuildEnded { id } => running.retain(|one| one != id),
                _ => {}
            }
        }
        assert!(running.is_empty());
        let machine = built[0].1;
        assert!(machine.unwrap().starts_with("local://"), "{built:?}");
        let expected = [("dependency.drv", machine), ("relayed.drv", machine)];
        assert_eq!(built, expected);
        assert_eq!(log(&events), ["here"]);
        let sums = |wanted: Activity| {
            let started = events.iter();
            let started = started
                .filter(|event| matches!(event, Event::Started { kind, .. } if *kind == wanted));
            started.count()
        };
        assert_eq!(sums(Activity::Builds), 1, "Nix's own");
        assert_eq!(sums(Activity::CopyPath), 2, "the outputs");
        assert!(!reader.has_failed());
    }
}

/// The lines that count, as Nix 2.26 and 2.34 sent them when the `sshd` was killed.
#[test]
fn a_machine_that_goes_away_is_the_reason() {
    let start = [
        r#"@nix {"action":"start","id":1,"level":0,"parent":0,"text":"","type":102}"#,
        r#"@nix {"action":"start","fields":["/s/a-slow.drv","ssh-ng://b",1,1],"id":2,"level":3,"parent":0,"text":"","type":105}"#,
        r#"@nix {"action":"start","fields":["/s/a-slow.drv","",1,1],"id":3,"level":3,"parent":1,"text":"","type":105}"#,
        r#"@nix {"action":"result","fields":["begun"],"id":3,"type":101}"#,
    ];
    let lost = "Nix daemon disconnected unexpectedly (maybe it crashed?)";
    let failed = [
        "builder for '/s/a-slow.drv' failed with exit code 1",
        "Cannot build '/s/a-slow.drv'.\\n  Reason: builder failed with exit code 1.\\n  Output paths:",
    ];
    for failed in failed {
        let mut lines = start.map(str::to_owned).to_vec();
        for error in [lost, failed] {
            lines.push(format!(
                r#"@nix {{"action":"msg","level":0,"msg":"error: {error}"}}"#
            ));
        }
        let (_, reader) = read(&lines.join("\n"));
        let [build] = &reader.failed_builds()[..] else {
            panic!("{reader:#?}")
        };
        assert_eq!(build.machine.as_deref(), Some("ssh-ng://b"));
        assert_eq!(build.reason, format!("was cut off: {lost}"));
        assert_eq!(build.tail, ["begun"]);
        assert_eq!(reader.other_errors(), [""; 0]);
        // A build of this machine that fails for itself is no such thing.
        lines.remove(1);
        let (_, reader) = read(&lines.join("\n"));
        assert_eq!(reader.failed_builds()[0].reason, "failed with exit code 1");
    }
}

#[test]
fn a_builder_that_does_not_answer_has_a_reason() {
    let refused = r#"@nix {"action":"msg","level":0,"msg":"cannot build on 'ssh-ng://b': error: failed to start SSH connection to 'b'"}"#;
    let ssh = "ssh: connect to host b port 22: Connection refused";
    let reason = |stream: &str| match &read(stream).0[..] {
        [.., Event::Unreachable { machine, reason }] => (machine.clone(), reason.clone()),
        events => panic!("{events:?}"),
    };
    let machine = "ssh-ng://b".to_owned();
    let told = reason(&format!("{ssh}\n{refused}"));
    assert_eq!(told, (machine.clone(), ssh.to_owned()));
    let why = "failed to start SSH connection to 'b'".to_owned();
    assert_eq!(reason(refused), (machine, why));
}

#[test]
fn caches_that_are_passed_over_are_told() {
    let passed = |text: &str| {
        let line = serde_json::json!({ "action": "msg", "level": 1, "msg": text });
        read(&format!("@nix {line}")).0
    };
    let unsigned = |unsigned, cache: &str| {
        vec![Event::Passed {
            cache: cache.to_owned(),
            unsigned,
        }]
    };
    let no_key = "warning: ignoring substitute for '/nix/store/a' from 'file:///c', as it's not signed by any of the keys in 'trusted-public-keys'";
    assert_eq!(passed(no_key), unsigned(true, "file:///c"));
    let silent = "warning: error: unable to download 'http://c/x/nix-cache-info': Could not connect to server (7); retrying in 300 ms";
    assert_eq!(passed(silent), unsigned(false, "http://c/x"));
    assert!(matches!(
        passed("unable to download 'http://c/nar/x'")[..],
        [Event::Message { .. }]
    ));
}
