# What the flake promises, checked on evaluated configurations, as derivations for
# `nix flake check`. The one called `hosts` carries what `evaluate.sh` asks for.
{
  lib,
  box,
  nixosConfigurations,
}:
let
  inherit (box.hosts) isImage;

  contract = import ./contract.nix { inherit lib; };
  rows = import ./rows.nix { inherit lib; };

  hosts = box.hosts.names ../../hosts;

  find =
    host:
    lib.throwIfNot (lib.elem host hosts) ''
      There is no host "${host}". The hosts are: ${lib.concatStringsSep ", " hosts}.
      A host is a folder below hosts/ that holds a default.nix.
    '' nixosConfigurations.${host};

  # What a host is built into.
  attributeOf =
    evaluated:
    if evaluated.options ? isoImage then
      "isoImage"
    else if evaluated.options.box ? image then
      "diskoImages"
    else
      "toplevel";

  # What cbox asks for: a host, and the system forced upon it.
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

  offline = rows.judge (import ./offline.nix { inherit lib nixosConfigurations; });

  # Install hosts have one system; image hosts are built for every one.
  platformOf = name: nixosConfigurations.${name}.config.nixpkgs.hostPlatform.system;
  hostsFor = system: lib.filter (host: isImage host || platformOf host == system) hosts;

  # Everything that is built, as `host:system`; a host that has a system of its own
  # leaves it out.
  targets = lib.concatMap (
    host: if isImage host then map (system: "${host}:${system}") box.systems else [ "${host}:" ]
  ) hosts;

  images = lib.filter isImage hosts;
  perSystem = lib.cartesianProduct {
    host = images;
    system = box.systems;
  };

  discovery = rows.judge (
    [
      {
        name = "attributes of nixosConfigurations";
        have = lib.attrNames nixosConfigurations;
        want = lib.sort lib.lessThan (hosts ++ map ({ host, system }: "${host}-${system}") perSystem);
      }
      {
        name = "expectations of one host are those of a host that there is";
        have = lib.subtractLists hosts (
          map (lib.removeSuffix ".nix") (lib.attrNames (builtins.readDir ./hosts))
        );
        want = [ ];
      }
    ]
    ++ map (
      { host, system }:
      {
        name = "platform of ${host}-${system}";
        have = platformOf "${host}-${system}";
        want = system;
      }
    ) perSystem
  );

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
      hosts = rows.check pkgs "hosts" discovery "" // {
        # For `evaluate.sh`, which reads lines.
        passthru = {
          answer = arguments: rows.reportText (report arguments);
          targets = lib.concatLines targets;
          discovery = rows.text discovery;
          refusals = rows.text refusals;
          alone = rows.text alone;
          offline = rows.text offline;
          # Of the host that has them all.
          options = import ../options-page.nix { inherit lib; } (
            lib.getAttrs [ "box" ] nixosConfigurations._appliance-disk.options
          );
        };
      };
      modules-alone = rows.check pkgs "modules-alone" alone "";
      offline = rows.check pkgs "offline" offline "";
      refusals = rows.check pkgs "refusals" refusals "";
    }
    // lib.optionalAttrs hasRust {
      first-boot = pkgs.callPackage ./first-boot.nix { };
    };
in
checks
