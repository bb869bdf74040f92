# What holds on every machine: exposure, credentials, services. What a started
# machine shows better is in tests/box.
{
  lib,
  config,
  row,
}:
let
  inherit (config.networking) firewall;
  coderPort = config.box.coder.port;
  unit = name: config.systemd.services.${name} or { };

  # A password known in advance, in whatever form.
  hasPassword =
    user:
    lib.any (field: user.${field} or null != null) [
      "password"
      "hashedPassword"
      "hashedPasswordFile"
      "initialPassword"
      "initialHashedPassword"
    ];

  # `null` at `!` or nothing: accounts without a log-in.
  people = lib.filterAttrs (_: user: user.isNormalUser || user.uid == 0) config.users.users;

  perInterface = lib.concatMap (interface: interface.allowedTCPPorts) (
    lib.attrValues firewall.interfaces
  );
in
[
  (row "firewall" firewall.enable true)
  (row "open TCP ports" firewall.allowedTCPPorts [
    22
    coderPort
  ])
  (row "open TCP port ranges" firewall.allowedTCPPortRanges [ ])
  (row "open UDP ports" firewall.allowedUDPPorts [ 5353 ])
  (row "Coder's port on one interface" (lib.elem coderPort perInterface) false)
  (row "trusted interfaces" (lib.sort lib.lessThan firewall.trustedInterfaces) [
    "cni0"
    "flannel.1"
    "lo"
  ])
  (row "Coder does not start unguarded" (lib.elem "coder-port.service" (unit "coder").requires) true)

  (row "SSH" config.services.openssh.enable true)
  (row "SSH: root" config.services.openssh.settings.PermitRootLogin "no")
  (row "SSH: banner" (config.services.openssh.settings.Banner or null) null)

  (row "passwords known in advance" (lib.attrNames (lib.filterAttrs (_: hasPassword) people)) [ ])
  (row "sudo asks" config.security.sudo.wheelNeedsPassword true)
  (row "Unix password is made before log-in"
    (lib.elem "display-manager.service" (unit "box-account-password").before)
    true
  )

  (row "machine-id is made by the machine" (config.environment.etc ? machine-id) false)
  (row "SSH host keys are made by the machine" (lib.filter (
    key: key.path or "" == ""
  ) config.services.openssh.hostKeys) [ ])

  (row "Coder" config.services.coder.enable true)
  (row "Coder: database first" (lib.elem "postgresql.target" (unit "coder").after) true)
  (row "Coder: address found at run time" (unit "coder").serviceConfig.EnvironmentFile
    [ "-/run/box-address/coder.env" ]
  )
  (row "Coder: address" config.services.coder.accessUrl
    "http://${config.networking.hostName}.local:3000"
  )
  (row "mDNS" config.services.avahi.publish.addresses true)
  (row "k3s" config.services.k3s.role "server")
  (row "Podman" config.virtualisation.podman.enable true)
  (row "Podman is no root" config.users.users.coder-podman.isSystemUser true)
  (row "Plasma" config.services.desktopManager.plasma6.enable true)
  (row "first boot: codes that end it"
    (unit "coder-first-boot").serviceConfig.RestartPreventExitStatus
    "64 65 77 78"
  )

  (row "zram" config.zramSwap.enable true)
  (row "swap partitions" (map (swap: swap.device) config.swapDevices) [ ])

  (row "unfree, by name" config.nixpkgs.config.allowUnfreePackages [ "terraform" ])
  (row "unfree, at once" (config.nixpkgs.config.allowUnfree or false) false)
  (row "no revision unless asked for" config.system.configurationRevision null)
  (row "no branch unless asked for" config.box.source.branch null)
]
