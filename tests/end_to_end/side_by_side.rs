//! Evaluations side by side: how many at once, with which heap, and what comes of those that
//! end for want of memory.
//!
//! A stand-in for `nix` sees each evaluation of a host: it counts those that run at once,
//! writes down its environment, and dies where it is told to.

use std::fs;

use rustix::process::Signal;

use crate::support::{
    call::Ended,
    nix::real,
    place::Place,
    processes, quoted,
    tiny::{self, script_host},
    unique, wait_until,
};

const HOSTS: [&str; 3] = ["one", "two", "three"];

const BUILD: [&str; 5] = ["build", "hosts/one", "hosts/two", "hosts/three", "--drv"];

/// A flake with three hosts, new at each run. Before Nix evaluates one of them, `script` is
/// run: `$host` is its name, and `$log` a folder for what is to be known later.
fn with(script: &str) -> Place {
    let hosts: Vec<(&str, String)> = HOSTS
        .iter()
        .map(|name| (*name, script_host(name, &format!(": {}", unique()))))
        .collect();
    let hosts: Vec<(&str, &str)> = hosts
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    let place = Place::flake(&tiny::flake(&hosts));
    for host in HOSTS {
        place.write(format!("hosts/{host}/default.nix"), "{ }");
    }
    // The hosts are named, so that Nix is not asked for their names.
    place.write("cbox.toml", format!("hosts = {HOSTS:?}\n"));
    place.commit("hosts");
    before_evaluation(&place, script);
    place
}

fn before_evaluation(place: &Place, script: &str) {
    let log = place.beside("log");
    fs::create_dir_all(&log).unwrap();
    let nix = real();
    place.stand_in(
        "nix",
        &format!(
            "log='{}'; nix={}\n\
             case \" $* \" in *' --apply '*) ;; *) exec \"$nix\" \"$@\" ;; esac\n\
             case \" $* \" in {} esac\n\
             {script}\n\
             exec \"$nix\" \"$@\"",
            log.display(),
            quoted(nix),
            HOSTS
                .map(|host| format!("*'.\"{host}\" '*) host={host} ;;"))
                .join(" "),
        ),
    );
}

/// What the stand-in wrote down.
fn logged(place: &Place, name: &str) -> String {
    fs::read_to_string(place.beside("log").join(name)).unwrap_or_default()
}

/// The derivations that were printed, by the names in them.
fn judged(ended: &Ended) -> Vec<&str> {
    let lines = ended.stdout.lines();
    let mut names: Vec<&str> = lines
        .filter_map(|line| {
            HOSTS
                .into_iter()
                .find(|host| line.ends_with(&format!("-{host}.drv")))
        })
        .collect();
    names.sort_unstable();
    names
}

/// Fails when two run at once: a folder can be made only once.
const ALONE: &str = "mkdir \"$log/busy\" || echo \"$host\" >>\"$log/together\"
    echo \"$host\" >>\"$log/order\"
    \"$nix\" \"$@\"; code=$?; sleep 0.2; rmdir \"$log/busy\"; exit $code";

/// Waits until two have begun, or for so long that they never will.
const TOGETHER: &str = ": >\"$log/began-$host\"
    n=0; while [ $n -lt 1200 ]; do
      set -- \"$@\"; count=0; for file in \"$log\"/began-*; do count=$((count + 1)); done
      [ $count -ge 2 ] && break; n=$((n + 1)); sleep 0.05
    done
    [ $count -ge 2 ] || echo \"$host\" >>\"$log/alone\"";

#[test]
fn one_job_is_never_two_at_once() {
    let place = with(ALONE);
    place.cbox(&BUILD).args(["--jobs", "1"]).run().ok();
    assert_eq!(logged(&place, "together"), "");
    assert_eq!(logged(&place, "order").lines().count(), 3);
}

#[test]
fn two_jobs_are_two_at_once() {
    let place = with(TOGETHER);
    let run = place.cbox(&BUILD).args(["--jobs", "2"]).run().ok();
    assert_eq!(logged(&place, "alone"), "");
    let order: Vec<&str> = run.lines();
    assert!(
        HOSTS
            .iter()
            .zip(&order)
            .all(|(host, line)| line.ends_with(&format!("-{host}.drv"))),
        "in the order in which they were named: {run}"
    );
}

#[test]
fn hosts_are_listed_with_the_same_options() {
    let place = with(TOGETHER);
    place.cbox(&["hosts", "--jobs", "2"]).run().ok();
    assert_eq!(logged(&place, "alone"), "");

    let place = with(ALONE);
    place.cbox(&["hosts", "--max-memory", "1G"]).run().ok();
    assert_eq!(logged(&place, "together"), "");
}

#[test]
fn memory_that_suffices_for_one_is_one_at_a_time() {
    let place = with(ALONE);
    let options = ["--jobs", "3", "--max-memory", "1G"];
    place.cbox(&BUILD).args(options).run().ok();
    assert_eq!(logged(&place, "together"), "");
}

