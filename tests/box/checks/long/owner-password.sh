# the owner's password: its file missing, then there, then changed
"$run" build coder-thinkcentre "$here/checks/long/owner-password.nix" || exit 1
# few_tries: the unit does not start again and again
few_tries() { [ "$(in_box "journalctl --boot --no-pager -o cat --grep 'coder-first-boot.service: Scheduled restart'" | wc -l)" -le 4 ]; }

fresh
start
check "has an address" eventually 60 has_address
check "file missing: the console says so" eventually 60 console_says /etc/secrets/coder-admin
check "file missing: closed to the network" closed_to_peer
check "file missing: no unit spins" few_tries
in_box "mkdir -p /etc/secrets; umask 077; echo owner-made-this-1 >/etc/secrets/coder-admin"
check "file there: the first boot finishes by itself" eventually 120 finished
log_in_as() {
  same "$(in_box "curl -s -o /dev/null -w '%{http_code}' -H 'Content-Type: application/json' \
    -d '{\"email\": \"admin@coder-box.local\", \"password\": \"$1\"}' http://127.0.0.1:3000/api/v2/users/login")" 201
}
check "it is Coder's" log_in_as owner-made-this-1
check_not "it is not on the console" console_says owner-made-this-1
check "the console no longer asks for the file" not console_says /etc/secrets/coder-admin
check_not "it is in no log" in_box "journalctl --no-pager -o cat | grep -q owner-made-this"
check "open to the network" eventually 20 reaches_coder

in_box "echo owner-made-this-2 >/etc/secrets/coder-admin"
check "it starts again" restart
check "changed: the first boot finishes" eventually 120 finished
check "changed: the console or the log says what to do" logged coder-first-boot "change the password in Coder, or reset"
check "changed: Coder keeps the old one" log_in_as owner-made-this-1
check "reset" in_box "systemctl start coder-reset"
check "after the reset Coder has the new one" eventually 90 log_in_as owner-made-this-2
"$run" build coder-thinkcentre
