//! The programs that pages call: the real ones where they can run on any machine, and stand-ins
//! that check what they are told elsewhere. There are no others.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
};

use crate::support::{
    call::{Call, find_program},
    nix,
    place::{Place, top},
};

/// Tools of every machine, which pages and stand-ins call.
const TOOLS: [&str; 8] = ["cat", "chmod", "cp", "git", "grep", "sh", "sleep", "uname"];

/// Programs that do not run here, or not for real: names and script. The scripts know this
/// repository as `TOP`, the real programs as `REAL_CBOX` and `REAL_NIX`, and where others are as
/// `REAL_PATH`.
const STAND_INS: [(&[&str], &str); 9] = [
    // It would build all of this repository. Which rules there are, it says itself.
    (
        &["make"],
        r#"PATH=$REAL_PATH exec make -n -C "$TOP" "$@" >/dev/null"#,
    ),
    // Nothing here needs the rights of root.
    (
        &["sudo"],
        r#"while case $1 in -*) ;; *) false ;; esac; do shift; done; exec "$@""#,
    ),
    // There is no machine to install on. The flake and the host of `--flake REF#HOST` are there.
    (
        &["nixos-install", "nixos-rebuild", "disko"],
        r##"
while [ "$1" != --flake ]; do shift; done
folder=${2%%#*}
folder=${folder#path:}
[ -e "${folder%%\?*}/flake.nix" ] || { echo "no flake in $folder" >&2; exit 1; }
has=$(nix eval "${2%%#*}#nixosConfigurations" --apply "hosts: hosts ? \"${2#*#}\"")
[ "$has" = true ] || { echo "no host ${2#*#}" >&2; exit 1; }"##,
    ),
    // The units are those of The Box.
    (
        &["systemctl"],
        r#"[ "$1" = start ] && grep -qrF "\"$2\"" "$TOP/nixos/modules""#,
    ),
    // The drives of this machine are nobody's business.
    (&["lsblk"], "[ $# = 0 ]"),
    // The store is not this test's alone.
    (&["nix-collect-garbage"], "[ $# = 0 ]"),
    // This test is what cargo runs: only the names of members are looked at.
    (
        &["cargo"],
        r#"
case $1 in clippy | fmt | publish | test) ;; *) echo "cargo $1 is not known here" >&2; exit 1 ;; esac
while [ $# != 0 ]; do
  # The first name in a manifest is that of the package.
  if [ "$1" = -p ]; then grep -hm1 '^name = ' "$TOP"/crates/*/Cargo.toml | grep -qx "name = \"$2\""; fi
  shift
done"#,
    ),
    // What is fetched, run or installed comes from other places.
    (
        &["nix"],
        r#"
case "$*" in
'build '* | 'eval '*)
  PATH=$REAL_PATH exec "$REAL_NIX" --extra-experimental-features 'nix-command flakes' "$@" ;;
'run .#cbox -- '* | 'run github:OWNER/cbox -- '*) shift 3; exec cbox "$@" ;;
'profile install github:OWNER/cbox') ;;
'run --inputs-from . nixpkgs#nixos-facter') echo "{\"system\": \"$(uname -m)-linux\"}" ;;
'run --inputs-from . disko -- '*) shift 5; exec disko "$@" ;;
'flake update') ;;
*) echo "nix $* is not known here" >&2; exit 1 ;;
esac"#,
    ),
    // The real one, but that `watch` goes on until it is told to end: here after one round.
    (
        &["cbox"],
        r#"
PATH=$REAL_PATH
if [ "$1" != watch ]; then exec "$REAL_CBOX" "$@"; fi
"$REAL_CBOX" "$@" >"$TMPDIR/round" & watch=$!
until [ -s "$TMPDIR/round" ]; do kill -0 $watch; sleep 0.1; done
kill -TERM $watch
wait $watch || [ $? = 143 ]"#,
    ),
];

/// QEMU, as cbox calls it: the probe of KVM says no, and a machine that something is waited for
/// (which must not restart) stays until it is ended.
const QEMU: &str = r#"
case " $* " in *' -nodefaults '*) exit 1 ;; esac
echo 'cbox-ready coder-box x86_64 0123456789abcdfghijklmnpqrsvwxyz'
echo 'coder-box login: '
case " $* " in *' -no-reboot '*) while :; do sleep 1; done ;; esac"#;

/// Scripts of this repository that pages call. They set up machines: only whether the shell can
/// read them is seen.
const SCRIPTS: [&str; 4] = [
    "scripts/check-deb.sh",
    "scripts/setup.sh",
    "scripts/screenshots.sh",
    "tests/errors/record.sh",
];

/// Puts all of them where [`shell`] finds them, and beside them what a page takes for granted:
/// `.tools/env` and `examples/minibox`.
pub(super) fn prepare(place: &Place) {
    // None of it is a part of the tree.
    let excluded = "/.tools/\n/examples/\n/scripts/\n/tests/\n/*.qcow2\n";
    fs::write(place.path(".git/info/exclude"), excluded).unwrap();
    place.write(".tools/env", "");
    fs::create_dir(place.path("examples")).unwrap();
    symlink("..", place.path("examples/minibox")).unwrap();
    for script in SCRIPTS {
        place.write(script, "");
        write_program(
            &place.path(script),
            &format!("exec sh -n \"$TOP/{script}\""),
        );
    }
    for arch in ["x86_64", "aarch64"] {
        place.stand_in(&format!("qemu-system-{arch}"), QEMU);
    }
    place.stand_in_firmware();
    let programs = place.beside("programs");
    fs::create_dir(&programs).unwrap();
    for tool in TOOLS {
        symlink(find_program(tool).unwrap(), programs.join(tool)).unwrap();
    }
    for (names, script) in STAND_INS {
        for name in names {
            write_program(&programs.join(name), script);
        }
    }
}

/// The shell in the working tree, with these programs and no others.
pub(super) fn shell(place: &Place) -> Call {
    let mut real = place.beside("bin").into_os_string();
    real.push(":");
    real.push(std::env::var_os("PATH").unwrap_or_default());
    place
        .call("/bin/sh")
        .env("PATH", place.beside("programs"))
        .env("TOP", top())
        .env("REAL_CBOX", env!("CARGO_BIN_EXE_cbox"))
        .env("REAL_NIX", nix::real())
        .env("REAL_PATH", real)
        .env("CBOX_FIRMWARE_DIR", place.beside("firmware"))
}

fn write_program(file: &Path, script: &str) {
    fs::write(file, format!("#!/bin/sh\nset -eu\n{script}\n")).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
}
