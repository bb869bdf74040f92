//! Texts: what Nix, builders, machines and the kernel print, and words of the command line.

use std::{path::Path, time::Duration};

use cbox_driver::{
    boot::{
        console::{Cleaner, Screened},
        menu::Menu,
    },
    ci::{Defuser, defused},
    flake::submodules,
    flash::block_devices,
    progress::{Event, UnderWay, builds::Wanted},
    target_name::TargetName,
    text::{
        bounded, byte_size::ByteSize, duration::parse_duration, harmless, harmless_json,
        harmless_lines, is_obeyed, memory_size::parse_size, visible,
    },
};
use cbox_nix::{
    builders,
    events::{self, Reader},
    messages::Messages,
    nix_error::{Fault, cause},
    overrides::{OptionPath, Setting},
    plan::Plan,
};
use cbox_source::{audit_rules, placeholder::Placeholder};
use nix_formats::{
    nar::NarHash,
    nix_text::{string_literal, to_user_positions, without_escapes},
    nixbase32,
    package_name::PackageName,
    store_path::{DrvPath, OutPath, StorePath},
    system::System,
};

use super::{kind_of, roughly, text, told};

/// Nothing in it is obeyed by a terminal, but line feeds and tabs.
fn is_plain(text: &str) -> bool {
    !text.contains(|one: char| one.is_control() && !"\n\t".contains(one))
}

/// Lines of Nix's log, up to the view's state; in bounded memory and without escapes.
pub(super) fn events(bytes: &[u8]) -> u64 {
    let (mut reader, mut messages) = (Reader::default(), Messages::default());
    let mut under_way = UnderWay::default();
    let wanted = Wanted {
        name: "a".to_owned(),
        needs: Default::default(),
    };
    under_way.event(
        Event::BuildsBegan {
            wanted: vec![wanted],
            log: None,
        },
        Duration::ZERO,
    );
    let mut seen = [0_usize; 4];
    for (number, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        messages.push(line);
        let Some(event) = reader.line(line) else {
            continue;
        };
        match &event {
            events::Event::BuildLog { line, .. } => {
                assert!(is_plain(line) && line.len() < 10_000);
                seen[0] += 1;
            }
            events::Event::Message { text, .. } => {
                assert!(is_plain(text));
                seen[1] += 1;
            }
            _ => seen[2] += 1,
        }
        let now = Duration::from_millis(number as u64 * 10);
        seen[3] += under_way.event(Event::Nix(&event), now).len();
    }
    if let Some(builds) = &mut under_way.builds {
        let now = Duration::from_secs(9999);
        let running = builds.running().len();
        assert!(builds.newly_silent(now).len() <= running);
        std::hint::black_box((
            builds.counts(),
            builds.fetched(now),
            builds.summary(),
            builds.failed(),
        ));
    }
    let failed = reader.failed_builds();
    assert!(
        failed
            .iter()
            .all(|build| build.tail.iter().all(|line| is_plain(line)))
    );
    assert!(messages.lines().all(|line| is_plain(&line)));
    told((
        seen.map(roughly),
        failed.len().min(9),
        reader.other_errors().len().min(9),
        reader.has_failed(),
    ))
}

pub(super) fn menu(bytes: &[u8]) -> u64 {
    let text = text(bytes);
    let answers = [Menu::of_grub(&text), Menu::of_syslinux(&text)].map(|menu| match menu {
        Menu::Speaks => (1, 0),
        Menu::Silent => (2, 0),
        Menu::Way(way) => {
            assert!(way.0.iter().all(|step| step.down < step.of));
            (3, way.0.len())
        }
    });
    told(answers)
}

/// All at once and in pieces is the same, and nothing is obeyed.
pub(super) fn console(bytes: &[u8]) -> u64 {
    let (first, second) = bytes.split_at(bytes.len() / 3);
    let at_once = Cleaner::new().clean(bytes);
    let mut cleaner = Cleaner::new();
    let pieces = cleaner.clean(first) + &cleaner.clean(second);
    assert_eq!(at_once, pieces);
    assert!(!at_once.contains(|one: char| is_obeyed(one) && !"\n\t".contains(one)));
    let mut defuser = Defuser::default();
    let middle = at_once.floor_char_boundary(at_once.len() / 2);
    let halves = defuser.defused(&at_once[..middle]) + &defuser.defused(&at_once[middle..]);
    assert_eq!(halves, Defuser::default().defused(&at_once));
    let screened = Screened::default().screen(bytes);
    let mut again = Screened::default();
    assert_eq!(
        screened,
        [again.screen(first), again.screen(second)].concat()
    );
    let strings = [
        b"\x1b]",
        b"\x1bP",
        b"\x1bX",
        b"\x1b^",
        b"\x1b_",
        &[0xc2, 0x9d],
    ];
    assert!(
        !screened
            .windows(2)
            .any(|two| strings.iter().any(|string| two == *string))
    );
    told((
        roughly(at_once.len()),
        roughly(screened.len()),
        at_once.lines().count().min(50),
    ))
}

