# What the options of the module for flake-parts do, as text: by flake-parts itself, on hosts that
# the mini box's `nixosSystem` makes, in a folder that `library.sh` makes.
{
  self,
  inputs,
  flake-parts,
  cbox,
  folder,
}:
let
  inherit (import ../../examples/minibox/lib) nixosSystem;

  # The flake that a module makes.
  flake =
    module:
    flake-parts.lib.mkFlake { inherit inputs; } {
      imports = [
        cbox.flakeModules.default
        module
      ];
      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "aarch64-darwin"
      ];
    };
  hosts = settings: (flake { cbox.hosts = settings; }).nixosConfigurations;
  here = settings: hosts ({ directory = folder; } // settings);
  made = settings: here ({ inherit nixosSystem; } // settings);
  namesOf = settings: builtins.attrNames (made settings);
  textOf = evaluated: evaluated.config.environment.etc.ours.text or null;
  etc.environment.etc.ours.text = "ours";
  fails = value: !(builtins.tryEval value).success;

  row = name: have: want: { inherit name have want; };
in
import ./plain-rows.nix [
  (row "without a folder there are no hosts" (hosts { }) { })
  (row "image hosts are for those of `systems` that are Linux" (namesOf { }) [
    "_image"
    "_image-aarch64-linux"
    "_image-x86_64-linux"
    "named"
    "plain"
  ])
  (row "the systems can be given" (namesOf { systems = [ "riscv64-linux" ]; }) [
    "_image"
    "_image-riscv64-linux"
    "named"
    "plain"
  ])
  (row "the systems can be given by host"
    (namesOf { systems = host: if host == "_image" then [ ] else throw "asked for ${host}"; })
    [
      "_image"
      "named"
      "plain"
    ]
  )
  (row "hosts are those of the library" (made { }).plain.config.networking.hostName "plain")
  (row "every host has the modules of all" (textOf (made { modules = [ etc ]; })._image) "ours")
  (row "every module has the arguments of all" (textOf
    (made {
      specialArgs.extra = etc;
      modules = [
        (
          { extra, ... }:
          {
            imports = [ extra ];
          }
        )
      ];
    }).plain
  ) "ours")
  (row "several modules of the flake add up" (textOf
    (flake {
      imports = [
        cbox.flakeModule
        { cbox.hosts.modules = [ etc ]; }
      ];
      cbox.hosts = {
        inherit nixosSystem;
        directory = folder;
        modules = [ { } ];
      };
    }).nixosConfigurations.plain
  ) "ours")
  (row "hosts of the flake's own stand beside them"
    (builtins.attrNames
      (flake {
        flake.nixosConfigurations.mine = nixosSystem { modules = [ ]; };
        cbox.hosts = {
          inherit nixosSystem;
          directory = folder;
          systems = [ ];
        };
      }).nixosConfigurations
    )
    [
      "_image"
      "mine"
      "named"
      "plain"
    ]
  )
  (row "without an input nixpkgs, nixosSystem has to be given" (fails (here { }).plain) true)
  (row "a word is no list of systems" (fails (namesOf {
    systems = "x86_64-linux";
  })) true)
]
