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
      lock_rows amd64 machine
      lock_rows arm64 programs
      lock_rows arm64 images
      lock_rows arm64 firmware
    } | sha256sum | cut -d ' ' -f 1
  )
  exec 8>"$cache/lock"
  flock 8
  if [ "$(cat "$arm64/made" 2>/dev/null)" != "$want" ]; then
    fetch_debs amd64 user
    fetch_debs amd64 machine
    fetch_debs arm64 programs
    fetch_debs arm64 images
    fetch_debs arm64 firmware
    say "unpacking the Debian packages for aarch64 to $arm64"
    # (Where the emulator would look first.)
    rm -rf "$cache/arm64.new" "$tree/usr/gnemul"
    unpack_arm64 "$cache/arm64.new"
    printf '%s' "$want" >"$cache/arm64.new/made"
    rm -rf "$arm64"
    mv "$cache/arm64.new" "$arm64"
  fi
  exec 8>&-
}

# take_files ARCH LIST FILE…: of the one package in that list, out of its /usr, to $new
take_files() {
  package=$(each_deb "$1" "$2")
  shift 2
  for file; do
    dpkg-deb --fsys-tarfile "$package" | tar --extract --directory "$new" --transform 's,.*/,,' "./usr/$file"
  done
}

# unpack_arm64 FOLDER
unpack_arm64() {
  new=$1
  mkdir -p "$new/var/lib/dpkg/info"
  take_files amd64 user bin/qemu-aarch64 share/qemu/binfmt.d/qemu-aarch64.conf
  take_files amd64 machine bin/qemu-system-aarch64
  take_files arm64 firmware share/AAVMF/AAVMF_CODE.no-secboot.fd share/AAVMF/AAVMF_VARS.fd
  # The links of a merged /usr come first, so that nothing lands beside it.
  for file in $(each_deb arm64 programs | grep '/base-files\.deb$') $(each_deb arm64 programs) $(each_deb arm64 images); do
    dpkg-deb -x "$file" "$new"
    dpkg-deb --fsys-tarfile "$file" | tar --list | sed 's,^\.,,; s,/$,,' \
      >"$new/var/lib/dpkg/info/$(basename "$file" .deb).list"
  done
  # Of what is not in /usr the tree has its own.
  mv "$new/var/lib/dpkg/info" "$new/lists"
  find "$new" -mindepth 1 -maxdepth 1 -type d ! -name usr ! -name lists -exec rm -rf {} +
  ln -sf dash "$new/usr/bin/sh"
  ln -sf gawk "$new/usr/bin/awk"
  cp "$tree/usr/lib/locale/locale-archive" "$new/usr/lib/locale/"
}
