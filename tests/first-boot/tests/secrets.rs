//! Secrets that came with the drive: used once, gone from it, and whole whenever the plug is pulled.

use std::fs;

use first_boot_tests::coder::Coder;
use first_boot_tests::machine::{Machine, When};

const SECRETS: [(&str, &str); 4] = [
    ("account-password", "for-the-account\r\nmore\n"),
    ("authorized-keys", "ssh-ed25519 AAAA me\n"),
    ("coder-admin-password", "for-coder's-admin\n"),
    ("home.nmconnection", "[wifi]\npsk=for-the-network\n"),
];

/// A machine whose drive has the secrets.
fn machine(coder: &Coder) -> Option<Machine> {
    let mut machine = Machine::new(coder)?;
    for (name, place) in [
        ("FIRST_BOOT_SECRETS", "drive/secrets"),
        ("FIRST_BOOT_SECRETS_KEYS", "etc/keys/box"),
        ("FIRST_BOOT_SECRETS_NETWORKS", "etc/networks"),
    ] {
        let place = machine.path(place).display().to_string();
        machine.set(name, place);
    }
    machine.set("FIRST_BOOT_SECRETS_ACCOUNT", "box");
    machine.set("FIRST_BOOT_SECRETS_CODER", "yes");
    let stdin = machine.path("chpasswd-stdin").display().to_string();
    machine.fake_tool("chpasswd", &format!("cat >>'{stdin}'"));
    put(&machine, &SECRETS);
    Some(machine)
}

fn put(machine: &Machine, secrets: &[(&str, &str)]) {
    let folder = machine.path("drive/secrets");
    fs::create_dir_all(&folder).expect("create");
    for (name, content) in secrets {
        fs::write(folder.join(name), content).expect("write");
    }
}

fn names(machine: &Machine, folder: &str) -> Vec<String> {
    let entries = fs::read_dir(machine.path(folder)).into_iter().flatten();
    let name = |entry: std::io::Result<fs::DirEntry>| {
        entry
            .expect("an entry")
            .file_name()
            .into_string()
            .expect("UTF-8")
    };
    let mut names: Vec<_> = entries.map(name).collect();
    names.sort();
    names
}

/// What is so once all of them are used.
fn assert_used(machine: &Machine, case: &str) {
    let read = |name: &str| machine.read(name).unwrap_or_default();
    // Twice is once, as far as the account knows.
    let set = read("chpasswd-stdin");
    assert!(!set.is_empty(), "{case}");
    assert!(
        set.lines().all(|line| line == "box:for-the-account"),
        "{case}: {set}"
    );
    assert_eq!(read("etc/keys/box"), SECRETS[1].1, "{case}");
    assert_eq!(machine.mode("etc/keys/box"), 0o644, "{case}");
    assert_eq!(machine.mode("etc/keys"), 0o755, "{case}");
    assert_eq!(read("state/admin-password.given"), SECRETS[2].1, "{case}");
    assert_eq!(machine.mode("state/admin-password.given"), 0o600, "{case}");
    assert_eq!(
        read("etc/networks/home.nmconnection"),
        SECRETS[3].1,
        "{case}"
    );
    assert_eq!(
        machine.mode("etc/networks/home.nmconnection"),
        0o600,
        "{case}"
    );
    assert!(!machine.path("drive/secrets").exists(), "{case}");
    assert_eq!(names(machine, "state/secrets/waiting"), [""; 0], "{case}");
    assert_eq!(
        names(machine, "state/secrets/taken"),
        SECRETS.map(|(name, _)| name),
        "{case}"
    );
    assert_eq!(machine.read("run/console/secrets.issue"), None, "{case}");
}

