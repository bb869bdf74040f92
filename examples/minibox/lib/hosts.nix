# From the folders of ./hosts to nixosConfigurations.
lib:
let
  inherit (lib)
    filterAttrs
    hasPrefix
    mkDefault
    mkForce
    mkOptionDefault
    mkOverride
    ;

  # A folder whose name starts with `_` exists to be built into an image; every other one is a machine.
  isImageHost = hasPrefix "_";

  hostDefaults = name: {
    _file = "lib/hosts.nix";

    # Weaker than anything that a host or a hardware report says.
    nixpkgs.hostPlatform = mkOptionDefault "x86_64-linux";

    # All images share a name, which beats the option's own default (1500) and loses to a host's
    # mkDefault (1000).
    networking.hostName = if isImageHost name then mkOverride 1250 "coder-box" else mkDefault name;
  };

  host =
    directory: name: modules:
    lib.nixosSystem {
      modules = [
        (hostDefaults name)
        (directory + "/${name}")
      ]
      ++ modules;
    };

  # An image host stands there once more for each system, for plain Nix to build: no hosts of their own.
  systems = [
    "x86_64-linux"
    "aarch64-linux"
  ];
  perSystem =
    directory: name:
    map (system: {
      name = "${name}-${system}";
      value = host directory name [ { nixpkgs.hostPlatform = mkForce system; } ];
    }) systems;
in
{
  discoverHosts =
    directory:
    let
      isHost = name: type: type == "directory" && builtins.pathExists (directory + "/${name}/default.nix");
      folders = filterAttrs isHost (builtins.readDir directory);
      names = builtins.attrNames folders;
      images = builtins.filter isImageHost names;
    in
    builtins.mapAttrs (name: _: host directory name [ ]) folders
    // builtins.listToAttrs (builtins.concatMap (perSystem directory) images);
}
