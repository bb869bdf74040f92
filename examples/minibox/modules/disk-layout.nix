# The layout which installed machines and disk images share; an image has labels of its own, so
# that a stick in an installed machine never mounts the wrong root.
{ lib, ... }:
let
  inherit (lib) mkDefault;
in
{
  fileSystems = {
    "/" = {
      label = mkDefault "box-root";
      fsType = "ext4";
    };
    "/boot" = {
      label = mkDefault "BOX_ESP"; # FAT: at most 11 characters, no small letters
      fsType = "vfat";
    };
  };
}
