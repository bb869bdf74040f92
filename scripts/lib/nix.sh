# Nix: the machine's own if it is new enough, else Debian's package in the private
# prefix with a configuration of its own. Either way the store is /nix/store, since
# the names of built things contain that path.
# shellcheck shell=sh

nix_wanted=2.26
nix_private=$tools/nix # configuration, cache and state of the private one

# nix_new_enough PROGRAM: it runs, and its version is nix_wanted or later
nix_new_enough() {
  at_least "$("$1" --version 2>/dev/null | awk 'NR == 1 { print $NF }')" "$nix_wanted"
}

# nix_system: the folder of the machine's own Nix, when it is new enough
nix_system() {
  for candidate in "$(command -v nix || true)" "$HOME/.nix-profile/bin/nix" /nix/var/nix/profiles/default/bin/nix; do
    if [ -n "$candidate" ] && [ -x "$candidate" ] && nix_new_enough "$candidate"; then
      dirname "$candidate"
      return
    fi
  done
  return 1
}

# nix_by_hand: the end, with the command for this distribution
nix_by_hand() {
  case " $(os ID) $(os ID_LIKE) " in
    *" nixos "*) hint="upgrade the system" ;;
    *" fedora "*) hint="run: sudo dnf install nix" ;;
    *" arch "*) hint="run: sudo pacman -S nix" ;;
    *" alpine "*) hint="run: sudo apk add nix" ;;
    *" suse "* | *" opensuse "*) hint="run: sudo zypper install nix" ;;
    *" ubuntu "*) hint="its package is too old here: set DEBIAN_MIRROR to a Debian mirror and run this again (Debian's package is then used in a private prefix), or use the installer that the Nix manual names" ;;
    *" debian "*) hint="run: sudo apt-get install nix-bin" ;;
    *) hint="use the installer that the Nix manual names" ;;
  esac
  die "no Nix $nix_wanted or later here, and no package to take it from without root. $hint"
}

# check_nix: the end of the script where setup_nix could not do its work
check_nix() {
  if nix_system >/dev/null; then return; fi
  prefix_have nix nix-store || prefix_suite >/dev/null || nix_by_hand
  if [ ! -e /nix ]; then
    [ "$(id -u)" = 0 ] ||
      die "/nix is missing, and only root can make it; built things contain that path, so no other will do. Run once: sudo install -d -m 0755 -o $(id -un) /nix"
  elif [ ! -w "$(ls -d /nix/store 2>/dev/null || echo /nix)" ] && [ ! -S /nix/var/nix/daemon-socket/socket ]; then
    die "/nix belongs to $(stat -c %U /nix), and no Nix daemon runs. Run setup as that user, or once: sudo chown -R $(id -un) /nix"
  fi
}

# nix_store_dir: makes /nix and what has to be in it; remembers when it is our doing
nix_store_dir() {
  if [ ! -e /nix ]; then
    say "making /nix, the only folder outside the repository (--undo removes it)"
    mkdir -m 0755 /nix
    : >"$tools/made-nix"
  fi
  if [ -w /nix ] && [ -z "$(ls -A /nix)" ]; then
    : >"$tools/filled-nix" # an empty folder that was made for us: --undo empties it
    mkdir -p /nix/store /nix/var/nix # without these Nix would use a store in the user's home
  fi
}

# nix_conf: the private Nix's configuration. A binary cache that does not answer
# within 3 s is left out, as each later call would wait for it. CBOX_SUBSTITUTERS
# sets the list instead; empty means none.
nix_conf() {
  mkdir -p "$nix_private/conf"
  {
    echo "# Made by scripts/setup.sh for the Nix in .tools. To look again which binary"
    echo "# caches answer, delete this file and run scripts/setup.sh nix."
    [ ! -e /etc/nix/nix.conf ] || echo "!include /etc/nix/nix.conf"
    echo "extra-experimental-features = nix-command flakes"
    echo "# A single user's Nix without a daemon: there are no build users, and Debian's"
    echo "# sandbox wants a shell at a path that may not exist. For daily work, an"
    echo "# installed Nix with its sandbox is better."
    echo "build-users-group ="
    echo "sandbox = false"
  } >"$nix_private/conf/nix.conf"
  if [ -n "${CBOX_SUBSTITUTERS+set}" ]; then
    caches=$CBOX_SUBSTITUTERS
    say "binary caches, by CBOX_SUBSTITUTERS: ${caches:-none}"
    echo "substituters = $caches" >>"$nix_private/conf/nix.conf"
    return
  fi
  caches='' silent=''
  for cache in $(nix_run config show substituters); do
    if nix_answers "$cache"; then
      caches="$caches $cache"
    else
      silent="$silent $cache"
    fi
  done
  if [ -n "$silent" ]; then
    say "no answer from$silent within 3 s: Nix will not ask there (all is built here)"
    echo "substituters =$caches" >>"$nix_private/conf/nix.conf"
  fi
}

# nix_run ARGS…: the private Nix, before .tools/env exists
nix_run() {
  env NIX_CONF_DIR="$nix_private/conf" NIX_CACHE_HOME="$nix_private/cache" \
    NIX_STATE_HOME="$nix_private/state" timeout "${nix_limit:-60}" "$tools/bin/nix" "$@"
}

# nix_answers CACHE: it does, within 3 s
nix_answers() (
  nix_limit=3
  nix_run store info --store "$1" --option download-attempts 1 >/dev/null 2>&1
)

# setup_nix: the step itself
setup_nix() {
  if dir=$(nix_system); then
    say "nix: $("$dir/nix" --version) in $dir, the machine's own"
    rm -rf "$nix_private" "$tools"/bin/nix*
    case ":$PATH:" in *":$dir:"*) rm -f "$tools/nix-dir" ;; *) printf '%s\n' "$dir" >"$tools/nix-dir" ;; esac
    return
  fi
  rm -f "$tools/nix-dir"
  if ! prefix_have nix nix-store; then
    prefix_install nix-bin patchelf
    prefix_patch nix
    nix_new_enough "$tools/bin/nix" || { rm "$tools/bin/nix"; nix_by_hand; }
    for link in "$prefix"/usr/bin/nix-*; do
      ln -sfn "$prefix/usr/bin/nix" "$tools/bin/$(basename "$link")"
    done
  fi
  nix_store_dir
  if [ ! -e "$nix_private/conf/nix.conf" ] || [ -n "${CBOX_SUBSTITUTERS+set}" ]; then
    nix_conf
  fi
  say "nix: $("$tools/bin/nix" --version) in .tools, from a Debian package"
}
