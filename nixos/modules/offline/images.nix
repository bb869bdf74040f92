# The container images of the templates, as part of the machine. k3s takes its own from a
# folder at its start; into Podman a user's unit loads them, before Coder may ask it.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.box.offline.images;
  inherit (config.box) k3s podman;
  inherit (pkgs.stdenv.hostPlatform.go) GOARCH;

  wanted = import ./template-images.nix { inherit lib; } ../../../coderd/templates;

  # What is known of an image for this architecture, or null.
  known = image: cfg.lock.${image}.${GOARCH} or null;
  unknown = lib.filter (image: known image == null) (
    lib.optionals podman.enable wanted.podman ++ lib.optionals k3s.enable wanted.kubernetes
  );

  pulled =
    image:
    let
      parts = builtins.match "(.*):([^:]*)" image;
    in
    pkgs.dockerTools.pullImage {
      imageName = lib.head parts;
      imageDigest = (known image).digest;
      inherit (known image) hash;
      finalImageName = lib.head parts;
      finalImageTag = lib.last parts;
      arch = GOARCH;
    };
  pull = images: map pulled (lib.filter (image: known image != null) images);

  nameOf = archive: "${archive.imageName or archive.name}:${archive.imageTag or "latest"}";

  # An image says for which architecture it is, but who starts it hears "exec format
  # error".
  check =
    archive:
    pkgs.runCommandLocal "carried-image-is-for-${GOARCH}" {
      nativeBuildInputs = [
        pkgs.gnutar
        pkgs.gzip
        pkgs.jq
        pkgs.zstd
      ];
      name_of_image = nameOf archive;
      inherit archive;
      architecture = GOARCH;
    } (lib.readFile ./check-image.sh);

  load = pkgs.writeShellApplication {
    name = "box-load-images";
    runtimeInputs = [
      pkgs.coreutils
      config.virtualisation.podman.package
    ];
    text = lib.readFile ./load-images.sh;
  };

  user = "coder-podman";
in
{
  imports = [
    ../k3s
    ../podman
  ];

  options.box.offline.images = {
    enable = lib.mkOption {
      type = lib.types.bool;
      default = config.box.offline.enable;
      defaultText = lib.literalExpression "config.box.offline.enable";
      description = ''
        Whether the machine carries the container images of its templates: as large again
        as the rest of the machine, so images of The Box do not have them by default. A
        workspace is started from them without asking a registry.
      '';
    };

    lock = lib.mkOption {
      type = lib.types.attrsOf (lib.types.attrsOf lib.types.attrs);
      default = lib.importJSON ./images.json;
      defaultText = lib.literalMD "what `scripts/lock-carried.sh images` wrote";
      description = ''
        Digest and hash of each image of the templates, by its name and its architecture.
      '';
    };

    podman = lib.mkOption {
      type = lib.types.listOf lib.types.package;
      default = [ ];
      example = lib.literalExpression "[ (pkgs.dockerTools.pullImage { … }) ]";
      description = "Archives of container images to carry for Podman.";
    };

    kubernetes = lib.mkOption {
      type = lib.types.listOf lib.types.package;
      default = [ ];
      example = lib.literalExpression "[ (pkgs.dockerTools.pullImage { … }) ]";
      description = "Archives of container images to carry for k3s.";
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = unknown == [ ];
        message = ''
          box.offline.images.enable carries ${lib.concatStringsSep ", " unknown} for
          ${GOARCH}, whose hashes are not known: run scripts/lock-carried.sh images where
          there is a network, and `git add nixos/modules/offline/images.json`.
        '';
      }
      {
        assertion = podman.enable || cfg.podman == [ ];
        message = ''
          box.offline.images.podman has images, but box.podman.enable is false: nothing would
          load them.
        '';
      }
      {
        assertion = k3s.enable || cfg.kubernetes == [ ];
        message = ''
          box.offline.images.kubernetes has images, but box.k3s.enable is false: nothing would
          load them.
        '';
      }
    ];

    box.offline.images = {
      podman = lib.mkIf podman.enable (pull wanted.podman);
      kubernetes = lib.mkIf k3s.enable (pull wanted.kubernetes);
    };

    # What templates may take without a network.
    environment.etc."coder-box/images".text = lib.concatLines (
      map nameOf (cfg.podman ++ cfg.kubernetes)
    );

    services.k3s.images = cfg.kubernetes;

    system.checks = map check (cfg.podman ++ cfg.kubernetes);

    systemd.user.services = lib.mkIf (cfg.podman != [ ]) {
      coder-podman-images = {
        description = "Container images that this machine carries";
        unitConfig.ConditionUser = user;
        wantedBy = [ "default.target" ];
        # `newuidmap` is a wrapper with capabilities, so it is not in the store.
        environment.PATH = lib.mkForce "/run/wrappers/bin:/run/current-system/sw/bin";
        serviceConfig = {
          Type = "oneshot";
          RemainAfterExit = true;
          ExecStart = "${lib.getExe load} ${lib.escapeShellArgs (map toString cfg.podman)}";
        };
      };
      # Who asks it finds them all.
      coder-podman.after = [ "coder-podman-images.service" ];
    };
  };
}
