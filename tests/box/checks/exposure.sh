# the firewall's start, reload and stop fail: Coder stays closed until it has an owner
# How it is closed does not matter here: a neighbour asks.
fresh
hold_first_boot
drop_in firewall.service fails <<'UNIT'
[Service]
ExecStart=
ExecStart=/run/current-system/sw/bin/false
UNIT
start
check "start fails: Coder listens" eventually 60 listens 3000
check "start fails: has an address" eventually 30 has_address
check "start fails: there is no firewall" not is_active firewall
check "start fails: closed without an owner" throughout 3 closed_to_peer
let_first_boot_go
check "start fails: open with an owner" eventually 60 reaches_coder
no_drop_in firewall.service fails

power_off
fresh
hold_first_boot
start
check "Coder listens" eventually 60 listens 3000
check "has an address" eventually 30 has_address

# One of the commands in the middle of nixpkgs' script fails: it gives up then, and
# takes away what there was. The unit stays active.
break_reload() {
  in_box "mkdir -p /broken
    path=\$(systemctl show --property Environment --value firewall | tr ' ' '\n' | sed -n 's/^PATH=//p')
    real=\$(PATH=\$path; command -v ip6tables)
    printf '%s\n' '#!/run/current-system/sw/bin/sh' \
      'case \" \$* \" in *\" -A nixos-fw-accept \"*) exit 1 ;; esac' \
      \"exec \$real \\\"\\\$@\\\"\" >/broken/ip6tables
    chmod +x /broken/ip6tables
    mkdir -p /run/systemd/system.control/firewall.service.d
    printf '[Service]\nEnvironment=\"PATH=/broken:%s\"\n' \"\$path\" >/run/systemd/system.control/firewall.service.d/broken.conf
    systemctl daemon-reload"
}
mend() {
  in_box "rm -rf /run/systemd/system.control/firewall.service.d; systemctl daemon-reload; systemctl reset-failed firewall; systemctl restart firewall"
}

break_reload
check_not "reload fails" in_box "systemctl reload firewall"
check "reload fails: closed without an owner" throughout 2 closed_to_peer
mend
check "the firewall is back" is_active firewall
in_box "systemctl stop firewall"
check "stopped: closed without an owner" throughout 2 closed_to_peer
check "stopped: it stays stopped" not is_active firewall
in_box "systemctl start firewall"

# A stop that fails: the unit is failed, whatever is left of its rules.
drop_in firewall.service stop <<'UNIT'
[Service]
ExecStop=
ExecStop=/run/current-system/sw/bin/false
UNIT
reloaded
in_box "systemctl stop firewall" || true
check "stop fails: closed without an owner" throughout 2 closed_to_peer
no_drop_in firewall.service stop
mend

let_first_boot_go
check "open with an owner" eventually 60 reaches_coder
check "the first boot finishes" eventually 120 finished
in_box "systemctl reload firewall"
check "reloaded: open with an owner" reaches_coder
break_reload
check_not "reload fails with an owner" in_box "systemctl reload firewall"
check "reload fails: open with an owner" reaches_coder
mend
in_box "systemctl stop firewall"
check "stopped: open with an owner" reaches_coder
check "stopped: it stays stopped with an owner" throughout 3 not is_active firewall
in_box "systemctl start firewall"
check "no unit failed" no_failed_unit

# The flag that says so goes, as a reset does it.
in_box "rm /run/coder-first-boot/first-user-exists"
check "closed again once it is not known that there is an owner" eventually 10 closed_to_peer
follows() { in_box "journalctl --boot --no-pager -o cat -u coder-port-follow --grep '^Starting '" | wc -l; }
check "nothing spins" same "$(follows)" 2
