# no network at all: boot and switch wait for nothing, k3s comes with the route
no_jobs() { same "$(in_box "systemctl list-jobs --no-legend --no-pager")" ""; }
is_up() { in_box "systemctl is-active --quiet multi-user.target"; }
# trying_again: what a switch to another configuration calls failed
trying_again() { in_box "systemctl list-units --plain --no-legend --no-pager --state=auto-restart,failed"; }

fresh
# The first boot is not done for long: its templates have to wait.
drop_in coder-first-boot.service offline <<'UNIT'
[Service]
Environment=FIRST_BOOT_PROBE_URL=http://192.0.2.1/
UNIT
start_without_router
check "the machine is up" eventually 30 is_up
check "there is an owner" eventually 60 has_owner
check "no job is left" eventually 20 no_jobs
check "nothing has failed, nothing is started again and again" same "$(trying_again)" ""
check "k3s is not started in vain" same "$(in_box "systemctl show --property NRestarts --property ActiveState k3s" | sort | tr '\n' ' ')" "ActiveState=inactive NRestarts=0 "
check "the console says what is missing" eventually 60 console_says "wait for a network"
check "the console shows the passwords" console_says admin@
check "a reset ends well" in_box "timeout 60 systemctl start coder-reset"
check "there is an owner again" eventually 60 has_owner

no_drop_in coder-first-boot.service offline
router_comes
check "a late network gives an address" eventually 90 has_address
check "k3s starts" eventually 30 is_active k3s
kubeconfig() { in_box "test -s /run/coder-k3s/kubeconfig"; }
check "and Coder has its kubeconfig" eventually 30 kubeconfig
reloaded
in_box "systemctl restart coder-first-boot"
check "the first boot finishes" eventually 120 finished
check_not "the console no longer asks for a network" console_says "wait for a network"
check "one owner, one set of templates" one_owner_one_set
check "nothing has failed" same "$(trying_again)" ""
