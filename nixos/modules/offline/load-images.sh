# Takes the images that this machine carries into Podman: each once, and again when a
# rebuild brings another one of its name. What cannot be loaded keeps none of the others.
#
#   box-load-images ARCHIVE…

folder=$HOME/.local/state/box-images
mkdir -p "$folder"
wrong=0
for archive; do
  stamp=$folder/$(basename "$archive")
  if [ -s "$stamp" ] && podman image exists "$(cat "$stamp")"; then
    continue
  fi
  if said=$(podman load --quiet --input "$archive" 2>&1); then
    # `Loaded image: NAME`
    printf '%s\n' "${said##*: }" >"$stamp"
    echo "loaded ${said##*: }"
  else
    echo "The carried image $(basename "$archive") was not loaded: ${said##*$'\n'}" >&2
    wrong=1
  fi
done
exit "$wrong"
