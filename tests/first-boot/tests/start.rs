//! The server is slow, unwell or somebody else's.

use std::time::Duration;

use first_boot_tests::coder::{Coder, Fault};
use first_boot_tests::machine::Machine;

const POSTS: [&str; 3] = [
    "/api/v2/users/first",
    "/api/v2/users/login",
    "/api/v2/users/me/keys/tokens",
];

#[test]
fn makes_the_first_user_and_a_token() {
    let coder = Coder::start();
    let Some(machine) = Machine::new(&coder) else {
        return;
    };

    let outcome = machine.run(&["run"]);

    assert_eq!(outcome.code, Some(0), "{}", outcome.log);
    let state = coder.state();
    let [user] = state.users.as_slice() else {
        panic!("{:?}", state.users)
    };
    assert_eq!(
        (user.username.as_str(), user.email.as_str()),
        ("admin", "admin@coder-box.local")
    );
    assert_eq!(
        machine.read("state/admin-password"),
        Some(format!("{}\n", user.password))
    );
    assert_eq!(
        machine.read("state/session-token"),
        Some(format!("{}\n", state.tokens()[0].value()))
    );
    assert_eq!(
        state.sessions(),
        0,
        "the session of the log-in is closed again"
    );
    for (name, mode) in [
        ("state", 0o700),
        ("state/admin-password", 0o600),
        ("state/session-token", 0o600),
        ("run", 0o755),
        ("run/first-user-exists", 0o644),
        ("run/console", 0o700),
        ("run/desktop", 0o755),
    ] {
        assert_eq!(machine.mode(name), mode, "{name}");
    }
}

#[test]
fn a_second_start_changes_nothing() {
    let coder = Coder::start();
    let Some(machine) = Machine::new(&coder) else {
        return;
    };
    machine.add_template("shell", "# one");
    assert_eq!(machine.run(&["run"]).code, Some(0));
    let requests = coder.requests().len();

    let outcome = machine.run(&["run"]);

    assert_eq!(outcome.code, Some(0), "{}", outcome.log);
    let all = coder.requests();
    let writes: Vec<_> = all[requests..]
        .iter()
        .filter(|line| !line.starts_with("GET"))
        .collect();
    assert_eq!(
        writes,
        [
            "POST /api/v2/users/login 201",
            "POST /api/v2/users/logout 200"
        ],
        "it sees whether the password is still the one that it shows"
    );
    assert_eq!(coder.state().sessions(), 0);
}

#[test]
fn no_two_machines_have_the_same_password() {
    let passwords: Vec<_> = (0..2)
        .filter_map(|_| {
            let coder = Coder::start();
            let machine = Machine::new(&coder)?;
            machine.run(&["run"]);
            machine.read("state/admin-password")
        })
        .collect();
    let [a, b] = passwords.as_slice() else { return };
    assert_ne!(a, b);
    assert_eq!(a.trim().len(), 23, "four groups of five");
}

#[test]
fn waits_for_a_slow_start() {
    let coder = Coder::start_after(Duration::from_millis(700));
    let Some(machine) = Machine::new(&coder) else {
        return;
    };
    coder.fail("GET", "/api/v2/buildinfo", Fault::Status(502), 3);

    let outcome = machine.run(&["run"]);

    assert_eq!(outcome.code, Some(0), "{}", outcome.log);
    assert_eq!(coder.state().users.len(), 1);
}

#[test]
fn gives_up_waiting_in_time_and_says_later() {
    let coder = Coder::never();
    let Some(mut machine) = Machine::new(&coder) else {
        return;
    };
    machine.set("FIRST_BOOT_WAIT_SECONDS", "1");

    let outcome = machine.run(&["run"]);

    assert_eq!(outcome.code, Some(75), "{}", outcome.log);
    assert_eq!(
        machine.read("run/first-user-exists"),
        None,
        "the port stays closed"
    );
}

#[test]
fn survives_every_kind_of_fault_on_every_request() {
    for fault in [
        Fault::Status(500),
        Fault::Status(429),
        Fault::DropBefore,
        Fault::DropAfter,
        Fault::Truncate,
    ] {
        let coder = Coder::start();
        let Some(machine) = Machine::new(&coder) else {
            return;
        };
        machine.add_template("shell", "# one");
        for path in POSTS {
            coder.fail("POST", path, fault, 2);
        }
        for path in ["files", "organizations/default/template", "users/logout"] {
            coder.fail("POST", &format!("/api/v2/{path}"), fault, 1);
        }
        for path in [
            "users/first",
            "users/me/keys/tokens/tokenconfig",
            "users/me/keys/tokens",
            "organizations",
            "templateversions",
        ] {
            coder.fail("GET", &format!("/api/v2/{path}"), fault, 1);
        }

        let outcome = machine.run(&["run"]);

        assert_eq!(outcome.code, Some(0), "{fault:?}: {}", outcome.log);
        let state = coder.state();
        assert_eq!(state.users.len(), 1, "{fault:?}");
        assert_eq!(
            state.tokens().len(),
            1,
            "{fault:?}: tokens whose answer was lost are revoked"
        );
        assert_eq!(state.templates.len(), 1, "{fault:?}");
        assert_eq!(state.versions_of(&state.templates[0]).len(), 1, "{fault:?}");
    }
}

#[test]
fn retries_are_bounded() {
    for path in POSTS {
        let coder = Coder::start();
        let Some(machine) = Machine::new(&coder) else {
            return;
        };
        coder.fail("POST", path, Fault::Status(500), 1000);

        let outcome = machine.run(&["run"]);

        assert_eq!(outcome.code, Some(75), "{path}: {}", outcome.log);
        assert_eq!(coder.count(&format!("POST {path} ")), 6, "{path}");
    }
}

