# _appliance-disk in QEMU, from a drive that `cbox flash` put secrets on: taken through the kernel's FAT
"$run" build-vm _appliance-disk BOXIMG >/dev/null || exit 1
need_cbox
rm -f "$work/vm/flashed.img"
printf 'account-on-the-drive\n' >"$work/account.txt"
printf 'coder-on-the-drive\n' >"$work/coder.txt"
chmod 600 "$work/account.txt" "$work/coder.txt"
check "cbox puts them there" "$BENCH_CBOX" flash "$work/vm/disk.img" "$work/vm/flashed.img" --new-file \
  --secret "$work/account.txt=account-password" --secret "$work/coder.txt=coder-admin-password"
[ "$failed" = 0 ] || exit 1
mv "$work/vm/flashed.img" "$work/vm/disk.img"
check "the drive has the account's" grep -a -q account-on-the-drive "$work/vm/disk.img"
virtual_again
check "the first boot finishes" eventually 300 finished
check "/boot is the FAT of the drive" in_box "findmnt --noheadings --output FSTYPE /boot | grep -q vfat"
check "they are gone from it" in_box "test ! -e /boot/secrets"
check "both were used" in_box "ls $state/secrets/taken | grep -c . | grep -qx 2; test -z \"\$(ls $state/secrets/waiting)\""
check "Coder's admin has the one for it" in_box "grep -qx coder-on-the-drive $state/admin-password"
check "none is in the log" in_box "! journalctl --no-pager --output=cat | grep -- -on-the-drive"
check "no unit failed" no_failed_unit
virtual_off
# What a finder of the drive would look for: the account's was never written anywhere else.
check_not "the drive has nothing of the account's any more" grep -a -q account-on-the-drive "$work/vm/disk.img"
