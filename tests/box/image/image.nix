# An image with its own kernel, first stage and loader: what differs from one
# that nixpkgs would make.
{
  config,
  lib,
  options,
  pkgs,
  ...
}:
let
  # Where Debian's programs find their files. (The loader of aarch64 is in /lib.)
  links = root: ''
    mkdir -p ${root}/lib64
    ln -sfn ${pkgs.debianRoot}/usr ${root}/usr
    ln -sfn usr/lib ${root}/lib
    ln -sfn usr/sbin ${root}/sbin
    ln -sfn ${pkgs.debianRoot}/usr/lib64/ld-linux-x86-64.so.2 ${root}/lib64/ld-linux-x86-64.so.2
  '';
in
{
  imports = [
    ../host/common.nix
    ../host/shell.nix
  ];

  # nixos-install enters the new root, which has to have Debian's files then.
  options.system.build.nixos-install = lib.mkOption {
    apply =
      real:
      pkgs.writeTextFile {
        name = "nixos-install";
        executable = true;
        destination = "/bin/nixos-install";
        text = ''
          #!${pkgs.runtimeShell}
          set -e
          words=("$@")
          while [ "$1" != --root ]; do shift; done
          ${links "\"$2\""}
          exec ${real}/bin/nixos-install "''${words[@]}"
        '';
      };
  };

  config = lib.mkMerge [
    {
      # Debian's kernel leaves out some drivers.
      boot.initrd.allowMissingModules = true;

      # Beside others an emulated processor is so slow that Linux takes its timer for broken.
      boot.kernelParams = [ "no_timer_check" ];

      # In stage 1 /lib has the kernel's modules only.
      boot.initrd.systemd.contents."/lib".source = lib.mkIf pkgs.stdenv.hostPlatform.isAarch64 (
        lib.mkForce (
          pkgs.runCommand "lib" { } ''
            mkdir $out
            ln -s ${config.system.build.modulesClosure}/lib/* $out/
            ln -s ${pkgs.debianRoot}/usr/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1 $out/
          ''
        )
      );

      # Where Debian's udev has its own rules.
      boot.initrd.systemd.storePaths = [ "${pkgs.debianRoot}/usr/lib/udev/rules.d" ];

      # Debian's programs find their libraries below /usr; in NixOS there is none.
      # As soon as the store is there, before anything of it runs.
      boot.initrd.systemd.services.bench-usr = {
        description = "Where Debian's programs find their files";
        unitConfig = {
          DefaultDependencies = false;
          RequiresMountsFor = "/sysroot/nix/store";
        };
        requiredBy = [ "initrd.target" ];
        before = [
          "initrd.target"
          "initrd-nixos-activation.service"
        ];
        serviceConfig = {
          Type = "oneshot";
          RemainAfterExit = true;
        };
        script = ''
          ${links "/sysroot"}
        '';
      };
    }
    (lib.optionalAttrs (options ? isoImage) {
      # Pictures would be fetched, and xz takes minutes.
      isoImage.splashImage = pkgs.bench-picture;
      isoImage.efiSplashImage = pkgs.bench-picture;
      isoImage.grubTheme = null;
      # Debian's kernel cannot be told how many threads decompress.
      fileSystems."/nix/.ro-store" = lib.mkForce (
        config.lib.isoFileSystems."/nix/.ro-store".content // { options = [ "loop" ]; }
      );
      isoImage.squashfsCompression = lib.mkForce "zstd -Xcompression-level 3";
    })
  ];
}
