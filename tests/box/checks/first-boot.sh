# a fresh machine: first user, token, templates, passwords, reboot, a killed start
fresh
hold_first_boot
start
check "Coder listens" eventually 60 listens 3000
check "has an address" eventually 30 has_address
check "before the first user: closed to the network" throughout 2 closed_to_peer
let_first_boot_go
check "the first boot finishes" eventually 120 finished
check "with the first user: open to the network" eventually 10 reaches_coder
check "one owner, one set of templates" one_owner_one_set
check "no unit failed" no_failed_unit
check_not "no ordering cycle" in_box "journalctl -b --no-pager | grep -i 'ordering cycle'"
check "secrets are root's, and in no log" nothing_secret_leaks
both_passwords() { same "$(console | grep -c password)" 2; }
check "the console shows both passwords" eventually 20 both_passwords
check "PostgreSQL listens locally only" same "$(in_box "ss -tlnH" | grep 5432 | grep -v '127.0.0.1\|\[::1\]')" ""
# ssh_methods: what the machine offers to somebody without a key
ssh_methods() {
  in_box "ssh -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null box@$(address)" 2>&1 |
    sed -n 's/.*(\(.*\))\.\r*$/\1/p'
}
check "SSH takes no password" same "$(ssh_methods)" publickey

identity() {
  in_box "sha256sum $state/admin-password $state/unix/box /etc/machine-id /etc/ssh/ssh_host_ed25519_key /etc/shadow"
}
before=$(identity)
check "it shuts down and starts again" restart
check "the first boot is through again" eventually 120 finished
check "a reboot changes nothing" same "$(identity)" "$before"

in_box "systemctl restart --no-block coder-first-boot; sleep 0.3; systemctl kill -s KILL coder-first-boot"
sleep 1
again() { same "$(log_of coder-first-boot | grep -c '^first-boot: done$')" "$1"; }
check "a killed first boot is taken up again" eventually 90 again 2
check "still one owner, one set of templates" one_owner_one_set
