//! `cbox diff ssh://HOST …`: the system that another machine runs.

use super::lab::{BUILDER, Lab, each_with_builder};
use crate::support::{
    call::Ended,
    place::Place,
    tiny::{self, script_host},
    unique,
};

/// A host that needs a package at a version.
fn place() -> Place {
    let (word, tool) = (unique(), script_host("tool-1.0", "echo >$out"));
    let script = format!("echo {word} ${{tool}} >$out");
    let host = script_host("nixos-system-box-1", &script).replace("\\${tool}", "${tool}");
    let host = host.replace("derivation {", "derivation { tools = [ tool ];");
    Place::flake(&tiny::flake(&[(
        "box",
        &format!("let tool = {tool}; in {host}"),
    )]))
}

fn diff(lab: &Lab, sides: [&str; 2]) -> Ended {
    lab.cbox(&["diff"]).args(sides).run()
}

#[test]
fn what_a_machine_runs_is_compared() {
    each_with_builder(place, |lab| {
        let bare = diff(lab, ["ssh://builder", "box"]).code(2);
        bare.says(&[
            "the machine `ssh://builder` does not run NixOS: it has no /run/current-system",
        ]);
        let built = lab.cbox(&["build", "box", "--store", BUILDER]).run().ok();
        let system = built.text();
        lab.call("ln")
            .args(["-s", system, "/run/current-system"])
            .run()
            .ok();
        for machine in ["ssh://builder", "ssh-ng://root@builder"] {
            assert_eq!(
                diff(lab, [machine, "box"]).ok().text(),
                "the same derivation"
            );
        }
        // Another version, which is not built: the derivation of what runs there is here.
        lab.place.edit("flake.nix", "tool-1.0", "tool-1.1");
        let run = diff(lab, ["ssh://builder", "box"]).ok();
        for part in [
            "tool 1.0 → 1.1: 2 rebuilt",
            "packages, as far as the derivations tell: 1 changed\n   tool 1.0 → 1.1",
        ] {
            assert!(run.stdout.contains(part), "{part}: {run}");
        }
        // Once both are built, what they need counts.
        lab.cbox(&["build", "box"]).run().ok();
        let run = diff(lab, ["ssh://builder", "box"]).ok();
        assert!(
            run.stdout.contains("packages: 1 changed; closure "),
            "{run}"
        );
        let json = lab
            .cbox(&["diff", "ssh://builder", "box", "--json"])
            .run()
            .ok()
            .json();
        let found = &json["diff"];
        assert_eq!(found["old"]["outPath"], system);
        assert_eq!(found["packageChanges"]["compared"], "closures");
        // A link needs no flake.
        let run = lab.cbox(&["diff", "ssh://builder", "out/hosts-box"]);
        assert!(run.run().ok().stdout.contains("   tool 1.0 → 1.1"));
        // As if it had been built elsewhere.
        let drv = found["old"]["drvPath"].as_str().unwrap();
        lab.nix(&["store", "delete", drv]).run().ok();
        let run = diff(lab, ["ssh://builder", "box"]).ok();
        let run = run.says(&[
            "not explained: the derivation that built ssh://builder is not in the store (any more)",
        ]);
        assert!(run.stdout.contains("   tool 1.0 → 1.1"), "{run}");
        lab.place.edit("flake.nix", "tool-1.1", "tool-1.2");
        let run = diff(lab, ["ssh://builder", "box"]).ok();
        let heading = "packages, as far as the derivations of one tell: 1 changed";
        assert_eq!(run.lines(), [heading, "   tool 1.0 → 1.2"], "{run}");
        // Nobody lets us in, or nobody is there.
        let gone = diff(lab, ["ssh://builder:9", "box"]).code(5);
        gone.says(&["the machine `ssh://builder:9` cannot be reached: ssh: connect to host"]);
        let call = lab.cbox(&["diff", "ssh://builder", "box"]);
        let refused = call.env(
            "NIX_SSHOPTS",
            "-i /dev/null -o IdentitiesOnly=yes -F /dev/null",
        );
        refused.run().code(5).says(&["cannot be reached: "]);
    });
}
