# The private prefix: Debian packages downloaded by apt (which checks the archive's
# signature), unpacked to .tools/debian, and never installed into the system.
# shellcheck shell=sh

prefix=$tools/debian # the packages, unpacked
prefix_apt=$tools/apt # apt's lists, and a status file that knows what is unpacked

# Depended on only by install scripts, which are never run, or by helpers that
# are never called: apt is told that they are there, which saves a third.
prefix_assumed="adduser bash-static debconf libdbd-sqlite3-perl libwww-curl-perl
  openssl-provider-legacy passwd perl"

# prefix_suite: the suite that the prefix takes packages from, or failure where there is
# none. On Debian 12 it is Debian 13, the first with Nix 2.26; a newer Debian or an
# Ubuntu takes its own.
prefix_suite() {
  { have apt-get && have dpkg-deb; } || return 1
  case "$(os ID)-$(os VERSION_CODENAME)-${DEBIAN_MIRROR:+mirror}" in
    debian-bullseye-* | debian-bookworm-*) echo trixie ;;
    debian-*) os VERSION_CODENAME ;;
    *-mirror) echo trixie ;; # a relative of Debian, and a mirror of Debian's is named
    ubuntu-*) os VERSION_CODENAME ;;
    *) return 1 ;;
  esac
}

# prefix_sources: apt's state for the prefix, with that suite of the machine's mirror
prefix_sources() {
  suite=$(prefix_suite)
  case "$(os ID)-${DEBIAN_MIRROR:+mirror}" in
    ubuntu-)
      key=/usr/share/keyrings/ubuntu-archive-keyring.gpg
      source="$(repository ubuntu) $suite main universe"
      ;;
    *)
      key=$(debian_keyring "$tools/keyring")
      main=$(debian_repository debian)
      source="$main $suite main"
      ;;
  esac
  echo "deb $source" | apt_state "$prefix_apt" "$(dpkg --print-architecture)" "$key"
  say "reading the package lists of $source"
}

# prefix_assume PACKAGE…: apt is told that they are there
prefix_assume() {
  mkdir -p "$prefix_apt"
  known=$(sed -n 's/^Package: //p' "$prefix_apt/status" 2>/dev/null || true)
  for package in "$@"; do
    ! printf '%s\n' "$known" | grep -qxF "$package" || continue
    printf 'Package: %s\nVersion: 99:0\n' "$package"
    printf 'Architecture: all\nMulti-Arch: foreign\nStatus: install ok installed\nMaintainer: none\nDescription: assumed\n\n'
  done >>"$prefix_apt/status"
}

# prefix_install PACKAGE…: what is not there yet, with all libraries
prefix_install() {
  # The programs know their libraries by absolute path: a moved repository starts anew.
  if [ -e "$prefix/.place" ] && [ "$(cat "$prefix/.place")" != "$prefix" ]; then
    say "the repository has moved: making the private programs again"
    rm -rf "${prefix:?}" "${prefix_apt:?}" "${tools:?}/bin"
  fi
  mkdir -p "$prefix" "$tools/bin"
  printf '%s\n' "$prefix" >"$prefix/.place"
  # shellcheck disable=SC2086 # a list of words
  [ -e "$prefix_apt/status" ] || prefix_assume $prefix_assumed
  if [ -z "$(find "$prefix_apt/etc" -name updated -mmin -720 2>/dev/null)" ]; then
    prefix_sources
    private_apt "$prefix_apt" get update >&2 || die "apt could not read its mirror: see above"
    : >"$prefix_apt/etc/updated"
  fi
  say "downloading $* with their libraries, to unpack under .tools (the system stays as it is)"
  private_apt "$prefix_apt" get install --download-only "$@" >&2 || die "apt could not get $*: see above"
  say "unpacking them"
  # shellcheck disable=SC2016 # the inner shell expands them
  find "$prefix_apt/cache/archives" -maxdepth 1 -name '*.deb' -print0 |
    xargs -0 -r -n 1 -P "$(nproc)" sh -c 'dpkg-deb -x "$1" "$0"' "$prefix"
  for deb in "$prefix_apt"/cache/archives/*.deb; do
    [ -e "$deb" ] || continue
    { dpkg-deb -f "$deb"; printf 'Status: install ok installed\n\n'; } >>"$prefix_apt/status"
    rm "$deb"
  done
}

# prefix_loader, prefix_libraries: what the prefix's programs run with, so that they
# never meet the system's older libraries
prefix_loader() { find "$prefix/usr/lib64" "$prefix/usr/lib" -name 'ld-linux-*.so.*' 2>/dev/null | head -n1; }
prefix_libraries() { dirname "$(find "$prefix/usr/lib" -name libc.so.6 | head -n1)"; }

# prefix_wrapper NAME ARGS…: .tools/bin/NAME runs usr/bin/NAME of the prefix
prefix_wrapper() {
  program=$1
  shift
  words=
  for word in "$(prefix_loader)" --library-path "$(prefix_libraries)" "$prefix/usr/bin/$program" "$@"; do
    words="$words $(quoted "$word")"
  done
  replace "$tools/bin/$program" <<WRAPPER
#!/bin/sh
exec$words "\$@"
WRAPPER
  chmod +x "$tools/bin/$program"
}

# prefix_patch NAME [FOLDER]: the same by a link, for a program that starts itself again (as
# Nix does) and so must know its loader and libraries without a wrapper. FOLDER is that of the
# program, where it is not usr/bin. Needs the package patchelf.
prefix_patch() {
  file=$prefix/${2:-usr/bin}/$1
  "$(prefix_loader)" --library-path "$(prefix_libraries)" "$prefix/usr/bin/patchelf" --output "$file.new" \
    --force-rpath --set-rpath "$(prefix_libraries)" --set-interpreter "$(prefix_loader)" "$file"
  mv -f "$file.new" "$file"
  ln -sfn "$file" "$tools/bin/$1"
}

# prefix_have PROGRAM…: all of them are in .tools/bin, and the repository has not moved
prefix_have() {
  [ "$(cat "$prefix/.place" 2>/dev/null)" = "$prefix" ] || return 1
  for program in "$@"; do
    [ -x "$tools/bin/$program" ] || return 1
  done
}
