# $deb -> $out/bin/busybox
#
# A .deb is an ar archive, walked by hand: 8 bytes of magic, then members, each with a header of 60
# bytes (name, time, owner, group, mode, size), padded to an even length.
offset=8
member=
while [ "$member" != data.tar.xz ]; do
  header=$(dd if="$deb" bs=1 skip=$offset count=60 2>/dev/null)
  if [ -z "$header" ]; then
    echo "no data.tar.xz in $deb" >&2
    exit 1
  fi
  # shellcheck disable=SC2086 # split into its fields on purpose
  set -- $header
  member=${1%/}
  size=$6
  start=$((offset + 60))
  offset=$((start + size + size % 2))
done

mkdir -p unpacked "$out/bin"
tail -c +$((start + 1)) "$deb" | head -c "$size" | xz -dc | tar -xf - -C unpacked

# Debian moved it from /bin to /usr/bin.
for candidate in unpacked/bin/busybox unpacked/usr/bin/busybox; do
  if [ -f "$candidate" ]; then cp "$candidate" "$out/bin/busybox"; fi
done
chmod 755 "$out/bin/busybox"
