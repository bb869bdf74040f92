# The workspace templates that the first boot deploys. Coder takes each folder by
# itself, so each gets a copy of what all have in common.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.box.templates;
  inherit ((import ../../lib).source) isProduct;

  # A fixed name, and nothing of the flake around it: a host changes when the
  # templates do, and only then.
  source = builtins.path {
    name = "coder-templates";
    path = ../../../coderd;
    filter = path: _: !isProduct (baseNameOf path);
  };

  ours = pkgs.runCommandLocal "coder-templates" { } ''
    cp --recursive --no-preserve=mode ${source}/templates $out
    for template in $out/*/; do
      cp --no-preserve=mode --no-clobber ${source}/shared/* "$template"
    done
  '';

  # Coder takes no links, of which `symlinkJoin` makes a folder.
  whole = pkgs.runCommandLocal "coder-templates" { } ''
    cp --recursive --dereference --no-preserve=mode ${cfg.directory} $out
  '';
in
{
  imports = [
    ../first-boot
    ../k3s
    ../podman
  ];

  options.box.templates = {
    enable = lib.mkEnableOption "the deployment of workspace templates";

    directory = lib.mkOption {
      type = lib.types.path;
      default = ours;
      defaultText = lib.literalMD "`coderd/templates` of this repository, each with the files of `coderd/shared`";
      description = "Folder of template folders.";
    };
  };

  config = lib.mkIf cfg.enable {
    box.firstBoot.templates = if cfg.directory == ours then ours else whole;

    assertions = [
      {
        assertion = config.box.firstBoot.enable;
        message = ''
          box.templates.enable is true, but box.firstBoot.enable is false: nothing would
          deploy them.
        '';
      }
      {
        assertion = cfg.directory != ours || config.box.k3s.enable;
        message = ''
          box.templates.enable deploys a template for Kubernetes, but box.k3s.enable is
          false. Enable it, or point box.templates.directory to templates that do without.
        '';
      }
      {
        assertion = cfg.directory != ours || config.box.podman.enable;
        message = ''
          box.templates.enable deploys templates for Podman, but box.podman.enable is
          false. Enable it, or point box.templates.directory to templates that do without.
        '';
      }
    ];
  };
}
