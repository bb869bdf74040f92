# Remote login with keys only. No host key is part of an image: sshd makes its
# own when it first starts.
{ config, lib, ... }:
let
  cfg = config.box.ssh;
in
{
  options.box.ssh.enable = lib.mkEnableOption "SSH, with keys only";

  config = lib.mkIf cfg.enable {
    services.openssh = {
      enable = true;
      openFirewall = true;
      settings = {
        PasswordAuthentication = false;
        KbdInteractiveAuthentication = false;
        PermitRootLogin = "no";
      };
    };

    assertions = [
      {
        assertion = !config.services.openssh.settings.PasswordAuthentication;
        message = ''
          box.ssh.enable promises SSH without passwords, but
          services.openssh.settings.PasswordAuthentication is true.
        '';
      }
    ];
  };
}
