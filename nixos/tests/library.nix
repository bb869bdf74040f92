# What the library for other flakes promises, without nixpkgs: its hosts are made by the mini box's
# `nixosSystem`, which has the same arguments and the same words for priorities. As text: how many
# expectations there are, and a line for each that does not hold.
#
# `fixture` is a folder that `library.sh` makes, `elsewhere` a copy of it in another place.
{ fixture, elsewhere }:
let
  library = import ../lib;
  inherit (library) hosts source;
  inherit (import ../../examples/minibox/lib) nixosSystem;

  folder = fixture + "/hosts";
  configure =
    arguments:
    hosts.configurations (
      {
        directory = folder;
        inherit nixosSystem;
      }
      // arguments
    );
  configurations = configure { };
  nameOf = evaluated: evaluated.config.networking.hostName;
  systemOf = evaluated: evaluated.config.nixpkgs.hostPlatform.system;
  textOf = name: evaluated: evaluated.config.environment.etc.${name}.text or null;

  bake =
    root:
    source.bake {
      name = "a-source";
      inherit root;
      topLevel = [
        "flake.nix"
        "hosts"
        "nowhere"
      ];
    };
  # With a folder as an entry of its own, so that an empty one is seen.
  filesOf =
    path:
    let
      entries = builtins.readDir path;
    in
    builtins.concatMap (
      name:
      if entries.${name} == "directory" then
        [ "${name}/" ] ++ map (file: "${name}/${file}") (filesOf "${path}/${name}")
      else
        [ name ]
    ) (builtins.attrNames entries);

  # Without one input: nobody who uses the library fetches what this flake has locked.
  alone = (import ../../flake.nix).outputs {
    self = throw "self is used";
    nixpkgs = throw "nixpkgs is fetched";
    disko = throw "disko is fetched";
  };

  row = name: have: want: { inherit name have want; };
  rows = [
    (row "a host is a folder with a default.nix" (hosts.names folder) [
      "_image"
      "named"
      "plain"
    ])
    (row "an image host's name begins with _"
      [
        (hosts.isImage "_image")
        (hosts.isImage "image_")
        (hosts.isImage "")
      ]
      [
        true
        false
        false
      ]
    )
    (row "an image host stands there once more a system" (builtins.attrNames configurations) [
      "_image"
      "_image-aarch64-linux"
      "_image-x86_64-linux"
      "named"
      "plain"
    ])
    (row "the systems can be given"
      (builtins.attrNames (configure {
        systems = [ "aarch64-linux" ];
      }))
      [
        "_image"
        "_image-aarch64-linux"
        "named"
        "plain"
      ]
    )
    (row "the systems can be given by host"
      (builtins.attrNames (configure {
        systems = host: if host == "_image" then [ "riscv64-linux" ] else throw "asked for ${host}";
      }))
      [
        "_image"
        "_image-riscv64-linux"
        "named"
        "plain"
      ]
    )
    (row "a host is called like its folder" (nameOf configurations.plain) "plain")
    (row "a host can have another name" (nameOf configurations.named) "another")
    (row "an image host's name is not touched" (nameOf configurations._image) "nixos")
    (row "an image host has the system of its settings" (systemOf configurations._image) "x86_64-linux")
    (row "an image host has the system of its attribute" (systemOf configurations._image-aarch64-linux)
      "aarch64-linux"
    )
    (row "a host has its own local.nix"
      (map (textOf "mine") [
        configurations.plain
        configurations.named
        configurations._image
      ])
      [
        "mine"
        null
        null
      ]
    )
    (row "a host has its own facter.json"
      (map (textOf "facter-system") [
        configurations.named
        configurations.plain
      ])
      [
        "aarch64-linux\n"
        null
      ]
    )
    (row "every host has the modules of all" (builtins.mapAttrs (_: textOf "ours") (configure {
      modules = [ { environment.etc.ours.text = "ours"; } ];
    })) (builtins.mapAttrs (_: _: "ours") configurations))
    (row "every module has the arguments of all" (textOf "ours"
      (configure {
        specialArgs.extra.environment.etc.ours.text = "extra";
        modules = [
          (
            { extra, ... }:
            {
              imports = [ extra ];
            }
          )
        ];
      })._image
    ) "extra")
    (row "a host can be extended" (nameOf (
      configurations.plain.extendModules { modules = [ { networking.hostName = "more"; } ]; }
    )) "more")
    (row "what is baked" (filesOf (bake fixture)) [
      "flake.nix"
      "hosts/"
      "hosts/_image/"
      "hosts/_image/default.nix"
      "hosts/file.nix"
      "hosts/named/"
      "hosts/named/default.nix"
      "hosts/no-host/"
      "hosts/no-host/other.nix"
      "hosts/plain/"
      "hosts/plain/README.md"
      "hosts/plain/default.nix"
    ])
    (row "the name of what is baked" (builtins.match ".*-a-source" (bake fixture) != null) true)
    (row "what is baked does not depend on where it lies" (bake elsewhere) (bake fixture))
    (row "what is baked, baked once more, is the same" (bake (bake fixture)) (bake fixture))
    (row "what building leaves behind"
      (builtins.filter source.isProduct [
        "out"
        "outer"
        "result"
        "result-man"
        "resulting"
        "disk.raw"
        "disk.rawer"
        "default.nix~"
        ".direnv"
      ])
      [
        "out"
        "result"
        "result-man"
        "disk.raw"
        "default.nix~"
        ".direnv"
      ]
    )
    (row "`lib` of the flake needs none of its inputs" (builtins.attrNames alone.lib) [
      "hosts"
      "source"
    ])
    (row "the module for flake-parts, by its two names, needs none of the inputs"
      [
        alone.flakeModules.default
        alone.flakeModule
      ]
      [
        ../flake-module.nix
        ../flake-module.nix
      ]
    )
    (row "the templates need none of the inputs" (builtins.mapAttrs (
      _: template: template.path + "/flake.nix"
    ) alone.templates) { default = ../../templates/default/flake.nix; })
  ];
in
import ./plain-rows.nix rows
