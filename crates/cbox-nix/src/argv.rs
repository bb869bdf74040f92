//! The arguments of each call of `nix`, made without calling it.

use std::{ffi::OsString, path::Path};

use nix_formats::nix_text::query_value;

use crate::pass_through::PassThrough;

/// Options that hold for every call of one run.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `--store`: where everything is.
    pub store: Option<String>,
    /// The store to evaluate in, where `store` is one whose files cannot be read here.
    pub eval_store: Option<String>,
    /// `--offline`.
    pub offline: bool,
    /// `--builders`.
    pub builders: Option<String>,
    /// Replaced inputs, by name, each with its reference.
    pub override_inputs: Vec<(String, String)>,
    /// What the user passes on.
    pub pass_through: PassThrough,
    /// Whether something may be built during evaluation.
    pub import_from_derivation: bool,
    /// Whether evaluation writes nothing to the store.
    pub read_only: bool,
    /// Whether no further build is begun when one has failed.
    pub fail_fast: bool,
}

impl Options {
    /// A `nix` call that has to do with evaluating: its words, then what holds for every call.
    fn call(&self, words: &[&str]) -> Vec<OsString> {
        self.call_in(self.eval_store.as_ref().or(self.store.as_ref()), words)
    }

    /// The same, for what has to do with building.
    fn call_to_build(&self, words: &[&str]) -> Vec<OsString> {
        self.call_in(self.store.as_ref(), words)
    }

