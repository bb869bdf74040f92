# qemu-arm64 in QEMU: its first boot, no password on a serial line, a second boot

check "it is built" virtual qemu-arm64 BOX
[ "$failed" = 0 ] || exit 1
check "the first boot finishes" eventually 600 finished
check "on aarch64" same "$(in_box "uname -m")" aarch64
check "memory is swapped to memory" in_box "grep -q zram /proc/swaps"
check "its boot partition is mounted" in_box "findmnt /boot"
check "it is running" eventually 240 system_runs
check "no unit failed" no_failed_unit
check_not "no ordering cycle" in_box "journalctl -b --no-pager | grep -i 'ordering cycle'"
check "one owner, one set of templates" one_owner_one_set
check "secrets are root's, and in no log" nothing_secret_leaks
check "the password opens Coder" shown_password_works
check "the passwords are on the screen" eventually 60 screen_shows password
# This host has a log-in there, which prints what may be known.
serial_says() { grep -a -q "$1" "$work/vm/console.log"; }
check "the serial line says where they are" eventually 60 serial_says "Coder  .*http://"
check "and none of them" serial_says_no_password
second_boot_changes_nothing 600
virtual_off
