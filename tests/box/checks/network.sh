# no network, a late one, another address
no_jobs() { same "$(in_box "systemctl list-jobs --no-legend --no-pager")" ""; }

fresh
start_without_router
check "without a network: the first user is there" eventually 60 has_owner
check "the console shows the passwords" eventually 30 console_says password
check "no unit failed" no_failed_unit
router_comes
check "a late network gives an address" eventually 90 has_address
check "Coder is reachable" eventually 30 reaches_coder
check "the first boot finishes" eventually 120 finished
check "one owner, one set of templates" one_owner_one_set
# systemd has nothing left that waits for a network.
check "no job is left" eventually 60 no_jobs

old=$(address)
in_box "ip address flush dev eth0 scope global; ip address add 192.168.9.77/24 dev eth0; ip route add default via 192.168.9.1"
check "another address: reachable under it" eventually 30 reaches_coder
check "another address" other "$(address)" "$old"
check "the owner is the same" one_owner_one_set
check "no unit failed after it" no_failed_unit
