# Follows the name that Avahi has on the network, and writes the address of Coder
# that comes of it. Runs as long as the machine does; systemd is told as soon as
# there is a first answer, and Coder waits for no longer.
#
# - The plain name is tried first at each start. A name that Avahi gave up is asked
#   for again: it takes its own answers for another machine's while addresses
#   change. Only a conflict that lasts counts.
# - Without Avahi the address is that of the interface with the default route.
# - Coder is restarted when its address has changed under it, and not while
#   anybody works on its users or templates.

running=2 # AVAHI_SERVER_RUNNING: the name has been probed and is ours
remembered=$STATE_DIRECTORY/$BASE_NAME
told=no

avahi() {
  # Never by starting Avahi: it may be off on purpose.
  busctl --system --auto-start=no --timeout=3 --json=short \
    call org.freedesktop.Avahi / org.freedesktop.Avahi.Server "$@" 2>/dev/null |
    jq -r '.data[0]'
}

avahi_is_there() { systemctl is-active --quiet avahi-daemon.service; }

# settled_name: what Avahi has settled on; fails where it has not, for now.
settled_name() {
  local tries
  for ((tries = 0; tries < 20; tries++)); do
    if [ "$(avahi GetState)" = "$running" ]; then
      avahi GetHostName
      return
    fi
    avahi_is_there || return 1
    sleep 0.5
  done
  return 1
}

# ask_for NAME: what Avahi has after it was asked.
ask_for() {
  avahi SetHostName s "$1" >/dev/null || true
  settled_name
}

# name_to_use: asks again for a name that was lost, and believes the third answer.
# The name of the last conflict that lasted comes next, so that several boxes do
# not swap theirs with the order they are switched on.
name_to_use() {
  local name before
  name=$(settled_name) || return 1
  for _ in 1 2 3; do
    if [ "$name" = "$BASE_NAME" ] || [ "$name" = "$accepted" ]; then
      break
    fi
    sleep "$PROBE_SECONDS"
    name=$(ask_for "$BASE_NAME") || return 1
  done
  if [ "$name" != "$BASE_NAME" ] && [ -s "$remembered" ]; then
    before=$(cat "$remembered")
    if [ "$name" != "$before" ]; then
      name=$(ask_for "$before") || return 1
    fi
  fi
  echo "$name"
}

# The address by which others reach this machine, where there is a route to them.
address_to_use() {
  local address
  address=$(ip -4 -json route get 192.0.2.1 2>/dev/null | jq -r '.[0].prefsrc // empty') || address=
  if [ -z "$address" ]; then
    address=$(ip -6 -json route get 2001:db8::1 2>/dev/null | jq -r '.[0].prefsrc // empty') || address=
    address=${address:+[$address]}
  fi
  echo "$address"
}

remember() {
  if [ "$1" != "$BASE_NAME" ] && { [ ! -s "$remembered" ] || [ "$(cat "$remembered")" != "$1" ]; }; then
    echo "$1" >"$remembered.new"
    mv "$remembered.new" "$remembered"
  fi
}

write_address() {
  local url=$1
  printf '%s\n' "CODER_ACCESS_URL=$url" "FIRST_BOOT_ACCESS_URL=$url" >"$ADDRESS_FILE.new"
  mv "$ADDRESS_FILE.new" "$ADDRESS_FILE"
  current=$url
  echo "Coder's address is $url"
}

# use URL: at the start Coder waits for it; later Coder is started anew.
use() {
  if [ "$1" = "$current" ]; then
    return
  fi
  if [ "$told" = no ]; then
    write_address "$1"
    return
  fi
  # In a shell of its own, so that the lock ends with it. Somebody who holds it is
  # not waited for: in a few seconds this comes by again.
  if [ -e "$LOCK" ]; then
    exec 9<"$LOCK"
    if ! flock --nonblock 9; then
      exec 9<&-
      [ "$waits" = yes ] || echo "Coder's address becomes $1 once the first boot is done with it"
      waits=yes
      return
    fi
  fi
  waits=no
  write_address "$1"
  # Those that run: on the first start they wait for this one.
  systemctl try-restart coder.service || true
  systemctl try-restart --no-block coder-first-boot.service || true
  exec 9<&-
}

look() {
  local name address
  if avahi_is_there && name=$(name_to_use); then
    accepted=$name
    remember "$name"
    use "http://$name.local:$PORT"
    return
  fi
  # Whoever had a name keeps it: Avahi may be on its way back.
  if [ -n "$accepted" ]; then
    return
  fi
  address=$(address_to_use)
  if [ -z "$current" ]; then
    use "http://${address:-localhost}:$PORT"
  elif [ -n "$address" ] && [ "$address" = "$seen" ]; then
    use "http://$address:$PORT"
  fi
  seen=$address
}

accepted='' current='' seen='' waits=no
if [ -s "$ADDRESS_FILE" ]; then
  # This one was started again, Coder was not.
  current=$(sed -n 's/^CODER_ACCESS_URL=//p' "$ADDRESS_FILE")
  accepted=$(sed -n 's|^http://\(.*\)\.local:.*|\1|p' <<<"$current")
  told=yes
  systemd-notify --ready
fi
while :; do
  look
  if [ "$told" = no ]; then
    told=yes
    systemd-notify --ready
  fi
  sleep "$POLL_SECONDS"
done
