# k3s starts its own pods (DNS, storage) from images that it would download.
{ config, lib, ... }:
let
  cfg = config.box.offline.kubernetes;
  inherit (config.box) k3s;
in
{
  imports = [ ../k3s ];

  options.box.offline.kubernetes.enable = lib.mkOption {
    type = lib.types.bool;
    default = config.box.offline.enable && k3s.enable;
    defaultText = lib.literalExpression "config.box.offline.enable && config.box.k3s.enable";
    description = ''
      Whether the machine carries the images that k3s itself needs, as its project
      publishes them for each release. Images of The Box have them by default.
    '';
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = k3s.enable;
        message = ''
          box.offline.kubernetes.enable is true, but box.k3s.enable is false: nothing would
          use the images of k3s.
        '';
      }
    ];

    services.k3s.images = [ config.services.k3s.package.airgap-images ];
  };
}
