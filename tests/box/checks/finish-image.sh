# the last word on an image: no identity in it, room left; nothing on a running machine
script=$root/nixos/images/finish-image.sh

# finish HEADROOM_MIB [FOLDER]: what building an image runs in its root, which is 64 MiB
# here; FOLDER is there before. Prints what is left of what must not be in an image.
finish() {
  # shellcheck disable=SC2016 # for the shell in there
  unshare --mount sh -eu -c '
    room=$(mktemp -d)
    trap "cd /; umount --recursive \"$room\"; rmdir \"$room\"" EXIT
    mount -t tmpfs -o size=64m tmpfs "$room"
    mkdir -p "$room/etc" "$room/boot/loader" "$room/usr" "$room$4"
    for link in bin lib lib64; do ln -s "usr/$link" "$room/$link"; done
    mount --bind "$2/usr" "$room/usr"
    touch "$room/etc/machine-id" "$room/boot/loader/random-seed"
    cp "$1" "$room/finish.sh"
    result=0
    chroot "$room" /usr/bin/env PATH=/usr/bin bash -eu /finish.sh /boot "$3" 24 || result=$?
    cd "$room"
    ls etc/machine-id boot/loader/random-seed 2>/dev/null || true
    exit "$result"
  ' finish "$script" "$tree" "$1" "${2-}"
}
check "no machine-id and no random seed are in an image" same "$(finish 1 2>&1)" ""
check_not "an image without room is refused" finish 1024
says() { finish 1024 2>&1 | grep -q "$1"; }
check "and says what to raise" says 'box.image.headroomMiB asks for 1024'
check "nothing goes on a machine that runs" same "$(finish 1 /run/systemd/system 2>&1 | wc -l)" 2
