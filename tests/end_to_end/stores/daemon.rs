//! A user who is not root, through a `nix-daemon` with build users.

use std::fs;

use super::lab::{Lab, USER, each};
use crate::support::{
    call::{Call, Ended},
    nix::say_left_out,
    place::Place,
    tiny::{self, script_host},
    unique, wait_until,
};

fn place() -> Place {
    let word = unique();
    let dependency = script_host("dependency", &format!("echo {word}; echo dep >$out"));
    let place = Place::flake(&tiny::of_folders());
    place.write(
        "hosts/box/default.nix",
        script_host(
            "box",
            &format!("echo {word}; /usr/bin/id -u; echo box >$out"),
        ),
    );
    place.write(
        "hosts/bad/default.nix",
        script_host("bad", &format!("echo {word}; echo it breaks; exit 3")),
    );
    place.write(
        "hosts/big/default.nix",
        format!("let part = {dependency}; in derivation {{ name = \"big\"; system = part.system; builder = \"/bin/sh\"; args = [ \"-c\" \"echo ${{part}} >$out\" ]; }}"),
    );
    place.commit("hosts");
    place
}

/// The machine with a daemon, and cbox where the user can read it.
struct Daemon(Lab);

impl Daemon {
    fn of(lab: Lab) -> Option<Self> {
        let place = &lab.place;
        lab.configure("build-users-group = nixbld");
        lab.give_to_user();
        fs::copy(env!("CARGO_BIN_EXE_cbox"), place.beside("cbox")).unwrap();
        if !lab
            .call_by_user("nix")
            .args(["--version"])
            .run()
            .status
            .success()
        {
            say_left_out("only root can read Nix here");
            return None;
        }
        let prepare = "chown root:30000 /nix/store && chmod 1775 /nix/store && exec nix-daemon >/nix/log 2>&1 &";
        lab.call("sh").args(["-c", prepare]).run().ok();
        let socket = place.beside("nix/var/nix/daemon-socket/socket");
        wait_until("the daemon listens", || socket.exists());
        Some(Self(lab))
    }

    fn cbox(&self, args: &[&str]) -> Call {
        let program = self.0.place.beside("cbox");
        self.0.call_by_user(program.to_str().unwrap()).args(args)
    }

    #[track_caller]
    fn ok(&self, args: &[&str]) -> Ended {
        self.cbox(args).run().ok()
    }
}

fn with_daemon(test: impl Fn(&Daemon)) {
    each(place, |lab| {
        if let Some(daemon) = Daemon::of(lab) {
            test(&daemon);
        }
    });
}

#[test]
fn a_user_builds_through_the_daemon() {
    with_daemon(|daemon| {
        let place = &daemon.0.place;
        let ended = daemon.ok(&["build", "-v", "hosts/box", "hosts/big"]);
        assert_eq!(ended.lines(), ["out/hosts-box", "out/hosts-big"]);
        for name in ["box", "big", "dependency"] {
            assert_eq!(
                ended.stderr.matches(&format!("building {name}\n")).count(),
                1,
                "{ended}"
            );
        }
        let out = place.link("hosts-box");
        assert!(daemon.0.holds("nix", &out));
        // The link is the user's, the store root's.
        use std::os::unix::fs::MetadataExt as _;
        let owner = fs::symlink_metadata(place.path("out/hosts-box"))
            .unwrap()
            .uid();
        assert_eq!(owner.to_string(), USER);
        let stored = place.beside("nix").join(out.strip_prefix("/nix/").unwrap());
        assert_eq!(fs::metadata(stored).unwrap().uid(), 0);
        // Held, until it is cleaned.
        let collect = || daemon.0.nix(&["store", "gc"]).run().ok();
        collect();
        assert!(daemon.0.holds("nix", &out));
        let status = daemon.ok(&["status"]);
        assert!(status.stdout.contains("current"), "{status}");
        daemon.ok(&["clean", "--all"]);
        collect();
        assert!(!daemon.0.holds("nix", &out));
    });
}

#[test]
fn a_user_is_told_why_a_build_fails() {
    with_daemon(|daemon| {
        let ended = daemon
            .cbox(&["build", "hosts/bad", "hosts/box"])
            .run()
            .code(8);
        ended.says(&[
            "failed with exit code 3",
            "| it breaks",
            "needed by: hosts/bad",
        ]);
        assert_eq!(daemon.0.place.names("out"), ["hosts-box", "hosts-box.json"]);
    });
}

#[test]
fn a_user_accepts_verifies_and_compares() {
    with_daemon(|daemon| {
        daemon.ok(&["accept"]);
        daemon.ok(&["verify-hosts"]);
        let changed = script_host("box", "echo other >$out");
        daemon.0.place.write("hosts/box/default.nix", changed);
        let changed = daemon.cbox(&["verify-hosts"]).run().code(1);
        assert!(changed.stdout.contains("+echo other >$out"), "{changed}");
        let diff = daemon.ok(&["diff", "HEAD:box", "box"]);
        assert!(diff.stdout.contains("+echo other >$out"), "{diff}");
        let plan = daemon.ok(&["build", "hosts/box", "--dry-run"]);
        assert!(plan.stdout.contains("1 derivation to build"), "{plan}");
    });
}

#[test]
fn a_user_sees_what_differs() {
    with_daemon(|daemon| {
        let place = &daemon.0.place;
        let script = "read word </proc/sys/kernel/random/uuid; echo $word >$out";
        place.write("hosts/box/default.nix", script_host("box", script));
        daemon.ok(&["build", "hosts/box"]);
        let out = place.link("hosts-box");
        let ended = daemon.cbox(&["reproduce", "hosts/box"]).run().code(15);
        assert!(ended.stdout.contains("  box  content  37 B; "), "{ended}");
        let ended = ended.says(&[&format!("the second build is {out}.check until")]);
        assert!(!ended.stderr.contains("cannot"), "{ended}");
        daemon.ok(&["reproduce", "hosts/big"]);
        assert_eq!(place.link("hosts-box"), out);
    });
}

#[test]
fn a_user_without_a_daemon_is_told_so() {
    with_daemon(|daemon| {
        daemon.0.end_all("nix-daemon");
        let ended = daemon.cbox(&["build", "hosts/box"]).run();
        assert_ne!(ended.status.code(), Some(0), "{ended}");
        ended.says(&["daemon", "hint: "]);
    });
}
