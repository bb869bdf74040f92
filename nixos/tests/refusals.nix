# Settings that contradict each other are refused with a sentence that names
# both of them. Contradictions that do not touch share an evaluation.
{ lib, nixosConfigurations }:
let
  failures =
    host: module:
    map (assertion: assertion.message) (
      lib.filter (assertion: !assertion.assertion)
        (nixosConfigurations.${host}.extendModules { modules = [ module ]; }).config.assertions
    );

  # One row for each pair of words that some message must hold together.
  refuses =
    host: module: pairs:
    let
      messages = failures host module;
      names = pair: message: lib.all (word: lib.hasInfix word message) pair;
    in
    map (pair: {
      name = lib.concatStringsSep " and " pair;
      have = lib.any (names pair) messages;
      want = true;
    }) pairs;
in
lib.concatLists [
  (refuses "coder-thinkcentre"
    {
      box.coder.enable = false;
    }
    [
      [
        "box.firstBoot.enable"
        "box.coder.enable"
      ]
      [
        "box.reset.enable"
        "box.coder.enable"
      ]
    ]
  )

  (refuses "coder-thinkcentre"
    {
      box.firstBoot.enable = false;
    }
    [
      [
        "box.exposure.coder"
        "box.firstBoot.enable"
      ]
      [
        "box.templates.enable"
        "box.firstBoot.enable"
      ]
    ]
  )

  (refuses "coder-thinkcentre"
    {
      box = {
        desktop.autologin = true;
        desktop.enable = false;
        firstBoot.admin.passwordFile = "/nix/store/x-password";
        k3s.enable = false;
        mdns.enable = false;
        podman.enable = false;
      };
      networking.firewall.enable = lib.mkForce false;
      services.coder.database.createLocally = false;
      services.openssh.settings.PasswordAuthentication = lib.mkForce true;
      users.mutableUsers = false;
    }
    [
      [
        "box.desktop.autologin"
        "box.desktop.enable"
      ]
      [
        "box.firstBoot.admin.passwordFile"
        "/nix/store"
      ]
      [
        "box.templates.enable"
        "box.k3s.enable"
      ]
      [
        "box.templates.enable"
        "box.podman.enable"
      ]
      [
        "box.coder.accessUrl"
        "box.mdns.enable"
      ]
      [
        "box.exposure.enable"
        "networking.firewall.enable"
      ]
      [
        "box.reset.enable"
        "services.coder.database.createLocally"
      ]
      [
        "box.ssh.enable"
        "services.openssh.settings.PasswordAuthentication"
      ]
      [
        "users.mutableUsers"
        "box.accounts.hashedPassword"
      ]
    ]
  )

  (refuses "coder-thinkcentre"
    {
      box.accounts = {
        enable = true;
        hashedPassword = "$y$j9T$example$example";
        hashedPasswordFile = "/etc/secrets/box";
      };
    }
    [
      [
        "box.accounts.hashedPassword and"
        "box.accounts.hashedPasswordFile"
      ]
    ]
  )

  (refuses "coder-thinkcentre"
    {
      box.coder.terraform.windows = lib.mkForce { };
    }
    [
      [
        "It is not known which Terraform Coder"
        "box.coder.terraform.windows."
      ]
    ]
  )

  (refuses "coder-thinkcentre"
    (
      { pkgs, ... }:
      {
        box.coder.terraform.package = pkgs.terraform // {
          version = "1.0.9";
        };
      }
    )
    [
      [
        "takes Terraform from 1.1.0 on"
        "box.coder.terraform.package is 1.0.9"
      ]
    ]
  )

  (refuses "coder-thinkcentre"
    {
      box.offline = {
        enable = true;
        terraform.coderProvider = null;
        images.lock = lib.mkForce { };
      };
    }
    [
      [
        "box.offline.terraform.enable"
        "scripts/lock-carried.sh provider"
      ]
      [
        "box.offline.images.enable"
        "docker.io/codercom/enterprise-base:ubuntu"
        "quay.io/podman/stable:v5"
        "scripts/lock-carried.sh images"
      ]
    ]
  )

  # An image that is known for the other architecture alone.
  (refuses "coder-thinkcentre"
    {
      box.k3s.enable = false;
      box.offline.kubernetes.enable = true;
      box.offline.images = {
        enable = true;
        lock = lib.mkForce { "docker.io/library/python:3.13-bookworm".arm64 = { }; };
      };
    }
    [
      [
        "docker.io/library/python:3.13-bookworm"
        "amd64"
      ]
      [
        "box.offline.kubernetes.enable"
        "box.k3s.enable"
      ]
    ]
  )

  (refuses "_appliance_iso"
    {
      box.diskLayout.enable = true;
    }
    [
      [
        "box.diskLayout.enable"
        "isoImage"
      ]
    ]
  )

  (refuses "_appliance-disk"
    {
      box.image.sizeGiB = 4;
    }
    [
      [
        "box.image.sizeGiB"
        "box.image.headroomMiB"
      ]
    ]
  )
]
