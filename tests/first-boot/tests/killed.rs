//! The plug is pulled at every step, before and after it, and the machine is
//! started again: the end is always the same.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use first_boot_tests::coder::{Coder, State};
use first_boot_tests::machine::{Machine, When};

/// What is true after an undisturbed first boot.
fn assert_settled(machine: &Machine, coder: &Coder, case: &str) {
    let state = coder.state();
    let password = machine.read("state/admin-password").expect(case);
    let token = machine.read("state/session-token").expect(case);
    let shown = machine.read("run/console/coder.issue").expect(case);

    let [user] = state.users.as_slice() else {
        panic!("{case}: {:?}", state.users)
    };
    assert_eq!(user.password, password.trim(), "{case}");
    assert!(shown.contains(password.trim()), "{case}: {shown}");
    assert!(state.authenticate(Some(token.trim())).is_some(), "{case}");
    assert_eq!(state.tokens().len(), 1, "{case}: {:?}", state.tokens());
    assert!(machine.read("run/first-user-exists").is_some(), "{case}");
    assert_templates(machine, &state, case);
}

fn assert_templates(machine: &Machine, state: &State, case: &str) {
    let [template] = state.templates.as_slice() else {
        panic!("{case}: {:?}", state.templates)
    };
    let versions = state.versions_of(template);
    let last = versions.last().expect(case);
    assert_eq!(template.active_version, last.id, "{case}");
    let stamp = machine.read("state/templates/shell").expect(case);
    assert!(last.message.ends_with(stamp.trim()), "{case}");
    let mut messages: Vec<_> = versions.iter().map(|version| &version.message).collect();
    let all = messages.len();
    messages.dedup();
    assert_eq!(messages.len(), all, "{case}: a content was imported twice");
    assert_eq!(state.files.len(), all, "{case}");
}

/// Runs `scenario` for each step of an undisturbed start, on two threads.
fn at_each_step(prepare: impl Fn(&Coder) -> Option<Machine> + Sync, args: &[&str]) -> usize {
    let coder = Coder::start();
    let Some(machine) = prepare(&coder) else {
        return 0;
    };
    let outcome = machine.run(args);
    assert_eq!(outcome.code, Some(0), "{}", outcome.log);
    let steps = machine.plugs();
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= steps * 2 {
                return;
            }
            let (step, when) = (index / 2 + 1, [When::Before, When::After][index % 2]);
            let case = format!("killed {when:?} step {step} of {steps}");
            let coder = Coder::start();
            let machine = prepare(&coder).expect("it was there a moment ago");
            let outcome = machine.run_killed(args, step, when);
            assert!(outcome.killed, "{case}: {outcome:?}");
            let outcome = machine.run(args);
            assert_eq!(outcome.code, Some(0), "{case}: {}", outcome.log);
            assert_settled(&machine, &coder, &case);
            // One that was cut off before it could log out ends by itself in a day.
            assert!(coder.state().sessions() <= 1, "{case}");
        }
    };
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(work);
        }
    });
    steps
}

#[test]
fn the_first_boot() {
    let steps = at_each_step(
        |coder| {
            let machine = Machine::new(coder)?;
            machine.add_template("shell", "# one");
            Some(machine)
        },
        &["run"],
    );
    assert!(
        steps == 0 || steps > 20,
        "{steps} steps: are they still counted?"
    );
}

#[test]
fn a_new_version_and_a_renewal() {
    at_each_step(
        |coder| {
            let machine = Machine::new(coder)?;
            machine.add_template("shell", "# one");
            assert_eq!(machine.run(&["run"]).code, Some(0));
            machine.add_template("shell", "# two");
            coder.state().age(100);
            Some(machine)
        },
        &["run"],
    );
}

#[test]
fn twice_in_a_row() {
    let coder = Coder::start();
    let Some(machine) = Machine::new(&coder) else {
        return;
    };
    machine.add_template("shell", "# one");
    // Each start gets a little further than the one before it.
    let last = (1..)
        .map(|step| machine.run_killed(&["run"], step, When::After))
        .find(|outcome| !outcome.killed)
        .expect("an end");
    assert_eq!(last.code, Some(0), "{}", last.log);
    assert_settled(&machine, &coder, "after many cuts");
}
