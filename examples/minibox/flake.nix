{
  description = "Mini box: bootable appliance images from Debian parts, without nixpkgs";

  # No inputs, so there is no flake.lock either: what this flake builds from is locked in
  # debs.lock.json, and evaluating it needs no network.
  inputs = { };

  # `self` is deliberately not used: self.rev, self.narHash and self.lastModified change with every
  # commit, and whatever they enter is built again each time.
  outputs =
    { self }:
    let
      lib = import ./lib;
    in
    {
      inherit lib;

      # One host for each folder of ./hosts.  A new host is a new folder, and no edit here.
      nixosConfigurations = lib.discoverHosts ./hosts;
    };
}
