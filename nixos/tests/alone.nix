# Each module evaluates alone, switched on and without the others' help: what it
# needs it imports or asks for in a sentence.
{ lib, box }:
let
  # What a service cannot do without, stated by its own assertions.
  needs = {
    exposure.box.exposure.coder = "never";
    first-boot.box.coder.enable = true;
    reset.box.coder.enable = true;
    templates.box = {
      coder.enable = true;
      firstBoot.enable = true;
      k3s.enable = true;
      podman.enable = true;
    };
  };
  mdns.box.mdns.enable = true;
  withCoder = [
    "coder"
    "first-boot"
    "reset"
    "templates"
  ];

  switch = {
    base = { };
    source = { };
    always-on.box.alwaysOn.enable = true;
    appliance.box.enable = true;
    disk-layout.box.diskLayout.enable = true;
    first-boot.box.firstBoot.enable = true;
    # What takes no hashes.
    offline.box = {
      k3s.enable = true;
      offline.kubernetes.enable = true;
      offline.tools.enable = true;
    };
  };

  machine = {
    nixpkgs.hostPlatform = "x86_64-linux";
    system.stateVersion = "26.05";
    fileSystems."/" = {
      device = lib.mkDefault "/dev/disk/by-label/test";
      fsType = lib.mkDefault "ext4";
    };
    boot.loader.grub.device = lib.mkDefault "nodev";
  };

  failures =
    name: module:
    map (assertion: assertion.message) (
      lib.filter (assertion: !assertion.assertion)
        (lib.nixosSystem {
          modules = [
            module
            machine
            (switch.${name} or { box.${name}.enable = true; })
            (needs.${name} or { })
          ]
          ++ lib.optional (lib.elem name withCoder) mdns;
        }).config.assertions
    );
in
lib.mapAttrsToList (name: module: {
  inherit name;
  have = failures name module;
  want = [ ];
}) (removeAttrs box.modules [ "default" ])
