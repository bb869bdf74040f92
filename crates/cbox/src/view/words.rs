//! Progress as lines, for a pipe and for what stays on a terminal.

use std::{collections::BTreeMap, time::Duration};

use cbox_driver::{
    progress::{
        Ended, News,
        builds::{Build, Silence, Summary},
    },
    text::{count, duration, size},
};

use super::rows::{place, running_for};

/// What came of an event, as a line.
pub(super) fn news(news: &News, now: Duration) -> String {
    let lasted = |since| duration(now.saturating_sub(since));
    match news {
        News::Doing(text) => text.clone(),
        // Of those that take no time there is nothing to be said.
        News::Evaluating(one) => match one.last.filter(|last| last.as_secs() >= 1) {
            Some(last) => format!("evaluating {} ({} last time)", one.name, duration(last)),
            None => format!("evaluating {}", one.name),
        },
        News::Evaluated { evaluation, good } => {
            let (name, lasted) = (&evaluation.name, lasted(evaluation.since));
            match good {
                true => format!("evaluated {name} in {lasted}"),
                false => format!("failed: evaluating {name} after {lasted}"),
            }
        }
        News::Copying(copying) => match copying.bytes.expected {
            0 => copying.what.clone(),
            expected => format!("{} ({})", copying.what, size(expected)),
        },
        News::Copied { copying, done } => {
            let bytes = size(copying.bytes.done);
            format!("{done} {bytes} in {}", lasted(copying.since))
        }
        News::Building(build) => format!("building {}", place(build)),
        News::Built { build, failed } => match failed {
            true => format!("failed: {} after {}", build.name(), lasted(build.since)),
            false => format!("built {} in {}", build.name(), lasted(build.since)),
        },
        News::Silent(build, known) => silence(build, known, now),
        News::Pushing(pushing) => format!("pushing {} to {}", pushing.target, pushing.store),
        News::Pushed { pushing, failed } => {
            let (target, lasted) = (&pushing.target, lasted(pushing.since));
            match failed {
                true => format!("failed: pushing {target} after {lasted}"),
                false => format!("pushed {target} in {lasted}"),
            }
        }
        News::Fetching(from) => format!("fetching from {}", store(from)),
        News::Sending(to) => format!("copying to {}", store(to)),
    }
}

/// A store in words: old releases of Nix leave out the machine.
fn store(uri: &str) -> &str {
    match uri {
        "ssh://" | "ssh-ng://" => "another machine",
        uri => uri,
    }
}

/// What is known of a build that says nothing: what it is, and how to look.
fn silence(build: &Build, silence: &Silence, now: Duration) -> String {
    let long = running_for(now, build.heard);
    let machine = match &silence.kvm {
        Some(reason) => {
            format!(", and KVM does not work on this machine: {reason}. It may wait forever")
        }
        None => String::new(),
    };
    let log = &silence.log;
    let look = match (&silence.kvm, &build.machine) {
        (Some(_), _) => format!(
            "see its output with `{log}` and its machine with `pgrep -af qemu-system`; \
             Ctrl-C stops it, and `cbox doctor` shows how to mend that"
        ),
        (None, Some(machine)) => {
            format!(
                "see its output with `{log}`, and its machine on {machine} with `pgrep -af qemu-system`"
            )
        }
        (None, None) => {
            format!("see its output with `{log}`, and its machine with `pgrep -af qemu-system`")
        }
    };
    format!(
        "{} has printed nothing for {long}; it runs in a virtual machine{machine}\n  {look}",
        place(build)
    )
}

/// Which machines built how much, where others than this one did: ` (2 here, 40 on ssh://a)`.
pub(super) fn machines(ended: &[Ended]) -> String {
    let mut machines: BTreeMap<Option<&str>, usize> = BTreeMap::new();
    for build in ended.iter().filter(|build| !build.failed) {
        *machines.entry(build.machine.as_deref()).or_default() += 1;
    }
    if machines.keys().all(Option::is_none) {
        return String::new();
    }
    let words = machines.iter().map(|(machine, number)| match machine {
        Some(machine) => format!("{number} on {machine}"),
        None => format!("{number} here"),
    });
    format!(" ({})", words.collect::<Vec<_>>().join(", "))
}

