# The Debian tree: the programs that a started machine runs, and the tools that
# build it, at the versions of packages/debs.lock.json. Everything of the bench
# that is no machine lives in it, its Nix store too.
# shellcheck shell=sh

# The processor that is built for: amd64, or arm64 (see arm64.sh).
arch=amd64

# make_tree: unpacks and configures the locked packages, where the tree has others.
make_tree() {
  if tree_fits; then return; fi
  mkdir -p "$cache"
  exec 8>"$cache/lock"
  flock 8
  if ! tree_fits; then
    fetch_debs amd64 tree
    say "unpacking the Debian packages of the bench to $tree"
    remove_tree "$cache/new"
    unpack_tree "$cache/new" || die "the Debian tree could not be made: $cache/new.log says why"
    # A store that is there is kept: what does not depend on the packages still fits.
    if [ -d "$tree/nix" ]; then
      rm -rf "$cache/new/nix"
      mv "$tree/nix" "$cache/new/nix"
    fi
    lock_rows amd64 tree | sha256sum | cut -d ' ' -f 1 >"$cache/new/made"
    remove_tree "$tree"
    mv "$cache/new" "$tree"
    rm -f "$cache/new.log"
  fi
  exec 8>&-
}

# tree_fits: it was made, and dpkg has in it what the lock names for it
tree_fits() {
  [ -e "$tree/made" ] || return 1
  [ "$(lock_rows amd64 tree | sed 's,.*/,,; s,%2b,+,g; s,%7e,~,g' | sort)" = "$(awk '
    { field[$1] = $2 }
    $1 == "" {
      sub(/^[0-9]*:/, "", field["Version:"])
      print field["Package:"] "_" field["Version:"] "_" field["Architecture:"] ".deb"
    }' "$tree/var/lib/dpkg/status" | sort)" ]
}

need_tree() { [ -e "$tree/made" ] || die "there is no tree yet: tests/box/run.sh tree"; }

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
# bench's work are mounted. The mounts end with the command. Where $arch is arm64,
# its programs are there and run too; that takes a user namespace, which a process
# with another root than the machine's may not make.
in_tree() {
  need_tree
  for folder in bench project nixpkgs disko work kernel; do mkdir -p "$tree/$folder"; done
  mkdir -p "$work" "$(kernel_folder)"
  [ "$arch" = amd64 ] || mkdir -p "$tree/arm64"
  # shellcheck disable=SC2016
  unshare --mount sh -eu -c '
    tree=$1; shift
    # A mount of its own, which virtiofsd asks for.
    mount --bind "$tree" "$tree"
    for pair in "$1:bench" "$2:project" "$3:nixpkgs" "$4:disko" "$5:work" "$6:kernel"; do
      mount --bind "${pair%:*}" "$tree/${pair##*:}"
    done
    mode=$7
    [ "$mode" = amd64 ] || mount --bind "$8" "$tree/arm64"
    shift 8
    mount -t proc proc "$tree/proc"
    mount --rbind /dev "$tree/dev"
    if [ "$mode" = arm64 ]; then
      cd "$tree"
      pivot_root . .
      umount -l .
      tree=.
      set -- unshare --user --map-users=all --map-groups=all --mount /bench/qemu/emulate.sh "$@"
    fi
    exec chroot "$tree" /usr/bin/env -i HOME=/root PATH=/usr/bin:/usr/sbin LC_ALL=C.UTF-8 \
      NIX_CONF_DIR=/etc/nix-bench "$@"
  ' sh "$tree" "$here" "$root" "${nixpkgs:-$here}" "${disko:-$here}" "$work" \
    "$(kernel_folder)" "$arch" "$cache/arm64" "$@"
}

# Debian's kernel, for virtual machines and images.
kernel_folder() {
  case $arch in
    amd64) echo "$cache/kernel" ;;
    arm64) echo "$cache/kernel-arm64" ;;
  esac
}

fetch_kernel() {
  kernel=$(kernel_folder)
  [ "$(cat "$kernel/made" 2>/dev/null)" != "$(lock_rows "$arch" kernel)" ] || return 0
  fetch_debs "$arch" kernel
  rm -rf "$kernel"
  mkdir -p "$kernel"
  for file in $(each_deb "$arch" kernel); do dpkg-deb -x "$file" "$kernel/unpacked"; done
  mv "$kernel/unpacked/usr/lib" "$kernel/lib"
  rm -rf "$kernel/unpacked"
  lock_rows "$arch" kernel >"$kernel/made"
}
