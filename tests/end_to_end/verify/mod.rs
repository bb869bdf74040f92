//! `cbox verify-hosts` and `cbox accept`: what each host is measured by, what is said of
//! it, and how that is recorded.

mod accept;
mod bad_baseline;
mod explain;
mod formats;
mod history;
mod interrupted;
mod merged;
mod own_store;
mod parts;
mod remembered;
mod revisions;
mod shards;
mod tracked;
mod verdicts;

use crate::support::{
    call::{Call, Ended},
    place::Place,
    tiny,
};

const BASELINE: &str = "baseline.json";

/// The host of the mini box that runs on this kind of machine.
const HOST: &str = "hosts/mini-thinkcentre/default.nix";

/// A flake with these hosts, each a shell script, and no baseline yet.
fn hosts(hosts: &[(&str, &str)]) -> Place {
    let place = Place::flake(&tiny::of_folders());
    for (host, script) in hosts {
        set(&place, host, script);
    }
    place.commit("hosts");
    place
}

/// The same, accepted as it is and committed.
fn accepted(names: &[(&str, &str)]) -> Place {
    let place = hosts(names);
    accept(&place);
    place
}

/// The mini box, accepted as it is and committed.
fn accepted_minibox() -> Place {
    let place = Place::minibox();
    accept(&place);
    place
}

/// Accepts the hosts as they are, and commits that.
#[track_caller]
fn accept(place: &Place) {
    place.cbox(&["accept"]).run().ok();
    place.commit("accepted");
}

/// Writes a host that is a shell script.
fn set(place: &Place, host: &str, script: &str) {
    let text = tiny::script_host(host, script);
    place.write(format!("hosts/{host}/default.nix"), text);
}

/// A call of `cbox verify-hosts`.
fn verify(place: &Place, args: &[&str]) -> Call {
    place.cbox(&["verify-hosts"]).args(args)
}

/// The verdicts of a run, in its order: `changed box`.
fn verdicts(run: &Ended) -> Vec<String> {
    let hosts = run.stdout.lines().filter(|line| !line.starts_with(' '));
    hosts
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().take(2).collect();
            words.join(" ")
        })
        .collect()
}

/// The baseline, as JSON.
#[track_caller]
fn baseline(place: &Place) -> serde_json::Value {
    serde_json::from_str(&place.read(BASELINE)).unwrap()
}

/// What the baseline has on a host.
#[track_caller]
fn entry(place: &Place, host: &str, field: &str) -> String {
    let value = &baseline(place)["hosts"][host][field];
    value.as_str().unwrap_or_default().to_owned()
}

/// The commit that `revision` is.
#[track_caller]
fn commit(place: &Place, revision: &str) -> String {
    place.git(&["rev-parse", revision]).text().to_owned()
}