    fn call_in(&self, store: Option<&String>, words: &[&str]) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec![
            "--extra-experimental-features".into(),
            "nix-command flakes".into(),
        ];
        arguments.extend(words.iter().map(OsString::from));
        if let Some(store) = store {
            arguments.extend(["--store".into(), store.into()]);
        }
        if self.offline {
            arguments.push("--offline".into());
        }
        arguments.extend(self.pass_through.everywhere.iter().map(OsString::from));
        arguments
    }

    /// `nix config show --json`.
    #[must_use]
    pub fn show_config(&self) -> Vec<OsString> {
        self.call(&["config", "show", "--json"])
    }

    /// `nix store add`: puts `folder` into the store under the name `source`.
    #[must_use]
    pub fn add(&self, folder: &Path) -> Vec<OsString> {
        let mut arguments = self.call(&["store", "add", "--name", "source"]);
        arguments.push(folder.into());
        arguments
    }

    /// `nix daemon --stdio`: speaks the worker protocol for the store of this run. What is
    /// larger than the buffer is written while it comes, and not kept in memory until its end.
    #[must_use]
    pub fn daemon(&self) -> Vec<OsString> {
        const BUFFER: &str = "1048576";
        self.call(&["daemon", "--stdio", "--option", "nar-buffer-size", BUFFER])
    }

    /// `nix store delete`: removes a path that nothing holds.
    #[must_use]
    pub fn delete(&self, path: &str) -> Vec<OsString> {
        self.call(&["store", "delete", path])
    }

    /// `nix path-info`: succeeds if all `paths` are valid where it is evaluated.
    #[must_use]
    pub fn path_info(&self, paths: &[&str]) -> Vec<OsString> {
        let mut arguments = self.call(&["path-info"]);
        arguments.extend(paths.iter().map(OsString::from));
        arguments
    }

    /// The same where it is built.
    #[must_use]
    pub fn built_path_info(&self, installable: &str) -> Vec<OsString> {
        self.call_to_build(&["path-info", installable])
    }

    /// `nix copy`: brings derivations with all that they need to where it is built.
    #[must_use]
    pub fn bring(&self, drvs: &[&str]) -> Vec<OsString> {
        let mut arguments = self.call(&["copy"]);
        if let Some(store) = &self.store {
            arguments.extend(["--to".into(), store.into()]);
        }
        arguments.extend(drvs.iter().map(OsString::from));
        arguments
    }

    /// `nix copy`: copies what was built with all that it needs to `store`, with its events on
    /// standard error.
    #[must_use]
    pub fn push(&self, store: &str, path: &str) -> Vec<OsString> {
        self.call_to_build(&["copy", "--log-format", "internal-json", "--to", store, path])
    }

    /// `nix store info` of any store.
    #[must_use]
    pub fn store_info(&self, uri: &str) -> Vec<OsString> {
        let mut arguments = self.call(&["store", "info"]);
        // Behind the run's own store: the last one counts.
        arguments.extend(["--store".into(), uri.into()]);
        arguments
    }

    /// `nix path-info --json` of one path that was built, or of one below it.
    #[must_use]
    pub fn path_info_json(&self, path: &str) -> Vec<OsString> {
        self.call_to_build(&["path-info", "--json", path])
    }

    /// `nix path-info --json` of all that `paths`, which were built, need.
    #[must_use]
    pub fn closure(&self, paths: &[&str]) -> Vec<OsString> {
        let mut arguments = self.call_to_build(&["path-info", "--json", "--recursive"]);
        arguments.extend(paths.iter().map(OsString::from));
        arguments
    }

    /// `nix flake prefetch --json` of `reference`. The registry on the network is asked only for
    /// what it alone can tell; Nix itself downloads it for every reference.
    #[must_use]
    pub fn prefetch(&self, reference: &str) -> Vec<OsString> {
        let mut words = vec!["flake", "prefetch", "--json"];
        if !reference.starts_with("flake:") {
            words.extend(["--option", "flake-registry", ""]);
        }
        words.push(reference);
        self.call(&words)
    }

    /// `nix flake metadata --json` of `reference`.
    #[must_use]
    pub fn metadata(&self, reference: &str) -> Vec<OsString> {
        self.call(&[
            "flake",
            "metadata",
            "--json",
            "--no-write-lock-file",
            reference,
        ])
    }

    /// `nix flake metadata` of a staged flake, which fails where its lock file does not fit.
    /// Overrides must not be among its arguments: with one, Nix only warns.
    #[must_use]
    pub fn judge_lock(&self, reference: &str, offline: bool) -> Vec<OsString> {
        let mut words = vec!["flake", "metadata", "--json", "--no-update-lock-file"];
        // Most locks are judged by what is here. (Nix still tries to download what is not, once
        // and without binary caches.)
        if offline && !self.offline {
            words.push("--offline");
        }
        words.push(reference);
        self.call(&words)
    }

    /// `nix flake metadata` of a staged flake, which says on standard error what it would
    /// change in the lock file.
    #[must_use]
    pub fn propose_lock(&self, reference: &str) -> Vec<OsString> {
        let words = ["flake", "metadata", "--json", "--no-write-lock-file"];
        self.call(&[&words[..], &["--offline", reference]].concat())
    }

    /// `nix eval --apply` of an attribute of a staged flake.
    #[must_use]
    pub fn eval(&self, reference: &str, attribute: &str, expression: &str) -> Vec<OsString> {
        let mut arguments = self.call(&[
            "eval",
            "--json",
            "--no-write-lock-file",
            "--no-eval-cache",
            // Without it Nix may leave out the one place that is the user's own.
            "--show-trace",
        ]);
        let allow = if self.import_from_derivation {
            "true"
        } else {
            "false"
        };
        arguments.extend(["--option", "allow-import-from-derivation", allow].map(OsString::from));
        for (name, reference) in &self.override_inputs {
            arguments.extend(["--override-input", name, reference].map(OsString::from));
        }
        if self.read_only {
            arguments.push("--read-only".into());
        }
        // Behind whatever is passed on, so that nothing there can undo it.
        arguments.extend(["--option", "pure-eval", "true"].map(OsString::from));
        arguments.push(format!("{reference}#{}", fragment(attribute)).into());
        arguments.extend(["--apply", expression].map(OsString::from));
        arguments
    }

    /// `nix build`, with its events on standard error.
    #[must_use]
    pub fn build(&self, installables: &[String], link: Option<&Path>) -> Vec<OsString> {
        let mut arguments =
            self.call_to_build(&["build", "--json", "--log-format", "internal-json"]);
        if let Some(store) = &self.eval_store {
            arguments.extend(["--eval-store".into(), store.into()]);
        }
        if !self.fail_fast {
            arguments.push("--keep-going".into());
        }
        self.push_build_options(&mut arguments);
        match link {
            Some(link) => arguments.extend(["--out-link".into(), link.into()]),
            None => arguments.push("--no-link".into()),
        }
        arguments.extend(installables.iter().map(OsString::from));
        arguments
    }

    /// `nix build --rebuild`: builds once more what is in the store, and keeps what came out
    /// differently beside it.
    #[must_use]
    pub fn rebuild(&self, installable: &str) -> Vec<OsString> {
        let mut arguments = self.build(&[installable.to_owned()], None);
        arguments.extend(["--rebuild", "--keep-failed"].map(OsString::from));
        arguments
    }

    /// `nix build --dry-run`.
    #[must_use]
    pub fn dry_run(&self, installables: &[String]) -> Vec<OsString> {
        let mut arguments = self.call_to_build(&["build", "--dry-run", "--no-link"]);
        self.push_build_options(&mut arguments);
        arguments.extend(installables.iter().map(OsString::from));
        arguments
    }

    /// `nix build` of a path that is there already: makes `link`, replacing one that is
    /// there in one step, and registers it as an indirect root of the garbage collector.
    #[must_use]
    pub fn link(&self, store_path: &str, link: &Path) -> Vec<OsString> {
        let mut arguments = self.call_to_build(&["build"]);
        arguments.extend(["--out-link".into(), link.into(), store_path.into()]);
        arguments
    }

    fn push_build_options(&self, arguments: &mut Vec<OsString>) {
        if let Some(builders) = &self.builders {
            arguments.extend(["--builders".into(), builders.into()]);
        }
        arguments.extend(self.pass_through.build.iter().map(OsString::from));
    }
}