/// What was done in all, by `machines` where there were several.
pub(super) fn summary(summary: &Summary, machines: &str, time: Duration) -> String {
    let Summary {
        built,
        failed,
        paths,
        bytes,
        pushed,
    } = *summary;
    let mut parts = Vec::new();
    if built > 0 {
        let derivations = count(number(built), "derivation");
        parts.push(format!("built {derivations}{machines}"));
    }
    if failed > 0 {
        parts.push(format!("{failed} failed"));
    }
    match (paths, bytes) {
        (0, 0) => {}
        (0, bytes) => parts.push(format!("fetched {}", size(bytes))),
        (paths, 0) => parts.push(format!("fetched {}", count(number(paths), "path"))),
        (paths, bytes) => parts.push(format!(
            "fetched {} ({})",
            count(number(paths), "path"),
            size(bytes)
        )),
    }
    if parts.is_empty() {
        parts.push("nothing to build or fetch".to_owned());
    }
    if pushed > 0 {
        parts.push(format!("pushed {}", count(number(pushed), "target")));
    }
    format!("{}, in {}", parts.join(", "), duration(time))
}

fn number(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::{
        recorded::{read, recorded},
        rows::heartbeat,
    };
    use cbox_driver::progress::{UnderWay, builds::Builds};
    use cbox_nix::events::Event;

    const fn seconds(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    #[test]
    fn a_recorded_failure_is_told_line_by_line() {
        for stream in recorded!("failing") {
            let (_, all) = read(stream, |_| false);
            let mut lines: Vec<String> = all.iter().map(|one| news(one, seconds(500))).collect();
            lines.iter_mut().for_each(|line| {
                if let Some(end) = line.find(" after ") {
                    line.truncate(end);
                }
            });
            lines.sort();
            assert_eq!(
                lines,
                [
                    "building bad",
                    "building silent",
                    "failed: bad",
                    "failed: silent"
                ]
            );
        }
    }

    #[test]
    fn a_silent_machine_is_told_with_what_is_known() {
        let told = |machine: Option<&str>, kvm: Option<&str>| {
            let mut builds = Builds::begun(seconds(0), Some(seconds(30)), vec![]);
            let drv = "/nix/store/hash-image.drv".to_owned();
            let event = Event::BuildStarted {
                id: 1,
                drv: drv.clone(),
                machine: machine.map(str::to_owned),
            };
            builds.event(&event, seconds(5));
            assert!(builds.newly_silent(seconds(34)).is_empty());
            let silent = builds.newly_silent(seconds(35));
            assert_eq!(silent.len(), 1);
            assert!(builds.newly_silent(seconds(99)).is_empty());
            let known = Silence {
                kvm: kvm.map(str::to_owned),
                log: format!("nix log {drv}"),
            };
            let build = builds.explain(&drv, &known).unwrap();
            let under_way = UnderWay {
                builds: Some(builds),
                ..UnderWay::default()
            };
            let line = heartbeat(&under_way, seconds(95)).unwrap();
            let in_short = match kvm {
                Some(_) => " · no output for 1 min 30 s · KVM does not work",
                None => " · no output for 1 min 30 s · in a virtual machine",
            };
            assert!(line.ends_with(in_short), "{line}");
            news(&News::Silent(build, known), seconds(95))
        };
        assert_eq!(
            told(None, Some("it has no /dev/kvm")),
            "image has printed nothing for 1 min 30 s; it runs in a virtual machine, and KVM does \
             not work on this machine: it has no /dev/kvm. It may wait forever\n  \
             see its output with `nix log /nix/store/hash-image.drv` and its machine with \
             `pgrep -af qemu-system`; Ctrl-C stops it, and `cbox doctor` shows how to mend that"
        );
        assert_eq!(
            told(Some("ssh://far"), None),
            "image on ssh://far has printed nothing for 1 min 30 s; it runs in a virtual machine\n  \
             see its output with `nix log /nix/store/hash-image.drv`, and its machine on \
             ssh://far with `pgrep -af qemu-system`"
        );
    }

    #[test]
    fn machines_are_counted_where_there_are_others() {
        let ended = |machine: Option<&str>, failed| Ended {
            drv: String::new(),
            machine: machine.map(str::to_owned),
            failed,
        };
        assert_eq!(machines(&[ended(None, false), ended(None, false)]), "");
        let all = [
            ended(Some("ssh://b"), false),
            ended(Some("ssh://a"), false),
            ended(None, false),
            ended(Some("ssh://b"), false),
            ended(Some("ssh://c"), true),
        ];
        assert_eq!(machines(&all), " (1 here, 1 on ssh://a, 2 on ssh://b)");
    }

    #[test]
    fn the_summary_has_times_and_sizes() {
        let all = Summary {
            built: 3,
            failed: 1,
            paths: 12,
            bytes: 120_000_000,
            pushed: 2,
        };
        assert_eq!(
            summary(&all, "", seconds(72)),
            "built 3 derivations, 1 failed, fetched 12 paths (120.0 MB), pushed 2 targets, in 1 min 12 s"
        );
        assert_eq!(
            summary(&Summary::default(), "", Duration::from_millis(420)),
            "nothing to build or fetch, in 0.4 s"
        );
    }
}
