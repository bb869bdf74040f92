//! The machine's token: capped, renewed in time, never two of them.

use first_boot_tests::coder::Coder;
use first_boot_tests::machine::Machine;

const HOUR_NS: i64 = 3600 * 1_000_000_000;

/// A machine whose first boot is done.
fn booted(coder: &Coder) -> Option<Machine> {
    let machine = Machine::new(coder)?;
    let outcome = machine.run(&["run"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.log);
    Some(machine)
}

/// The stored token is the only one, and the server takes it.
fn assert_one_good_token(machine: &Machine, coder: &Coder) {
    let stored = machine.read("state/session-token").expect("a token");
    let state = coder.state();
    assert!(state.authenticate(Some(stored.trim())).is_some());
    assert_eq!(state.tokens().len(), 1);
}

#[test]
fn the_lifetime_is_the_cap_or_thirty_days() {
    for (cap_ns, hours) in [
        (168 * HOUR_NS, 168),
        (24 * HOUR_NS, 24),
        (720 * HOUR_NS, 720),
        // Unlimited: the largest duration that Go has.
        (i64::MAX, 720),
    ] {
        let coder = Coder::start();
        coder.state().max_token_lifetime_ns = cap_ns;
        let Some(_machine) = booted(&coder) else {
            return;
        };
        assert_eq!(
            coder.state().tokens()[0].lifetime,
            hours * 3600,
            "cap {cap_ns}"
        );
    }
}

#[test]
fn renewal_waits_for_half_of_the_life() {
    let coder = Coder::start();
    let Some(machine) = booted(&coder) else {
        return;
    };
    let first = machine.read("state/session-token");

    coder.state().age(83);
    assert_eq!(machine.run(&["renew"]).code, Some(0));
    assert_eq!(machine.read("state/session-token"), first);

    coder.state().age(2);
    let logins = coder.count("POST /api/v2/users/login");
    let outcome = machine.run(&["renew"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.log);
    assert_ne!(machine.read("state/session-token"), first);
    assert_eq!(
        coder.count("POST /api/v2/users/login"),
        logins + 1,
        "the old token asks for the new; the log-in sees whether the password is shown rightly"
    );
    assert_one_good_token(&machine, &coder);
}

#[test]
fn a_daily_timer_never_lets_it_expire() {
    let coder = Coder::start();
    let Some(machine) = booted(&coder) else {
        return;
    };
    for day in 1..=21 {
        coder.state().age(24);
        assert_eq!(machine.run(&["renew"]).code, Some(0), "day {day}");
        assert_one_good_token(&machine, &coder);
    }
    assert_eq!(coder.state().sessions(), 0, "each log-in was closed again");
}

#[test]
fn after_a_month_switched_off_the_password_makes_a_new_one() {
    let coder = Coder::start();
    let Some(machine) = booted(&coder) else {
        return;
    };
    coder.state().age(24 * 30);

    let outcome = machine.run(&["renew"]);

    assert_eq!(outcome.code, Some(0), "{}", outcome.log);
    assert_one_good_token(&machine, &coder);
}

#[test]
fn a_revoked_token_is_replaced() {
    let coder = Coder::start();
    let Some(machine) = booted(&coder) else {
        return;
    };
    coder.state().keys.clear();

    assert_eq!(machine.run(&["run"]).code, Some(0));

    assert_one_good_token(&machine, &coder);
}

#[test]
fn tokens_of_others_are_left_alone() {
    let coder = Coder::start();
    let Some(machine) = booted(&coder) else {
        return;
    };
    let login_type = first_boot_tests::coder::LoginType::Token;
    coder.state().issue_key("ci", login_type, 168 * 3600);
    coder.state().age(100);

    assert_eq!(machine.run(&["renew"]).code, Some(0));

    let state = coder.state();
    let names: Vec<_> = state.tokens().iter().map(|key| key.name.clone()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names.contains(&"ci".to_owned()));
}

#[test]
fn a_changed_password_is_shown_no_longer_and_is_no_failure() {
    for command in ["run", "renew"] {
        let coder = Coder::start();
        let Some(machine) = booted(&coder) else {
            return;
        };
        let password = machine.read("state/admin-password").expect("stored");
        coder.state().change_password("changed in the dashboard");

        let outcome = machine.run(&[command]);

        assert_eq!(outcome.code, Some(0), "{}", outcome.log);
        let text = machine
            .read("run/console/coder.issue")
            .expect("the address");
        assert!(text.contains("http://box.local:3000"), "{text}");
        assert!(
            text.contains("(changed since)") && !text.contains(password.trim()),
            "{text}"
        );
    }
}

#[test]
fn new_templates_need_the_password_that_was_changed() {
    let coder = Coder::start();
    let Some(mut machine) = booted(&coder) else {
        return;
    };
    coder.state().change_password("changed in the dashboard");
    machine.add_template("later", "# one");

    let outcome = machine.run(&["run"]);

    assert_eq!(outcome.code, Some(77), "{}", outcome.log);
    let notice = machine.read("run/console/notice.issue").expect("told");
    assert!(
        notice.contains("box.firstBoot.admin.passwordFile"),
        "{notice}"
    );

    machine.owner_password("changed in the dashboard");
    let outcome = machine.run(&["run"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.log);
    assert_eq!(machine.read("run/console/notice.issue"), None);
    let text = machine.read("run/console/coder.issue").expect("shown");
    assert!(text.contains("set by the owner"), "{text}");
}

#[test]
fn renewal_before_the_first_boot_is_nothing_to_do() {
    let coder = Coder::never();
    let Some(machine) = Machine::new(&coder) else {
        return;
    };
    assert_eq!(machine.run(&["renew"]).code, Some(0));
}
