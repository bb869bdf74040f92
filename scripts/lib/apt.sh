# apt on a state of its own: it reads the machine's mirror, proxy and keyring,
# and changes nothing of the system. Needs no root.
# shellcheck shell=sh

# os FIELD: a field of /etc/os-release, or nothing
os() { sed -n "s/^$1=\"\{0,1\}\([^\"]*\)\"\{0,1\}\$/\1/p" /etc/os-release 2>/dev/null | head -n1; }

# repository NAME: the address of `debian`, `debian-security` or `ubuntu` on the
# mirror that DEBIAN_MIRROR names, else on the one that the machine's apt uses.
repository() {
  if [ -n "${DEBIAN_MIRROR-}" ] && [ "$1" != ubuntu ]; then
    printf '%s\n' "${DEBIAN_MIRROR%/}/$1"
  elif have apt-get; then
    # shellcheck disable=SC2016 # $(REPO_URI) is apt's, not the shell's
    apt-get indextargets --no-release-info --format '$(REPO_URI)' 'Created-By: Packages' |
      sed -n -e 's,/*$,,' -e "\\,/$1\$,p" -e "\\,/mirrors/$1\\.list\$,p" | head -n1
  fi
}

# debian_repository NAME: the same, and the end of the script when there is none
debian_repository() {
  found=$(repository "$1")
  if [ -z "$found" ] && [ "$1" = debian-security ]; then # a sibling, mostly
    found=$(repository debian)
    found=${found:+$found-security}
  fi
  [ -n "$found" ] || die "apt's sources name no Debian mirror: set DEBIAN_MIRROR to the address that has debian/ and debian-security/ under it"
  printf '%s\n' "$found"
}

# debian_keyring DIR: the file with Debian's archive keys. Where the system has
# none (Ubuntu), its own archive vouches for the package that is unpacked to DIR.
debian_keyring() {
  key=${DEBIAN_KEYRING:-/usr/share/keyrings/debian-archive-keyring.gpg}
  if [ ! -e "$key" ]; then
    mkdir -p "$1"
    (cd "$1" && apt-get -qq download debian-archive-keyring >&2 && dpkg-deb -x debian-archive-keyring_*.deb .) ||
      die "no keys to check Debian's signature with: install debian-archive-keyring, or set DEBIAN_KEYRING"
    key=$(find "$1/usr/share/keyrings" -name 'debian-archive-keyring.[gp]*' | head -n1)
  fi
  printf '%s\n' "$key"
}

# apt_state DIR ARCH KEY: make a state folder that trusts the file KEY alone; stdin is its
# sources.list, which could not name a file with a blank in its path
apt_state() {
  rm -rf "$1/etc/trusted"
  mkdir -p "$1/lists/partial" "$1/cache/archives/partial" "$1/etc/none" "$1/etc/trusted"
  form=gpg
  if grep -q 'BEGIN PGP' "$3"; then form=asc; fi
  cp "$3" "$1/etc/trusted/archive.$form"
  [ -e "$1/status" ] || : >"$1/status"
  replace "$1/etc/sources.list"
  replace "$1/apt.conf" <<CONF
#clear APT::Architectures;
#clear APT::Update; // no hooks of the system's: they clean its cache, or tell its desktop
#clear DPkg;
#clear Acquire::Languages;
Dir::State "$1";
Dir::State::lists "lists/";
Dir::State::status "$1/status";
Dir::State::extended_states "extended_states";
Dir::Cache "$1/cache";
Dir::Cache::archives "archives/";
Dir::Cache::pkgcache "pkgcache.bin";
Dir::Cache::srcpkgcache "srcpkgcache.bin";
Dir::Etc "$1/etc";
Dir::Etc::sourcelist "sources.list";
Dir::Etc::sourceparts "none";
Dir::Etc::preferences "none/preferences";
Dir::Etc::preferencesparts "none";
Dir::Etc::trusted "none/trusted.gpg";
Dir::Etc::trustedparts "trusted/";
Dir::Etc::netrc "/etc/apt/auth.conf"; // a mirror's password, if it wants one
Dir::Etc::netrcparts "/etc/apt/auth.conf.d";
APT::Architecture "$2";
APT::Architectures { "$2"; };
APT::Default-Release "";
APT::Sandbox::User "root"; // the system's _apt user may not write here
APT::Install-Recommends "false";
APT::Get::Assume-Yes "true";
Acquire::Languages { "none"; };
Acquire::ForceHash "SHA256";
CONF
}

# private_apt DIR TOOL ARGS…: run apt-get or apt-cache on that state
private_apt() {
  apt_dir=$1 apt_tool=$2
  shift 2
  "apt-$apt_tool" -qq -c "$apt_dir/apt.conf" "$@"
}

# download: fetch each row "SHA256 ADDRESS FILE" of stdin; rows that fail do not stop
# the others, so the caller looks which files came. By apt's own downloader where
# there is one, since it knows the machine's proxy and every kind of mirror.
download() {
  if [ -x /usr/lib/apt/apt-helper ]; then
    set --
    while read -r sha address file; do
      set -- "$@" "$address" "$file" "SHA256:$sha"
    done
    [ $# = 0 ] || /usr/lib/apt/apt-helper -qq -o APT::Sandbox::User=root download-file "$@" || true
  else
    while read -r sha address file; do
      if have curl; then
        curl -fsSL --retry 3 -o "$file.part" "$address" || continue
      else
        wget -q -O "$file.part" "$address" || continue
      fi
      printf '%s  %s\n' "$sha" "$file.part" | sha256sum -c --quiet - && mv -f "$file.part" "$file"
    done
  fi
}

# uri_rows: what `apt-get --print-uris` says, 'ADDRESS' FILE SIZE SHA256:HEX, as JSON. $main and
# $security are the addresses that apt was given.
# shellcheck disable=SC2154 # those who call it set them
uri_rows() {
  sed -n "s/^'\([^']*\)' \([^_]*\)_[^ ]* \([0-9]*\) SHA256:\([0-9a-f]*\)\$/    {\"name\": \"\2\", \"size\": \3, \"sha256\": \"\4\", \"path\": \"\1\"}/p" |
    sed -e "s|\"path\": \"$security/|\"path\": \"debian-security/|" -e "s|\"path\": \"$main/|\"path\": \"debian/|" |
    LC_ALL=C sort -u | sed '$!s/$/,/'
}
