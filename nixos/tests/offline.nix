# A host that carries all of it: what Coder, k3s, Podman and the first boot are told, and
# whether the providers that nixpkgs has are those that the templates take. Hashes are
# stand-ins, since nothing of it is built.
{ lib, nixosConfigurations }:
let
  templates = ../../coderd/templates;
  inherit (import ../modules/offline/template-images.nix { inherit lib; } templates)
    podman
    kubernetes
    ;
  wanted = podman ++ kubernetes;

  lock = lib.genAttrs wanted (
    _:
    lib.genAttrs [ "amd64" "arm64" ] (_: {
      digest = "sha256:${lib.concatStrings (lib.replicate 64 "0")}";
      hash = lib.fakeHash;
    })
  );

  carrying = {
    box.offline = {
      enable = true;
      terraform.coderProvider = {
        version = "2.9.0";
        hash = lib.fakeHash;
        vendorHash = lib.fakeHash;
      };
      images.lock = lib.mkForce lock;
    };
  };

  with' = host: module: (nixosConfigurations.${host}.extendModules { modules = [ module ]; }).config;
  host = with' "coder-thinkcentre" carrying;
  plain = nixosConfigurations.coder-thinkcentre.config;
  image = nixosConfigurations._appliance_iso.config;

  failures = config: map (one: one.message) (lib.filter (one: !one.assertion) config.assertions);
  variable =
    config: unit: name:
    config.systemd.services.${unit}.environment.${name} or "unset";
  archives = config: map (archive: archive.name) config.services.k3s.images;

  # `kreuzwerker/docker` and ">= 3.6, < 5.0", as the templates write them.
  required =
    let
      folders = lib.attrNames (
        lib.filterAttrs (_: type: type == "directory") (builtins.readDir templates)
      );
      of =
        name:
        map
          (found: {
            address = lib.head found;
            constraints = lib.splitString ", " (lib.last found);
          })
          (
            lib.filter lib.isList (
              builtins.split "source  = \"([^\"]*)\"\n *version = \"([^\"]*)\"" (
                builtins.readFile (templates + "/${name}/main.tf")
              )
            )
          );
    in
    lib.unique (lib.concatMap of folders);

  holds =
    version: constraint:
    let
      parts = lib.splitString " " constraint;
      than = lib.last parts;
      up = lib.versions.major than;
    in
    {
      ">=" = lib.versionAtLeast version than;
      "<" = lib.versionOlder version than;
      # With two numbers, as all of them have.
      "~>" = lib.versionAtLeast version than && lib.versions.major version == up;
    }
    .${lib.head parts};

  carried = lib.listToAttrs (
    map (
      provider:
      lib.nameValuePair (lib.removePrefix "registry.terraform.io/" provider.provider-source-address) provider.version
    ) host.box.offline.terraform.providers
  );

  row = name: have: want: { inherit name have want; };
in
[
  (row "it evaluates without a complaint" (failures host) [ ])
  (row "the templates name images" (lib.length wanted > 5) true)
  (row "Coder's Terraform has a folder of providers" (lib.hasInfix "terraform.rc" (
    variable host "coder" "TF_CLI_CONFIG_FILE"
  )) true)
  (row "Coder asks no server of the internet"
    [
      (variable host "coder" "CODER_DERP_SERVER_STUN_ADDRESSES")
      (variable plain "coder" "CODER_DERP_SERVER_STUN_ADDRESSES")
    ]
    [ "disable" "unset" ]
  )
  (row "the first boot waits for no network" (variable host "coder-first-boot"
    "FIRST_BOOT_PROBE_URL"
  ) "")
  (row "k3s has its own images and those of pods" (lib.length (archives host)) (
    1 + lib.length kubernetes
  ))
  (row "k3s takes them for what they are" (lib.all (
    name: builtins.match ".*\\.tar(\\.(gz|zst))?" name != null
  ) (archives host)) true)
  (row "Podman has those of containers" (map (
    archive: "${archive.imageName}:${archive.imageTag}"
  ) host.box.offline.images.podman) podman)
  (row "templates know what is carried" host.environment.etc."coder-box/images".text (
    lib.concatLines wanted
  ))
  (row "workspaces have tools" (host.environment.etc ? "coder-box/tools") true)

  (row "nothing is carried unasked"
    [
      (variable plain "coder" "TF_CLI_CONFIG_FILE")
      (archives plain)
      (lib.filter (lib.hasPrefix "coder-box/") (lib.attrNames plain.environment.etc))
      (plain.systemd.user.services ? coder-podman-images)
    ]
    [
      "unset"
      [ ]
      [ ]
      false
    ]
  )
  (row "an image carries what is small"
    [
      (lib.length (archives image))
      (lib.filter (lib.hasPrefix "coder-box/") (lib.attrNames image.environment.etc))
      (variable image "coder" "TF_CLI_CONFIG_FILE")
    ]
    [
      1
      [ "coder-box/tools" ]
      "unset"
    ]
  )
]
++ map (
  { address, constraints }:
  row "the templates take the carried ${address} ${carried.${address} or "(none)"}" (
    carried ? ${address} && lib.all (holds carried.${address}) constraints
  ) true
) required
++ [ (row "the templates require providers" (lib.length required) 3) ]
