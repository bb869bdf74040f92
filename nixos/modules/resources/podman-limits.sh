# Bounds the slice of the user that owns the workspace containers. From outside:
# what breaks out of a container is that user, and may change what is below.

total_mib=$(($(sed -n 's/^MemTotal: *\([0-9]*\) kB$/\1/p' /proc/meminfo) / 1024))
max_mib=$((total_mib - RESERVED_MIB))
# A machine that is too small for both shares what it has.
if [ "$max_mib" -lt $((total_mib / 2)) ]; then
  max_mib=$((total_mib / 2))
fi

slice="user-$(id -u "$PODMAN_USER").slice"
# No MemoryHigh: one workspace too many would slow all of them to a stand. Swap is
# compressed memory, which is counted for nobody.
echo "Workspaces in Podman get at most $max_mib of $total_mib MiB"
systemctl set-property --runtime "$slice" \
  CPUWeight=30 IOWeight=30 \
  MemoryMax="${max_mib}M" MemorySwapMax="$((max_mib / 4))M" \
  TasksMax=50%
