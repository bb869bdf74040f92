# A host in namespaces: its build, its start and its end. `$work/machine` is the
# machine: `root` its disk, `console.log` what its console showed.
# shellcheck shell=sh
# shellcheck disable=SC2154 # set by common.sh and inputs.sh

machine=$work/machine

# build_first_boot: packages/first-boot for the processor that is built for, by cargo,
# as $first_boot. With Rust's library for musl it is static; without, it is one of this
# machine, which runs in the tree too, since that is newer.
build_first_boot() {
  have cargo || die "needs cargo, to compile packages/first-boot"
  case $arch in amd64) target=x86_64 ;; arm64) target=aarch64 ;; esac
  target=$target-unknown-linux-musl
  # In pure Rust: no compiler of that processor is needed.
  linker=CARGO_TARGET_$(echo "$target" | tr 'a-z-' 'A-Z_')_LINKER=rust-lld
  if [ ! -d "$(rustc --print target-libdir --target "$target" 2>/dev/null)" ]; then
    [ "$arch" = amd64 ] ||
      die "this Rust has no library for $target: run \`rustup target add $target\`"
    target=$(rustc -vV | sed -n 's/^host: //p') linker=
  fi
  env ${linker:+"$linker"} cargo build --quiet --release --locked --target "$target" \
    --manifest-path "$root/packages/first-boot/Cargo.toml" --target-dir "$cache/first-boot" ||
    die "packages/first-boot could not be compiled"
  first_boot=$cache/first-boot/$target/release/coder-first-boot
}

# build_switch: the program that makes a configuration the running one. Debian has
# none, and its crates are downloaded.
build_switch() {
  source=$nixpkgs/pkgs/by-name/sw/switch-to-configuration-ng
  want=$(cat "$source/src/main.rs" "$source/Cargo.lock" "$tree/made" | sha256sum)
  if [ "$(cat "$cache/switch/made" 2>/dev/null)" = "$want" ]; then return; fi
  have cargo || die "needs cargo, to compile switch-to-configuration"
  say "compiling switch-to-configuration"
  rm -rf "$cache/switch"
  mkdir -p "$cache/switch"
  cp -r "$source" "$cache/switch/source"
  chmod -R u+w "$cache/switch/source"
  # What systemd and logind can be asked, as they say it themselves.
  mkdir "$cache/switch/interfaces"
  for pair in systemd:systemd1 systemd-logind:login1; do
    in_tree "/usr/lib/systemd/${pair%:*}" --bus-introspect "/org/freedesktop/${pair#*:}" \
      >"$cache/switch/interfaces/org.freedesktop.${pair#*:}.Manager.xml" 2>"$cache/switch/log"
  done
  # A workspace of its own, and libdbus compiled too, so that this machine needs none:
  # for the program and for what generates code while it is built.
  sed -i -e 's/^dbus = "\(.*\)"$/dbus = { version = "\1", features = ["vendored"] }/' \
    -e 's/^\[build-dependencies\]$/&\ndbus = { version = "0.9", features = ["vendored"] }/' \
    -e '$a[workspace]' "$cache/switch/source/Cargo.toml"
  (
    cd "$cache/switch/source"
    SYSTEMD_DBUS_INTERFACE_DIR=$cache/switch/interfaces CARGO_TARGET_DIR=$cache/switch/target \
      cargo build --quiet --release
  ) >"$cache/switch/log" 2>&1 || {
    tail -n 20 "$cache/switch/log" >&2
    die "switch-to-configuration could not be compiled; the whole log is $cache/switch/log"
  }
  cp "$cache/switch/target/release/switch-to-configuration" "$cache/switch/"
  rm -rf "$cache/switch/target"
  printf '%s' "$want" >"$cache/switch/made"
}

# build_host MACHINE HOST RESULT [HOST MODULE…]: MACHINE is what it is to run on,
# a file of host/; MODULES are added to the host.
build_host() {
  for_machine=$1 host=$2 result=$3
  shift 3
  [ $# = 0 ] || shift
  modules=
  rm -rf "$work/modules"
  mkdir -p "$work/modules"
  for module; do
    cp "$module" "$work/modules/"
    modules="$modules /work/modules/$(basename "$module")"
  done
  build_first_boot
  rm -rf "$work/compiled"
  mkdir -p "$work/compiled"
  cp "$first_boot" "$work/compiled/"
  # (It is compiled for this machine.)
  [ "$arch" != amd64 ] || [ ! -e "$cache/switch/made" ] || cp "$cache/switch/switch-to-configuration" "$work/compiled/"
  in_tree nix-build /bench/host --argstr nixpkgs /nixpkgs --argstr disko /disko --argstr project /project \
    --argstr host "$host" --arg machine "/bench/host/$for_machine.nix" --arg modules "[ $modules ]" \
    --arg compiled /work/compiled -A toplevel -o "/work/$result" --keep-going >"$work/build.log" 2>&1 || {
    tail -n 30 "$work/build.log" >&2
    die "$host could not be built; the whole log is $work/build.log"
  }
}

# A link of the tree that is not resolved there.
built() { readlink "$work/$1" || die "nothing is built yet: tests/box/run.sh build"; }

fresh_machine() {
  stop_machine
  rm -rf "$machine"
}

# start_machine: as it was when it was last off
start_machine() {
  toplevel=$(built result)
  if [ -s "$machine/runner.pid" ] && kill -0 "$(cat "$machine/runner.pid")" 2>/dev/null; then
    die "the machine runs already: tests/box/run.sh stop"
  fi
  mkdir -p "$machine/root"
  setsid python3 "$here/namespaces/machine.py" "$machine" "$tree/nix/store" "$toplevel" "$name" \
    >"$machine/runner.log" 2>&1 </dev/null &
  echo $! >"$machine/runner.pid"
  wait_for 10 "[ -s '$machine/pid' ]" || {
    cat "$machine/runner.log" >&2
    die "the machine did not start"
  }
}

# wait_for SECONDS CONDITION
wait_for() {
  tries=$(($1 * 10))
  until eval "$2"; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || return 1
    sleep 0.1
  done
}

# stop_machine: at once, as a power cut is for what runs in it
stop_machine() {
  end_process "$work/dhcp.pid"
  end_process "$machine/runner.pid"
  end_process "$work/vm/qemu.pid"
  end_process "$work/boot/pid"
  end_process "$work/claims.pid"
  rm -f "$machine/pid"
  # systemd makes it immutable, and then nobody could remove the folder.
  chattr -f -i "$machine/root/var/empty" 2>/dev/null || true
}

# end_process FILE: the process whose number the file has, and waits until it is gone
end_process() {
  [ -s "$1" ] || return 0
  pid=$(cat "$1")
  kill "$pid" 2>/dev/null || true
  wait_for 10 "! kill -0 $pid 2>/dev/null" || kill -9 "$pid" 2>/dev/null || true
  rm -f "$1"
}

give_addresses() {
  wait_for 5 "ip netns list | grep -q '^$name-peer\\b'" || die "there is no neighbour: start the machine first"
  mkdir -p "$work"
  printf '%s\n' 'start 192.168.9.20' 'end 192.168.9.50' 'interface lan' "lease_file $work/leases" \
    "pidfile $work/dhcp.pid" 'option subnet 255.255.255.0' 'option router 192.168.9.1' >"$work/dhcp.conf"
  : >"$work/leases"
  # Under another name, or ip would leave its own as the parent of a server.
  ip netns exec "$name-peer" "$tree/usr/bin/busybox" udhcpd "$work/dhcp.conf" >/dev/null 2>&1
}
