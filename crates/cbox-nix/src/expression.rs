//! The two Nix expressions of cbox, and what they give back.
//!
//! Both are constant text. All that varies reaches them as one JSON document in one
//! string literal, so no name and no value can change what they mean.

use nix_formats::{
    nix_text::string_literal,
    store_path::{DrvPath, OutPath},
    system::System,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::one_or_several;
use crate::overrides::{OptionPath, OverrideError, Overrides};

/// Applied to a `nixosConfigurations` entry. `out` and `drv` are named so, and not
/// `outPath` and `drvPath`, because a set with an `outPath` becomes that string in JSON.
const EVALUATE: &str = r#"
  host = if request.module == { } then entry else entry.extendModules {
    modules = [ { _file = "cbox overrides"; config = request.module; } ];
  };
  at = path: builtins.foldl'
    (set: name: set.${name} or (throw "cbox-no-attribute: ${builtins.concatStringsSep "." path}"))
    host.config path;
  built = at request.attribute;
  # A content-addressed or impure output has no path before it is built, but a placeholder.
  isStorePath = path:
    builtins.substring 0 (builtins.stringLength builtins.storeDir) path == builtins.storeDir;
  describe = derivation: {
    drv = derivation.drvPath;
    out = if isStorePath derivation.outPath then derivation.outPath else null;
    output = derivation.outputName or "out";
    builder = derivation.system;
  };

  # Of the images only the names are looked at: what makes one may fail, or take minutes.
  inherit (host.config.system) build;
  disks = host.config.disko.devices.disk or { };
  variants = build.images or { };
  # Where each image variant was declared; stand-ins for NixOS have no options.
  declared = host.options.image.modules.definitionsWithLocations or [ { file = ""; value = variants; } ];
  isOwn = definition: builtins.match ".*/nixos/modules/image/images\\.nix" (toString definition.file) == null;
  ownNames = builtins.concatMap (definition: builtins.attrNames definition.value) (builtins.filter isOwn declared);
  try = default: value:
    let tried = builtins.tryEval (builtins.deepSeq value value);
    in if tried.success then tried.value else default;
in
{
  system =
    if host ? pkgs.stdenv then host.pkgs.stdenv.hostPlatform.system
    else host.config.nixpkgs.hostPlatform.system;
  hostName = host.config.networking.hostName or null;
  text = if request.text == null then null else at request.text;
  artifactPath = if request.path then built.passthru.filePath or null else null;
  derivation = if request.attribute == null then null else describe built;
  toplevel = if request.toplevel && build ? toplevel then describe build.toplevel else null;
  images = if !request.images then null else {
    toplevel = build ? toplevel;
    iso = build ? isoImage;
    disko = if !(build ? diskoImages) then null else {
      format = try "raw" (host.config.disko.imageBuilder.imageFormat or "raw");
      disks = map (name: try name (disks.${name}.imageName or name)) (try [ ] (builtins.attrNames disks));
    };
    variants = try [ ] (builtins.attrNames variants);
    own = try [ ] ownNames;
  };
}
"#;

/// What to evaluate of one host: its system and its name in any case, and what is wanted.
/// One evaluation answers all of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Request {
    /// The entry of `nixosConfigurations`.
    pub host: String,
    /// What is wanted of it.
    pub wants: Vec<Want>,
    /// The values to force.
    pub overrides: Overrides,
    /// The system that was asked for. A host that brings its own packages follows no override
    /// of `nixpkgs.hostPlatform`, so the answer has to be compared with it.
    #[serde(skip)]
    pub system: Option<System>,
}

/// Something to know of a host. Options are paths below `config`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Want {
    /// The derivation that an option holds ([`Evaluated::derivation`]).
    Derivation(OptionPath),
    /// The text that an option holds ([`Evaluated::text`]): the name of an artifact, say.
    Text(OptionPath),
    /// The paths of the artifacts, which that derivation itself names
    /// ([`Evaluated::artifact_path`]).
    ArtifactPath,
    /// The system in the image, if the host has one ([`Evaluated::toplevel`]).
    Toplevel,
    /// The images that the host can be built as ([`Evaluated::images`]).
    Images,
}

impl Request {
    /// The function for `nix eval --apply`.
    ///
    /// # Errors
    /// When two overrides contradict each other.
    pub fn expression(&self) -> Result<String, OverrideError> {
        let mut document = json!({
            "module": self.overrides.to_module()?,
            "attribute": null,
            "text": null,
            "path": false,
            "toplevel": false,
            "images": false,
        });
        for want in &self.wants {
            match want {
                Want::Derivation(option) => document["attribute"] = json!(option.parts()),
                Want::Text(option) => document["text"] = json!(option.parts()),
                Want::ArtifactPath => document["path"] = json!(true),
                Want::Toplevel => document["toplevel"] = json!(true),
                Want::Images => document["images"] = json!(true),
            }
        }
        Ok(format!("entry:\n{}{EVALUATE}", request_binding(&document)))
    }

    /// Whether something is wanted.
    #[must_use]
    pub fn wants(&self, want: &Want) -> bool {
        self.wants.contains(want)
    }

