# The modules by name: one folder a service, each usable alone through its own
# `box.<service>.enable`. `default` is all of them; `box.enable` in `appliance`
# switches on what makes a machine The Box.
{ disko }:
let
  modules = {
    accounts = ./accounts;
    always-on = ./always-on;
    appliance = ./appliance;
    base = ./base;
    coder = ./coder;
    credentials = ./credentials;
    desktop = ./desktop;
    disk-layout.imports = [
      disko.nixosModules.disko
      ./disk-layout
    ];
    exposure = ./exposure;
    first-boot = ./first-boot;
    k3s = ./k3s;
    mdns = ./mdns;
    offline = ./offline;
    podman = ./podman;
    reset = ./reset;
    resources = ./resources;
    secrets = ./secrets;
    # What evaluating this flake takes besides nixpkgs, for images to carry.
    source.imports = [
      ./source
      { box.source.inputs = [ disko.outPath ]; }
    ];
    ssh = ./ssh;
    templates = ./templates;
    tools = ./tools;
    zram = ./zram;
  };
in
modules
// {
  default.imports = builtins.attrValues modules;
}
