# The provider that every template of Coder needs, in the form that nixpkgs gives to
# providers; nixpkgs itself has none. Its hashes are in source.json, which
# scripts/lock-carried.sh writes where there is a network.
{
  terraform-providers,
  source,
}:
terraform-providers.mkProvider {
  owner = "coder";
  repo = "terraform-provider-coder";
  rev = "v${source.version}";
  inherit (source) hash vendorHash;
  homepage = "https://registry.terraform.io/providers/coder/coder";
  spdx = "MPL-2.0";
}
