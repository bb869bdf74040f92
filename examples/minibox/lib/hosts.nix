# From the folders of ./hosts to nixosConfigurations.
lib:
let
  inherit (lib)
    filterAttrs
    hasPrefix
    mkDefault
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
in
{
  discoverHosts =
    directory:
    let
      isHost = name: type: type == "directory" && builtins.pathExists (directory + "/${name}/default.nix");
      folders = filterAttrs isHost (builtins.readDir directory);
    in
    builtins.mapAttrs (
      name: _:
      lib.nixosSystem {
        modules = [
          (hostDefaults name)
          (directory + "/${name}")
        ];
      }
    ) folders;
}
