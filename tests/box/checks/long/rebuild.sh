# nixos-rebuild's switch to a changed configuration and back, with and without an owner
[ -e "$cache/switch/made" ] || "$run" switch
"$run" build coder-thinkcentre "$here/checks/long/rebuild.nix"
changed=$(readlink "$work/result")
"$run" build coder-thinkcentre
plain=$(readlink "$work/result")
# switch_to TOPLEVEL: as nixos-rebuild does it, but for the profile and the loader
switch_to() { in_box "$1/bin/switch-to-configuration test"; }

fresh
start
check "the first boot finishes" eventually 120 finished
has_account_password() { in_box "test -s $state/unix/box"; }
check "the account has its password" eventually 60 has_account_password
identity() { in_box "sha256sum $state/admin-password $state/unix/box /etc/machine-id"; }
before=$(identity)
check "switches to the changed one" switch_to "$changed"
check "it is the changed one" in_box "test -e /etc/changed"
check "no unit failed" eventually 30 no_failed_unit
check "Coder answers" eventually 60 coder_answers
check "still open to the network" eventually 30 reaches_coder
in_box "systemd-run --quiet --unit listens /run/current-system/sw/bin/systemd-socket-activate --listen 8080 /run/current-system/sw/bin/cat"
check "the new port is open, nothing else" eventually 30 only_open "22 3000 8080"
check "one owner, one set of templates" one_owner_one_set
check "and back" switch_to "$plain"
check "it is the plain one" in_box "test ! -e /etc/changed"
check "no unit failed then" eventually 30 no_failed_unit
check "Coder answers then" eventually 60 coder_answers
check "still open to the network then" eventually 30 reaches_coder
check "passwords and identity stay" same "$(identity)" "$before"

# Without an owner, and without a network: the switch neither waits nor fails, and
# opens nothing.
fresh
hold_first_boot
start
check "without an owner: has an address" eventually 60 has_address
check "without an owner: Coder listens" eventually 60 listens 3000
check "without an owner: switches" switch_to "$changed"
check "without an owner: closed" throughout 5 closed_to_peer
check "without an owner: and back" switch_to "$plain"
check "without an owner: still closed" throughout 5 closed_to_peer
check "without an owner: nothing failed" no_failed_unit
let_first_boot_go
check "without an owner: the first boot finishes" eventually 120 finished
check "then open" eventually 20 reaches_coder

fresh
start_without_router
check "without a network: the first user is there" eventually 60 has_owner
began=$(date +%s)
check "without a network: switches" switch_to "$changed"
check "without a network: in less than a minute" test $(($(date +%s) - began)) -lt 60
check "without a network: no unit failed" no_failed_unit
