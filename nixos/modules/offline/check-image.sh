# Refuses an archive that is no container image, or one of another architecture.
# shellcheck disable=SC2154 # set by the derivation
refuse() {
  echo "$1" >&2
  exit 1
}
manifest=$(tar --extract --to-stdout --file "$archive" manifest.json 2>/dev/null) ||
  refuse "The carried image $name_of_image is no archive of a container image: $archive has no manifest.json."
config=$(jq --raw-output '.[0].Config' <<<"$manifest")
has=$(tar --extract --to-stdout --file "$archive" "$config" | jq --raw-output .architecture)
[ "$has" = "$architecture" ] ||
  refuse "The carried image $name_of_image is for $has, and this machine is $architecture: take its digest for $architecture."
touch "$out"
