# The Nix functions of this flake. Each file does one thing; this one names them.
{ lib, disko }:
let
  modules = import ../modules { inherit disko; };
in
{
  inherit modules;

  # The systems an image is made for, and the only ones a host may have.
  systems = import ./systems.nix;

  # `names`, `isImage` and `configurations` of a folder of hosts.
  hosts = import ./hosts.nix {
    inherit lib;
    module = modules.default;
  };

  bakedSource = import ./box-source.nix;
}
