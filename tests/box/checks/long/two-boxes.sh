# a second box with the same name on the same network: a name of its own, a matching address
url() { "$@" "sed -n 's/^CODER_ACCESS_URL=//p' /run/box-address/coder.env"; }
avahi_name() {
  "$@" "busctl --json=short call org.freedesktop.Avahi / org.freedesktop.Avahi.Server GetHostName" |
    sed 's/.*\["\(.*\)"\].*/\1/'
}
named() { same "$(avahi_name "$1")" "$2"; }
addressed() { same "$(url "$1")" "http://$2.local:3000"; }
finished_in_second() { in_second "journalctl -b -o cat -u coder-first-boot" | grep -q '^first-boot: done$'; }
# second_coder_told: what its process was started with
second_coder_told() {
  in_second "tr '\\0' '\\n' </proc/\$(systemctl show --property MainPID --value coder)/environ" |
    grep -qx "CODER_ACCESS_URL=http://$base-2.local:3000"
}

fresh
second fresh
build_second
start
check "the first box finishes" eventually 120 finished
base=$(in_box hostname)
second start
check "the second box finishes" eventually 120 finished_in_second
check "it takes another name" eventually 60 named in_second "$base-2"
check "its address follows" eventually 60 addressed in_second "$base-2"
check "its Coder was told" eventually 60 second_coder_told
check "the first keeps its name" named in_box "$base"
check "the first keeps its address" addressed in_box "$base"
check "one owner, one set of templates in the first" one_owner_one_set

in_box "systemctl poweroff" || true
sleep 5
check "the other starts again" restart_second
check "its first boot is through" eventually 120 finished_in_second
check "alone, the second box has the plain name after a start" eventually 30 named in_second "$base"
check "and keeps it" throughout 15 named in_second "$base"
second stop
second fresh
