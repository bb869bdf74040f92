//! The Nix expressions of cbox, and what they give back.
//!
//! They are constant text. All that varies reaches them as one JSON document in one
//! string literal, so no name and no value can change what they mean.

use std::fmt;

use nix_formats::{
    nix_text::string_literal,
    store_path::{DrvPath, OutPath},
    system::System,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::one_or_several;
use crate::overrides::{OptionPath, OverrideError, Overrides};

/// What a derivation is described as. `out` and `drv` are named so, and not `outPath` and
/// `drvPath`, because a set with an `outPath` becomes that string in JSON.
const DESCRIBE: &str = r#"
  # A content-addressed or impure output has no path before it is built, but a placeholder.
  isStorePath = path:
    builtins.substring 0 (builtins.stringLength builtins.storeDir) path == builtins.storeDir;
  describe = derivation: {
    drv = derivation.drvPath;
    out = if isStorePath derivation.outPath then derivation.outPath else null;
    output = derivation.outputName or "out";
    builder = derivation.system;
  };
"#;

/// Applied to a derivation that stands anywhere in a flake.
const EVALUATE_PACKAGE: &str = r#"
in
if (entry.type or null) != "derivation" then throw "cbox-no-derivation: ${request.package}" else {
  inherit (entry) system;
  hostName = null;
  text = null;
  artifactPath = entry.passthru.filePath or null;
  derivation = describe entry;
}
"#;

/// Applied to a `nixosConfigurations` entry.
const EVALUATE: &str = r#"
  host = if request.module == { } then entry else entry.extendModules {
    modules = [ { _file = "cbox overrides"; config = request.module; } ];
  };
  at = path: builtins.foldl'
    (set: name: set.${name} or (throw "cbox-no-attribute: ${builtins.concatStringsSep "." path}"))
    host.config path;
  variant = if request.variant == null then null else
    let found = builtins.filter (image: image.name == request.variant) images;
    in if found != [ ] then builtins.head found else
      throw "cbox-no-variant: ${builtins.concatStringsSep " " (map (image: image.name) images)}";
  attribute = if variant == null then request.attribute else variant.attribute;
  built = at attribute;

  # Of the images only the names are looked at: what makes one may fail, or take minutes.
  inherit (host.config.system) build;
  try = default: value:
    let tried = builtins.tryEval (builtins.deepSeq value value);
    in if tried.success then tried.value else default;
  hasName = name: image: image.name == name;
  # What the host itself is an image for, called as nixpkgs calls that variant of any host.
  known = [
    { name = "iso"; attribute = "isoImage"; }
    { name = "sd-card"; attribute = "sdImage"; }
    { name = "amazon"; attribute = "amazonImage"; }
    { name = "azure"; attribute = "azureImage"; }
    { name = "cloudstack"; attribute = "cloudstackImage"; }
    { name = "digital-ocean"; attribute = "digitalOceanImage"; }
    { name = "google-compute"; attribute = "googleComputeImage"; }
    { name = "hyperv"; attribute = "hypervImage"; }
    { name = "kexec"; attribute = "kexecTarball"; }
    { name = "kubevirt"; attribute = "kubevirtImage"; }
    { name = "linode"; attribute = "linodeImage"; }
    { name = "lxc"; attribute = "tarball"; }
    { name = "oci"; attribute = "OCIImage"; }
    { name = "openstack"; attribute = "openstackImage"; }
    { name = "proxmox"; attribute = "VMA"; }
    { name = "qemu"; attribute = "qemuImage"; }
    { name = "vagrant-virtualbox"; attribute = "vagrantVirtualbox"; }
    { name = "virtualbox"; attribute = "virtualBoxOVA"; }
    { name = "vmware"; attribute = "vmwareImage"; }
  ];
  named = builtins.filter (image: build ? ${image.attribute}) known;
  direct = map
    (image: {
      inherit (image) name;
      attribute = [ "system" "build" image.attribute ];
      own = true;
      files = [ ];
    })
    (if named == [ ] && build ? image then [ { name = "image"; attribute = "image"; } ] else named);
  variants = build.images or { };
  # Where each image variant was declared; stand-ins for NixOS have no options.
  declared = host.options.image.modules.definitionsWithLocations or [ { file = ""; value = variants; } ];
  isOwn = definition: builtins.match ".*/nixos/modules/image/images\.nix" (toString definition.file) == null;
  ownNames = try [ ] (builtins.concatMap (definition: builtins.attrNames definition.value) (builtins.filter isOwn declared));
  ofNixpkgs = map
    (name: {
      inherit name;
      attribute = [ "system" "build" "images" name ];
      own = builtins.elem name ownNames;
      files = [ ];
    })
    (try [ ] (builtins.attrNames variants));
  disks = host.config.disko.devices.disk or { };
  format = try "raw" (host.config.disko.imageBuilder.imageFormat or "raw");
  diskFiles = map
    (name: "${try name (disks.${name}.imageName or name)}.${format}")
    (try [ ] (builtins.attrNames disks));
  others = direct ++ builtins.filter (image: image.own) ofNixpkgs;
  isWord = builtins.match "[A-Za-z0-9_][A-Za-z0-9_.+-]*" format != null;
  disko = if !(build ? diskoImages) || diskFiles == [ ] then [ ] else [
    {
      name = if isWord && !builtins.any (hasName format) others then format else "disko";
      attribute = [ "system" "build" "diskoImages" ];
      own = true;
      files = diskFiles;
    }
  ];
  itself = direct ++ disko;
  images = itself ++ builtins.filter (image: !builtins.any (hasName image.name) itself) ofNixpkgs;
in
{
  system =
    if host ? pkgs.stdenv then host.pkgs.stdenv.hostPlatform.system
    else host.config.nixpkgs.hostPlatform.system;
  hostName = host.config.networking.hostName or null;
  text = if request.text == null then null else at request.text;
  artifactPath = if request.path then built.passthru.filePath or null else null;
  inherit variant;
  derivation = if attribute == null then null else describe built;
  # The system in a variant is not that of the host, which the variant extends.
  toplevel =
    if !request.toplevel then null
    else if attribute != null && built ? passthru.config.system.build.toplevel then
      describe built.passthru.config.system.build.toplevel
    else if attribute != null && builtins.elem "images" attribute then null
    else if build ? toplevel then describe build.toplevel
    else null;
  images = if !request.images then null else {
    toplevel = build ? toplevel;
    variants = images;
  };
}
"#;

/// What to evaluate of one host: its system and its name in any case, and what is wanted.
/// One evaluation answers all of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Request {
    /// The entry of `nixosConfigurations`; empty where a package is asked for.
    pub host: String,
    /// The derivation that stands elsewhere in the flake, in place of a host: the way to it
    /// from the outputs. Of such a one nothing is wanted but its derivation and its artifact,
    /// and nothing can be forced on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<OptionPath>,
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
    /// The image that the host offers under this name ([`Evaluated::derivation`] and
    /// [`Evaluated::variant`]).
    Variant(String),
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
            "variant": null,
            "text": null,
            "path": false,
            "toplevel": false,
            "images": false,
        });
        for want in &self.wants {
            match want {
                Want::Derivation(option) => document["attribute"] = json!(option.parts()),
                Want::Variant(name) => document["variant"] = json!(name),
                Want::Text(option) => document["text"] = json!(option.parts()),
                Want::ArtifactPath => document["path"] = json!(true),
                Want::Toplevel => document["toplevel"] = json!(true),
                Want::Images => document["images"] = json!(true),
            }
        }
        if let Some(package) = &self.package {
            let binding = request_binding(&json!({ "package": package.to_string() }));
            return Ok(format!("entry:\n{binding}{DESCRIBE}{EVALUATE_PACKAGE}"));
        }
        let binding = request_binding(&document);
        Ok(format!("entry:\n{binding}{DESCRIBE}{EVALUATE}"))
    }

    /// Whether something is wanted.
    #[must_use]
    pub fn wants(&self, want: &Want) -> bool {
        self.wants.contains(want)
    }

    /// The host whose settings count, if it is a host that is asked.
    #[must_use]
    pub fn settings_of(&self) -> Option<&str> {
        self.package.is_none().then_some(&*self.host)
    }

    /// The name of the variant that is wanted, if one is.
    #[must_use]
    pub fn variant(&self) -> Option<&str> {
        self.wants.iter().find_map(|want| match want {
            Want::Variant(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// The attribute path behind the `#` of a flake reference, with the leading dot
    /// that keeps Nix from looking below `packages` first.
    #[must_use]
    pub fn attribute_path(&self) -> String {
        match &self.package {
            Some(package) => {
                let parts = package.parts().iter();
                let parts = parts.map(|part| format!(".{}", attribute_name(part)));
                parts.collect()
            }
            None => format!("{HOSTS}.{}", attribute_name(&self.host)),
        }
    }

    /// What is evaluated.
    #[must_use]
    pub fn asked(&self) -> Asked {
        match (&self.package, self.variant()) {
            (Some(package), _) => Asked::Package(package.to_string()),
            (None, Some(variant)) => Asked::Variant {
                host: self.host.clone(),
                variant: variant.to_owned(),
            },
            (None, None) => Asked::Host(self.host.clone()),
        }
    }
}

/// What is evaluated, as a sentence has it: ``host `box` ``.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// A host, by its entry of `nixosConfigurations`.
    Host(String),
    /// An image that a host offers.
    Variant {
        /// The host.
        host: String,
        /// The name of the image.
        variant: String,
    },
    /// A derivation elsewhere in the flake, by the way to it.
    Package(String),
}

impl fmt::Display for Asked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => write!(formatter, "host `{host}`"),
            Self::Variant { host, variant } => {
                write!(formatter, "variant `{variant}` of host `{host}`")
            }
            Self::Package(package) => write!(formatter, "`{package}`"),
        }
    }
}

