//! `cbox reproduce`: what is built again, and what of it differs.

use std::fs;

use rustix::process::Signal;

use crate::support::{
    call::Ended,
    nix::native,
    place::Place,
    processes,
    tiny::{self, script_host},
    unique, wait_until,
};

/// The beginning of a script that knows whether it runs for the second time: it then has `again`.
fn counted(place: &Place) -> String {
    let mark = place.beside("mark");
    let mark = mark.display();
    format!("PATH=/bin:/usr/bin; again=; test -e {mark} && again=yes; touch {mark}; ")
}

/// A place with a store of its own, whose host `box` is made by this script.
fn place(script: &str) -> Place {
    let place = Place::flake("{ }").with_own_store();
    let script = format!("{}{script}", counted(&place));
    place.write("flake.nix", tiny::scripts(&[("box", &script)]));
    place.commit("a host");
    place
}

/// A build of `box`, and the mark gone, so that the next one is the second.
fn built(place: &Place) -> String {
    place.cbox(&["build", "hosts/box"]).run().ok();
    place.link("hosts-box")
}

/// The lines on standard output, blanks made one.
fn rows(run: &Ended) -> Vec<String> {
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    run.lines().iter().map(|line| words(line)).collect()
}

#[test]
fn the_images_of_the_mini_box_are_the_same_twice() {
    let place = Place::minibox();
    let targets = ["appliance/iso", "appliance/raw", "appliance/qcow2"];
    let other = match native().as_str() {
        "x86_64-linux" => "aarch64-linux",
        _ => "x86_64-linux",
    };
    let all = targets.iter().flat_map(|target| {
        let of_other = format!("{target}/{other}");
        [(*target).to_owned(), of_other]
    });
    let all: Vec<String> = all.collect();
    let words = ["reproduce"]
        .into_iter()
        .chain(all.iter().map(String::as_str));
    let run = place.cbox(&words.collect::<Vec<_>>()).run().ok();
    let lines = run.lines();
    assert_eq!(lines.len(), all.len(), "{run}");
    for (line, target) in lines.iter().zip(&all) {
        let start = format!("{target} is the same twice: /nix/store/");
        assert!(line.starts_with(&start), "{run}");
    }
    assert!(place.names("out").is_empty(), "no link is made");
}

#[test]
fn what_is_built_stays_as_it_is() {
    let place = place("echo same >$out");
    let out = built(&place);
    let manifest = place.manifest("hosts-box");
    let run = place.cbox(&["reproduce", "box"]).run().ok();
    let line = format!("hosts/box is the same twice: {out} (built again in ");
    assert!(run.stdout.starts_with(&line), "{run}");
    assert_eq!(run.lines().len(), 1, "{run}");
    assert!(!run.stderr.contains("not built yet"), "{run}");
    assert_eq!(place.link("hosts-box"), out);
    assert_eq!(place.manifest("hosts-box"), manifest);
    // One that is not built is built twice.
    place.edit("flake.nix", "echo same", "echo another");
    let run = place.cbox(&["reproduce", "box", "--json"]).run().ok();
    let told = run.json();
    let target = &told["targets"][0];
    assert_eq!(target["isSame"], true, "{told}");
    assert_eq!(target["isBuiltFirst"], true, "{told}");
    assert_ne!(target["outPath"], out.as_str());
    assert!(target["outputs"].as_array().unwrap().is_empty());
    run.says(&["hosts/box is not built yet, so it is built twice"]);
    assert_eq!(place.link("hosts-box"), out, "the link is that of before");
}

