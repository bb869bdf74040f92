# _appliance-disk in QEMU: its disk grows, zram, no password on a serial line, a second boot

virtual _appliance-disk BOXIMG
check "the first boot finishes" eventually 300 finished
check "the root has grown" in_box "df --output=size -B1M / | awk 'END { exit \$1 <= 2500 }'"
check "memory is swapped to memory" in_box "grep -q zram /proc/swaps"
check "it is running" eventually 120 system_runs
check "no unit failed" no_failed_unit
check_not "no ordering cycle" in_box "journalctl -b --no-pager | grep -i 'ordering cycle'"
check "one owner, one set of templates" one_owner_one_set
check "secrets are root's, and in no log" nothing_secret_leaks
check "the passwords are on the screen" eventually 30 screen_shows password
check "no password on the serial line" serial_says_no_password
second_boot_changes_nothing 300
virtual_off
