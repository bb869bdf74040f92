# Coder runs the Terraform that it finds. If there is none, or one that is older
# than what it was made for, it downloads another when it starts, and without a
# network it does not start at all: no first user, no dashboard. So what it will find
# is compared with what its release takes while the system is evaluated.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.box.coder;
  inherit (cfg.terraform) package windows;

  version = lib.getVersion package;
  coderVersion = lib.getVersion config.services.coder.package;
  release = lib.versions.majorMinor coderVersion;
  window = windows.${release} or null;

  # `minTerraformVersion` in provisioner/terraform/install.go of each release. Since
  # 2.9 a Terraform newer than `maxTerraformVersion` is used all the same, with a line in
  # the log (provisioner/terraform/serve.go), so there is no upper end.
  known = lib.genAttrs (map (minor: "2.${toString minor}") (lib.range 9 35)) (_: {
    oldest = "1.1.0";
  });
in
{
  options.box.coder.terraform = {
    package = lib.mkPackageOption pkgs "terraform" { } // {
      description = ''
        The Terraform that Coder finds. nixpkgs' Coder brings this one by itself.
      '';
    };

    windows = lib.mkOption {
      type = lib.types.attrsOf (
        lib.types.submodule {
          options = {
            oldest = lib.mkOption {
              type = lib.types.str;
              description = "The oldest Terraform that this release of Coder takes.";
            };
            newest = lib.mkOption {
              type = lib.types.nullOr lib.types.str;
              default = null;
              description = "The newest one, where Coder refuses what is newer.";
            };
          };
        }
      );
      example.${"2.40"}.oldest = "1.5.0";
      description = ''
        Which versions of Terraform a release of Coder takes, by its first two numbers.
      '';
    };
  };

  config = {
    box.coder.terraform.windows = lib.mapAttrs (_: lib.mkDefault) known;

    assertions = lib.mkIf cfg.enable [
      {
        assertion = window != null;
        message = ''
          It is not known which Terraform Coder ${coderVersion} takes, so it might download
          one when it starts. See provisioner/terraform/install.go of that release, and set
          box.coder.terraform.windows."${release}".oldest.
        '';
      }
      {
        assertion =
          window == null
          || (
            lib.versionAtLeast version window.oldest
            && (window.newest == null || lib.versionAtLeast window.newest version)
          );
        message = ''
          Coder ${coderVersion} takes Terraform from ${window.oldest} on${
            lib.optionalString (window.newest != null) " up to ${window.newest}"
          }, but box.coder.terraform.package is ${version}: Coder would download another when it
          starts, and not start without a network.
        '';
      }
    ];

    # For a Coder from elsewhere, which brings none.
    systemd.services.coder.path = lib.mkIf cfg.enable [ package ];
  };
}
