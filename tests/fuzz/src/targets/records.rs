//! Documents: the baseline, manifests, `cbox.toml`, `flake.lock`, what Nix says of paths.

use cbox_driver::{baseline::Baseline, flake::config::Config, links::manifest::Manifest};
use nix_formats::{closure::PathInfos, flake_lock::Lock};
use serde_json::Value;

use super::{kind_of, roughly, text, told};

/// What another parser has to take too.
fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<Value>(bytes).is_ok()
}

pub(super) fn baseline(bytes: &[u8]) -> u64 {
    match Baseline::parse(bytes) {
        Ok(baseline) => {
            assert!(is_json(bytes));
            let written = baseline.to_json();
            assert_eq!(Baseline::parse(written.as_bytes()).as_ref(), Ok(&baseline));
            assert!(is_json(written.as_bytes()));
            told(roughly(baseline.hosts.len()))
        }
        Err(error) => told(kind_of(error)),
    }
}

pub(super) fn manifest(bytes: &[u8]) -> u64 {
    match Manifest::parse(bytes) {
        Ok(manifest) => {
            assert!(is_json(bytes));
            let written = serde_json::to_vec(&manifest).unwrap_or_default();
            // A number may lose what no number can hold.
            let again = Manifest::parse(&written)
                .map(|again| serde_json::to_vec(&again).unwrap_or_default());
            assert_eq!(again, Ok(written));
            let checksum = manifest.checksum("out/x");
            told((
                roughly(manifest.overrides.len()),
                checksum.is_some(),
                manifest.source.dirty,
            ))
        }
        Err(error) => told(kind_of(error)),
    }
}

pub(super) fn config(bytes: &[u8]) -> u64 {
    let text = text(bytes);
    match Config::parse(&text, "cbox.toml".into()) {
        Ok(config) => {
            assert!(toml::from_str::<toml::Table>(&text).is_ok());
            for target in &config.targets {
                assert!(!target.systems().is_empty() && target.overrides().is_ok());
            }
            told((
                config.targets.len(),
                config.hosts.map(|hosts| hosts.len()),
                config.source.allow.len(),
            ))
        }
        Err(error) => {
            if let Some(place) = error.place {
                assert!(
                    place.line >= 1 && place.line <= text.split('\n').count(),
                    "{}",
                    error.message
                );
            }
            told(kind_of(error.message))
        }
    }
}

pub(super) fn lock(bytes: &[u8]) -> u64 {
    let lock = match Lock::parse(Some(bytes)) {
        Ok(lock) => lock,
        Err(error) => return told(kind_of(error)),
    };
    assert!(is_json(bytes));
    let words = ["a", "a/b", "b/c", "a/a/a", "c/a", "root", ""];
    let answers = words.map(|path| {
        let wrong = lock.check_override(path).err().map(kind_of);
        (
            wrong,
            lock.follows(path, "b"),
            lock.follows("a", path),
            lock.node_locked_as(path).is_some(),
        )
    });
    told(answers)
}

pub(super) fn path_info(bytes: &[u8]) -> u64 {
    let infos = match PathInfos::parse(bytes) {
        Ok(infos) => infos,
        Err(error) => return told(kind_of(error)),
    };
    assert!(is_json(bytes));
    let value: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let inside = value.get("info").unwrap_or(&value).as_object();
    let listed = value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| one["path"].as_str());
    let roots = inside
        .into_iter()
        .flatten()
        .map(|(path, _)| path.as_str())
        .chain(listed);
    let mut answers = Vec::new();
    for root in roots.take(4) {
        let closure = match infos.closure(root) {
            Ok(closure) => closure,
            Err(missing) => {
                answers.push((0, kind_of(missing)));
                continue;
            }
        };
        let number = closure.members().len();
        assert_eq!(closure.freed().len(), number);
        for member in 0..number.min(20) {
            let way = closure.way(member);
            assert!(way.len() <= number && closure.only_way(member).len() <= number);
            assert!(closure.dominator(member).is_none_or(|above| above < number));
            assert!(closure.freed_by(&[member]) <= closure.size());
            assert!(closure.referrers(member).iter().all(|one| *one < number));
        }
        answers.push((roughly(number), String::new()));
    }
    told(answers)
}
