# workspaces that take all of the memory and both processors: Coder answers all the while
virtual _appliance-disk BOXIMG
check "the first boot finishes" eventually 300 finished
user=$(in_box "id -u coder-podman")
pids() { in_box "systemctl show --property MainPID --value coder postgresql"; }
before=$(pids)
# As a workspace of the rootless Podman: below its owner's user manager.
in_box "systemd-run --quiet --uid coder-podman --slice user-$user.slice --unit greedy \
  /run/current-system/sw/bin/sh -c 'for n in 1 2 3 4; do while :; do :; done & done; tail /dev/zero'"
quick() { in_box "curl -s -S -m 5 -o /dev/null http://127.0.0.1:3000/api/v2/buildinfo"; }
check "Coder answers within seconds, for a minute" throughout 60 quick
check "nothing of Coder's was killed" same "$(pids)" "$before"
in_box "systemctl stop greedy 2>/dev/null; systemctl reset-failed greedy 2>/dev/null"
check "no other unit failed" no_failed_unit
virtual_off
