//! Images that are no part of a host in `nixosConfigurations`: derivations elsewhere among the
//! outputs of a flake, such as those of nixos-generators.

use cbox_nix::overrides::{OptionPath, OverrideError};
use nix_formats::system::System;

use super::TargetConfig;
use crate::target_name::word;

/// What stands for the system in the way to a package.
const SYSTEM: &str = "{system}";

impl TargetConfig {
    /// The way to its package for `system`; `None` for an image of a host.
    pub fn package(&self, system: &System) -> Option<Result<OptionPath, OverrideError>> {
        let package = self.package.as_ref()?;
        Some(package.replace(SYSTEM, system.as_str()).parse())
    }

    /// The system that the way to its package names.
    fn package_system(&self) -> Option<System> {
        let path: OptionPath = self.package.as_ref()?.parse().ok()?;
        let usual = |part: &&String| System::usual_names().any(|usual| usual == part.as_str());
        path.parts().iter().find(usual)?.parse().ok()
    }

    /// The one system that it is for, whatever machine asks; `None` where it can be chosen.
    pub fn own_system(&self) -> Option<System> {
        self.system.clone().or_else(|| self.package_system())
    }

    /// What it is made from, for people: a host, or a package of the flake.
    pub fn origin(&self) -> &str {
        self.package.as_deref().unwrap_or(&self.host)
    }

    /// Its mistake about where it comes from, behind the key that has it.
    pub(super) fn check_origin(&self) -> Result<(), (&'static str, String)> {
        let Some(package) = &self.package else {
            return match (self.host.as_str(), &self.attribute) {
                ("", _) => Err((
                    "kind",
                    "missing field `host`: an image is of a host, or it is a `package`".to_owned(),
                )),
                (_, None) => Err(("kind", "missing field `attribute`".to_owned())),
                (host, Some(_)) => word(host)
                    .map(drop)
                    .map_err(|error| ("host", error.to_string())),
            };
        };
        let of_host = [
            ("host", !self.host.is_empty()),
            ("attribute", self.attribute.is_some()),
            ("name", self.name.is_some()),
            ("cross", self.cross),
            ("overrides", !self.overrides.is_empty()),
        ];
        if let Some((key, _)) = of_host.iter().find(|(_, is_set)| *is_set) {
            let message =
                format!("a `package` is no part of a host, so `{key}` means nothing for it");
            return Err((key, message));
        }
        let one: OptionPath = package
            .replace(SYSTEM, "x86_64-linux")
            .parse()
            .map_err(|error: OverrideError| ("package", error.to_string()))?;
        if one
            .parts()
            .iter()
            .any(|part| part.contains(['"', '\\', '$']))
        {
            let message = format!("`{package}` cannot be the way to a package");
            return Err(("package", message));
        }
        let is_for_all = package.contains(SYSTEM);
        match (&self.systems, &self.system) {
            (Some(_), _) if !is_for_all => Err((
                "systems",
                format!(
                    "`{package}` is for one system: `{SYSTEM}` in it stands for the one that is asked for"
                ),
            )),
            (None, None) if !is_for_all && self.package_system().is_none() => Err((
                "package",
                format!("`{package}` names no system: `system` of the target says what it is for"),
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::flake::config::Config;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, "cbox.toml".into()).map_err(|error| error.message)
    }

    #[test]
    fn an_image_is_of_a_host_or_a_package() {
        let package = |more: &str| {
            let text = "[[target]]\nkind = \"vm\"\nformat = \"img\"\n";
            parse(&format!("{text}{more}"))
        };
        let systems = |more: &str| {
            let systems = package(more).unwrap().targets[0].systems();
            systems.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(
            systems("package = \"packages.aarch64-linux.x\"\n"),
            ["aarch64-linux"]
        );
        assert_eq!(systems("package = \"packages.{system}.x\"\n").len(), 2);
        let own = "package = \"images.pi\"\nsystem = \"aarch64-linux\"\n";
        assert_eq!(systems(own), ["aarch64-linux"]);
        for (more, says) in [
            ("", "missing field `host`"),
            ("host = \"a\"\n", "missing field `attribute`"),
            (
                "package = \"packages.x86_64-linux.x\"\nhost = \"a\"\n",
                "`host` means nothing for it",
            ),
            (
                "package = \"packages.{system}.x\"\ncross = true\n",
                "`cross` means nothing for it",
            ),
            ("package = \"images.pi\"\n", "names no system"),
            (
                "package = \"images.pi\"\nsystems = [\"x86_64-linux\"]\n",
                "is for one system",
            ),
            ("package = \"a..b\"\n", "is not an option"),
            (
                "package = 'packages.x86_64-linux.\"a$b\"'\n",
                "cannot be the way",
            ),
        ] {
            let error = package(more).unwrap_err();
            assert!(
                error.starts_with("cbox.toml:") && error.contains(says),
                "{more}: {error}"
            );
        }
    }
}