    /// The attribute path behind the `#` of a flake reference, with the leading dot
    /// that keeps Nix from looking below `packages` first.
    #[must_use]
    pub fn attribute_path(&self) -> String {
        format!("{HOSTS}.{}", attribute_name(&self.host))
    }
}

/// The attribute path of all hosts behind the `#` of a flake reference.
pub const HOSTS: &str = ".nixosConfigurations";

/// The function for `nix eval --apply` that gives the names of the hosts.
pub const NAMES: &str = "builtins.attrNames";

/// `name` quoted as Nix's attribute paths on the command line take it.
fn attribute_name(name: &str) -> String {
    format!("\"{name}\"")
}

fn request_binding(document: &Value) -> String {
    let literal = string_literal(&document.to_string());
    format!("let\n  request = builtins.fromJSON {literal};")
}

/// What an evaluation gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evaluated {
    /// The system that the host is for.
    pub system: System,
    /// `networking.hostName`, where the host has it.
    pub host_name: Option<String>,
    /// The text of an option, where one is wanted.
    pub text: Option<String>,
    /// The paths of the artifacts below the output, where they are wanted and the derivation has
    /// a `passthru.filePath`: one, as the image variants of nixpkgs do, or a list.
    #[serde(default, deserialize_with = "one_or_several::deserialize")]
    pub artifact_path: Vec<String>,
    /// What the host can be built as, where it is wanted.
    #[serde(default)]
    pub images: Option<Images>,
    /// The derivation, where one is wanted.
    pub derivation: Option<DerivationInfo>,
    /// The host's `system.build.toplevel`, where it is wanted and there is one.
    #[serde(default)]
    pub toplevel: Option<DerivationInfo>,
}

/// What a host can be built as, by the names that it has below `system.build`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Images {
    /// Whether it has a `toplevel`, as every host that a machine can run has.
    pub toplevel: bool,
    /// Whether it has an `isoImage`, as hosts with one of nixpkgs' installer modules have.
    pub iso: bool,
    /// The disk images that disko makes.
    pub disko: Option<DiskoImages>,
    /// The names of all its image variants (`images.<name>`).
    pub variants: Vec<String>,
    /// Those of them that the flake declares or adds to; the others are nixpkgs' own, which
    /// every host has.
    pub own: Vec<String>,
}

/// The disk images that disko makes of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskoImages {
    /// Their format, which is the extension of the files too.
    pub format: String,
    /// The names of the files without it, one for each disk; with none there is no image.
    pub disks: Vec<String>,
}

/// A derivation, as evaluation knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DerivationInfo {
    /// The path of the `.drv` file.
    pub drv: DrvPath,
    /// The path of the chosen output; `None` where only a build can tell it.
    pub out: Option<OutPath>,
    /// The name of the chosen output, `out` nearly always.
    pub output: String,
    /// The system on which it is built.
    pub builder: System,
}

impl DerivationInfo {
    /// The installable that builds the chosen output: `<drv>^<output>`.
    #[must_use]
    pub fn installable(&self) -> String {
        format!("{}^{}", self.drv, self.output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_data_whatever_they_hold() {
        let mut overrides = Overrides::default();
        let nasty = "\"; builtins.abort ''${x}'' -- \\ \r\n${y}";
        overrides.force("a.b".parse().unwrap(), json!(nasty));
        let request = Request {
            host: "_appliance_iso".into(),
            wants: vec![Want::Derivation("system.build.isoImage".parse().unwrap())],
            overrides,
            system: None,
        };
        let expression = request.expression().unwrap();
        let literal = expression
            .lines()
            .find_map(|line| line.trim().strip_prefix("request = builtins.fromJSON \""))
            .unwrap()
            .strip_suffix("\";")
            .unwrap();
        // Undo Nix's escapes: what is left has to be the document, and no bare quote
        // or `${` may have been in the way.
        let mut json = String::new();
        let mut characters = literal.chars();
        while let Some(character) = characters.next() {
            assert!(
                character != '"' && character != '$',
                "unescaped in {literal}"
            );
            json.push(if character == '\\' {
                characters.next().unwrap()
            } else {
                character
            });
        }
        let document: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(document["module"]["a"]["b"]["content"], json!(nasty));
        assert_eq!(
            document["attribute"],
            json!(["system", "build", "isoImage"])
        );
        assert_eq!(
            request.attribute_path(),
            r#".nixosConfigurations."_appliance_iso""#
        );
    }

    #[test]
    fn answers_are_read() {
        let answer = r#"{"text":null,"derivation":{"builder":"x86_64-linux",
            "drv":"/nix/store/a.drv","out":"/nix/store/a","output":"out"},
            "hostName":"coder-box","system":"aarch64-linux"}"#;
        let evaluated: Evaluated = serde_json::from_str(answer).unwrap();
        assert_eq!(
            evaluated.derivation.unwrap().installable(),
            "/nix/store/a.drv^out"
        );
        assert_eq!(evaluated.system.as_str(), "aarch64-linux");
    }
}
