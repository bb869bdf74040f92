# secrets that came with the drive: used on the first boot, gone from it, cut off and used once
"$run" build coder-thinkcentre "$here/checks/long/secrets.nix" || exit 1
secret() { mkdir -p "$(on_disk boot/secrets)" && printf '%s\n' "$2" >"$(on_disk boot/secrets)/$1"; }
gone() { in_box "test ! -e /boot/secrets"; }
log_in_as() {
  same "$(in_box "curl -s -o /dev/null -w '%{http_code}' -H 'Content-Type: application/json' \
    -d '{\"email\": \"admin@coder-box.local\", \"password\": \"$1\"}' http://127.0.0.1:3000/api/v2/users/login")" 201
}
# The hash in /etc/shadow is made of it.
account_has() {
  in_box "getent shadow box | cut -d : -f 2" >"$work/hash"
  [ -s "$work/hash" ] && same "$(in_box "perl -e 'print crypt(\$ARGV[0], \$ARGV[1])' '$1' '$(cat "$work/hash")'")" "$(cat "$work/hash")"
}
no_secret_in_log() { in_box "! journalctl --no-pager --output=cat | grep -- '-on-the-drive'"; }

fresh
secret coder-admin-password coder-on-the-drive
secret account-password account-on-the-drive
secret authorized-keys "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFake owner"
secret home.nmconnection "[connection]"
secret acount-password typo-on-the-drive
start
check "the first boot finishes" eventually 300 finished
check "they are gone from the drive" gone
check "Coder's admin has the one for it" log_in_as coder-on-the-drive
check "the account has the one for it" account_has account-on-the-drive
check_not "neither is shown" console_says on-the-drive
check "keys are where sshd looks" in_box "grep -q Fake /etc/ssh/authorized_keys.given/box"
check "for all to read, and for root to write" same "$(in_box "stat -c %a:%U /etc/ssh/authorized_keys.given/box")" 644:root
looked_at() { in_box "sed -n 's/^AuthorizedKeysFile //p' /etc/ssh/sshd_config" | grep -q "/etc/ssh/authorized_keys.given/%u"; }
check "sshd looks there" looked_at
check "the network is root's alone" same "$(in_box "stat -c %a:%U /etc/NetworkManager/system-connections/home.nmconnection")" 600:root
check "the wrong name is on the console" console_says "nothing here takes 'acount-password'"
check "none of them is in the log" no_secret_in_log
check "root's copies are gone" same "$(in_box "ls $state/secrets/waiting $state/admin-password.given 2>/dev/null | grep -v :")" ""

in_box "echo box:somebody-chose-this | chpasswd; sync"
secret account-password account-on-the-drive
check "it starts again" restart
check "the first boot is over" eventually 300 finished
check "with one that was taken before" eventually 60 gone
check "it is not used again" account_has somebody-chose-this
check "no unit failed" eventually 30 no_failed_unit
"$run" build coder-thinkcentre
