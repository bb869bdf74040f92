//! The way out of each usual cause: the one table of these words.

use nix_formats::package_name::PackageName;

use super::Cause;

impl Cause {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::NoSuchOption { option } => format!(
                "check `{option}` for a typo, for a module that declares it but is not imported, and for a rename in the release notes of nixpkgs"
            ),
            Self::OptionType { option } => {
                format!("give `{option}` a value of that type in the file named above")
            }
            Self::Conflict { option } => format!(
                "set `{option}` in one place, or choose which one wins: `lib.mkForce` overrides, `lib.mkDefault` gives way"
            ),
            Self::ReadOnly { option } => {
                format!("`{option}` is set by its own module: remove the other definition")
            }
            Self::NotDefined { option } => format!("set `{option}`, or give the option a default"),
            Self::FailedAssertions { .. } => {
                "the modules make these demands on your settings: each line names what to change".to_owned()
            }
            Self::Assertion => "satisfy the `assert`, or remove it".to_owned(),
            Self::Unfree { package } => format!(
                "allow it in the configuration: `nixpkgs.config.allowUnfreePredicate = pkg: \
                 builtins.elem (lib.getName pkg) [ \"{}\" ];` (an environment variable reaches no pure evaluation)",
                PackageName::parse(package).package
            ),
            Self::Insecure { package } => format!(
                "use another version, or allow this one in the configuration: \
                 `nixpkgs.config.permittedInsecurePackages = [ \"{package}\" ];`"
            ),
            Self::Broken { package } => format!(
                "remove `{package}`, or use a version of nixpkgs in which it is fixed (`nix flake update`)"
            ),
            Self::NotForSystem { package } => {
                let name = PackageName::parse(package).package;
                format!(
                    "leave it out where it does not run: `lib.optional (lib.meta.availableOn \
                     pkgs.stdenv.hostPlatform pkgs.{name}) pkgs.{name}`"
                )
            }
            Self::AttributeMissing => {
                "check the name for a typo, and what the locked release of nixpkgs calls it".to_owned()
            }
            Self::NoExtendModules => {
                "overrides (`--set`, `--stamp`, another system or format) reach a host through the \
                 `extendModules` of `nixpkgs.lib.nixosSystem`, which this host does not have"
                    .to_owned()
            }
            Self::UndefinedVariable { name } => format!(
                "check `{name}` for a typo, or add it to the arguments of the file: `{{ {name}, ... }}:`"
            ),
            Self::MergeMarkers => {
                "these are the two sides of a merge: resolve it, and take the lines with `<<<<<<<`, \
                 `=======` and `>>>>>>>` out"
                    .to_owned()
            }
            Self::Syntax => {
                "look just before this place: a `;` or a closing bracket is missing, or there is one too many".to_owned()
            }
            Self::Arguments => {
                "make the call and the function's arguments agree; `, ...` lets a function take more than it names"
                    .to_owned()
            }
            Self::InfiniteRecursion { in_imports: true } => {
                "`imports` must not depend on `config`, nor on a `pkgs` that the configuration makes: import it \
                 always, and put what it does under `lib.mkIf`"
                    .to_owned()
            }
            Self::InfiniteRecursion { in_imports: false } => {
                "something is defined in terms of itself: in modules, usually an option whose value or condition reads that option; `--show-trace` shows the cycle"
                    .to_owned()
            }
            Self::MissingFile { file, why: None } => {
                format!("there is no {file} in the tree that Nix sees")
            }
            Self::MissingFile {
                file,
                why: Some(why),
            } => why.hint(file),
            Self::NoFlakeAttribute => "`cbox hosts` shows what there is".to_owned(),
            Self::NoVariant { .. } => "`cbox list HOST` shows the images of a host".to_owned(),
            Self::NoDerivation => {
                "`package` of a target in cbox.toml names a derivation among the outputs of the flake".to_owned()
            }
            Self::NoConfigAttribute { .. } => {
                "`attribute` and `name` of the target in cbox.toml must be options that the host has".to_owned()
            }
            Self::OutsidePath { path } => format!(
                "a flake may only read its own files, so that it gives the same result everywhere: copy {path} into the \
                 repository, or set what is in it as an option"
            ),
            Self::Impure { name } => format!(
                "a pure evaluation does not know its machine: take the system from `pkgs.stdenv.hostPlatform`, or write it out, instead of `builtins.{name}`"
            ),
            Self::SearchPath { name } => format!(
                "take it from an input of the flake instead of NIX_PATH: `inputs.{name}`, passed on by `specialArgs`"
            ),
            Self::ExperimentalFeature { name } => format!(
                "switch it on for every command: `extra-experimental-features = {name}` in nix.conf, or in NIX_CONFIG"
            ),
            Self::InputFollows => {
                "correct that input's `follows` in flake.nix: it names another input of this flake".to_owned()
            }
            Self::UnknownInputAttribute { name } if name == "submodules" || name == "lfs" => format!(
                "`inputs.self.{name}` needs Nix 2.27 or newer: put a newer Nix first on the PATH"
            ),
            Self::UnknownInputAttribute { name } => {
                format!("correct `{name}`, or put a newer Nix that knows it first on the PATH")
            }
            Self::UnlockedFetch => {
                "make it an input of the flake, which flake.lock pins, or give its hash next to the address".to_owned()
            }
            Self::Fetch { .. } => {
                "look at the address and at the network; for a private source, at the credentials (`access-tokens` or \
                 `netrc-file` in nix.conf, the ssh agent); `--override-input NAME path:DIR` takes a copy instead"
                    .to_owned()
            }
            Self::ImportFromDerivation => {
                "write what it builds into the repository; or allow it: `import-from-derivation = true` under \
                 [evaluation] in cbox.toml"
                    .to_owned()
            }
            Self::HashMismatch { specified, got, .. } => format!(
                "if you trust the download, replace {specified} with {got}; if it should not have changed, find out first who changed it"
            ),
            Self::MissingFeature { features, .. } if features.split([',', ' ']).any(|feature| feature == "kvm") => {
                "it runs a virtual machine: enable KVM (/dev/kvm; on a virtual machine nested virtualisation), or \
                 name a builder that has it with `--builders`; `-- --option system-features 'kvm nixos-test'` claims it \
                 where Nix did not look"
                    .to_owned()
            }
            Self::MissingFeature { features, .. } => format!(
                "name a builder with {features} by `--builders`, or claim it for this machine: \
                 `-- --option system-features '{features}'`"
            ),
            Self::WrongSystem { system, .. } => format!(
                "name a {system} builder with `--builders`, or emulate it here (boot.binfmt.emulatedSystems, and \
                 extra-platforms in nix.conf)"
            ),
            Self::Idle { .. } => {
                "set `max-jobs` to 1 or more, or name a builder for the system that answers (`--builders`): `cbox doctor` \
                 shows which do"
                    .to_owned()
            }
            Self::Unreachable { machine, .. } => {
                format!("`nix store info --store {machine}` says whether it answers")
            }
            Self::Substitute => {
                "`-- --fallback` builds what a binary cache cannot deliver, and `-- --option substituters ''` asks none"
                    .to_owned()
            }
            Self::SandboxPath { path } => format!(
                "`sandbox-paths` in nix.conf names {path}: install it (Debian: bash-static), or name another shell, \
                 `sandbox-paths = /bin/sh=PATH`"
            ),
            Self::NoSpace => {
                "`df -h /nix $TMPDIR /tmp` shows which file system is full; `nix-collect-garbage` frees what no link under \
                 out/ and no other root holds, and TMPDIR says where builds write"
                    .to_owned()
            }
            Self::Cache { .. } => {
                "`XDG_CACHE_HOME=DIR` names another folder for caches, and `NIX_CACHE_HOME=DIR` one for that of Nix alone"
                    .to_owned()
            }
            Self::Ownership { folder } => format!(
                "the repository belongs to another user: `git config --global --add safe.directory {}` trusts it",
                folder.as_deref().unwrap_or("<its folder>")
            ),
            Self::Daemon => "start it: `systemctl start nix-daemon.socket`".to_owned(),
        }
    }
}