#[test]
fn each_difference_has_its_line() {
    let place = place(
        "mkdir -p $out/bin; cd $out; echo same >same; echo a${again:-no} >text
        printf '0123456789' >bytes; ln -s to$again link; echo x >bin/x; touch kind
        if test $again; then printf '012x45678y' >bytes; chmod +x bin/x; echo n >new
        rm kind; mkdir kind; else mkdir gone; touch gone/a gone/b; fi",
    );
    let out = built(&place);
    let run = place.cbox(&["reproduce", "box"]).run().code(15);
    let expected = [
        &*format!("hosts/box differs: {out}"),
        "bin/x executable not executable, then so",
        "bytes content 10 B; 2 bytes differ, from byte 3",
        "gone missing a folder",
        "kind kind a file of 0 B, then a folder",
        "link target to, then toyes",
        "new added a file of 2 B",
        "text content 4 bytes, then 5; from byte 1",
    ];
    assert_eq!(rows(&run), expected, "{run}");
    let check = format!("{out}.check");
    run.says(&[
        "error: hosts/box is not the same twice: 7 of 9 files differ",
        &format!("hint: the second build is {check} until it is built again or garbage is collected; `diffoscope {out} {check}` shows"),
        "Nix kept the folder in which it built, too: ",
    ]);
    assert_eq!(
        fs::read_to_string(format!("{check}/text")).unwrap(),
        "ayes\n"
    );
    assert_eq!(place.link("hosts-box"), out);
    assert_eq!(fs::read_to_string(format!("{out}/text")).unwrap(), "ano\n");

    let told = place.cbox(&["reproduce", "box", "--json", "--junit", "../report.xml"]);
    let told = told.run().code(15).json();
    let target = &told["targets"][0];
    assert_eq!(target["isSame"], false);
    let output = &target["outputs"][0];
    assert_eq!(output["checkPath"], check.as_str());
    assert_eq!(output["fileCount"], 9);
    let bytes = &output["differences"][1];
    assert_eq!(bytes["path"], "bytes", "{told}");
    assert_eq!(
        (&bytes["firstByte"], &bytes["differingSize"]),
        (&3.into(), &2.into())
    );
    let report = fs::read_to_string(place.beside("report.xml")).unwrap();
    assert!(report.contains(r#"failures="1""#), "{report}");
    assert!(report.contains(r#"<failure type="reproduce" message="hosts/box is not the same"#));
    place.nix(&["store", "gc"]).run().ok();
    assert!(!fs::exists(&check).unwrap(), "it goes with the garbage");
    assert!(fs::exists(&out).unwrap());
}

#[test]
fn an_image_is_looked_into() {
    let place = Place::flake("{ }").with_own_store();
    let raw = "dd if=/dev/zero of=$out bs=512 count=40 2>/dev/null
        put() { printf $2 | dd of=$out bs=1 seek=$1 conv=notrunc 2>/dev/null; }
        put 510 '\\125\\252'; put 450 '\\203'; put 454 '\\010'; put 458 '\\020'
        test $again && put 4100 x";
    let script = format!("{}{raw}; :", counted(&place));
    let host = script_host("disk.raw", &script);
    place.write(
        "flake.nix",
        format!(
            "{{ outputs = _: {{ nixosConfigurations._box.config = {{\n\
             nixpkgs.hostPlatform.system = \"{}\";\nsystem.build.raw = {host};\n}}; }}; }}\n",
            native()
        ),
    );
    place.write(
        "cbox.toml",
        format!(
            "hosts = []\n[[target]]\nkind = \"box\"\nformat = \"raw\"\nhost = \"_box\"\n\
             system = \"{}\"\nattribute = \"system.build.raw\"\nartifact = \"*.raw\"\n",
            native()
        ),
    );
    place.commit("an image");
    place.cbox(&["build", "box/raw"]).run().ok();
    let run = place.cbox(&["reproduce", "box", "raw"]).run().code(15);
    assert_eq!(
        rows(&run)[1],
        "disk.raw content 20.5 kB; 1 byte differs, from byte 4100, which is byte 4 of partition 1",
        "{run}"
    );
    let told = place
        .cbox(&["reproduce", "box/raw", "--json"])
        .run()
        .code(15);
    let place_told = &told.json()["targets"][0]["outputs"][0]["differences"][0]["place"];
    let expected = serde_json::json!({ "part": "partition", "name": "1", "byte": 4 });
    assert_eq!(*place_told, expected);
}

#[test]
fn a_second_build_can_fail() {
    let place = place("echo a last word; test $again && exit 3; echo good >$out");
    let out = built(&place);
    let run = place.cbox(&["reproduce", "box"]).run().code(8);
    assert_eq!(run.stdout, "");
    run.says(&[
        "error: hosts/box cannot be built again: the build of ",
        "failed with exit code 3; the last line of its log:\n  | a last word",
    ]);
    assert_eq!(place.link("hosts-box"), out);
    assert_eq!(fs::read_to_string(&out).unwrap(), "good\n");
    let run = place.cbox(&["reproduce", "box", "--json"]).run().code(8);
    let told = run.json();
    assert_eq!(told["errors"][0]["kind"], "build", "{told}");
    assert!(told["targets"].as_array().unwrap().is_empty());
}

/// What a builder or a cache gave, this machine may be unable to build.
#[test]
fn what_another_machine_built_cannot_be_built_here() {
    let other = match native().as_str() {
        "x86_64-linux" => "aarch64-linux",
        _ => "x86_64-linux",
    };
    let place = place("echo other >$out");
    let text = place.read("flake.nix");
    let script = format!("system = \"{}\"; builder", native());
    let foreign = format!("system = \"{other}\"; builder");
    assert!(text.contains(&script));
    place.write("flake.nix", text.replace(&script, &foreign));
    place.commit("for another machine");
    // Here it can be for once.
    let emulated = ["--", "--option", "extra-platforms", other];
    place
        .cbox(&[&["build", "hosts/box"][..], &emulated].concat())
        .run()
        .ok();
    place
        .cbox(&[&["reproduce", "hosts/box"][..], &emulated].concat())
        .run()
        .ok();
    let words = [
        "reproduce",
        "hosts/box",
        "--",
        "--option",
        "extra-platforms",
        "",
    ];
    let run = place.cbox(&words).run().code(11);
    run.says(&[
        "error: hosts/box cannot be built again: ",
        "hint: Nix builds again on the machine of the store alone, and asks no builder",
    ]);
}

#[test]
fn ctrl_c_stops_it() {
    let word = unique();
    let place = place(&format!("test $again && sleep 99; echo {word} >$out"));
    let out = built(&place);
    let running = place
        .cbox(&["reproduce", "box"])
        .env("CBOX_TEST_WORD", &word)
        .start();
    wait_until("it is built again", || {
        running.said().contains("building box")
    });
    running.signal(Signal::INT);
    let ended = running.wait().code(130);
    assert_eq!(ended.stdout, "", "{ended}");
    assert_eq!(place.link("hosts-box"), out);
    assert_eq!(fs::read_to_string(&out).unwrap(), format!("{word}\n"));
    wait_until("no process is left", || {
        processes::with_word(&word).is_empty()
    });
}

#[test]
fn several_are_each_told() {
    let place = Place::flake("{ }").with_own_store();
    let (mark, differs) = (counted(&place), "echo x$again >$out");
    let bad = "test $again && exit 3; echo good >$out";
    place.write(
        "flake.nix",
        tiny::scripts(&[
            ("bad", &format!("{mark}{bad}")),
            ("differs", &format!("{mark}{differs}")),
            ("same", "echo same >$out"),
        ]),
    );
    place.commit("hosts");
    let all = ["bad", "differs", "same"].map(|name| format!("hosts/{name}"));
    for target in &all {
        place.cbox(&["build", target]).run().ok();
        // The third has none.
        let _gone = fs::remove_file(place.beside("mark"));
    }
    fs::write(place.beside("mark"), "").unwrap();
    let words = ["reproduce"]
        .into_iter()
        .chain(all.iter().map(String::as_str));
    let run = place.cbox(&words.collect::<Vec<_>>()).run().code(8);
    let rows = rows(&run);
    assert!(rows[0].starts_with("hosts/differs differs: "), "{run}");
    assert!(
        rows[1].ends_with("differs content 2 bytes, then 5; from byte 1"),
        "{run}"
    );
    assert!(
        rows[2].starts_with("hosts/same is the same twice: "),
        "{run}"
    );
    run.says(&[
        "error: hosts/bad cannot be built again",
        "error: hosts/differs is not the same twice: 1 of 1 file differs",
    ]);
}

#[test]
fn what_is_no_target_is_named() {
    let place = place("echo same >$out");
    let run = place.cbox(&["reproduce", "nothing"]).run().code(2);
    run.says(&["error: ", "nothing"]);
    place.cbox(&["reproduce"]).run().code(2);
}