/// The attribute path of all hosts behind the `#` of a flake reference.
pub const HOSTS: &str = ".nixosConfigurations";

/// The function for `nix eval --apply` that gives the names of the hosts.
pub const NAMES: &str = "builtins.attrNames";

/// The function for `nix eval --apply` that gives, of the packages for one system, the names of
/// those that are images: by the name of the derivation, or as it knows its file. Nothing is
/// built for that.
pub const IMAGE_PACKAGES: &str = r#"
packages:
let
  extension = ".*[.](iso|img|qcow2|raw|vmdk|vdi|vhdx?|ova|vma)([.](zst|gz|xz|bz2))?";
  isNamedSo = name: builtins.any (pattern: builtins.match pattern name != null)
    [ extension ".*nixos.*image.*" ".*-disk-image.*" ];
  isImage = name:
    let
      package = packages.${name};
      tried = builtins.tryEval (
        (package.type or null) == "derivation"
        && (package ? passthru.filePath || isNamedSo package.name)
      );
    in tried.success && tried.value;
in
builtins.filter isImage (builtins.attrNames packages)
"#;

/// The attribute path of the packages for `system` behind the `#` of a flake reference.
#[must_use]
pub fn packages(system: &System) -> String {
    format!(".packages.{}", attribute_name(system.as_str()))
}

