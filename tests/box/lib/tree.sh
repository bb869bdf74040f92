# The Debian tree: the programs that a started machine runs, and the tools that
# build it, at the versions of packages/debs.lock.json. Everything of the bench
# that is no machine lives in it, its Nix store too.
# shellcheck shell=sh

# make_tree: unpacks and configures the locked packages, once for each lock.
make_tree() {
  want=$(sha256sum <"$lock" | cut -d ' ' -f 1)
  if [ "$(cat "$tree/made" 2>/dev/null)" = "$want" ]; then
    return
  fi
  mkdir -p "$cache"
  exec 8>"$cache/lock"
  flock 8
  if [ "$(cat "$tree/made" 2>/dev/null)" != "$want" ]; then
    fetch_debs amd64 tree
    say "unpacking the Debian packages of the bench to $tree"
    remove_tree "$cache/new"
    unpack_tree "$cache/new" || die "the Debian tree could not be made: $cache/new.log says why"
    # A store that is there is kept: what does not depend on the packages still fits.
    if [ -d "$tree/nix" ]; then
      rm -rf "$cache/new/nix"
      mv "$tree/nix" "$cache/new/nix"
    fi
    printf '%s' "$want" >"$cache/new/made"
    remove_tree "$tree"
    mv "$cache/new" "$tree"
    rm -f "$cache/new.log"
  fi
  exec 8>&-
}

remove_tree() {
  [ ! -d "$1" ] || chmod -R u+w "$1/nix" 2>/dev/null || true
  rm -rf "$1"
}

# fetch_debs ARCH LIST: into the shared folder of downloads
fetch_debs() {
  rows=$(lock_rows "$1" "$2")
  [ -n "$rows" ] || die "$lock lists no $2 for $1: run tests/box/lock.sh"
  parts_download
}

# each_deb ARCH LIST: the downloaded files
each_deb() {
  lock_rows "$1" "$2" | while read -r deb sha _; do part_file "$deb" "$sha"; done
}

# unpack_tree FOLDER: dpkg itself, in the new root, as debootstrap does it.
unpack_tree() (
  new=$1
  mkdir -p "$new/var/lib/dpkg/info" "$new/var/cache/debs" "$new/etc/nix-bench" "$new/nix"
  : >"$new/var/lib/dpkg/status"
  for file in $(each_deb amd64 tree); do
    ln -f "$file" "$new/var/cache/debs/" 2>/dev/null || cp "$file" "$new/var/cache/debs/"
  done
  # The links of a merged /usr come first, so that nothing lands beside it.
  for early in base-files libc6 libc-bin; do
    dpkg-deb -x "$new/var/cache/debs/$early.deb" "$new"
  done
  for file in "$new"/var/cache/debs/*.deb; do dpkg-deb -x "$file" "$new"; done
  mkdir -p "$new/usr/sbin"
  printf '#!/bin/sh\nexit 101\n' >"$new/usr/sbin/policy-rc.d"
  chmod +x "$new/usr/sbin/policy-rc.d"
  printf '%s\n' 'sandbox = false' 'substituters =' 'build-users-group =' 'max-jobs = 2' 'cores = 1' \
    'experimental-features = nix-command flakes' \
    'system-features = kvm nixos-test big-parallel benchmark' >"$new/etc/nix-bench/nix.conf"
  cp "$new/usr/share/base-passwd/passwd.master" "$new/etc/passwd"
  cp "$new/usr/share/base-passwd/group.master" "$new/etc/group"
  # shellcheck disable=SC2016 # for the shell in there
  unshare --mount --pid --fork --net sh -eu -c '
    mount -t proc proc "$1/proc"
    mount --rbind /dev "$1/dev"
    exec chroot "$1" /usr/bin/env -i HOME=/root PATH=/usr/bin:/usr/sbin LC_ALL=C.UTF-8 \
      DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes sh -eu -c "
        ldconfig
        ln -sf dash /usr/bin/sh
        ln -sf gawk /usr/bin/awk
        cd /var/cache/debs
        dpkg --force-unsafe-io --force-depends --install base-passwd.deb base-files.deb libc6.deb libc-bin.deb
        dpkg --force-unsafe-io --force-depends --unpack *.deb
        dpkg --force-unsafe-io --configure --pending
        localedef -i en_US -f UTF-8 en_US.UTF-8
      "' sh "$new" >"$cache/new.log" 2>&1 || return 1
  rm -rf "$new/var/cache/debs"
)

# in_tree COMMAND...: in the tree, where bench, project, inputs, kernel and this
# bench's work are mounted. The mounts end with the command.
in_tree() {
  for folder in bench project nixpkgs disko work kernel; do mkdir -p "$tree/$folder"; done
  mkdir -p "$work" "$cache/kernel"
  # shellcheck disable=SC2016
  unshare --mount sh -eu -c '
    tree=$1; shift
    # A mount of its own, which virtiofsd asks for.
    mount --bind "$tree" "$tree"
    for pair in "$1:bench" "$2:project" "$3:nixpkgs" "$4:disko" "$5:work" "$6:kernel"; do
      mount --bind "${pair%:*}" "$tree/${pair##*:}"
    done
    shift 6
    mount -t proc proc "$tree/proc"
    mount --rbind /dev "$tree/dev"
    exec chroot "$tree" /usr/bin/env -i HOME=/root PATH=/usr/bin:/usr/sbin LC_ALL=C.UTF-8 \
      NIX_CONF_DIR=/etc/nix-bench "$@"
  ' sh "$tree" "$here" "$root" "${nixpkgs:-$here}" "${disko:-$here}" "$work" "$cache/kernel" "$@"
}

# fetch_kernel: Debian's, for virtual machines and images.
fetch_kernel() {
  [ "$(cat "$cache/kernel/made" 2>/dev/null)" != "$(lock_rows amd64 kernel)" ] || return 0
  fetch_debs amd64 kernel
  rm -rf "$cache/kernel"
  mkdir -p "$cache/kernel"
  for file in $(each_deb amd64 kernel); do dpkg-deb -x "$file" "$cache/kernel/unpacked"; done
  mv "$cache/kernel/unpacked/usr/lib" "$cache/kernel/lib"
  rm -rf "$cache/kernel/unpacked"
  lock_rows amd64 kernel >"$cache/kernel/made"
}
