# What other flakes use, as `lib` of this one. Each file does one thing; this one names them.
#
# It takes nothing but Nix: a flake that uses it brings its own nixpkgs, and never fetches the one
# that this flake has locked.
{
  # Hosts by folder: `names`, `isImage`, `configurations`.
  hosts = import ./hosts.nix;

  # The source that images carry: `bake`, `isProduct`.
  source = import ./baked-source.nix;
}
