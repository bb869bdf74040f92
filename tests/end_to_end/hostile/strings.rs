//! Strings of somebody else's collection, the "big list of naughty strings" say: as names of
//! files, as values of cbox.toml and a flake, as words of the command line.

use std::{ffi::OsStr, fs, path::PathBuf};

use super::{
    attack,
    texts::{in_json, in_nix},
};
use crate::support::{
    nix::{native, say_left_out},
    place::Place,
};

/// How many are planted at once.
const AT_ONCE: usize = 60;

fn strings() -> Option<Vec<String>> {
    let text = fs::read_to_string(std::env::var_os("CBOX_STRINGS")?).unwrap();
    let strings = serde_json::from_str(&text);
    let lines = || {
        text.lines()
            .filter(|line| !line.starts_with('#'))
            .map(str::to_owned)
            .collect()
    };
    let mut strings: Vec<String> = strings.unwrap_or_else(|_| lines());
    strings.retain(|one| !one.is_empty() && !one.contains('\0'));
    strings.sort();
    strings.dedup();
    Some(strings)
}

#[test]
fn a_collection_of_others_is_shown_and_not_obeyed() {
    let Some(strings) = strings() else {
        say_left_out("no CBOX_STRINGS names a collection");
        return;
    };
    for some in strings.chunks(AT_ONCE) {
        let hosts: String = some
            .iter()
            .map(|one| {
                let name = in_nix(one);
                format!(
                    "{name} = {{ config.nixpkgs.hostPlatform.system = \"{}\"; config.networking.hostName = {name}; \
                     config.system.build.toplevel = derivation {{ name = \"x\"; system = \"{0}\"; builder = \"/bin/sh\"; \
                     text = {name}; args = [ \"-c\" \"echo \\\"$text\\\"; exit 1\" ]; }}; }};\n",
                    native()
                )
            })
            .collect();
        let place = Place::flake(&format!(
            "{{ outputs = _: {{ nixosConfigurations = {{\n{hosts} }}; }}; }}"
        ));
        for one in some {
            let name = one.replace('/', "|");
            let name = &name[..name.floor_char_boundary(255)];
            if ![".", ".."].contains(&name) {
                place.write(PathBuf::from("planted").join(OsStr::new(name)), one);
            }
        }
        let listed = place.beside("listed");
        let call = place
            .cbox(&["source", "list", "-z"])
            .stdout(fs::File::create(&listed).unwrap());
        call.run().ok();
        let number = fs::read(&listed).unwrap().split(|byte| *byte == 0).count();
        assert!(number > some.len() / 2, "{number}");
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let mut lines: Vec<Vec<String>> = [
            "hosts",
            "init --print",
            "source list",
            "source list --sizes",
            "source audit",
            "verify-hosts",
        ]
        .map(words)
        .to_vec();
        lines.extend(
            some.iter()
                .map(|one| vec!["build".to_owned(), one.clone(), "--dry-run".to_owned()]),
        );
        attack(&place, &lines, |call| call);
        for one in some {
            place.write("cbox.toml", format!("hosts = [{}]\n", in_json(one)));
            attack(&place, &[words("list")], |call| call);
        }
    }
}