#[test]
fn what_is_known_is_not_evaluated() {
    let place = with("echo \"$host\" >>\"$log/order\"");
    let first = ["build", "hosts/one", "--drv"];
    let jobs = ["--jobs", "1"];
    place.cbox(&first).args(jobs).run().ok();
    place.cbox(&BUILD).args(jobs).run().ok();
    assert_eq!(logged(&place, "order"), "one\ntwo\nthree\n", "one is known");
}

#[test]
fn an_interruption_ends_all_of_them() {
    let stall = ": >\"$log/began-$host\"; while :; do sleep 1; done";
    let place = with(stall);
    let running = place.cbox(&BUILD).args(["--jobs", "2"]).start();
    wait_until("two evaluations run", || place.names("../log").len() == 2);
    running.signal(Signal::INT);
    let run = running.wait().code(130);
    assert_eq!(place.names("../log").len(), 2, "the third began: {run}");
    assert_eq!(run.stdout, "");
    let stand_in = place.beside("bin/nix");
    assert!(
        processes::with_word(stand_in.to_str().unwrap()).is_empty(),
        "nothing runs any more"
    );
}

const WRITE_HEAP: &str = "echo \"$host ${GC_INITIAL_HEAP_SIZE-none}\" >>\"$log/heap\"";

#[test]
fn the_heap_is_chosen_by_what_is_free() {
    let place = with(WRITE_HEAP);
    // Two gigabytes are free wherever this is built.
    place.ask(&["build", "hosts/one", "--drv"]);
    let heap = logged(&place, "heap");
    assert!(
        ["one 1073741824\n", "one 2147483648\n"].contains(&heap.as_str()),
        "{heap}"
    );
    place.ask(&["build", "hosts/two", "--drv", "--max-memory", "1G"]);
    assert!(logged(&place, "heap").ends_with("two none\n"));
}

#[test]
fn a_heap_that_the_user_set_is_left_alone() {
    let place = with(WRITE_HEAP);
    let call = place.cbox(&BUILD).args(["--jobs", "1"]);
    call.env("GC_INITIAL_HEAP_SIZE", "77M").run().ok();
    assert_eq!(logged(&place, "heap"), "one 77M\ntwo 77M\nthree 77M\n");
}

#[test]
fn one_that_is_killed_is_tried_once_more_alone() {
    let script = format!(
        "{WRITE_HEAP}\n\
         if [ \"$host\" = one ] && mkdir \"$log/died\"; then kill -9 $$; fi\n{ALONE}"
    );
    let place = with(&script);
    let run = place.cbox(&BUILD).args(["--jobs", "2"]).run().ok();
    assert_eq!(judged(&run), ["one", "three", "two"]);
    assert_eq!(run.stderr.matches("trying once more").count(), 1, "{run}");
    let heap = logged(&place, "heap");
    assert_eq!(heap.lines().count(), 4, "{heap}");
    assert_eq!(heap.lines().last(), Some("one none"), "behind the others");
    assert_eq!(logged(&place, "order").lines().last(), Some("one"));
    assert!(!logged(&place, "together").contains("one"), "it ran alone");
    run.says(&["host `one`", "signal 9"]);
    // What came of it is remembered like the others.
    place.ask(&BUILD);
    assert_eq!(logged(&place, "heap"), heap);
}

#[test]
fn one_that_is_killed_always_is_an_error_of_its_own() {
    let dies = "[ \"$host\" = two ] && echo x >>\"$log/died\" && kill -9 $$";
    let place = with(dies);
    let run = place.cbox(&BUILD).run().code(5);
    assert_eq!(judged(&run), ["one", "three"]);
    assert_eq!(logged(&place, "died").lines().count(), 2);
    assert_eq!(run.stderr.matches("error:").count(), 1, "{run}");
    run.says(&["was killed by signal 9", "host `two`", "want of memory"]);

    let run = place.cbox(&["hosts", "--json"]).run().code(5);
    let hosts = run.json()["hosts"].clone();
    assert_eq!(hosts.as_array().unwrap().len(), 3, "{run}");
    for host in hosts.as_array().unwrap() {
        assert_eq!(host["error"].is_object(), host["host"] == "two", "{run}");
    }
}

#[test]
fn one_without_memory_always_is_an_error_with_a_way_out() {
    let place = with("[ \"$host\" = two ] && echo 'error: out of memory' >&2 && exit 1");
    let run = place.cbox(&BUILD).run().code(5);
    assert_eq!(judged(&run), ["one", "three"]);
    let errors = run.stderr.lines().filter(|line| line.starts_with("error:"));
    assert_eq!(errors.count(), 1, "{run}");
    run.says(&["not enough memory", "host `two`", "--jobs 1", "swap"]);
}

