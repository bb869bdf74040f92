# What a host for aarch64 is built from on this x86_64 machine: Debian's programs
# for it, unpacked beside the tree, and QEMU's emulator of single programs, which
# builders run them by (qemu/emulate.sh).
# shellcheck shell=sh
# shellcheck disable=SC2154 # set by common.sh and inputs.sh

arm64=$cache/arm64

# make_arm64: unpacks the locked packages, once for each lock. Nothing of them is
# configured: what their scripts would do is not asked for, but for a few links.
make_arm64() {
  want=$(
    {
      lock_rows amd64 user
      lock_rows arm64 programs
    } | sha256sum | cut -d ' ' -f 1
  )
  exec 8>"$cache/lock"
  flock 8
  if [ "$(cat "$arm64/made" 2>/dev/null)" != "$want" ]; then
    fetch_debs amd64 user
    fetch_debs arm64 programs
    say "unpacking the Debian packages for aarch64 to $arm64"
    rm -rf "$cache/arm64.new"
    unpack_arm64 "$cache/arm64.new"
    printf '%s' "$want" >"$cache/arm64.new/made"
    rm -rf "$arm64"
    mv "$cache/arm64.new" "$arm64"
  fi
  exec 8>&-
}

# unpack_arm64 FOLDER
unpack_arm64() {
  new=$1
  mkdir -p "$new/var/lib/dpkg/info"
  dpkg-deb --fsys-tarfile "$(each_deb amd64 user)" |
    tar --extract --directory "$new" --transform 's,.*/,,' ./usr/bin/qemu-aarch64 \
      ./usr/share/qemu/binfmt.d/qemu-aarch64.conf
  # The links of a merged /usr come first, so that nothing lands beside it.
  for file in $(each_deb arm64 programs | grep '/base-files\.deb$') $(each_deb arm64 programs); do
    dpkg-deb -x "$file" "$new"
    dpkg-deb --fsys-tarfile "$file" | tar --list | sed 's,^\.,,; s,/$,,' \
      >"$new/var/lib/dpkg/info/$(basename "$file" .deb).list"
  done
  # What is not in /usr would hide the tree's own from emulated programs.
  mv "$new/var/lib/dpkg/info" "$new/lists"
  find "$new" -mindepth 1 -maxdepth 1 -type d ! -name usr ! -name lists -exec rm -rf {} +
  mkdir "$new/nix" "$new/tmp"
  ln -sf dash "$new/usr/bin/sh"
  ln -sf gawk "$new/usr/bin/awk"
  cp "$tree/usr/lib/locale/locale-archive" "$new/usr/lib/locale/"
}
