# What never enters anything that is copied out of this repository.
{ lib }:
{
  # One machine's own settings, which may hold secrets.
  isLocal = name: name == "local.nix" || name == "facter.json";

  # What building leaves behind. Git ignores these too; the list counts when
  # the flake is read from a folder that is no git repository.
  isProduct =
    name:
    lib.hasPrefix "result-" name
    || lib.elem name [
      ".direnv"
      ".git"
      ".terraform"
      "out"
      "result"
      "target"
    ]
    || lib.any (suffix: lib.hasSuffix suffix name) [
      ".img"
      ".iso"
      ".qcow2"
      ".raw"
      ".tfstate"
      ".tfstate.backup"
      "~"
    ];
}
