//! The programs that pages call: the real ones where they can run on any machine, and stand-ins
//! that check what they are told elsewhere. There are no others.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use crate::support::{
    call::{Call, find_program},
    nix,
    place::{Place, top},
};

/// Tools of every machine, which pages and stand-ins call.
const TOOLS: [&str; 17] = [
    "cat",
    "chmod",
    "cp",
    "env",
    "git",
    "grep",
    "kill",
    "ls",
    "mkdir",
    "rm",
    "sed",
    "sh",
    "sha256sum",
    "sleep",
    "tr",
    "uname",
    "wc",
];

/// A program that does not run here, or not for real.
struct StandIn {
    names: &'static [&'static str],
    #[expect(dead_code, reason = "it is for whoever reads the table")]
    why: &'static str,
    /// Its script, with `TOP` for this repository, `NIX` for the real Nix, `CBOX` for cbox, `REAL` for
    /// the PATH on which real programs are found.
    script: &'static str,
}

/// Finds the host and the flake of `--flake REF#HOST`; both have to be there.
const CHECK_FLAKE: &str = r#"
while [ $# != 0 ]; do
  case $1 in --flake) flake=$2 ;; esac
  shift
done
folder=${flake%%#*}
folder=${folder#path:}
[ -e "${folder%%\?*}/flake.nix" ] || { echo "no flake in $folder" >&2; exit 1; }
cbox hosts | grep -q "^${flake#*#} " || { echo "no host ${flake#*#}" >&2; exit 1; }
"#;

const STAND_INS: &[StandIn] = &[
    StandIn {
        names: &["make"],
        why: "it would build all of this repository: which rules there are, make itself says",
        script: r#"PATH=REAL exec make -n -C 'TOP' "$@" >/dev/null"#,
    },
    StandIn {
        names: &["sudo"],
        why: "nothing here needs the rights of root",
        script: r#"while case $1 in -*) ;; *) false ;; esac; do shift; done; exec "$@""#,
    },
    StandIn {
        names: &["nixos-install", "nixos-rebuild"],
        why: "there is no machine to install on",
        script: "CHECK_FLAKE",
    },
    StandIn {
        names: &["systemctl"],
        why: "the units are those of The Box",
        script: r#"[ "$1" = start ] && grep -qrF "\"$2\"" 'TOP/nixos/modules'"#,
    },
    StandIn {
        names: &["lsblk"],
        why: "the drives of this machine are nobody's business",
        script: "[ $# = 0 ]",
    },
    StandIn {
        names: &["nix-collect-garbage"],
        why: "the store is not this test's alone",
        script: "[ $# = 0 ]",
    },
    StandIn {
        names: &["cargo"],
        why: "this test is what cargo runs: only the names of members are looked at",
        script: r#"
case $1 in build | clippy | fmt | test) ;; *) echo "no such command of cargo: $1" >&2; exit 1 ;; esac
while [ $# != 0 ]; do
  case $1 in -p) grep -qx "name = \"$2\"" 'TOP'/crates/*/Cargo.toml 'TOP'/tests/*/Cargo.toml ;; esac || exit
  shift
done"#,
    },
    StandIn {
        names: &["nix"],
        why: "what is fetched, installed or run comes from other places",
        script: r#"
case $1 in
build | eval) PATH=REAL exec 'NIX' --extra-experimental-features 'nix-command flakes' "$@" ;;
esac
case "$*" in
'run .#cbox -- '*) shift 3; exec cbox "$@" ;;
'run --inputs-from . nixpkgs#nixos-facter') echo "{\"system\": \"$(uname -m)-linux\"}" ;;
'run --inputs-from . disko -- '*) shift 5
CHECK_FLAKE ;;
'profile install .#cbox' | 'flake update' | 'flake lock') ;;
*) echo "nix $* is not known here" >&2; exit 1 ;;
esac"#,
    },
    StandIn {
        names: &["cbox"],
        why: "`watch` goes on until it is told to end",
        script: r#"
PATH=REAL
if [ "$1" != watch ]; then exec 'CBOX' "$@"; fi
'CBOX' "$@" >"$TMPDIR/round" & watch=$!
until [ -s "$TMPDIR/round" ]; do kill -0 $watch; sleep 0.1; done
kill -TERM $watch
wait $watch || [ $? = 143 ]"#,
    },
];

/// QEMU, as cbox calls it: the probe of KVM says no, and a machine that something is waited for
/// (which must not restart) stays until it is ended.
const QEMU: &str = r#"
case " $* " in *' -nodefaults '*) exit 1 ;; esac
echo 'cbox-ready coder-box x86_64 0123456789abcdfghijklmnpqrsvwxyz'
echo 'coder-box login: '
case " $* " in *' -no-reboot '*) while :; do sleep 1; done ;; esac"#;

/// Puts all of them where [`shell`] finds them, and beside them what a page takes for granted:
/// `.tools/env`, `examples/minibox` and the scripts of this repository.
pub(super) fn prepare(place: &Place) {
    let excluded = "/.tools/\n/examples/\n/scripts/\n/tests/\n/target/\n/result*\n/*.qcow2\n";
    fs::write(place.path(".git/info/exclude"), excluded).unwrap();
    place.write(".tools/env", "");
    fs::create_dir(place.path("examples")).unwrap();
    std::os::unix::fs::symlink("..", place.path("examples/minibox")).unwrap();
    for script in [
        "scripts/setup.sh",
        "scripts/screenshots.sh",
        "tests/errors/record.sh",
    ] {
        let real = top().join(script);
        place.write(
            script,
            format!("#!/bin/sh\nexec sh -n '{}'\n", real.display()),
        );
        make_executable(&place.path(script));
    }
    for arch in ["x86_64", "aarch64"] {
        place.stand_in(&format!("qemu-system-{arch}"), QEMU);
    }
    for file in [
        "OVMF/OVMF_CODE_4M.fd",
        "OVMF/OVMF_VARS_4M.fd",
        "AAVMF/AAVMF_CODE.fd",
        "AAVMF/AAVMF_VARS.fd",
    ] {
        place.write(place.beside("firmware").join(file), "");
    }
    let programs = place.beside("programs");
    fs::create_dir(&programs).unwrap();
    for tool in TOOLS {
        std::os::unix::fs::symlink(find_program(tool).unwrap(), programs.join(tool)).unwrap();
    }
    for StandIn { names, script, .. } in STAND_INS {
        let script = script
            .replace("CHECK_FLAKE", CHECK_FLAKE)
            .replace("TOP", top().to_str().unwrap())
            .replace("NIX", nix::real().unwrap().to_str().unwrap())
            .replace("CBOX", env!("CARGO_BIN_EXE_cbox"))
            .replace("REAL", "$REAL_PATH");
        for name in *names {
            let file = programs.join(name);
            fs::write(&file, format!("#!/bin/sh\nset -eu\n{script}\n")).unwrap();
            make_executable(&file);
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
        .env("REAL_PATH", real)
        .env("CBOX_FIRMWARE_DIR", place.beside("firmware"))
}

fn make_executable(file: &Path) {
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
}
