//! Whatever stands in a value reaches Nix as data.

use crate::support::{nix::native, place::Place};

/// Texts that mean something to Nix, to a shell, to JSON or to a command line.
const TEXTS: [&str; 14] = [
    "a \"quoted\" word",
    "${builtins.abort \"evaluated\"}",
    "$${x} \\${y} ''${z}",
    "''two quotes''",
    "two\nlines\n\tand a tab\r",
    "--",
    "--impure",
    "--option pure-eval false",
    "; throw \"x\"",
    "$(touch /tmp/x) `id` $HOME",
    "back\\slash \\\" \\n",
    "{\"_type\": \"override\", \"priority\": 1}",
    "  spaces around  ",
    "ä ☃ 𝄞",
];

#[test]
fn a_text_given_by_set_is_the_text_of_the_option() {
    let place = Place::minibox();
    let platform = format!("nixpkgs.buildPlatform={}", native());
    let mut args = vec!["build".to_owned(), "hosts/mini-thinkcentre".into()];
    args.extend(["--set".to_owned(), platform]);
    for (number, text) in TEXTS.iter().enumerate() {
        let value = serde_json::Value::from(*text);
        args.extend([
            "--set".into(),
            format!("environment.etc.text{number}.text={value}"),
        ]);
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    place.ask(&args);
    for (number, text) in TEXTS.iter().enumerate() {
        let file = format!("out/hosts-mini-thinkcentre/etc/text{number}");
        assert_eq!(place.read(file), *text);
    }
    let manifest = place.manifest("hosts-mini-thinkcentre");
    let overrides = manifest["overrides"].as_array().unwrap();
    for (number, text) in TEXTS.iter().enumerate() {
        let option = format!("environment.etc.text{number}.text");
        let forced = overrides.iter().find(|forced| forced["option"] == option);
        assert_eq!(forced.unwrap()["value"], *text);
    }
}

#[test]
fn a_text_in_cbox_toml_is_the_text_of_the_option() {
    let place = Place::minibox();
    let config = place.read("cbox.toml");
    let overrides: String = TEXTS
        .iter()
        .enumerate()
        .map(|(number, text)| {
            let value = toml::Value::from(*text);
            format!("\"environment.etc.text{number}.text\" = {value}\n")
        })
        .collect();
    place.write("cbox.toml", format!("{config}{overrides}"));
    let plan = place.cbox(&["appliance", "raw", "--dry-run", "--json"]);
    let drv = plan.run().ok().json()["targets"][0]["drvPath"].clone();
    let closure = place
        .nix(&["path-info", "--recursive", drv.as_str().unwrap()])
        .run()
        .ok();
    for (number, text) in TEXTS.iter().enumerate() {
        let name = format!("-etc-text{number}.drv");
        let found = closure
            .lines()
            .into_iter()
            .find(|line| line.ends_with(&name));
        let shown = place
            .nix(&["derivation", "show", found.unwrap()])
            .run()
            .ok();
        let shown = shown.json();
        assert!(holds_text(&shown, text), "{text:?} in {shown:#}");
    }
}

/// Whether an attribute `text` with this value is in what `nix derivation show` gave,
/// whose form differs between versions of Nix.
fn holds_text(shown: &serde_json::Value, text: &str) -> bool {
    match shown {
        serde_json::Value::Object(map) => {
            map.get("text").is_some_and(|found| found == text)
                || map.values().any(|inner| holds_text(inner, text))
        }
        serde_json::Value::Array(list) => list.iter().any(|inner| holds_text(inner, text)),
        _ => false,
    }
}

#[test]
fn values_keep_their_types() {
    let place = Place::minibox();
    let run = |set: &str| {
        place
            .cbox(&["appliance", "iso", "--drv", "--set", set])
            .run()
    };
    let drv = |set: &str| run(set).ok().stdout;
    for (good, bad) in [
        ("environment.etc.a.text=\"1\"", "environment.etc.a.text=1"),
        (
            "environment.etc.motd.executable=true",
            "environment.etc.motd.executable=\"true\"",
        ),
        ("boot.kernelParams=[\"one\"]", "boot.kernelParams=one"),
    ] {
        drv(good);
        run(bad).code(7).says(&["is not of type"]);
    }
    assert_ne!(
        drv("system.configurationRevision=null"),
        drv("system.configurationRevision=\"null\"")
    );
    assert_eq!(
        drv("networking.hostName=plain-word"),
        drv("networking.hostName=\"plain-word\"")
    );
}

#[test]
fn an_option_with_a_dot_in_its_name_stands_in_quotes() {
    let place = Place::minibox();
    let set = "environment.etc.\"a.b\".text=\"c\"";
    let plan = place.cbox(&["appliance", "iso", "--dry-run", "--json", "--set", set]);
    let plan = plan.run().ok();
    assert_eq!(plan.forced("environment.etc.\"a.b\".text"), "c");
    let plan = plan.json();
    let built = plan["plan"]["build"].to_string();
    assert!(built.contains("etc-a.b.drv"), "{plan:#}");
}

#[test]
fn a_forced_value_wins_over_the_flake() {
    let place = Place::minibox();
    let args = ["appliance", "iso", "--set", "networking.hostName=other"];
    place.ask(&args);
    assert_eq!(place.manifest("appliance-iso")["hostName"], "other");
}

#[test]
fn a_flake_may_lie_in_a_folder_of_any_name() {
    let name = "it's \"a\" ${b} ''c'' #d?e=f&g%20 -- ü";
    let place = Place::minibox_in(name);
    let printed = place.ask(&["appliance", "iso"]);
    assert!(place.path(printed).is_file());
    let link = place.path("out/appliance-iso");
    assert_eq!(place.roots(&place.link("appliance-iso")), [link]);
    let elsewhere = place.cbox(&["--flake", name, "appliance", "iso"]);
    elsewhere.folder(place.folder()).run().ok();
}

#[test]
fn a_flake_may_lie_in_a_folder_of_any_name_in_its_repository() {
    let place = Place::minibox();
    let plain = place.drv(&["appliance", "iso"]);
    let dir = "it's \"a\" ${b} #d?e=f&g%20 ü";
    let script = "mkdir \"$1\" && mv [!i.]* .gitignore \"$1\"";
    place.call("sh").args(["-c", script, "sh", dir]).run().ok();
    place.commit("moved");
    assert_eq!(place.drv(&["--flake", dir, "appliance", "iso"]), plain);
}

#[test]
fn a_branch_may_have_any_name() {
    let place = Place::minibox();
    let name = "it's/${b}-\"x\"";
    place.git(&["checkout", "--quiet", "-b", name]);
    let plan = place.cbox(&["appliance", "iso", "--stamp", "--dry-run", "--json"]);
    let plan = plan.run().ok();
    assert_eq!(plan.forced("system.configurationBranch"), name);
}

#[test]
fn the_flake_can_be_named_behind_the_target() {
    let place = Place::minibox();
    let plain = place.drv(&["appliance", "iso"]);
    for args in [
        ["--flake", "repo", "appliance", "iso", "--drv"],
        ["appliance", "iso", "--drv", "--flake", "repo"],
    ] {
        let run = place.cbox(&args).folder(place.folder()).run().ok();
        assert_eq!(run.text(), plain, "{args:?}");
    }
}
