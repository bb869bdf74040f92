# Asks Avahi for the name it settled on, remembers it, and writes the address
# that follows. Restarts Coder only when the address has changed under it.

avahi() {
  busctl --system --json=short call org.freedesktop.Avahi / org.freedesktop.Avahi.Server "$@" |
    jq -r '.data[0]'
}

running=2 # AVAHI_SERVER_RUNNING: the name has been probed and is ours
remembered="$STATE_DIRECTORY/$BASE_NAME"

settle() {
  for _ in $(seq 30); do
    if [ "$(avahi GetState)" = "$running" ]; then
      return 0
    fi
    sleep 1
  done
  echo "Avahi has not settled on a name yet; trying again in a minute" >&2
  return 1
}

settle || exit 0
name=$(avahi GetHostName)

# Once a boot: back to the name of the boot before, unless that is taken now.
if [ ! -e "$ADDRESS_FILE" ] && [ -s "$remembered" ]; then
  wanted=$(cat "$remembered")
  if [ "$wanted" != "$name" ]; then
    avahi SetHostName s "$wanted" >/dev/null || true
    settle || exit 0
    name=$(avahi GetHostName)
  fi
fi

if [ ! -s "$remembered" ] || [ "$(cat "$remembered")" != "$name" ]; then
  echo "$name" >"$remembered.new"
  mv "$remembered.new" "$remembered"
fi

url="http://$name.local:$PORT"
if grep -qsxF "CODER_ACCESS_URL=$url" "$ADDRESS_FILE"; then
  exit 0
fi

printf '%s\n' "CODER_ACCESS_URL=$url" "FIRST_BOOT_ACCESS_URL=$url" >"$ADDRESS_FILE.new"
mv "$ADDRESS_FILE.new" "$ADDRESS_FILE"
echo "Coder's address is $url"

# Without waiting: on the first run these units wait for this one.
systemctl try-restart --no-block coder.service coder-first-boot.service || true
