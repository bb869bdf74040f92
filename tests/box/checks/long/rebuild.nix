# Something of each service that a person may change.
{ lib, ... }:
{
  time.timeZone = lib.mkForce "Europe/Berlin";
  networking.firewall.allowedTCPPorts = [ 8080 ];
  services.coder.environment.extra.CODER_VERBOSE = "true";
  services.postgresql.settings.max_connections = 150;
  services.k3s.extraFlags = lib.mkAfter [ "--node-label=changed=yes" ];
  environment.etc."changed".text = "yes\n";
}