#[test]
fn each_is_used_and_gone_from_the_drive() {
    let Some(machine) = machine(&Coder::never()) else {
        return;
    };
    let outcome = machine.run(&["take-secrets"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.log);
    for (_, secret) in SECRETS {
        assert!(!outcome.log.contains(secret.trim()), "{}", outcome.log);
    }
    assert_used(&machine, "the first boot");
    // Nothing is there for the next boot.
    let outcome = machine.run(&["take-secrets"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.log);
    assert_used(&machine, "the second boot");
}

#[test]
fn the_plug_is_pulled_at_each_step() {
    let coder = Coder::never();
    let Some(first) = machine(&coder) else {
        return;
    };
    assert_eq!(first.run(&["take-secrets"]).code, Some(0));
    let steps = first.plugs();
    assert!(steps > 30, "{steps}");
    for step in 1..=steps {
        for when in [When::Before, When::After] {
            let case = format!("killed {when:?} step {step} of {steps}");
            let machine = machine(&coder).expect("it was there a moment ago");
            let outcome = machine.run_killed(&["take-secrets"], step, when);
            assert!(outcome.killed, "{case}: {outcome:?}");
            let outcome = machine.run(&["take-secrets"]);
            assert_eq!(outcome.code, Some(0), "{case}: {}", outcome.log);
            assert_used(&machine, &case);
        }
    }
}

#[test]
fn one_that_was_taken_before_only_goes() {
    let Some(machine) = machine(&Coder::never()) else {
        return;
    };
    assert_eq!(machine.run(&["take-secrets"]).code, Some(0));
    // The owner has changed it since, and the drive has it half overwritten.
    fs::remove_file(machine.path("chpasswd-stdin")).expect("remove");
    put(&machine, &[("account-password", "\0\0\0-the-account\n")]);
    let outcome = machine.run(&["take-secrets"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.log);
    assert_eq!(machine.read("chpasswd-stdin"), None);
    assert!(!machine.path("drive/secrets").exists());
}

#[test]
fn what_nobody_takes_is_named_and_goes() {
    let Some(mut machine) = machine(&Coder::never()) else {
        return;
    };
    machine.set("FIRST_BOOT_SECRETS_ACCOUNT", "");
    put(
        &machine,
        &[
            ("acount-password", "x\n"),
            ("odd \u{1b}[31m", "y\n"),
            (".nmconnection", "z\n"),
        ],
    );
    let outcome = machine.run(&["take-secrets"]);
    assert_eq!(outcome.code, Some(74), "{}", outcome.log);
    let shown = machine.read("run/console/secrets.issue").expect("shown");
    for name in [
        "account-password",
        "acount-password",
        "odd???31m",
        ".nmconnection",
    ] {
        let line = format!("nothing here takes '{name}': it was removed");
        assert!(shown.contains(&line), "{shown}");
    }
    assert!(!shown.contains('\u{1b}'), "{shown}");
    assert_eq!(machine.read("chpasswd-stdin"), None);
    assert!(machine.read("etc/keys/box").is_some());
    assert!(!machine.path("drive/secrets").exists());
}

#[test]
fn what_cannot_be_removed_is_tried_again_and_not_used_again() {
    let Some(machine) = machine(&Coder::never()) else {
        return;
    };
    let inner = machine.path("drive/secrets/inner");
    fs::create_dir_all(&inner).expect("create");
    for _ in 0..2 {
        let outcome = machine.run(&["take-secrets"]);
        assert_eq!(outcome.code, Some(74), "{}", outcome.log);
        let shown = machine.read("run/console/secrets.issue").expect("shown");
        assert!(shown.contains("they cannot be removed from"), "{shown}");
        let set = machine.read("chpasswd-stdin").expect("used");
        assert_eq!(set, "box:for-the-account\n");
    }
    fs::remove_dir(&inner).expect("remove");
    assert_eq!(machine.run(&["take-secrets"]).code, Some(0));
    assert_used(&machine, "mended");
}

#[test]
fn a_password_that_cannot_be_set_waits_and_an_empty_one_does_not() {
    let Some(machine) = machine(&Coder::never()) else {
        return;
    };
    machine.fake_tool("chpasswd", "exit 1");
    put(&machine, &[("coder-admin-password", "\n")]);
    let outcome = machine.run(&["take-secrets"]);
    assert_eq!(outcome.code, Some(74), "{}", outcome.log);
    let shown = machine.read("run/console/secrets.issue").expect("shown");
    assert!(
        shown.contains("cannot set the password of 'box'"),
        "{shown}"
    );
    assert!(
        shown.contains("'coder-admin-password' begins with an empty line"),
        "{shown}"
    );
    assert_eq!(
        names(&machine, "state/secrets/waiting"),
        ["account-password"]
    );
    assert!(!machine.path("drive/secrets").exists());
    let stdin = machine.path("chpasswd-stdin").display().to_string();
    machine.fake_tool("chpasswd", &format!("cat >>'{stdin}'"));
    let outcome = machine.run(&["take-secrets"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.log);
    assert_eq!(
        machine.read("chpasswd-stdin").as_deref(),
        Some("box:for-the-account\n")
    );
    assert_eq!(machine.read("run/console/secrets.issue"), None);
}

#[test]
fn coders_admin_has_the_password_that_came_with_the_drive() {
    let coder = Coder::start();
    let Some(machine) = machine(&coder) else {
        return;
    };
    assert_eq!(machine.run(&["take-secrets"]).code, Some(0));
    let outcome = machine.run(&["run"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.log);
    assert_eq!(coder.state().users[0].password, "for-coder's-admin");
    assert_eq!(machine.read("state/admin-password.given"), None);
    let shown = machine.read("run/console/coder.issue").expect("shown");
    assert!(shown.contains("set by the owner"), "{shown}");
    // One that comes later changes nothing.
    fs::write(machine.path("state/admin-password.given"), "later\n").expect("write");
    let outcome = machine.run(&["run"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.log);
    assert!(
        outcome.log.contains("is not that of Coder's admin"),
        "{}",
        outcome.log
    );
    assert_eq!(machine.read("state/admin-password.given"), None);
    assert_eq!(coder.state().users[0].password, "for-coder's-admin");
}

#[test]
fn the_first_user_has_it_wherever_the_plug_is_pulled() {
    let prepare = || {
        let coder = Coder::start();
        let machine = machine(&coder)?;
        assert_eq!(machine.run(&["take-secrets"]).code, Some(0));
        Some((coder, machine))
    };
    let Some((_coder, machine)) = prepare() else {
        return;
    };
    assert_eq!(machine.run(&["run"]).code, Some(0));
    // All of them take minutes, and `killed.rs` does that without a given password.
    for step in (1..=machine.plugs()).step_by(4) {
        for when in [When::Before, When::After] {
            let (coder, machine) = prepare().expect("it was there a moment ago");
            let outcome = machine.run_killed(&["run"], step, when);
            assert!(outcome.killed, "{outcome:?}");
            let outcome = machine.run(&["run"]);
            assert_eq!(outcome.code, Some(0), "{when:?} {step}: {}", outcome.log);
            assert_eq!(coder.state().users[0].password, "for-coder's-admin");
            assert_eq!(machine.read("state/admin-password.given"), None);
        }
    }
}
