# Coder's share of the machine: its slice, and what workspaces are kept from
fresh
start
check "the first boot finishes" eventually 120 finished

# property UNIT NAME
property() { in_box "systemctl show --value --property=$2 $1"; }
group_of() { in_box "cat /proc/$(property "$1" MainPID)/cgroup"; }
in_slice() { group_of "$1" | grep -q '/box\.slice/'; }
below() { [ "$1" -lt "$2" ] || { echo "'$1' is not below '$2'"; false; }; }

check "Coder runs in the slice that goes first" in_slice coder
check "its database too" in_slice postgresql
check "the slice goes before all others" same "$(property box.slice CPUWeight)" 1000
check "memory is kept for it" same "$(property box.slice MemoryMin)" $((1024 * 1024 * 1024))

podman=user-$(in_box "id -u coder-podman").slice
total=$(in_box "sed -n 's/^MemTotal: *\([0-9]*\).*/\1/p' /proc/meminfo")
check "workspaces in Podman leave memory" below "$(property "$podman" MemoryMax)" \
  $(((total - 2000 * 1024) * 1024))
check "and go last" same "$(property "$podman" CPUWeight)" 30
in_box "systemctl daemon-reload"
check "also after a reload" same "$(property "$podman" CPUWeight)" 30

check "the kernel ends containers before their Podman" \
  in_box "grep -qE '^\"?oom_score_adj\"? = 500\$' /etc/containers/containers.conf"

kubelet() { in_box "tr '\0' '\n' </proc/$(property k3s MainPID)/cmdline"; }
kubelet_says() { kubelet | grep -qxF -- "--kubelet-arg=$1"; }
check "pods leave memory and time to k3s" eventually 30 kubelet_says "kube-reserved=cpu=250m,memory=512Mi"
check "and to Coder and the system" kubelet_says "system-reserved=cpu=750m,memory=1536Mi"
check "no unit failed" no_failed_unit
