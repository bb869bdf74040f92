# Each step may be repeated, so after an interruption the reset is started again.

echo "Stopping Coder"
# The port needs no closing first: behind it nothing listens any more.
systemctl stop coder-first-boot.service coder.service

if [ -n "$KUBECONFIG" ] && systemctl is-active --quiet k3s.service; then
  echo "Removing workspaces in Kubernetes"
  k3s kubectl --namespace coder-workspaces delete \
    deployments,statefulsets,jobs,pods,services,persistentvolumeclaims,configmaps \
    --all --ignore-not-found --timeout=120s ||
    echo "Some workspaces in Kubernetes are left; a reset later removes them" >&2
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

# The flag that says "there is a first user" went with that.
if systemctl is-active --quiet coder-port.service; then
  echo "Closing Coder's port to the network"
  systemctl stop coder-port.service
  systemctl reload firewall.service
fi

echo "Starting over"
systemctl restart postgresql-setup.service
systemctl start coder.service
systemctl start --no-block coder-first-boot.service