#[test]
fn other_ways_to_say_that_memory_is_out() {
    for dies in [
        "echo 'error: out of memory' >&2; exit 1",
        "echo \"Can't start up: not enough memory\" >&2; exit 1",
        "echo 'GC Warning: Out of Memory! Heap size: 9 MiB. Returning NULL!' >&2; kill -6 $$",
        "exit 137",
    ] {
        let script = format!("if [ \"$host\" = three ] && mkdir \"$log/died\"; then {dies}; fi");
        let place = with(&script);
        let run = place.cbox(&BUILD).run().ok();
        assert_eq!(run.stderr.matches("trying once more").count(), 1, "{run}");
        assert_eq!(judged(&run), ["one", "three", "two"]);
    }
}

#[test]
fn a_stack_that_overflows_is_no_want_of_memory() {
    let recursion = "let f = n: 1 + f (n + 1); in f 0";
    let infinite = "let x = x; in x";
    let text = tiny::flake(&[("one", recursion), ("two", infinite)]);
    let place = Place::flake(&text);
    for host in ["hosts/one", "hosts/two"] {
        let run = place.cbox(&["build", host, "--drv"]).run().code(7);
        assert!(!run.stderr.contains("memory"), "{run}");
        run.says(&["does not evaluate"]);
    }
}

#[test]
fn what_a_flake_throws_is_no_want_of_memory() {
    let text = tiny::flake(&[("one", "throw \"out of memory\"")]);
    let place = Place::flake(&text);
    let run = place.cbox(&["build", "hosts/one", "--drv"]).run().code(7);
    assert!(!run.stderr.contains("once more"), "{run}");
}

#[test]
fn bad_values_get_one_sentence() {
    let place = with("");
    for command in [
        &["build", "hosts/one"][..],
        &["hosts"],
        &["appliance", "iso"],
    ] {
        if command[0] == "appliance" {
            place.write(
                "cbox.toml",
                "[[target]]\nkind = \"appliance\"\nformat = \"iso\"\nhost = \"one\"\n\
                 attribute = \"system.build.toplevel\"\nartifact = \"*.iso\"\n",
            );
        }
        for (option, value, sentence) in [
            ("--jobs", "0", "whole number, at least 1"),
            ("--jobs", "many", "whole number, at least 1"),
            ("--max-memory", "4", "a whole number with a unit"),
            ("--max-memory", "lots", "a whole number with a unit"),
            ("--max-memory", "0G", "more than 0"),
            (
                "--max-memory",
                "99999999T",
                "an amount that a machine can have",
            ),
        ] {
            let run = place.cbox(command).args([option, value]).run().code(2);
            run.says(&[sentence, option]);
        }
    }
}

#[test]
fn megabytes_of_traces_are_neither_shown_nor_kept() {
    let script = script_host("one", &format!(": {}", unique()));
    let loud = format!(
        "builtins.foldl' (last: n: builtins.trace \"${{toString n}} {}\" last) ({script}) \
         (builtins.genList (n: n) 60000)",
        "x".repeat(90)
    );
    let place = Place::flake(&tiny::flake(&[("one", &loud)]));
    let target = ["build", "hosts/one", "--drv"];
    let quiet = place.cbox(&target).run().ok();
    assert!(!quiet.stderr.contains("trace:"), "{quiet}");

    place.write("new", unique());
    let loud = place.cbox(&target).args(["-v"]).run().ok();
    assert_eq!(loud.stderr.matches("hosts/one> trace: ").count(), 20);
    assert!(loud.stderr.len() < 10_000);
    loud.says(&["hosts/one> and 59980 more lines"]);
}

#[test]
fn warnings_without_end_fill_no_memory() {
    // The bound is cbox's: the stand-in lifts it for itself.
    let line = format!("warning: {}", "x".repeat(990));
    let place = with(&format!(
        "ulimit -S -v unlimited; yes '{line}' | head -c 200000000 >&2"
    ));
    let run = place
        .call("sh")
        .args(["-c", "ulimit -S -v 150000; exec \"$@\"", "sh"])
        .args([
            env!("CARGO_BIN_EXE_cbox"),
            "build",
            "hosts/one",
            "--drv",
            "-v",
        ])
        .run()
        .ok();
    assert_eq!(run.stderr.matches("warning: ").count(), 1, "{run}");
}

#[test]
fn an_error_behind_many_warnings_is_the_error() {
    let bad = "builtins.foldl' (last: n: builtins.trace \"loud\" last) (throw \"no such luck\") \
               (builtins.genList (n: n) 20000)";
    let loud = format!(
        "builtins.seq (builtins.trace \"loud ${{builtins.concatStringsSep \"\" (builtins.genList toString 30000)}}\" 1) ({bad})"
    );
    for text in [bad, &loud] {
        let place = Place::flake(&tiny::flake(&[("one", text)]));
        for more in [&[][..], &["--", "--show-trace"]] {
            let target = [&["build", "hosts/one", "--drv"], more].concat();
            let run = place.cbox(&target).run().code(7);
            assert!(!run.stderr.contains("trace: loud"), "{run}");
            run.says(&["no such luck"]);
        }
    }
}
