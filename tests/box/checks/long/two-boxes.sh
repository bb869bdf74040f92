# a second box with the same name on the same network: a name of its own, a matching address
url() { "$@" "sed -n 's/^CODER_ACCESS_URL=//p' /run/box-address/coder.env"; }
avahi_name() {
  "$@" "busctl --json=short call org.freedesktop.Avahi / org.freedesktop.Avahi.Server GetHostName" |
    sed 's/.*\["\(.*\)"\].*/\1/'
}
named() { same "$(avahi_name "$1")" "$2"; }
addressed() { same "$(url "$1")" "http://$2.local:3000"; }
finished_in_second() { in_second "journalctl -b -o cat -u coder-first-boot" | grep -q '^first-boot: done$'; }
# told WHOM: its Coder was started with the name that it has now
told() {
  "$1" "tr '\\0' '\\n' </proc/\$(systemctl show --property MainPID --value coder)/environ" |
    grep -qx "CODER_ACCESS_URL=http://$(avahi_name "$1").local:3000"
}
# two_names: which of them gives way is for mDNS to settle; on a busy machine it may be
# the one that was there first
two_names() {
  both=$(printf '%s\n' "$(avahi_name in_box)" "$(avahi_name in_second)" | sort | paste -sd ' ')
  same "$both" "$base $base-2"
}
addresses_follow() {
  addressed in_box "$(avahi_name in_box)" && addressed in_second "$(avahi_name in_second)"
}
coders_told() { told in_box && told in_second; }

fresh
second fresh
build_second
start
check "the first box finishes" eventually 120 finished
base=$(in_box hostname)
second start
check "the second box finishes" eventually 120 finished_in_second
check "each has a name of its own, one of them the plain one" eventually 90 two_names
check "their addresses follow" eventually 60 addresses_follow
check "their Coders were told" eventually 60 coders_told
check "so it stays" throughout 15 two_names
check "one owner, one set of templates in the first" one_owner_one_set

in_box "systemctl poweroff" || true
sleep 5
check "the other starts again" restart_second
check "its first boot is through" eventually 120 finished_in_second
check "alone, the second box has the plain name after a start" eventually 30 named in_second "$base"
check "and keeps it" throughout 15 named in_second "$base"
second stop
second fresh
