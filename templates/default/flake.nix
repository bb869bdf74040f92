{
  description = "NixOS machines and images, a folder each";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
    # Put the address that this template came from here, once: the workflow takes cbox from it too.
    cbox.url = "github:OWNER/cbox";
    cbox.inputs.nixpkgs.follows = "nixpkgs";
  };

  outputs =
    { nixpkgs, cbox, ... }:
    {
      nixosConfigurations = cbox.lib.hosts.configurations {
        directory = ./hosts;
        inherit (nixpkgs.lib) nixosSystem;
      };
    };
}
