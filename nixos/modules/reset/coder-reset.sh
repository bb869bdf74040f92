# coder-reset.sh reset | recover
#
# `reset`: first everything that can go wrong before something is stopped, then
# the steps, each of which may be repeated. `recover` runs after one that did not
# end: it brings back what was running before.

fail() {
  echo "Coder was not reset: $*" >&2
  exit 1
}

sql() { runuser -u postgres -- psql --no-psqlrc --quiet --tuples-only --no-align "$@"; }

# As nixpkgs' set-up of PostgreSQL does, which cannot be run again by itself: a
# restart of it is one of PostgreSQL. The role is there still.
make_database() {
  [ "$(sql --command "SELECT 1 FROM pg_database WHERE datname = '$DATABASE'")" = 1 ] ||
    runuser -u postgres -- createdb --owner "$DATABASE_OWNER" "$DATABASE"
}

is_up() {
  case $(systemctl show --property ActiveState --value "$1") in
    active | activating | reloading) return 0 ;;
    *) return 1 ;;
  esac
}

# A stop that can be undone.
stop() {
  local unit
  for unit in "$@"; do
    if is_up "$unit"; then
      echo "$unit" >>"$STOPPED"
      systemctl stop "$unit"
    fi
  done
}

# Where k3s never ran there is nothing of its.
k3s_was_here() { [ -n "$KUBECONFIG" ] && [ -e "$KUBECONFIG" ]; }

k3s_answers() {
  local deadline=$((SECONDS + 120))
  until timeout 20 k3s kubectl --namespace "$NAMESPACE" get secret --output name >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$deadline" ] || return 1
    sleep 2
  done
}

check() {
  timeout 30 runuser -u postgres -- psql --no-psqlrc --command "SELECT 1" >/dev/null ||
    fail "PostgreSQL does not answer. See: journalctl -u postgresql"

  # Pods outlive k3s itself, and reach Coder from inside the machine.
  k3s_was_here || return 0
  if ! is_up k3s.service; then
    [ -n "$(ip -4 route show default)$(ip -6 route show default)" ] ||
      fail "k3s is off, and cannot start without a network (there is no default route), so" \
        "workspaces in Kubernetes would be left. Connect the network, then start coder-reset again"
    echo "Starting k3s, to remove workspaces in it"
    timeout 300 systemctl start k3s.service ||
      fail "k3s does not start. See: journalctl -u k3s"
  fi
  k3s_answers || fail "k3s does not answer. See: journalctl -u k3s"
}

remove_pods() {
  k3s_was_here || return 0
  echo "Removing workspaces in Kubernetes"
  timeout 300 k3s kubectl --namespace "$NAMESPACE" delete \
    deployments,statefulsets,jobs,pods,services,persistentvolumeclaims,configmaps \
    --selector='app.kubernetes.io/part-of!=coder-box' --ignore-not-found --timeout=120s ||
    fail "workspaces in Kubernetes are left. See: journalctl -u k3s"
}

remove_containers() {
  local home uid
  [ -n "$PODMAN_USER" ] || return 0
  echo "Removing workspaces in Podman"
  uid=$(id -u "$PODMAN_USER")
  stop "user@$uid.service"
  home=$(getent passwd "$PODMAN_USER" | cut -d: -f6)
  find "$home" -mindepth 1 -delete
  systemctl start "user@$uid.service"
}

reset() {
  check
  rm -f "$STOPPED"

  # It may be in the middle of a template's import.
  echo "Stopping Coder"
  stop coder-first-boot.service
  # A renewal that is under way ends first, and none begins before the reset is over.
  exec 8>"$LOCK"
  flock --timeout 120 8 || fail "something else still works on Coder's users: $LOCK is held"
  export FIRST_BOOT_LOCK_FD=8
  stop coder.service

  # Before anything goes: whatever fails below, a Coder without its users is never
  # within reach of the network.
  rm -f "$FIRST_USER_FLAG"
  if [ -n "$FOLLOW_PORT" ]; then
    "$FOLLOW_PORT"
  fi

  remove_pods
  remove_containers

  echo "Removing Coder's database and data"
  runuser -u postgres -- dropdb --if-exists --force "$DATABASE"
  for directory in "$CODER_HOME" /var/cache/coder; do
    if [ -d "$directory" ]; then
      find "$directory" -mindepth 1 -delete
    fi
  done
  coder-first-boot forget
  make_database

  echo "Starting over"
  systemctl start coder.service
  systemctl start --no-block coder-first-boot.service
  rm -f "$STOPPED"
}

recover() {
  local unit
  [ -e "$STOPPED" ] || return 0
  echo "The reset did not end: bringing back what it had stopped" >&2
  make_database || true
  while read -r unit; do
    systemctl start --no-block "$unit" || true
  done <"$STOPPED"
  rm -f "$STOPPED"
}

"$1"
