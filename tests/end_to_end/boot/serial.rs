//! Images whose console is on the screen: how cbox gets it to the serial line.

use super::*;

/// A boot loader of two menus, which shows nothing but by pictures: QEMU's machine protocol
/// comes by one pipe and its answers go by another.
const LOADER: &str = r#"
for word; do case $word in pipe,*) pipes=${word#*path=} ;; esac; done
menu=0 at=0
while read -r line <&3; do
  case $line in
    *'"down"'*) [ "$menu$at" = 11 ] || [ "$at" = 1 ] || at=1 ;;
    *'"home"'*) at=0 ;;
    *'"ret"'*)
      if [ "$menu$at" = 01 ]; then menu=1 at=0
      elif [ "$menu$at" = 11 ]; then echo starting; sleep 2; echo the kernel speaks; sleep 60
      else exit 1
      fi ;;
    *screendump*)
      file=${line#*filename\":\"}
      echo "$menu $at" >"${file%%\"*}"
      echo "{\"return\": {}, \"id\": ${line##*\"id\":}" >&4 ;;
  esac
done 3<>"$pipes.in" 4<>"$pipes.out"
"#;

#[test]
fn a_serial_entry_is_chosen_by_keys() {
    let bench = Bench::of_place(LOADER, crate::boots::silence);
    if cfg!(not(target_arch = "x86_64")) {
        return say_left_out("other machines tell the kernel of their serial line");
    }
    let until = ["--until", "speaks", "--json"];
    let run = bench.boot(&until).run().ok();
    assert_eq!(run.json()["boot"]["console"], "menu");
    run.says(&[
        "chosen by keys in its boot menu: Options > Speaks",
        "chose in its boot menu: Options > Speaks",
    ]);
    bench.is_clean();
    // One that takes no keys, or ends: what is known is said.
    bench.qemu("sleep 3; echo the end");
    let run = bench.boot(&["--until", "the end"]).run().ok();
    run.says(&["serial console: chosen"]);
    bench.is_clean();
    // With a window nothing is pressed.
    bench.qemu("echo up");
    bench.boot(&[]).env("DISPLAY", ":7").run().ok();
    assert!(!bench.told().contains("pipe"), "{}", bench.told());
}

#[test]
fn a_disk_is_told_of_the_serial_line_from_outside() {
    let bench = Bench::with("echo up; sleep 60");
    bench.place.ask(&["appliance", "raw"]);
    let run = bench
        .of("appliance/raw", &["--until", "up", "--json"])
        .run()
        .ok();
    let (console, told) = (&run.json()["boot"]["console"], bench.told());
    let word = ",value=io.systemd.boot.kernel-cmdline-extra=console=ttyS0,,115200n8";
    if cfg!(target_arch = "x86_64") {
        assert!(told.contains(word), "{told}");
        assert_eq!(console, "smbios");
    } else {
        assert_eq!(console, "own");
    }
    // An ISO that speaks by itself is left alone.
    let run = bench.boot(&["--until", "up", "--json"]).run().ok();
    assert_eq!(run.json()["boot"]["console"], "own");
    let told = bench.told();
    assert!(!told.contains("smbios") && !told.contains("pipe"), "{told}");
    assert!(!run.stderr.contains("serial console"), "{run}");
}
