//! Where passwords can be seen, and by whom; and that a reset starts anew.

use std::os::unix::fs::MetadataExt;

use first_boot_tests::coder::{Coder, State};
use first_boot_tests::machine::Machine;

fn this_user() -> String {
    let id = std::process::Command::new("id")
        .arg("-un")
        .output()
        .expect("id");
    String::from_utf8(id.stdout)
        .expect("a name")
        .trim()
        .to_owned()
}

#[test]
fn a_generated_password_is_on_the_console_and_on_the_desktop() {
    let coder = Coder::start();
    let Some(mut machine) = Machine::new(&coder) else {
        return;
    };
    machine.set("FIRST_BOOT_DESKTOP_USER", this_user());

    assert_eq!(machine.run(&["run"]).code, Some(0));

    let password = coder.state().users[0].password.clone();
    for (name, mode) in [
        ("run/console/coder.issue", 0o600),
        ("run/desktop/coder.txt", 0o400),
    ] {
        let text = machine.read(name).expect(name);
        assert!(text.contains(&password), "{name}: {text}");
        assert!(text.contains("http://box.local:3000"), "{name}: {text}");
        assert!(text.contains("admin@coder-box.local"), "{name}: {text}");
        assert_eq!(machine.mode(name), mode, "{name}");
    }
    let owner = std::fs::metadata(machine.path("run/desktop/coder.txt"))
        .expect("shown")
        .uid();
    let me = std::fs::metadata(machine.path("tools"))
        .expect("made")
        .uid();
    assert_eq!(owner, me);
}

#[test]
fn it_comes_back_after_a_reboot_that_emptied_run() {
    let coder = Coder::start();
    let Some(machine) = Machine::new(&coder) else {
        return;
    };
    assert_eq!(machine.run(&["run"]).code, Some(0));
    let shown = machine.read("run/console/coder.issue");
    std::fs::remove_dir_all(machine.path("run")).expect("remove");

    assert_eq!(machine.run(&["run"]).code, Some(0));

    assert_eq!(machine.read("run/console/coder.issue"), shown);
    assert!(machine.read("run/first-user-exists").is_some());
}

#[test]
fn without_a_desktop_user_nothing_is_on_the_desktop() {
    let coder = Coder::start();
    let Some(mut machine) = Machine::new(&coder) else {
        return;
    };
    for user in ["", "nobody-of-that-name"] {
        machine.set("FIRST_BOOT_DESKTOP_USER", user);
        assert_eq!(
            machine.run(&["run"]).code,
            Some(0),
            "{user:?} stops nothing"
        );
        assert_eq!(machine.read("run/desktop/coder.txt"), None, "{user:?}");
    }
}

#[test]
fn the_owners_password_is_nowhere_shown() {
    let coder = Coder::start();
    let Some(mut machine) = Machine::new(&coder) else {
        return;
    };
    machine.owner_password("chosen-by-owner");
    machine.set("FIRST_BOOT_DESKTOP_USER", this_user());

    assert_eq!(machine.run(&["run"]).code, Some(0));

    assert_eq!(coder.state().users[0].password, "chosen-by-owner");
    for name in ["run/console/coder.issue", "run/desktop/coder.txt"] {
        let text = machine.read(name).expect(name);
        assert!(
            text.contains("set by the owner") && !text.contains("chosen-by-owner"),
            "{text}"
        );
    }
}

#[test]
fn an_owners_password_that_comes_too_late_does_not_hide_the_real_one() {
    let coder = Coder::start();
    let Some(mut machine) = Machine::new(&coder) else {
        return;
    };
    assert_eq!(machine.run(&["run"]).code, Some(0));
    machine.owner_password("too-late-for-this");

    let outcome = machine.run(&["run"]);

    assert_eq!(outcome.code, Some(0), "{}", outcome.log);
    assert!(
        outcome
            .log
            .contains("FIRST_BOOT_ADMIN_PASSWORD_FILE came after"),
        "{}",
        outcome.log
    );
    let password = coder.state().users[0].password.clone();
    assert!(
        machine
            .read("run/console/coder.issue")
            .expect("shown")
            .contains(&password)
    );
}

#[test]
fn after_forget_everything_starts_anew() {
    let coder = Coder::start();
    let Some(mut machine) = Machine::new(&coder) else {
        return;
    };
    machine.set("FIRST_BOOT_DESKTOP_USER", this_user());
    machine.add_template("shell", "# one");
    assert_eq!(machine.run(&["run"]).code, Some(0));
    let before = machine.read("state/admin-password");

    assert_eq!(machine.run(&["forget"]).code, Some(0));
    for name in [
        "state/admin-password",
        "state/session-token",
        "state/templates/shell",
        "run/first-user-exists",
        "run/console/coder.issue",
        "run/desktop/coder.txt",
    ] {
        assert_eq!(machine.read(name), None, "{name}");
    }

    *coder.state() = State::default();
    assert_eq!(machine.run(&["run"]).code, Some(0));
    let state = coder.state();
    assert_eq!((state.users.len(), state.templates.len()), (1, 1));
    assert_ne!(machine.read("state/admin-password"), before);
}

#[test]
fn serial_lines_get_all_but_the_password() {
    let coder = Coder::start();
    let Some(machine) = Machine::new(&coder) else {
        return;
    };

    assert_eq!(machine.run(&["run"]).code, Some(0));

    let password = coder.state().users[0].password.clone();
    let text = machine.read("run/serial/coder.issue").expect("shown");
    assert!(text.contains("http://box.local:3000"), "{text}");
    assert!(!text.contains(&password), "{text}");
    assert_eq!(machine.mode("run/serial"), 0o700);
}

#[test]
fn an_owner_may_have_none_shown() {
    let coder = Coder::start();
    let Some(mut machine) = Machine::new(&coder) else {
        return;
    };
    machine.set("FIRST_BOOT_DESKTOP_USER", this_user());
    machine.set("FIRST_BOOT_SHOW_PASSWORDS", "no");

    assert_eq!(machine.run(&["run"]).code, Some(0));

    let password = coder.state().users[0].password.clone();
    for name in ["run/console/coder.issue", "run/desktop/coder.txt"] {
        let text = machine.read(name).expect(name);
        assert!(
            !text.contains(&password) && text.contains("state/admin-password"),
            "{text}"
        );
    }
}
