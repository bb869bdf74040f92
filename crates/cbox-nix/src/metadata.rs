//! What nixpkgs says of its packages and derivations do not: licences, homepages, CPE and package
//! URL. One evaluation of the host answers for all of them.
//!
//! A derivation says nothing of the attribute that it was, so packages are found by their names:
//! among those that the host uses, and what these are made from, and in the package set of the host.
//! Whoever asks compares the versions.

use nix_formats::nix_text::without_escapes;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    NixError,
    eval::fault,
    expression::{Request, request_binding},
    nix::{Nix, Staged},
};

/// Applied to a `nixosConfigurations` entry. What is looked up by its name may be something that
/// does not evaluate in a way that nobody can catch; what the host uses does evaluate.
const EXPRESSION: &str = r#"
  host = if request.module == { } then entry else entry.extendModules {
    modules = [ { _file = "cbox overrides"; config = request.module; } ];
  };
  inherit (host) config;
  pkgs = host.pkgs or { };
  try = default: value:
    let tried = builtins.tryEval (builtins.deepSeq value value);
    in if tried.success then tried.value else default;
  # Not the whole of a package, which is endless.
  tryShallow = default: value:
    let tried = builtins.tryEval value;
    in if tried.success then tried.value else default;
  wanted = builtins.listToAttrs (map (name: { inherit name; value = null; }) request.names);

  isPackage = value: tryShallow false (builtins.isAttrs value && (value.type or null) == "derivation");
  packages = value: tryShallow [ ]
    (if builtins.isList value then builtins.concatMap packages value
    else if isPackage value then [ value ] else [ ]);
  # As the derivation has it: what a package calls its version may be something else.
  named = package: try null (
    let parsed = builtins.parseDrvName package.name;
    in {
      name = package.drvAttrs.pname or parsed.name;
      version = package.drvAttrs.version or parsed.version;
      # One package can be there in several ways, and not each of them has a licence.
      isLicensed = package ? meta.license;
    }
  );
  item = package:
    let self = named package;
    in { inherit package self; key = if self == null then "" else builtins.toJSON self; };

  used = packages [
    (config.environment.systemPackages or [ ])
    (config.boot.kernelPackages.kernel or [ ])
    (config.boot.extraModulePackages or [ ])
    (config.hardware.firmware or [ ])
    (config.fonts.packages or [ ])
    (config.i18n.glibcLocales or [ ])
    (config.nix.package or [ ])
    (config.services.dbus.packages or [ ])
    (config.services.udev.packages or [ ])
    (config.systemd.package or [ ])
    (config.systemd.packages or [ ])
    (pkgs.cacert or [ ])
    (pkgs.stdenv.cc or [ ])
    (pkgs.stdenv.cc.cc or [ ])
    (pkgs.stdenv.cc.libc or [ ])
  ];
  sets = builtins.filter (set: tryShallow false (builtins.isAttrs set)) [
    pkgs
    (config.boot.kernelPackages or { })
    (pkgs.python3Packages or { })
    (pkgs.perlPackages or { })
    (pkgs.kdePackages or { })
  ];
  # The attribute of `nss-mdns` is `nssmdns`.
  spellings = name: [ name (builtins.replaceStrings [ "-" ] [ "" ] name) ];
  byName = name: packages (map (set: map (name: set.${name} or [ ]) (spellings name)) sets);
  lookedUp = if request.byName then builtins.concatMap byName request.names else [ ];
  all = builtins.genericClosure {
    startSet = map item (used ++ lookedUp);
    operator = { package, ... }: map item (packages [
      (package.buildInputs or [ ])
      (package.propagatedBuildInputs or [ ])
      (package.nativeBuildInputs or [ ])
      (package.paths or [ ])
      (package.unwrapped or [ ])
    ]);
  };

  text = value: if builtins.isString value then builtins.unsafeDiscardStringContext value else null;
  texts = value: builtins.filter (one: one != null) (map text (if builtins.isList value then value else [ value ]));
  license = value:
    if builtins.isString value then { spdx = null; name = text value; }
    else { spdx = text (value.spdxId or null); name = text (value.fullName or value.shortName or null); };
  licenses = value: map license (if builtins.isList value then value else [ value ]);
  describe = { package, self, ... }:
    let
      meta = package.meta or { };
      identifiers = meta.identifiers or { };
      guesses = identifiers.possibleCPEs or [ ];
    in {
      name = text self.name;
      version = text self.version;
      licenses = try [ ] (if meta ? license then licenses meta.license else [ ]);
      homepages = try [ ] (texts (meta.homepage or [ ]));
      cpe = try null (text (identifiers.cpe or
        (if builtins.length guesses == 1 then (builtins.head guesses).cpe else null)));
      purl = try null (text (identifiers.purl or null));
    };
  isWanted = { self, ... }:
    self != null && builtins.isString self.version && builtins.isString self.name && wanted ? ${self.name};
in
map describe (builtins.filter isWanted all)
"#;

/// How many bytes of names are asked about: they are in one argument of a command, which may have
/// 128 KiB.
const MOST: usize = 100_000;

/// What nixpkgs says of a package.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Metadata {
    /// The package.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its licences.
    pub licenses: Vec<License>,
    /// Its homepages.
    pub homepages: Vec<String>,
    /// Its CPE, version 2.3.
    pub cpe: Option<String>,
    /// Its package URL.
    pub purl: Option<String>,
}

/// A licence.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct License {
    /// Its identifier in SPDX's list, if it says to have one.
    pub spdx: Option<String>,
    /// Its name.
    pub name: Option<String>,
}

/// What the packages of the host that `request` names, in a staged flake, say of packages called
/// one of `names`, each once; of several versions of one, too. A host without packages says
/// nothing.
///
/// # Errors
/// When the host does not evaluate, or a signal comes.
pub async fn metadata(
    nix: &Nix,
    staged: &Staged,
    request: &Request,
    names: &[&str],
) -> Result<Vec<Metadata>, NixError> {
    let mut left = MOST;
    // With its quotes, and the comma, which are escaped once more.
    let names = names.iter().take_while(|name| {
        let bytes = name.len() + 8;
        left.checked_sub(bytes)
            .inspect(|rest| left = *rest)
            .is_some()
    });
    let names: Vec<&str> = names.copied().collect();
    match ask(nix, staged, request, &names, true).await {
        Err(NixError::Flake { .. }) => ask(nix, staged, request, &names, false).await,
        answer => answer,
    }
}

async fn ask(
    nix: &Nix,
    staged: &Staged,
    request: &Request,
    names: &[&str],
    by_name: bool,
) -> Result<Vec<Metadata>, NixError> {
    let document: Value = json!({
        "module": request.overrides.to_module()?,
        "names": names,
        "byName": by_name,
    });
    let expression = format!("entry:\n{}{EXPRESSION}", request_binding(&document));
    let arguments = nix
        .options
        .eval(&staged.reference(), &request.attribute_path(), &expression);
    let command = nix.command(arguments);
    match command.run(nix.interrupt()).await {
        Ok(output) => serde_json::from_slice(&output.stdout).map_err(|error| NixError::Answer {
            command: command.to_shell(),
            reason: error.to_string(),
        }),
        Err(NixError::Failed {
            stderr,
            signal: None,
            ..
        }) => Err(NixError::Flake {
            fault: Box::new(fault(nix, staged, &without_escapes(&stderr))),
        }),
        Err(error) => Err(error),
    }
}
