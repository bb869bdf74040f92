# a disk that fills up: the console says so, and no longer when there is room again
fresh
small_disk 6000
start
check "the first boot finishes" eventually 120 finished
notice=/run/coder-first-boot/console/scarce.issue
says_disk() { in_box "cat $notice" | grep -q "Disk space is scarce"; }
check_not "nothing is said of it while there is room" says_disk
in_box "fallocate -l 4500M /var/tmp/big"
check "a full disk is said on the console" eventually 40 says_disk
check "and on serial lines" in_box "grep -q 'Disk space' /run/coder-first-boot/serial/scarce.issue"
check "nobody else reads it" same "$(in_box "stat -c %a $notice")" 600
check "the log says it once" same "$(in_box "journalctl --no-pager -u box-scarcity" | grep -c "Disk space is scarce")" 1
in_box "rm /var/tmp/big"
check "with room it is gone" eventually 40 not says_disk
check "no unit failed" no_failed_unit
