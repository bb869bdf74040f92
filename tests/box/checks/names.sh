# the .local name: a conflict that passes, one that lasts, an import under way, no Avahi
url() { in_box "sed -n 's/^CODER_ACCESS_URL=//p' /run/box-address/coder.env"; }
addressed() { same "$(url)" "$1"; }
call="busctl --json=short call org.freedesktop.Avahi / org.freedesktop.Avahi.Server"
avahi_name() { in_box "$call GetHostName" | sed 's/.*\["\(.*\)"\].*/\1/'; }
named() { same "$(avahi_name)" "$1"; }
main_pid() { in_box "systemctl show --property MainPID --value $1"; }
is_process() { same "$(main_pid "$1")" "$2"; }
told() { # told URL: what Coder was started with
  same "$(in_box "tr '\\0' '\\n' </proc/\$(systemctl show --property MainPID --value coder)/environ" | sed -n 's/^CODER_ACCESS_URL=//p')" "$1"
}

fresh
start
check "the first boot finishes" eventually 120 finished
base=$(in_box hostname)
coder=$(main_pid coder)
check "the plain name" named "$base"
check "and its address" addressed "http://$base.local:3000"

in_box "$call SetHostName s $base-2" >/dev/null
check "a conflict that passes: the name is lost" named "$base-2"
check "the plain name is asked for again" eventually 40 named "$base"
check "Coder was not restarted" is_process coder "$coder"
check "its address is the same" addressed "http://$base.local:3000"

# What the first boot holds while a template is imported.
in_box "flock $state/lock sleep 50 >/dev/null 2>&1 &"
ip netns exec "$name-peer" python3 "$here/namespaces/claims.py" 192.168.9.1 "$base" &
claims=$!
echo "$claims" >"$work/claims.pid"
waits() { logged box-address "becomes http://$base-2.local:3000 once"; }
check "a conflict that lasts, in an import: it waits" eventually 45 waits
check "Coder is left alone" is_process coder "$coder"
check "the address changes after it" eventually 60 addressed "http://$base-2.local:3000"
check "Coder was told" eventually 20 told "http://$base-2.local:3000"
check "the console says it" eventually 30 console_says "http://$base-2.local:3000"
check "the first boot was not harmed" one_owner_one_set
kill "$claims"
check "no unit failed" no_failed_unit

check "it starts again" restart
check "after a start: the plain name again" eventually 60 addressed "http://$base.local:3000"
check "Coder was told of it" eventually 30 told "http://$base.local:3000"
coder=$(main_pid coder)
check "and is not told twice" throughout 20 is_process coder "$coder"
power_off

fresh
mkdir -p "$(on_disk etc/systemd/system.control)"
ln -s /dev/null "$(on_disk etc/systemd/system.control/avahi-daemon.service)"
start
check "without Avahi: Coder starts" eventually 20 coder_answers
# seconds from the database to Coder
waited() {
  in_box "a=\$(systemctl show --property ActiveEnterTimestampMonotonic --value postgresql.target)
    b=\$(systemctl show --property ActiveEnterTimestampMonotonic --value coder)
    echo \$(((b - a) / 1000000))"
}
at_once() { seconds=$(waited); echo "$seconds s"; [ "$seconds" -le 3 ]; }
check "without Avahi: it waits for nothing" at_once
check "without Avahi: there is an address" eventually 60 has_address
check "without Avahi: the console says it" eventually 60 console_says "http://$(address):3000"
check "without Avahi: Coder was told" eventually 30 told "http://$(address):3000"
check "without Avahi: the first boot finishes" eventually 60 finished
check "without Avahi: no unit failed" no_failed_unit
