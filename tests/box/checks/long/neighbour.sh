# a neighbour who asks every TCP port, on IPv4 and IPv6, at each stage
fresh
hold_first_boot
start
check "has an address" eventually 60 has_address
check "Coder listens" eventually 60 listens 3000
check "before there is an owner" only_open 22
in_box "systemctl stop firewall"
check "before there is an owner, the firewall stopped: not Coder" not reaches_coder
check "the firewall stays stopped" throughout 5 not is_active firewall
in_box "systemctl start firewall"
check "and started again" only_open 22
let_first_boot_go
check "the first boot finishes" eventually 120 finished
check "with an owner" only_open "22 3000"
in_box "systemctl reload firewall"
check "after a reload of the firewall" only_open "22 3000"
in_box "systemctl restart firewall"
check "after a restart of the firewall" only_open "22 3000"

drop_in coder-first-boot.service held <<'UNIT'
[Service]
ExecStartPre=/run/current-system/sw/bin/sh -c "until [ -e /go-on ]; do sleep 0.2; done"
UNIT
reloaded
check "the reset succeeds" in_box "systemctl start coder-reset"
check "after a reset" only_open 22
in_box "touch /go-on"
check "a new owner" eventually 120 has_owner
check "with the new owner" only_open "22 3000"