/// `name` quoted as Nix's attribute paths on the command line take it. It has no quotes
/// itself: nothing there could stand for one.
fn attribute_name(name: &str) -> String {
    format!("\"{name}\"")
}

/// Binds `request` to `document`, at the beginning of a `let`.
pub(crate) fn request_binding(document: &Value) -> String {
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
    /// The image that was asked for by its name.
    #[serde(default)]
    pub variant: Option<Variant>,
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
    /// The images that it offers, each by a name of its own: what the host itself is an image
    /// for comes first.
    pub variants: Vec<Variant>,
}

/// An image that a host offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variant {
    /// Its name, `iso` say: that of nixpkgs, where it has one there.
    pub name: String,
    /// The option that holds its derivation, part by part.
    pub attribute: Vec<String>,
    /// Whether it is the flake that asks for it; the others are nixpkgs' own, which every
    /// host has.
    pub own: bool,
    /// The names of its files, one for each disk, where they are known: disko's are.
    #[serde(default)]
    pub files: Vec<String>,
}

impl Variant {
    /// Whether it is one of `system.build.images`, which extend the host by a module, and so
    /// not what the host itself is an image for.
    #[must_use]
    pub fn extends_host(&self) -> bool {
        self.attribute.iter().any(|part| part == "images")
    }
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
            ..Request::default()
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