pub(super) fn submodules(bytes: &[u8]) -> u64 {
    let text = text(bytes);
    let folders = submodules::folders(&text);
    told((submodules::wanted(&text), folders.len().min(20)))
}

pub(super) fn nix_error(bytes: &[u8]) -> u64 {
    let text = text(bytes);
    let staged = "/nix/store/00000000000000000000000000000000-source";
    let fault = Fault::of(&text, "", staged);
    let causes = [
        cause::of_build(&text),
        cause::of_git(&text),
        text.lines().find_map(cause::of_log),
    ];
    let _positions = to_user_positions(&text, "/root", staged, "..");
    let plan = Plan::parse(&text);
    let cause = format!("{:?}", fault.cause);
    let kinds = causes.map(|cause| cause.map(|cause| kind_of(format!("{cause:?}"))));
    told((
        kind_of(cause),
        kinds,
        fault.summary.is_empty(),
        plan.is_empty(),
    ))
}

pub(super) fn audit(bytes: &[u8]) -> u64 {
    let size = bytes.len() as u64;
    let found = audit_rules::of_content(Path::new("a/b.nix"), bytes, size);
    let lines = bytes.split(|&byte| byte == b'\n').count();
    assert!(
        found
            .iter()
            .all(|found| found.line.is_none_or(|line| line >= 1 && line <= lines))
    );
    let head = &bytes[..bytes.len().min(1024)];
    let placeholder = Placeholder::detect(head, size).is_some();
    let kinds: std::collections::BTreeSet<&str> =
        found.iter().map(|found| found.finding.name()).collect();
    told((kinds, placeholder))
}

pub(super) fn kernel(bytes: &[u8]) -> u64 {
    let text = text(bytes);
    let content = block_devices::content(&text);
    told((
        block_devices::mounts(&text).len().min(20),
        block_devices::swaps(&text).len().min(20),
        (content.filesystem.is_some(), content.label.is_some()),
        block_devices::number(&text).is_some(),
    ))
}

/// Words that name something; what is read comes back as itself when it is written.
pub(super) fn words(bytes: &[u8]) -> u64 {
    let text = text(bytes);
    let text = &text[..text.floor_char_boundary(4096)];
    fn same<T: std::str::FromStr + ToString + PartialEq + std::fmt::Debug>(text: &str) -> bool {
        let parsed = text.parse::<T>().ok();
        if let Some(value) = &parsed {
            assert_eq!(
                value.to_string().parse::<T>().ok().as_ref(),
                Some(value),
                "{text}"
            );
        }
        parsed.is_some()
    }
    let parsed = [
        same::<TargetName>(text),
        same::<OptionPath>(text),
        same::<System>(text),
        same::<DrvPath>(text),
        same::<OutPath>(text),
        same::<ByteSize>(text),
        text.parse::<Setting>().is_ok(),
        parse_duration(text).is_ok(),
        parse_size(text).is_ok(),
        StorePath::from_absolute_path(text, "/nix/store").is_ok(),
        NarHash::from_sri(text).is_some(),
    ];
    if let Some(decoded) = nixbase32::decode(text) {
        assert_eq!(nixbase32::encode(&decoded), text);
    }
    assert_eq!(
        nixbase32::decode(&nixbase32::encode(bytes)).as_deref(),
        Some(bytes)
    );
    let package = PackageName::parse(text);
    assert!(package.is_same_package(&package));
    let builders = builders::parse(text, |_| None).len().min(9);
    let literal = string_literal(text);
    assert!(literal.starts_with('"') && literal.ends_with('"'));
    told((parsed, builders))
}

/// The gate: nothing is obeyed behind it, and JSON means the same.
pub(super) fn gate(bytes: &[u8]) -> u64 {
    let text = text(bytes);
    let obeyed = |text: &str| text.contains(|one: char| is_obeyed(one) && !"\n\t".contains(one));
    let lines = harmless_lines(&text);
    assert!(!obeyed(&lines) && !obeyed(&visible(&lines)));
    assert_eq!(
        harmless_lines(&lines),
        lines,
        "what is harmless stays as it is"
    );
    let line = harmless(&text, 500);
    assert!(!line.contains(is_obeyed) && line.chars().count() <= 500 * 10 + 1);
    assert!(bounded(&text).len() <= 256 * 1024 + 100);
    assert!(is_plain(&without_escapes(&text)));
    let safe = defused(&lines);
    assert_eq!(defused(&safe), safe);
    assert!(
        safe.split('\n')
            .all(|line| !line.trim_start().starts_with("::"))
            && !safe.contains("##[")
    );
    assert_eq!(
        safe.replace(' ', ""),
        lines.replace(' ', ""),
        "blanks alone are added"
    );
    let value = serde_json::json!({ &*text: [&*text] });
    let document = format!("{value:#}");
    let safe = harmless_json(&document);
    assert!(!obeyed(&safe) && !safe.contains("##"));
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&safe)
            .ok()
            .as_ref(),
        Some(&value)
    );
    told((
        lines.len() == text.len(),
        roughly(lines.len()),
        safe.len() == document.len(),
    ))
}
