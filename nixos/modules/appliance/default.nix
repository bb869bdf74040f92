# The Box as a whole: one switch for everything that belongs to it. Each part
# is set at `mkDefault`, so a host leaves one out with a plain assignment.
{ config, lib, ... }:
{
  imports = [
    ../accounts
    ../always-on
    ../coder
    ../desktop
    ../exposure
    ../first-boot
    ../k3s
    ../mdns
    ../offline
    ../podman
    ../reset
    ../resources
    ../ssh
    ../templates
    ../tools
    ../zram
  ];

  options.box.enable = lib.mkEnableOption "everything that makes a machine The Box";

  config = lib.mkIf config.box.enable {
    box =
      lib.genAttrs
        [
          "accounts"
          "alwaysOn"
          "coder"
          "desktop"
          "exposure"
          "firstBoot"
          "k3s"
          "mdns"
          "podman"
          "reset"
          "resources"
          "ssh"
          "templates"
          "tools"
          "zram"
        ]
        (_: {
          enable = lib.mkDefault true;
        });

    networking.networkmanager.enable = lib.mkDefault true;
    time.timeZone = lib.mkDefault "UTC";
    i18n.defaultLocale = lib.mkDefault "en_US.UTF-8";
  };
}
