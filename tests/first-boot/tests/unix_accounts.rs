//! Passwords of Unix accounts: made where there is none, shown like Coder's.

use std::fs::File;

use first_boot_tests::coder::Coder;
use first_boot_tests::machine::{Machine, Outcome, When};

/// `shadow` is the account's second field; an empty answer is no account.
fn machine(shadow: &str) -> Option<Machine> {
    // No Coder is asked.
    let machine = Machine::new(&Coder::never())?;
    std::fs::write(machine.path("shadow"), shadow).expect("write");
    let shadow = machine.path("shadow").display().to_string();
    machine.fake_tool(
        "getent",
        &format!(
            "read -r hash <'{shadow}'; [ \"$hash\" != none ] && echo \"$2:$hash:20000::::::\""
        ),
    );
    let stdin = machine.path("chpasswd-stdin").display().to_string();
    machine.fake_tool(
        "chpasswd",
        &format!("cat >'{stdin}'; echo '$y$made' >'{shadow}'"),
    );
    Some(machine)
}

fn set_password(machine: &Machine) -> Outcome {
    machine.run(&["unix-password", "box"])
}

#[test]
fn an_account_without_a_password_gets_one_that_is_shown() {
    for none in ["", "!", "!!", "*", "!*"] {
        let Some(machine) = machine(&format!("{none}\n")) else {
            return;
        };
        let outcome = set_password(&machine);
        assert_eq!(outcome.code, Some(0), "{none:?}: {}", outcome.log);
        let password = machine.read("state/unix/box").expect("stored");
        assert_eq!(
            machine.read("chpasswd-stdin"),
            Some(format!("box:{password}")),
            "{none:?}"
        );
        let shown = machine
            .read("run/console/account-box.issue")
            .expect("shown");
        assert!(shown.contains(password.trim()), "{shown}");
        assert_eq!(machine.mode("state/unix/box"), 0o600);
        assert_eq!(machine.mode("run/console/account-box.issue"), 0o600);
    }
}

#[test]
fn the_next_boot_shows_it_and_sets_nothing() {
    let Some(machine) = machine("!\n") else {
        return;
    };
    assert_eq!(set_password(&machine).code, Some(0));
    std::fs::remove_file(machine.path("chpasswd-stdin")).expect("remove");
    std::fs::remove_dir_all(machine.path("run")).expect("remove");

    assert_eq!(set_password(&machine).code, Some(0));

    assert_eq!(machine.read("chpasswd-stdin"), None);
    assert!(machine.read("run/console/account-box.issue").is_some());
}

#[test]
fn an_owners_password_or_a_locked_account_is_left_alone() {
    for owners in ["$y$j9T$salt$hash", "!$y$j9T$salt$hash"] {
        let Some(machine) = machine(&format!("{owners}\n")) else {
            return;
        };
        let outcome = set_password(&machine);
        assert_eq!(outcome.code, Some(0), "{}", outcome.log);
        assert_eq!(machine.read("chpasswd-stdin"), None, "{owners}");
        assert_eq!(machine.read("state/unix/box"), None, "{owners}");
        assert_eq!(
            machine.read("run/console/account-box.issue"),
            None,
            "{owners}"
        );
    }
}

#[test]
fn killed_at_each_step_the_shown_password_is_the_set_one() {
    for step in 1.. {
        for when in [When::Before, When::After] {
            let Some(machine) = machine("!\n") else {
                return;
            };
            let killed = machine
                .run_killed(&["unix-password", "box"], step, when)
                .killed;
            let outcome = set_password(&machine);
            assert_eq!(
                outcome.code,
                Some(0),
                "step {step} {when:?}: {}",
                outcome.log
            );
            let password = machine.read("state/unix/box").expect("stored");
            assert_eq!(
                machine.read("chpasswd-stdin"),
                Some(format!("box:{password}"))
            );
            let shown = machine
                .read("run/console/account-box.issue")
                .expect("shown");
            assert!(shown.contains(password.trim()), "step {step} {when:?}");
            if !killed {
                assert!(step > 3, "there is more than one step");
                return;
            }
        }
    }
}

#[test]
fn a_reset_of_coder_leaves_unix_accounts() {
    let Some(machine) = machine("!\n") else {
        return;
    };
    assert_eq!(set_password(&machine).code, Some(0));
    assert_eq!(machine.run(&["forget"]).code, Some(0));
    assert!(machine.read("state/unix/box").is_some());
    assert!(machine.read("run/console/account-box.issue").is_some());
}

#[test]
fn an_account_that_is_not_there_is_a_setting_to_mend() {
    let Some(machine) = machine("none\n") else {
        return;
    };
    assert_eq!(set_password(&machine).code, Some(78));
    assert_eq!(machine.run(&["unix-password", "../x"]).code, Some(78));
}

#[test]
fn a_changed_password_is_not_shown_any_more() {
    let Some(machine) = machine("!\n") else {
        return;
    };
    assert_eq!(set_password(&machine).code, Some(0));
    std::fs::write(machine.path("shadow"), "$y$another\n").expect("passwd");

    assert_eq!(set_password(&machine).code, Some(0));

    for name in [
        "run/console/account-box.issue",
        "run/serial/account-box.issue",
    ] {
        assert_eq!(machine.read(name), None, "{name}");
    }
}

#[test]
fn whoever_waits_to_log_in_does_not_wait_for_coder() {
    let Some(mut machine) = machine("!\n") else {
        return;
    };
    machine.set("FIRST_BOOT_LOCK_SECONDS", "1");
    std::fs::create_dir(machine.path("state")).expect("create");
    let lock = File::create(machine.path("state/lock")).expect("create");
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).expect("lock");

    assert_eq!(set_password(&machine).code, Some(0));
    assert_eq!(machine.run(&["renew"]).code, Some(75), "Coder's waits");
}