#[test]
fn a_stranger_as_first_user_is_told_not_guessed() {
    let coder = Coder::start();
    coder
        .state()
        .add_user("somebody@example.org", "their-own-password");
    let Some(machine) = Machine::new(&coder) else {
        return;
    };

    let outcome = machine.run(&["run"]);

    assert_eq!(outcome.code, Some(77), "{}", outcome.log);
    assert_eq!(
        coder.count("POST"),
        0,
        "no password is tried that nobody gave"
    );
    assert!(
        machine.read("run/first-user-exists").is_some(),
        "the port may open all the same"
    );
    assert_eq!(machine.read("run/console/coder.issue"), None);
}

#[test]
fn a_user_whose_password_the_owner_gives_is_adopted() {
    let coder = Coder::start();
    coder
        .state()
        .add_user("admin@coder-box.local", "chosen-by-owner");
    let Some(mut machine) = Machine::new(&coder) else {
        return;
    };
    machine.owner_password("chosen-by-owner");

    let outcome = machine.run(&["run"]);

    assert_eq!(outcome.code, Some(0), "{}", outcome.log);
    assert_eq!(coder.state().users.len(), 1);
    assert_eq!(coder.state().tokens().len(), 1);
}

#[test]
fn a_refused_password_is_a_setting_to_mend_and_is_not_repeated() {
    let coder = Coder::start();
    let Some(mut machine) = Machine::new(&coder) else {
        return;
    };
    machine.owner_password("short");

    // The server quotes the password in its answer; the harness looks for it.
    let outcome = machine.run(&["run"]);

    assert_eq!(outcome.code, Some(78), "{}", outcome.log);
    assert!(outcome.log.contains("password"), "{}", outcome.log);
    assert_eq!(machine.read("run/first-user-exists"), None);

    machine.owner_password("long enough \"with\\quotes\" ß");
    let outcome = machine.run(&["run"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.log);
    assert_eq!(
        coder.state().users[0].password,
        "long enough \"with\\quotes\" ß"
    );
}

#[test]
fn bad_settings_are_refused_before_anything_is_done() {
    let coder = Coder::start();
    for (name, value) in [
        ("FIRST_BOOT_CODER_URL", "box.local"),
        ("FIRST_BOOT_TRIES", "many"),
        ("FIRST_BOOT_ADMIN_PASSWORD_FILE", "nowhere"),
        ("FIRST_BOOT_SHOW_PASSWORDS", "perhaps"),
        ("FIRST_BOOT_TEMPLATES", "/nowhere"),
        ("STATE_DIRECTORY", ""),
    ] {
        let Some(mut machine) = Machine::new(&coder) else {
            return;
        };
        machine.set(name, value);
        let outcome = machine.run(&["run"]);
        assert_eq!(outcome.code, Some(78), "{name}: {}", outcome.log);
        assert!(outcome.log.contains(name), "{}", outcome.log);
    }
    assert!(coder.requests().is_empty());
    let Some(machine) = Machine::new(&coder) else {
        return;
    };
    for args in [&[][..], &["walk"], &["run", "twice"], &["unix-password"]] {
        assert_eq!(machine.run(args).code, Some(64), "{args:?}");
    }
}

#[test]
fn a_missing_password_file_is_told_on_the_console_and_waited_for() {
    let coder = Coder::start();
    let Some(mut machine) = Machine::new(&coder) else {
        return;
    };
    let file = machine.path("owner-password");
    machine.set("FIRST_BOOT_ADMIN_PASSWORD_FILE", file.display().to_string());

    let outcome = machine.run(&["run"]);

    assert_eq!(outcome.code, Some(66), "{}", outcome.log);
    assert!(coder.state().users.is_empty(), "nobody owns it yet");
    assert_eq!(machine.read("run/first-user-exists"), None);
    for name in ["run/console/notice.issue", "run/serial/notice.issue"] {
        let notice = machine.read(name).expect(name);
        assert!(notice.contains(&file.display().to_string()), "{notice}");
    }

    machine.owner_password("chosen-by-owner");
    let outcome = machine.run(&["run"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.log);
    assert_eq!(machine.read("run/console/notice.issue"), None);

    machine.owner_password("chosen-later");
    let outcome = machine.run(&["run"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.log);
    assert!(
        outcome.log.contains("change the password in Coder"),
        "{}",
        outcome.log
    );
    assert_eq!(coder.state().users[0].password, "chosen-by-owner");

    // The owner need not leave it there, and what was read from it stays hidden.
    std::fs::remove_file(&file).expect("remove");
    let outcome = machine.run(&["run"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.log);
    let text = machine.read("run/console/coder.issue").expect("shown");
    assert!(text.contains("set by the owner"), "{text}");
}

#[test]
fn what_keeps_the_first_boot_is_on_the_console() {
    let coder = Coder::never();
    let Some(mut machine) = Machine::new(&coder) else {
        return;
    };
    machine.set("FIRST_BOOT_WAIT_SECONDS", "1");

    assert_eq!(machine.run(&["run"]).code, Some(75));

    let notice = machine.read("run/console/notice.issue").expect("told");
    assert!(
        notice.contains("Coder did not answer") && notice.contains("journalctl"),
        "{notice}"
    );
    // What nobody looks at the console for.
    std::fs::remove_file(machine.path("run/console/notice.issue")).expect("remove");
    std::fs::write(machine.path("state/session-token"), "something-else\n").expect("write");
    assert_eq!(machine.run(&["renew"]).code, Some(75));
    assert_eq!(machine.read("run/console/notice.issue"), None);
}
