# Every folder below `hosts/` that holds a `default.nix` is a host, so a new
# host is a new folder and no edit of `flake.nix`.
#
# A host whose folder begins with `_` exists only to be built into an image, for
# every system. Beside the host itself, which is for the system of its settings,
# stands one attribute a system, such as `_appliance-disk-aarch64-linux`: what plain
# Nix builds, and what a machine that runs the image rebuilds itself from. Those are
# no hosts of their own.
let
  inherit (builtins)
    attrNames
    concatMap
    elem
    filter
    isList
    listToAttrs
    pathExists
    readDir
    substring
    ;

  optional = condition: value: if condition then [ value ] else [ ];

  /**
    Whether a host of this name is an image host: one that is built into images and never
    runs as itself.

    # Example

    ```nix
    isImage "_live"
    => true
    ```

    # Type

    ```
    isImage :: String -> Bool
    ```
  */
  isImage = name: substring 0 1 name == "_";

  /**
    The names of the hosts in a folder, in alphabetical order: its folders that hold a
    `default.nix`. Throws where there is no such folder.

    # Example

    ```nix
    names ./hosts
    => [ "_live" "server" ]
    ```

    # Type

    ```
    names :: Path -> [String]
    ```
  */
  names =
    directory:
    let
      entries = readDir directory;
      isHost = name: entries.${name} == "directory" && pathExists (directory + "/${name}/default.nix");
    in
    if pathExists directory then
      filter isHost (attrNames entries)
    else
      throw "There is no folder ${toString directory}, or git tracks nothing in it: a host is a folder there with a default.nix.";

  # What belongs to one machine and is ignored by git: the owner's settings and
  # the report of `nixos-facter`. Both are optional.
  localSettings =
    folder:
    optional (pathExists (folder + "/local.nix")) (folder + "/local.nix")
    ++ optional (pathExists (folder + "/facter.json")) {
      hardware.facter.reportPath = folder + "/facter.json";
    };

  # Weaker than whatever the host itself says.
  namedAfterFolder =
    name:
    { lib, ... }:
    {
      networking.hostName = lib.mkDefault name;
    };

  # Stronger than what the host says of its own system.
  forSystem =
    system:
    { lib, ... }:
    {
      nixpkgs.hostPlatform = lib.mkForce system;
    };
in
{
  inherit isImage names;

  /**
    The hosts in a folder as `nixosConfigurations`.

    Each is made of `modules`, its folder, and what is there of `local.nix` and `facter.json` in
    it. Its host name is that of the folder, by default; an image host's is not touched.

    # Arguments

    directory
    : the folder of hosts, such as `./hosts`

    nixosSystem
    : `nixpkgs.lib.nixosSystem`, or what stands in for it

    modules
    : modules of every host

    specialArgs
    : arguments of every module, such as `{ inherit inputs; }`

    systems
    : what image hosts are built for: a list, or a function from the name of an image host to
      one. Each gives an attribute more.

    # Example

    ```nix
    configurations {
      directory = ./hosts;
      inherit (nixpkgs.lib) nixosSystem;
    }
    => { _live = …; _live-aarch64-linux = …; _live-x86_64-linux = …; server = …; }
    ```

    # Type

    ```
    configurations :: {
      directory :: Path;
      nixosSystem :: AttrSet -> NixOS;
      modules ? :: [Module];
      specialArgs ? :: AttrSet;
      systems ? :: [String] | String -> [String];
    } -> { name :: NixOS; … }
    ```
  */
  configurations =
    {
      directory,
      nixosSystem,
      modules ? [ ],
      specialArgs ? { },
      systems ? [
        "x86_64-linux"
        "aarch64-linux"
      ],
    }:
    let
      hosts = names directory;
      systemsOf = if isList systems then _: systems else systems;

      configuration =
        name: more:
        let
          folder = directory + "/${name}";
        in
        nixosSystem {
          inherit specialArgs;
          modules =
            modules
            ++ [ folder ]
            ++ localSettings folder
            ++ optional (!isImage name) (namedAfterFolder name)
            ++ more;
        };

      # The same host once more, under a name that no folder may have.
      onSystem =
        host: system:
        let
          name = "${host}-${system}";
        in
        if elem name hosts then
          throw "${toString directory}/${name} has the name that ${host} has when it is built for ${system}: rename one of the two folders."
        else
          {
            inherit name;
            value = configuration host [ (forSystem system) ];
          };

      attributes =
        name:
        [
          {
            inherit name;
            value = configuration name [ ];
          }
        ]
        ++ (if isImage name then map (onSystem name) (systemsOf name) else [ ]);
    in
    listToAttrs (concatMap attributes hosts);
}
