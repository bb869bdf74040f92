# Rust and a C compiler, to compile cbox: only looked for, since both are the machine's own.
# shellcheck shell=sh

rust_wanted=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' "$root/Cargo.toml")

# check_rust: the end of the script, with the way out, where cbox could not be compiled
check_rust() {
  for program in cargo rustc; do
    have "$program" ||
      die "there is no $program on the PATH, and compiling cbox takes Rust $rust_wanted or newer. $(rust_way_out)"
    answer=$("$program" --version 2>&1) ||
      die "\`$program --version\` fails ($(printf '%s\n' "$answer" | head -n 1)), and compiling cbox takes Rust $rust_wanted or newer. $(rust_way_out)"
    version=$(printf '%s\n' "$answer" | sed -n "s/^$program \([^ ]*\).*/\1/p")
    at_least "$version" "$rust_wanted" ||
      die "$(command -v "$program") is version ${version:-unknown}, and compiling cbox takes Rust $rust_wanted or newer. $(rust_way_out)"
  done
  check_linker
}

# rust_way_out: how this user gets a Rust that is new enough
rust_way_out() {
  own=${CARGO_HOME:-${HOME-}/.cargo}/bin
  if [ -x "$own/cargo" ] && at_least "$("$own/cargo" --version 2>/dev/null | sed 's/^cargo //')" "$rust_wanted"; then
    echo "A newer one is in $own; put it first: export PATH=\"$own:\$PATH\""
  elif have rustup; then
    echo "Run: rustup update stable && rustup default stable"
  elif [ "$(id -u)" = 0 ] && [ -n "${SUDO_USER-}" ]; then
    echo "Is it $SUDO_USER's alone? Then run \`make build\` without sudo, and \`sudo scripts/install.sh target/release/cbox /usr/local\` to install"
  else
    echo "Packages of distributions are mostly older; rustup (https://rustup.rs) has it, without root: curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
  fi
}

# check_linker: the same where Rust could link no program. A linker that cargo is told of by its
# configuration is left to cargo.
check_linker() {
  if env | grep -q '^CARGO_TARGET_.*_LINKER=' || grep -qs '^ *linker *=' "${CARGO_HOME:-${HOME-}/.cargo}"/config*; then
    return
  fi
  case " $(os ID) $(os ID_LIKE) " in
    *" debian "*) hint="Run: sudo apt-get install build-essential" ;;
    *) hint="Install GCC, or Clang as cc, with the headers of the C library" ;;
  esac
  have cc || die "there is no C compiler (cc) on the PATH, which Rust needs to link programs. $hint"
  try=$(mktemp -d)
  answer=$(echo 'int main(void) { return 0; }' | cc -x c -o "$try/program" - 2>&1) || {
    rm -rf "$try"
    die "the C compiler cannot make a program ($(printf '%s\n' "$answer" | head -n 1)), which Rust needs to link its own. $hint"
  }
  rm -rf "$try"
}
