# The contracts of an evaluated host as rows. Which rows there are depends on
# what the host is: every host, an install host, an image, one kind of image.
{ lib }:
{
  host,
  attribute,
  evaluated,
}:
let
  inherit (evaluated) config options;
  inherit (config.nixpkgs.hostPlatform) system;

  isImage = lib.hasPrefix "_" host;
  artifact = "coder-box-appliance-${system}";

  row = name: have: want: { inherit name have want; };

  kinds = {
    isoImage = import ./contract-iso.nix;
    diskoImages = import ./contract-disk.nix;
    toplevel = _: [ ];
  };

  everywhere = import ./contract-everywhere.nix { inherit lib config row; };

  installed = [
    (row "host name" config.networking.hostName host)
    (row "host name: priority" options.networking.hostName.highestPrio 1000)
    (row "no baked source" (config.environment.etc ? "nixos-repo") false)
    (row "no autologin" config.services.displayManager.autoLogin.enable false)
  ];

  image = [
    (row "host name" config.networking.hostName "coder-box")
    (row "host name: priority" options.networking.hostName.highestPrio 1250)
    (row "baked source: name" (lib.hasSuffix "-box-source"
      config.environment.etc."nixos-repo".source
    ) true)
    (row "source is shown by its hash"
      (lib.hasInfix config.box.source.digest config.services.getty.helpLine)
      true
    )
    (row "all hardware" config.hardware.enableAllHardware true)
    (row "nixpkgs in the registry" (config.nix.registry ? nixpkgs) true)
    (row "autologin" config.services.displayManager.autoLogin.user config.box.accounts.user)
    (row "EFI variables" config.boot.loader.efi.canTouchEfiVariables false)
    (row "no hardware report" config.hardware.facter.reportPath null)
    (row "the console is the kernel's to find"
      (lib.filter (lib.hasPrefix "console=") config.boot.kernelParams)
      [ ]
    )
    (row "guest agents"
      [
        config.services.qemuGuest.enable
        config.services.spice-vdagentd.enable
      ]
      [ true true ]
    )
    (row "microcode of both vendors on x86"
      [
        config.hardware.cpu.amd.updateMicrocode
        config.hardware.cpu.intel.updateMicrocode
      ]
      (
        let
          x86 = system == "x86_64-linux";
        in
        [
          x86
          x86
        ]
      )
    )
  ];

  # What one host is known for, where somebody wrote it down.
  own = ./hosts + "/${host}.nix";
in
everywhere
++ (if isImage then image else installed)
++ kinds.${attribute} {
  inherit
    lib
    evaluated
    row
    system
    artifact
    ;
}
++ lib.optionals (lib.pathExists own) (import own { inherit lib config row; })