/// The flake reference of a staged source: its store path, pinned by its hash, so that a
/// pure evaluation may read it. `dir` is the folder of `flake.nix` below it, or empty.
#[must_use]
pub fn staged_reference(store_path: &str, dir: &str, nar_hash: &str) -> String {
    let mut reference = format!("path:{store_path}?");
    if !dir.is_empty() {
        reference.push_str(&format!("dir={}&", query_value(dir)));
    }
    reference.push_str(&format!("narHash={}", query_value(nar_hash)));
    reference
}

/// An attribute path as it stands behind the `#` of a flake reference, where Nix takes ASCII
/// alone and undoes `%`.
fn fragment(attribute: &str) -> String {
    let quoted: Vec<String> = attribute.split('"').map(query_value).collect();
    quoted.join("\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command_line(arguments: &[OsString]) -> String {
        crate::process::Command::new("nix", arguments).to_shell()
    }

    const FEATURES: &str = "nix --extra-experimental-features 'nix-command flakes'";

    #[test]
    fn a_plain_run() {
        let options = Options::default();
        assert_eq!(
            command_line(&options.eval(
                "path:/nix/store/a-source?narHash=x",
                ".a.\"b\"",
                "x: \"${x}\""
            )),
            format!(
                "{FEATURES} eval --json --no-write-lock-file --no-eval-cache --show-trace --option \
                 allow-import-from-derivation false --option pure-eval true 'path:/nix/store/a-source?narHash=x#.a.\"b\"' \
                 --apply 'x: \"${{x}}\"'"
            )
        );
        assert_eq!(
            command_line(&options.build(&["/nix/store/a.drv^out".into()], None)),
            format!(
                "{FEATURES} build --json --log-format internal-json --keep-going --no-link /nix/store/a.drv^out"
            )
        );
        assert_eq!(
            command_line(&options.add(Path::new("/tmp/x"))),
            format!("{FEATURES} store add --name source /tmp/x")
        );
        assert_eq!(
            command_line(&options.link("/nix/store/a", Path::new("/w/out/a b"))),
            format!("{FEATURES} build --out-link '/w/out/a b' /nix/store/a")
        );
    }

    #[test]
    fn options_reach_the_calls_that_they_are_for() {
        let options = Options {
            store: Some("/srv".into()),
            eval_store: None,
            offline: true,
            builders: Some("ssh://b aarch64-linux".into()),
            override_inputs: vec![("nixpkgs".into(), "path:/n?narHash=y".into())],
            pass_through: PassThrough {
                everywhere: vec!["--show-trace".into()],
                build: vec!["-L".into()],
                eval_store: None,
                may_change_evaluation: false,
            },
            import_from_derivation: true,
            read_only: false,
            fail_fast: false,
        };
        let eval = command_line(&options.eval("r", ".a", "x"));
        assert!(
            eval.contains("--store /srv --offline --show-trace"),
            "{eval}"
        );
        assert!(
            eval.contains(
                "--override-input nixpkgs 'path:/n?narHash=y' --option pure-eval true 'r#.a'"
            ),
            "{eval}"
        );
        assert!(eval.contains("allow-import-from-derivation true"), "{eval}");
        assert!(!eval.contains("-L") && !eval.contains("builders"), "{eval}");
        let build = command_line(&options.build(&["d^out".into()], Some(Path::new("/l"))));
        assert!(
            build.contains("--builders 'ssh://b aarch64-linux' -L --out-link /l d^out"),
            "{build}"
        );
        assert!(!build.contains("override-input"), "{build}");
    }

    #[test]
    fn a_store_that_cannot_be_read_here_is_only_built_in() {
        let options = Options {
            store: Some("ssh-ng://b".into()),
            eval_store: Some("auto".into()),
            ..Options::default()
        };
        let drv = "/nix/store/a.drv";
        let installables = [format!("{drv}^out")];
        for (call, store) in [
            (options.eval("r", ".a", "x"), "--store auto"),
            (options.add(Path::new("/x")), "--store auto"),
            (options.judge_lock("r", true), "--store auto"),
            (options.path_info(&[drv]), "--store auto"),
            (
                options.bring(&[drv]),
                "--store auto --to ssh-ng://b /nix/store/a.drv",
            ),
            (options.built_path_info(drv), "--store ssh-ng://b"),
            (options.closure(&[drv]), "--store ssh-ng://b"),
            (
                options.dry_run(&installables),
                "--store ssh-ng://b /nix/store/a.drv^out",
            ),
            (
                options.build(&installables, None),
                "--store ssh-ng://b --eval-store auto --keep-going --no-link",
            ),
        ] {
            let call = command_line(&call);
            assert!(call.contains(store), "{call}");
        }
    }

    #[test]
    fn names_reach_nix_whatever_they_hold() {
        let eval = |attribute: &str| {
            let arguments = Options::default().eval("r", attribute, "x");
            arguments[arguments.len() - 3].to_str().unwrap().to_owned()
        };
        assert_eq!(eval(".a.\"b-c.d\""), "r#.a.\"b-c.d\"");
        assert_eq!(
            eval(".a.\"b\u{fc} ${c}\n\""),
            "r#.a.\"b%C3%BC%20%24%7Bc%7D%0A\""
        );
    }

    #[test]
    fn references_are_pinned() {
        assert_eq!(
            staged_reference("/nix/store/a-source", "", "sha256-a+/="),
            "path:/nix/store/a-source?narHash=sha256-a%2B/%3D"
        );
        assert_eq!(
            staged_reference("/nix/store/a-source", "my flake", "sha256-a"),
            "path:/nix/store/a-source?dir=my%20flake&narHash=sha256-a"
        );
    }
}
