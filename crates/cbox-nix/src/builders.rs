//! Machines that build for this one, as the setting `builders` lists them.
//!
//! Source of the format: the Nix manual, "Remote builds": machines are separated by
//! semicolons or line feeds, their fields by blanks, and `-` stands for a field's default.

use nix_formats::system::System;

/// A machine that builds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Builder {
    /// Its store, as Nix names it: `ssh-ng://builder`.
    pub uri: String,
    /// What it builds for; none means the asking machine's own system.
    pub systems: Vec<System>,
    /// What it offers beyond that: `kvm`, `big-parallel`.
    pub features: Vec<String>,
}

/// The machines in `setting`, where `read` gives the content of a file that is named
/// behind an `@`.
pub fn parse(setting: &str, read: impl Fn(&str) -> Option<String>) -> Vec<Builder> {
    let mut builders = Vec::new();
    for entry in setting.split([';', '\n']) {
        let entry = entry.split('#').next().unwrap_or_default().trim();
        if let Some(file) = entry.strip_prefix('@') {
            // A file does not name further files.
            let text = read(file).unwrap_or_default();
            builders.extend(text.split([';', '\n']).filter_map(builder));
        } else {
            builders.extend(builder(entry));
        }
    }
    builders
}

fn builder(entry: &str) -> Option<Builder> {
    let entry = entry.split('#').next().unwrap_or_default();
    let mut fields = entry.split_whitespace();
    let uri = fields.next()?.to_owned();
    let list = |field: Option<&str>| -> Vec<String> {
        let field = field.filter(|field| *field != "-").unwrap_or_default();
        let words = field.split(',').filter(|word| !word.is_empty());
        words.map(str::to_owned).collect()
    };
    let systems = list(fields.next());
    // Between them: the key, how many jobs, and how fast.
    let features = list(fields.nth(3));
    Some(Builder {
        uri,
        systems: systems
            .iter()
            .filter_map(|system| system.parse().ok())
            .collect(),
        features,
    })
}

impl Builder {
    /// Whether it builds for `system`, asked from a machine whose own is `native`.
    #[must_use]
    pub fn builds(&self, system: &System, native: &System) -> bool {
        match self.systems.as_slice() {
            [] => system == native,
            systems => systems.contains(system),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_read_from_lists_and_files() {
        let read = |file: &str| {
            (file == "/etc/nix/machines")
                .then(|| "# ours\nssh://c aarch64-linux # slow\n\n".to_owned())
        };
        let found = parse(
            "ssh-ng://a x86_64-linux,i686-linux - 4 2 kvm,big-parallel ; ssh://b - ;@/etc/nix/machines",
            read,
        );
        let names: Vec<&str> = found.iter().map(|builder| builder.uri.as_str()).collect();
        assert_eq!(names, ["ssh-ng://a", "ssh://b", "ssh://c"]);
        assert_eq!(found[0].features, ["kvm", "big-parallel"]);
        let system = |text: &str| text.parse::<System>().unwrap();
        let (x86, arm) = (system("x86_64-linux"), system("aarch64-linux"));
        assert!(found[0].builds(&x86, &arm) && !found[0].builds(&arm, &x86));
        assert!(found[1].builds(&arm, &arm) && !found[1].builds(&x86, &arm));
        assert!(found[2].builds(&arm, &x86));
        assert!(parse(" ; \n@/none", |_| None).is_empty());
    }
}
