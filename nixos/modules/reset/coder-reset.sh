# Each step may be repeated, so after an interruption the reset is started again.

echo "Stopping Coder"
systemctl stop coder-first-boot.service coder.service

# Before anything goes: whatever fails below, a Coder without its users is never
# within reach of the network.
rm -f "$FIRST_USER_FLAG"
if systemctl is-active --quiet coder-port.service; then
  echo "Closing Coder's port to the network"
  systemctl stop coder-port.service
  systemctl reload firewall.service
fi

# Pods outlive k3s itself, and reach Coder from inside the machine.
if [ -n "$KUBECONFIG" ]; then
  echo "Removing workspaces in Kubernetes"
  systemctl start k3s.service
  k3s kubectl --namespace coder-workspaces delete \
    deployments,statefulsets,jobs,pods,services,persistentvolumeclaims,configmaps \
    --all --ignore-not-found --timeout=120s || {
    echo "Workspaces in Kubernetes are left, so Coder was not reset: start coder-reset again" >&2
    exit 1
  }
fi

if [ -n "$PODMAN_USER" ]; then
  echo "Removing workspaces in Podman"
  uid=$(id -u "$PODMAN_USER")
  systemctl stop "user@$uid.service"
  home=$(getent passwd "$PODMAN_USER" | cut -d: -f6)
  find "$home" -mindepth 1 -delete
  systemctl start "user@$uid.service"
fi

echo "Removing Coder's database and data"
runuser -u postgres -- dropdb --if-exists --force "$DATABASE"
for directory in "$CODER_HOME" /var/cache/coder; do
  if [ -d "$directory" ]; then
    find "$directory" -mindepth 1 -delete
  fi
done
coder-first-boot forget

echo "Starting over"
systemctl restart postgresql-setup.service
systemctl start coder.service
systemctl start --no-block coder-first-boot.service
