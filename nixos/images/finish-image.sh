# The last word on an image, once the loader is installed in it. On a running
# machine, where a later `nixos-rebuild` comes by here, there is nothing to do.
esp=$1 headroom_mib=$2 size_gib=$3

if [ -d /run/systemd/system ]; then
  exit 0
fi

# Two machines made from one image must not share these; without the files
# systemd makes new ones on the first boot.
rm -f /etc/machine-id "$esp/loader/random-seed"

blocks=$(stat --file-system --format %a /)
block_size=$(stat --file-system --format %S /)
free_mib=$((blocks * block_size / 1024 / 1024))
if [ "$free_mib" -lt "$headroom_mib" ]; then
  echo "The image has $free_mib MiB left, and box.image.headroomMiB asks for $headroom_mib." \
    "Raise box.image.sizeGiB ($size_gib) or leave something out." >&2
  exit 1
fi
