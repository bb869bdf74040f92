# The workspace templates that the first boot deploys.
{ config, lib, ... }:
let
  cfg = config.box.templates;
  inherit ((import ../../lib).source) isProduct;

  # A fixed name, and nothing of the flake around it: a host changes when the
  # templates do, and only then.
  ours = builtins.path {
    name = "coder-templates";
    path = ../../../coderd/templates;
    filter = path: _: !isProduct (baseNameOf path);
  };
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
      defaultText = lib.literalMD "`coderd/templates` of this repository";
      description = "Folder of template folders.";
    };
  };

  config = lib.mkIf cfg.enable {
    box.firstBoot.templates = cfg.directory;

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
