# Programs that workspaces get from the machine instead of downloading them: the editor of
# the browser, and git for images that have none. They are a Nix store of their own, so a
# workspace sees these and nothing else of the machine's, which may hold what is the
# owner's. Templates mount it at /nix, read-only.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.box.offline.tools;
  inherit (config.box) k3s;
  claim = "workspace-tools";
  folder = "/etc/coder-box/tools/nix";

  programs = pkgs.buildEnv {
    name = "workspace-programs";
    paths = cfg.packages;
    pathsToLink = [
      "/bin"
      "/etc/ssl"
    ];
  };

  # A copy that refers to nothing: the machine's own store has none of it.
  tools =
    pkgs.runCommandLocal "workspace-tools"
      {
        __structuredAttrs = true;
        unsafeDiscardReferences.out = true;
        closure = pkgs.closureInfo { rootPaths = [ programs ]; };
      }
      ''
        mkdir -p $out/nix/store
        while read -r path; do
          cp -a "$path" $out/nix/store/
        done <$closure/store-paths
        ln -s ${programs} $out/nix/tools
        echo ${lib.escapeShellArg (lib.concatMapStringsSep " " lib.getName cfg.packages)} >$out/names
      '';
in
{
  imports = [ ../k3s ];

  options.box.offline.tools = {
    enable = lib.mkOption {
      type = lib.types.bool;
      default = config.box.offline.enable;
      defaultText = lib.literalExpression "config.box.offline.enable";
      description = ''
        Whether workspaces get programs from the machine, at {file}`/nix/tools/bin`, the last
        folder of their PATH: the editor of the browser, and git. Without them the editor is
        downloaded by each workspace, once. Images of The Box have them by default.
      '';
    };

    packages = lib.mkOption {
      type = lib.types.listOf lib.types.package;
      default = [
        pkgs.code-server
        pkgs.gitMinimal
        # An image has its own in a place of its own, if at all.
        pkgs.cacert
      ];
      defaultText = lib.literalExpression "[ pkgs.code-server pkgs.gitMinimal pkgs.cacert ]";
      description = "The programs, with all that they need.";
    };
  };

  config = lib.mkIf cfg.enable {
    environment.etc."coder-box/tools".source = tools;

    # A pod may not mount a folder of the machine; a claim on a volume, which only the
    # cluster's administrator can make, it may.
    services.k3s.manifests.workspace-tools.content = lib.mkIf k3s.enable [
      {
        apiVersion = "v1";
        kind = "PersistentVolume";
        metadata.name = claim;
        spec = {
          capacity.storage = "1Gi";
          accessModes = [ "ReadOnlyMany" ];
          persistentVolumeReclaimPolicy = "Retain";
          storageClassName = "";
          claimRef = {
            namespace = "coder-workspaces";
            name = claim;
          };
          hostPath.path = folder;
        };
      }
      {
        apiVersion = "v1";
        kind = "PersistentVolumeClaim";
        metadata = {
          name = claim;
          namespace = "coder-workspaces";
          # A reset leaves it.
          labels."app.kubernetes.io/part-of" = "coder-box";
        };
        spec = {
          accessModes = [ "ReadOnlyMany" ];
          storageClassName = "";
          volumeName = claim;
          resources.requests.storage = "1Gi";
        };
      }
    ];
  };
}
