# Coder runs `terraform init` for each template and each start of a workspace, and
# Terraform asks its registry for the providers. Here it finds them in a folder. It
# passes on its environment but for variables of its own (`CODER_…`): see safeEnviron
# in provisioner/terraform/safeenv.go of its source.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.box.offline.terraform;
  inherit (config.box) coder templates;

  sourceFile = ../../../packages/terraform-provider-coder/source.json;

  coderProvider = pkgs.callPackage ../../../packages/terraform-provider-coder/package.nix {
    source = cfg.coderProvider;
  };

  addresses = map (provider: provider.provider-source-address) cfg.providers;

  # Copies: Terraform does not look for providers behind linked folders, and without
  # references nothing is there twice.
  mirror = pkgs.runCommandLocal "terraform-providers" { } ''
    mkdir $out
    for provider in ${lib.escapeShellArgs (map toString cfg.providers)}; do
      cp --recursive --dereference --no-preserve=ownership "$provider"/libexec/terraform-providers/. $out
      chmod --recursive u+w $out
    done
  '';

  list = lib.concatMapStringsSep ", " builtins.toJSON addresses;

  settings = pkgs.writeText "terraform.rc" ''
    provider_installation {
      filesystem_mirror {
        path    = "${mirror}"
        include = [${list}]
      }
      # Asked for these too, it would fail without a network.
      direct {
        exclude = [${list}]
      }
    }
  '';
in
{
  imports = [
    ../coder
    ../first-boot
    ../templates
  ];

  options.box.offline.terraform = {
    enable = lib.mkOption {
      type = lib.types.bool;
      default = config.box.offline.enable;
      defaultText = lib.literalExpression "config.box.offline.enable";
      description = ''
        Whether Terraform takes its providers from the machine. It then has one release of
        each of these: a template that asks for another is refused, with a network too.
      '';
    };

    coderProvider = lib.mkOption {
      type = lib.types.nullOr (lib.types.attrsOf lib.types.str);
      default = if lib.pathExists sourceFile then lib.importJSON sourceFile else null;
      defaultText = lib.literalMD "what `scripts/lock-carried.sh provider` wrote";
      description = ''
        Release and hashes of the provider `coder/coder`, which nixpkgs does not have:
        `version`, `hash` and `vendorHash`.
      '';
    };

    providers = lib.mkOption {
      type = lib.types.listOf lib.types.package;
      default = [
        pkgs.terraform-providers.hashicorp_kubernetes
        pkgs.terraform-providers.kreuzwerker_docker
      ]
      ++ lib.optional (cfg.coderProvider != null) coderProvider;
      defaultText = lib.literalMD "those of the templates: `coder/coder`, `kreuzwerker/docker`, `hashicorp/kubernetes`";
      example = lib.literalExpression "[ pkgs.terraform-providers.hashicorp_random ]";
      description = "Providers to carry, as packages of {var}`pkgs.terraform-providers`.";
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = coder.enable;
        message = ''
          box.offline.terraform.enable is true, but box.coder.enable is false: nothing would
          run Terraform.
        '';
      }
      {
        assertion = lib.elem "registry.terraform.io/coder/coder" addresses;
        message = ''
          box.offline.terraform.enable carries the provider coder/coder, whose hash is not
          known yet: run scripts/lock-carried.sh provider where there is a network, and
          `git add packages/terraform-provider-coder/source.json`.
        '';
      }
    ];

    systemd.services.coder.environment.TF_CLI_CONFIG_FILE = "${settings}";

    # Nothing that Terraform could have to wait for.
    systemd.services.coder-first-boot.environment = lib.mkIf templates.enable {
      FIRST_BOOT_PROBE_URL = lib.mkDefault "";
    };
  };
}
