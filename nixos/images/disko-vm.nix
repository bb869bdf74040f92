# disko hands nixpkgs' virtual machine tools a tree of kernel modules as their
# kernel. Releases after 26.05 have an argument of its own for it and refuse
# the old way, which disko has not followed yet; this one serves both.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (pkgs) vmTools;

  takesModules = lib.functionArgs vmTools.override ? kernelModules;

  override =
    arguments:
    vmTools.override (
      arguments
      // lib.optionalAttrs (arguments ? kernel && !(arguments ? kernelModules)) {
        inherit (config.disko.imageBuilder.kernelPackages) kernel;
        kernelModules = arguments.kernel;
      }
    );
in
{
  disko.imageBuilder.pkgs = lib.mkIf takesModules (
    pkgs
    // {
      vmTools = vmTools // {
        inherit override;
      };
    }
  );
}
