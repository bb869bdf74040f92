# All that a machine can carry. The hashes are the stand-ins' own affair.
{ lib, ... }:
let
  images = import /project/nixos/modules/offline/template-images.nix {
    inherit lib;
  } /project/coderd/templates;
in
{
  box.offline = {
    enable = true;
    terraform.coderProvider = {
      version = "2.9.0";
      hash = lib.fakeHash;
      vendorHash = lib.fakeHash;
    };
    images.lock = lib.mkForce (
      lib.genAttrs (images.podman ++ images.kubernetes) (_: {
        amd64 = {
          digest = "sha256:stand-in";
          hash = lib.fakeHash;
        };
      })
    );
  };
}
