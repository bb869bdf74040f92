# What a machine carries so that workspaces start without a network: k3s' own images,
# the container images of the templates, the providers of Terraform, and the programs
# that workspaces get from the machine. Each part can be had alone.
{ config, lib, ... }:
let
  cfg = config.box.offline;
in
{
  imports = [
    ./images.nix
    ./kubernetes.nix
    ./terraform.nix
    ./tools.nix
  ];

  options.box.offline.enable = lib.mkEnableOption ''
    workspaces that start without a network: everything that they would download is part
    of the machine. It has to be known by its hash first, which
    {file}`scripts/lock-carried.sh` finds out where there is a network'';

  # Coder asks a server of the internet how a workspace is reached past routers.
  config.services.coder.environment.extra = lib.mkIf (cfg.enable && config.box.coder.enable) {
    CODER_DERP_SERVER_STUN_ADDRESSES = "disable";
  };
}
