//! The staged source on its way into the store, and safe there until it is evaluated.

use std::{fs, path::PathBuf};

use crate::{
    random_trees::random_repository,
    support::{
        call::{Call, Ended},
        nix::{real, say_left_out},
        place::Place,
        processes, quoted, tiny, unique, wait_until,
    },
};

/// A flake of three hosts and a store of its own, in which garbage can be collected.
struct Own {
    place: Place,
    store: PathBuf,
}

impl Own {
    fn new() -> Self {
        let hosts = ["a", "b", "c"].map(|name| (name, "read -r word <${./word}; echo $word >$out"));
        let place = Place::flake(&tiny::scripts(&hosts));
        place.write("word", unique());
        place.commit("a word");
        let store = place.beside("own");
        Self { place, store }
    }

    /// From now on the shell commands `first` run before each call of `nix` with `pattern` in
    /// its words, or in its place if they end the shell.
    fn before(&self, pattern: &str, first: &str) {
        self.before_in(&quoted(&self.store), pattern, first);
    }

    /// The same, where `gc` collects what is garbage in `store`.
    fn before_in(&self, store: &str, pattern: &str, first: &str) {
        let gc = format!(
            "gc() {{ nix-store --store {store} --gc 2>&1 | sed -n 's/^deleting //p' >>{}; }}",
            quoted(self.collected()),
        );
        let script = format!(
            "{gc}\ncase \" $* \" in {pattern}) {first} ;; esac\nexec {} \"$@\"",
            quoted(real())
        );
        self.place.stand_in("nix", &script);
    }

    fn collected(&self) -> PathBuf {
        self.place.beside("collected")
    }

    /// What was collected so far.
    fn garbage(&self) -> String {
        fs::read_to_string(self.collected()).unwrap()
    }

    fn cbox(&self, args: &[&str]) -> Call {
        let store = self.store.to_str().unwrap();
        self.place.cbox(args).args(["--store", store])
    }
}

const HOSTS: [&str; 5] = ["build", "hosts/a", "hosts/b", "hosts/c", "--drv"];

/// What stands for a Nix that does not speak the protocol.
const NO_DAEMON: &str = "echo no such command >&2; exit 1";

/// How often something was added to the store.
fn adds(run: &Ended) -> usize {
    run.stderr.matches(" to the store (").count()
}

#[test]
fn a_new_tree_is_held_until_all_hosts_are_evaluated() {
    let own = Own::new();
    own.before("*' metadata '*|*' eval '*", "gc");
    let run = own.cbox(&HOSTS).run().ok();
    assert_eq!(run.lines().len(), 3, "{run}");
    assert!(!own.garbage().contains("-source"), "{}", own.garbage());
    assert_eq!(adds(&run), 1, "{run}");
}

#[test]
fn a_tree_that_is_there_is_held_just_so() {
    let own = Own::new();
    own.cbox(&["source", "ref"]).run().ok();
    own.before("*' metadata '*|*' eval '*", "gc");
    let run = own.cbox(&HOSTS).run().ok();
    assert!(!own.garbage().contains("-source"), "{}", own.garbage());
    assert_eq!(adds(&run), 0, "{run}");
    // Behind it, nothing holds it any more.
    let gc = ["--store", own.store.to_str().unwrap(), "--gc"];
    let gc = own.place.call("nix-store").args(gc).run().ok();
    assert!(gc.stderr.contains("-source"), "{gc}");
}

#[test]
fn the_daemon_ends_with_the_run() {
    let own = Own::new();
    let word = unique();
    own.cbox(&HOSTS).env("CBOX_TEST_WORD", &word).run().ok();
    wait_until("no process is left", || {
        processes::with_word(&word).is_empty()
    });
    let roots = fs::read_dir(own.store.join("nix/var/nix/temproots")).unwrap();
    // Nix 2.34 leaves the files there; what they name is held by processes that live.
    for file in roots {
        let process = file.unwrap().file_name();
        assert!(!std::path::Path::new("/proc").join(&process).exists());
    }
}

#[test]
fn without_the_protocol_a_copy_is_added() {
    let own = Own::new();
    let by_protocol = own.cbox(&["source", "ref"]).run().ok();
    for no_daemon in [
        NO_DAEMON,
        // One that greets otherwise, and one whose answers break off behind its greeting.
        "echo this is no protocol, whatever was expected; exec cat >/dev/null",
        &format!(
            "exec 3<&0; {} \"$@\" <&3 | dd bs=1 count=72 2>/dev/null & exec 3<&- <&- >&-; wait",
            quoted(real())
        ),
    ] {
        let other = Own::new();
        other.place.write("word", own.place.read("word"));
        other.before("*' daemon '*", no_daemon);
        let run = other.cbox(&["source", "ref", "-v", "-v"]).run().ok();
        assert_eq!(run.stdout, by_protocol.stdout, "{run}");
        run.says(&["`nix store add` takes a copy instead", " store add "]);
    }
}

#[test]
fn what_nothing_can_hold_is_put_back_once_it_is_collected() {
    let own = Own::new();
    let once = own.place.beside("once");
    own.before(
        "*' daemon '*|*' eval '*",
        &format!(
            "case \" $* \" in *' daemon '*) exit 1 ;; esac; \
             mkdir {} 2>/dev/null && gc",
            quoted(once)
        ),
    );
    let run = own.cbox(&["build", "hosts/a", "--drv"]).run().ok();
    assert!(own.garbage().contains("-source"), "{run}");
}

