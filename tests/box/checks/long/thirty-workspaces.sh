# thirty workspaces that all want more than there is: Coder answers, they alone are killed, the console says why
virtual _appliance-disk BOXIMG
check "the first boot finishes" eventually 300 finished
user=$(in_box "id -u coder-podman")
slice=user-$user.slice
pids() { in_box "systemctl show --property MainPID --value coder postgresql k3s sshd systemd-journald dbus user@$user"; }
before=$(pids)
said_on_console() { in_box "cat /run/coder-first-boot/console/scarce.issue" | grep -q "$1"; }

# As workspaces of the rootless Podman: below its owner's slice, and as its containers are to be
# killed. Each computes without a pause, and holds 80 MB as soon as it gets them. Together they want
# twice what they may have.
in_box "cat >/run/workspace <<'SCRIPT'
held=\$(head -c 40000000 /dev/zero | tr '\\0' x)
while :; do :; done
SCRIPT
for n in \$(seq 30); do
  systemd-run --quiet --collect --uid coder-podman --slice $slice --property OOMScoreAdjust=500 \
    --unit workspace-\$n /run/current-system/sw/bin/sh /run/workspace
done"

# Two seconds for the answer; the time that the shell of this check takes is not Coder's.
quick() { in_box "curl -s -S -m 2 -o /dev/null http://127.0.0.1:3000/api/v2/buildinfo"; }
check "Coder answers within two seconds, for two minutes" throughout 120 quick
check "the console says that memory is scarce" eventually 60 said_on_console "Memory is scarce"
check "and that processors are" eventually 60 said_on_console "Processors are scarce"

# So that the rest of the checks is quick.
in_box "systemctl stop 'workspace-*'"
killed() { in_box "journalctl --no-pager -k -b -o cat" | grep -o 'oom-kill:.*'; }
check "the kernel has killed workspaces" killed
others() { killed | grep -v "task_memcg=/user.slice/$slice/workspace-"; }
check_not "and nothing else" others
check "all services are those of before" same "$(pids)" "$before"

check "processors are said to be enough again" eventually 240 not said_on_console "Processors"
check "no unit failed" no_failed_unit
virtual_off
