# a disk that is full at the first start, and one that fills up later
# closed_or_has_owner: `closed_or_owned` asks PostgreSQL, which may be down where the disk is full
closed_or_has_owner() { eventually 60 has_address && { ! reaches_coder || has_owner; }; }
finished_or_says_full() { finished || in_box "journalctl -b -o cat" | grep -qi 'no space left'; }

fresh
small_disk 1024
start
check "has an address" eventually 60 has_address
in_box "fallocate -l 4G /filler 2>/dev/null || dd if=/dev/zero of=/filler bs=1M 2>/dev/null; sync; true"
full() { in_box "df --output=avail / | tail -n 1 | awk '{ exit \$1 > 1024 }'"; }
check "the disk is full during the first boot" full
sleep 20
check "never open without an owner" closed_or_has_owner
in_box "rm /filler"
check "room again: the first boot finishes by itself" eventually 240 finished
check "one owner, one set of templates" one_owner_one_set
check "open to the network" eventually 60 reaches_coder
check "no unit failed" eventually 90 no_failed_unit

in_box "dd if=/dev/zero of=/filler bs=1M 2>/dev/null; sync; true"
check "full again" full
sleep 10
in_box "systemctl restart coder postgresql" || true
in_box "rm /filler"
check "room again: Coder answers by itself" eventually 120 coder_answers
check "the owner is the same" eventually 60 one_owner_one_set
check "no unit failed then" eventually 90 no_failed_unit

power_off
fresh
small_disk 1024
# In a mount namespace of its own, so that nothing stays mounted here.
unshare --mount sh -c 'mount -o loop "$1" /mnt && dd if=/dev/zero of=/mnt/filler bs=1M count=850 2>/dev/null; umount /mnt' \
  sh "$machine/disk.img"
start
check "a disk that is nearly full at the very first start: has an address" eventually 60 has_address
check "it says what is scarce, or finishes" eventually 120 finished_or_says_full
