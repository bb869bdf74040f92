# What the flake promises, checked on evaluated configurations. `answer` tells
# everything about one host in one evaluation, for `evaluate.sh`; `checks` are the
# same as derivations, for `nix flake check`.
{
  lib,
  box,
  nixosConfigurations,
}:
let
  contract = import ./contract.nix { inherit lib; };
  rows = import ./rows.nix { inherit lib; };

  hosts = lib.attrNames nixosConfigurations;

  find =
    host:
    nixosConfigurations.${host} or (throw ''
      There is no host "${host}". The hosts are: ${lib.concatStringsSep ", " hosts}.
      A host is a folder below hosts/ that holds a default.nix.
    '');

  # What a host is built into.
  attributeOf =
    evaluated:
    if evaluated.options ? isoImage then
      "isoImage"
    else if evaluated.options.box ? image then
      "diskoImages"
    else
      "toplevel";

  report =
    {
      host,
      system ? null,
      modules ? [ ],
    }:
    let
      forSystem = lib.optional (system != null) { nixpkgs.hostPlatform = lib.mkForce system; };
      evaluated = (find host).extendModules { modules = modules ++ forSystem; };
      attribute = attributeOf evaluated;
    in
    {
      inherit host attribute;
      inherit (evaluated.config.nixpkgs.hostPlatform) system;
      inherit (evaluated.config.system.build.${attribute}) drvPath;
      baked = evaluated.config.box.source.baked;
      rows = rows.judge (contract {
        inherit host attribute evaluated;
      });
    };

  refusals = rows.judge (import ./refusals.nix { inherit lib nixosConfigurations; });

  alone = rows.judge (import ./alone.nix { inherit lib box; });

  # Install hosts have one system; image hosts are built for every one.
  platformOf = host: nixosConfigurations.${host}.config.nixpkgs.hostPlatform.system;
  hostsFor = system: lib.filter (host: lib.hasPrefix "_" host || platformOf host == system) hosts;

  checks =
    pkgs:
    let
      inherit (pkgs.stdenv.hostPlatform) system;

      hostCheck =
        host:
        let
          answer = report { inherit host system; };
          # The name of what would be built, without what it takes to build it.
          drv = builtins.unsafeDiscardStringContext answer.drvPath;
        in
        lib.nameValuePair "host-${lib.removePrefix "_" host}" (
          rows.check pkgs "host-${host}" answer.rows drv
        );
      # Absent like cbox where the Rust code was not staged.
      hasRust = lib.pathExists ../../tests/first-boot/Cargo.toml;
    in
    lib.listToAttrs (map hostCheck (hostsFor system))
    // {
      baked-source = import ./baked-source.nix {
        inherit pkgs;
        source = box.bakedSource ../..;
      };
      first-boot-vm = import ./first-boot-vm.nix {
        inherit pkgs;
        module = box.modules.default;
      };
      formatting = import ./formatting.nix {
        inherit pkgs;
        source = box.bakedSource ../..;
      };
      modules-alone = rows.check pkgs "modules-alone" alone "";
      refusals = rows.check pkgs "refusals" refusals "";
    }
    // lib.optionalAttrs hasRust {
      first-boot = pkgs.callPackage ./first-boot.nix { };
    };
in
{
  inherit checks;

  # For `evaluate.sh`, which reads lines.
  answer = arguments: rows.reportText (report arguments);
  refusalsText = rows.text refusals;
  aloneText = rows.text alone;
}
