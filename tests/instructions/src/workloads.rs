//! What is counted. The input of each is the same at all times, and made before it is counted.

use std::{fs, path::Path};

use cbox_driver::{baseline::Baseline, links::manifest::Manifest};
use cbox_nix::events::Reader;
use cbox_source::{list, rules::Rules, stage, tree::Tree};
use drv_causes::explain;
use nix_formats::derivation::Derivation;

use crate::derivations::{COUNT, number, path, text};

/// The work on an input that is ready.
type Work = Box<dyn Fn() -> Result<(), String>>;
/// Makes ready.
type Make = fn() -> Result<Work, String>;

/// All of them, by name.
pub(crate) const WORKLOADS: &[(&str, Make)] = &[
    ("baseline", baseline),
    ("causes", causes),
    ("derivations", derivations),
    ("events", events),
    ("manifest", manifest),
    ("stage", stage),
];

const FILES: usize = 1_000;
const HOSTS: usize = 200;
const MANIFESTS: usize = 200;
/// How often the recorded events are read.
const RECORDINGS: usize = 5;

fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Which files of a tree belong to it, and its hash.
fn stage() -> Result<Work, String> {
    let top = tempfile::tempdir().map_err(told)?;
    let mut listed = Vec::new();
    for number in 0..FILES {
        let kind = if number % 10 == 0 { "md" } else { "nix" };
        let file = format!("folder-{:02}/file-{:02}.{kind}", number / 100, number % 100);
        let line = format!("# line of file {number:04}, which has some length\n");
        let whole = top.path().join(&file);
        fs::create_dir_all(whole.parent().unwrap_or(top.path())).map_err(told)?;
        fs::write(whole, line.repeat(number % 40)).map_err(told)?;
        listed.extend_from_slice(file.as_bytes());
        listed.push(0);
    }
    Ok(Box::new(move || {
        let exclude = ["*.md", "/folder-07/*", "!/folder-07/file-7?.nix", "**/x/**"];
        let exclude = exclude.map(str::to_owned);
        let rules = Rules::new(Path::new(""), &exclude, &[], Default::default()).map_err(told)?;
        let files = list::from_git(&listed, b"");
        let tree = Tree::select(top.path(), files, &rules, false).map_err(told)?;
        let hashed = stage::hash(&tree, &|| false).map_err(told)?;
        match hashed.contents.len() {
            819 => Ok(()),
            other => Err(format!("{other} files are staged")),
        }
    }))
}

/// Derivations read, and written byte for byte.
fn derivations() -> Result<Work, String> {
    let texts: Vec<String> = (0..COUNT).map(|number| text(0, number)).collect();
    Ok(Box::new(move || {
        for text in &texts {
            let derivation = Derivation::from_aterm_bytes(text.as_bytes()).map_err(told)?;
            if derivation.to_aterm_bytes() != text.as_bytes() {
                return Err(format!("comes back otherwise: {text}"));
            }
        }
        Ok(())
    }))
}

/// Why a graph differs of which everything is built anew.
fn causes() -> Result<Work, String> {
    let graph = |side| (0..COUNT).map(move |number| text(side, number)).collect();
    let graphs: [Vec<String>; 2] = [graph(0), graph(1)];
    Ok(Box::new(move || {
        let read = |paths: &[&str]| -> Result<Vec<Derivation>, String> {
            let of = |path: &&str| {
                let (side, number) = number(path).ok_or("no path of the graph")?;
                let text = graphs.get(side).and_then(|graph| graph.get(number));
                let text = text.ok_or("not in the graph")?;
                Derivation::from_aterm_bytes(text.as_bytes()).map_err(told)
            };
            paths.iter().map(of).collect()
        };
        let why = explain(&path(0, COUNT - 1), &path(1, COUNT - 1), &read).map_err(told)?;
        let differences = why.causes.first().map(|cause| &cause.differences);
        match differences.and_then(|all| all.first()) {
            Some(difference) if difference.field == "word" => Ok(()),
            other => Err(format!("the cause is {other:?}")),
        }
    }))
}

/// What Nix tells of builds while they run.
fn events() -> Result<Work, String> {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/cbox-nix/src/events/recorded");
    let read = |name: &str| fs::read(folder.join(name)).map_err(told);
    let recorded = [
        "2.26-lines.jsonl",
        "2.26-fetched.jsonl",
        "2.26-failing.jsonl",
        "2.34-lines.jsonl",
        "2.34-fetched.jsonl",
        "2.34-failing.jsonl",
    ];
    let recorded: Vec<Vec<u8>> = recorded
        .iter()
        .map(|name| read(name))
        .collect::<Result<_, _>>()?;
    Ok(Box::new(move || {
        let mut told = 0;
        for _ in 0..RECORDINGS {
            for text in &recorded {
                let mut reader = Reader::default();
                let lines = text.split(|&byte| byte == b'\n');
                told += lines.filter_map(|line| reader.line(line)).count();
            }
        }
        if told > 100 {
            Ok(())
        } else {
            Err(format!("{told} events are told"))
        }
    }))
}

/// What the hosts of a fleet were accepted as, read and written.
fn baseline() -> Result<Work, String> {
    let hosts: Vec<String> = (0..HOSTS)
        .map(|host| {
            format!(
                r#""host-{host:03}": {{"system": "x86_64-linux", "drvPath": "{}", "outPath": "/nix/store/{host:032}-nixos", "flakeLock": "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="}}"#,
                path(0, host)
            )
        })
        .collect();
    let text = format!(r#"{{"schema": 2, "hosts": {{{}}}}}"#, hosts.join(", "));
    Ok(Box::new(move || {
        let baseline = Baseline::parse(text.as_bytes()).map_err(told)?;
        let again = Baseline::parse(baseline.to_json().as_bytes()).map_err(told)?;
        match again == baseline && again.hosts.len() == HOSTS {
            true => Ok(()),
            false => Err("the baseline comes back otherwise".to_owned()),
        }
    }))
}

/// The records of what is under `out/`.
fn manifest() -> Result<Work, String> {
    let drv = path(0, 1);
    let out = drv.trim_end_matches(".drv").to_owned();
    let text = format!(
        r#"{{"schema": 1, "target": "appliance/iso", "host": "box", "hostName": "b", "system": "x86_64-linux", "drv": "{drv}", "out": "{out}", "output": "out", "artifact": {{"path": "iso/a.iso", "size": 1, "sha256": "00"}}, "overrides": [{{"option": "a.b", "value": {{"c": [1, null, true, "x"]}}}}], "source": {{"path": "{out}", "narHash": "sha256-x", "revision": "r", "branch": null, "dirty": true, "local": [], "overriddenInputs": []}}, "tools": {{"cbox": "0.1.0", "nix": "2.26.3"}}, "linkedAt": 1700000000}}"#
    );
    Ok(Box::new(move || {
        for _ in 0..MANIFESTS {
            let manifest = Manifest::parse(text.as_bytes()).map_err(told)?;
            manifest.checksum("out/x").ok_or("there is no checksum")?;
        }
        Ok(())
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_does_its_work_more_than_once() {
        for (name, make) in WORKLOADS {
            let work = make().unwrap();
            for _ in 0..2 {
                work().unwrap_or_else(|error| panic!("{name}: {error}"));
            }
        }
    }
}