/// Runs a shell script where it may mount, as process 1 of a namespace that ends with it;
/// `None` where this machine does not allow that.
fn in_namespace(place: &Place, script: &str, args: &[&str]) -> Option<Ended> {
    let namespace = ["--mount", "--pid", "--fork", "--kill-child", "sh", "-c"];
    let call = |script: &str| place.call("unshare").args(namespace).args([script, "sh"]);
    if !call("mount -t tmpfs none /nix").run().status.success() {
        say_left_out("this machine lets nobody mount over /nix");
        return None;
    }
    Some(call(script).args(args).run())
}

const CBOX: &str = env!("CARGO_BIN_EXE_cbox");

#[test]
fn a_full_disk_is_told_in_a_sentence() {
    let own = Own::new();
    own.place.write("large", vec![b'x'; 3_000_000]);
    full(&own);
    // So many that they are sent before they are hashed, which is one more way to fail.
    for number in 0..2_000 {
        own.place.write(format!("files/{number}"), "");
    }
    full(&own);
}

/// Puts the tree into a store that has no room for it.
#[track_caller]
fn full(own: &Own) {
    let store = own.store.to_str().unwrap();
    fs::create_dir_all(&own.store).unwrap();
    let script = "mount -t tmpfs -o size=2m none \"$1\" && shift && exec \"$@\"";
    let args = [store, CBOX, "source", "ref", "--store", store];
    let Some(run) = in_namespace(&own.place, script, &args) else {
        return;
    };
    let run = run.code(5).says(&["hint: `df -h "]);
    assert!(
        run.stderr.contains(
            "error: the store cannot take the source: writing to file: No space left on device"
        ) || run.stderr.contains("database or disk is full"),
        "{run}"
    );
}

#[test]
fn an_unprivileged_user_has_it_added_and_held_by_the_daemon() {
    let own = Own::new();
    own.before_in("daemon", "*' metadata '*|*' eval '*", "gc");
    let script = "mount -t tmpfs none /nix
        chown -R 65534:65534 \"$1\"
        mkdir -p /nix/var/nix/daemon-socket /nix/store
        \"$2\" --extra-experimental-features nix-command daemon &
        until [ -S /nix/var/nix/daemon-socket/socket ]; do sleep 0.1; done
        shift 2
        exec setpriv --reuid 65534 --regid 65534 --clear-groups \"$@\"";
    let (folder, real) = (own.place.folder(), real());
    let folders = [folder.to_str().unwrap(), real.to_str().unwrap(), CBOX];
    let args = [&folders[..], &HOSTS, &["-v", "-v"]].concat();
    let Some(run) = in_namespace(&own.place, script, &args) else {
        return;
    };
    let run = run.ok();
    assert_eq!(run.lines().len(), 3, "{run}");
    assert!(!own.garbage().contains("-source"), "{}", own.garbage());
    assert!(!run.stderr.contains(" store add "), "{run}");
}

/// Another machine is a store of its own here, behind what `ssh` would run over there.
#[test]
fn a_store_behind_ssh_takes_it_and_holds_it_too() {
    let own = Own::new();
    let far = format!(
        "case \" $* \" in *' -O check '*) exit 255 ;; *LocalCommand*) echo started ;; esac\n\
         exec nix-daemon --stdio --store {}",
        quoted(&own.store)
    );
    own.place.stand_in("ssh", &far);
    own.before("*' metadata '*|*' eval '*", "gc");
    let store = ["--store", "ssh-ng://far", "-v", "-v"];
    // Nix 2.26 cannot evaluate what is in such a store, which is another matter.
    let run = own.place.cbox(&HOSTS).args(store).run();
    assert_eq!(adds(&run), 1, "{run}");
    assert!(!run.stderr.contains(" store add "), "{run}");
    assert!(!own.garbage().contains("-source"), "{}", own.garbage());
}

#[test]
fn random_trees_get_the_path_that_nix_gives_them() {
    for seed in 1..=6 {
        let place = random_repository(seed);
        let store = |name: &str| place.beside(name).display().to_string();
        let reference = |name: &str| {
            let store = store(name);
            let args = ["source", "ref", "--store", &store, "-v", "-v"];
            place.cbox(&args).run().ok()
        };
        let by_protocol = reference("one");
        assert!(!by_protocol.stderr.contains(" store add "), "{by_protocol}");
        let script = format!(
            "case \" $* \" in *' daemon '*) {NO_DAEMON} ;; esac\nexec {} \"$@\"",
            quoted(real())
        );
        place.stand_in("nix", &script);
        let by_nix = reference("two");
        assert!(by_nix.stderr.contains(" store add "), "{by_nix}");
        assert_eq!(by_protocol.stdout, by_nix.stdout, "seed {seed}");
        fs::remove_file(place.beside("bin/nix")).unwrap();
        let path = by_nix.stdout.trim().strip_prefix("path:").unwrap();
        let path = path.split('?').next().unwrap();
        let store = store("one");
        let verify = ["store", "verify", "--no-trust", "--store", &store, path];
        place.nix(&verify).run().ok();
    }
}
