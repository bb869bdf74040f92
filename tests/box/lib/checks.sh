# The words that checks are written in. A topic is a file of checks/ that uses
# them; check.sh runs it with `sh -u`.
# shellcheck shell=sh

here=${BENCH_HERE:?run this by tests/box/check.sh}
topic=${topic:?}
# shellcheck source=tests/box/lib/common.sh
. "$here/lib/common.sh"
run=$here/run.sh
machine=$work/machine
state=/var/lib/coder-first-boot
failed=0
# Where the journals of failed checks stay, until the topic is looked at again.
kept=${BENCH_FAILED:-$work/failed}
rm -f "$kept/$topic.log" "$kept/$topic".*.log
in_qemu= # the folder of the virtual machine, where the machine is one
part=    # of a topic that looks at several machines: which one this is
within=  # a command that ends what asks the machine, after a while
said=$work/said

# check TITLE COMMAND…: ok if the command, a function of these or a program,
# succeeds; otherwise what it printed last is shown. check_not: the other way round.
check() {
  title=$1
  shift
  if "$@" >"$said" 2>&1; then verdict_ok "$title"; else verdict_failed "$title"; fi
}

check_not() {
  title=$1
  shift
  if "$@" >"$said" 2>&1; then verdict_failed "$title"; else verdict_ok "$title"; fi
}

verdict_ok() { printf 'ok      %s: %s\n' "$topic" "$1"; }

verdict_failed() {
  printf 'FAILED  %s: %s\n' "$topic" "$1" | tee -a "$work/verdicts"
  tail -n 5 "$said" | sed 's/^/          /'
  failed=1
  keep_journals
}

# keep_journals: what the machines have logged until now, for those who ask why
keep_journals() {
  keep_journal "$kept/$topic${part:+.$part}.log" in_box
  [ ! -s "$second_work/machine/pid" ] || keep_journal "$kept/$topic.second.log" in_second
}
# keep_journal FILE IN: of the machine that IN asks; one that was kept before is part of it
keep_journal() {
  mkdir -p "$kept"
  within="timeout 90"
  "$2" "journalctl --no-pager --lines=4000" >"$1.new" 2>/dev/null || true
  within=
  if [ -s "$1.new" ]; then
    mv "$1.new" "$1"
    echo "          its journal: $1"
  else
    rm -f "$1.new"
  fi
}

# eventually SECONDS COMMAND…: succeeds within that time
eventually() {
  end=$(($(date +%s) + $1))
  shift
  until "$@"; do
    [ "$(date +%s)" -lt "$end" ] || return 1
    sleep 0.3
  done
}

# throughout SECONDS COMMAND…: succeeds each time that it is tried, for that long
throughout() {
  end=$(($(date +%s) + $1))
  shift
  while "$@"; do
    [ "$(date +%s)" -lt "$end" ] || return 0
    sleep 0.5
  done
  return 1
}

not() { ! "$@"; }
same() { [ "$1" = "$2" ] || { echo "'$1' is not '$2'"; false; }; }
other() { [ "$1" != "$2" ] || { echo "still '$1'"; false; }; }

# in_box SCRIPT: a shell in the machine
in_box() {
  # shellcheck disable=SC2086 # a command and its words
  if [ -n "$in_qemu" ]; then
    $within python3 "$here/qemu/ask.py" "$in_qemu" "cd /; $1"
  else
    $within "$run" enter sh -c "cd /; $1"
  fi
}
at_peer() { ip netns exec "$name-peer" "$@"; }

# The machine's life.
fresh() { "$run" fresh; }
# start: with a router on the network that gives addresses
# Without a machine there is nothing to look at: the topic ends.
start() { start_without_router && "$run" dhcp; }
start_without_router() { "$run" start || exit 1; }
router_comes() { "$run" dhcp; }
# restart: an orderly one, until the next boot has begun. restart_second: the other box
restart() { restarts "$machine/pid" in_box; }
restart_second() { restarts "$second_work/machine/pid" in_second; }
restarts() {
  before_restart=$(cat "$1")
  "$2" "systemctl reboot"
  eventually 60 another_boot "$1"
}
another_boot() { other "$(cat "$1")" "$before_restart"; }
power_off() { "$run" stop; }
# on_disk PATH: a path of the machine's disk, seen from here
on_disk() { printf '%s\n' "$machine/root/$1"; }

# drop_in UNIT NAME: stdin is a drop-in of the unit, from the next start on; with
# `reloaded`, from now on.
drop_in() {
  mkdir -p "$machine/root/etc/systemd/system.control/$1.d"
  cat >"$machine/root/etc/systemd/system.control/$1.d/$2.conf"
}
no_drop_in() { rm -f "$machine/root/etc/systemd/system.control/$1.d/$2.conf"; }
reloaded() { in_box "systemctl daemon-reload"; }

# hold_first_boot: it waits, from the next start on, until it is let go
hold_first_boot() {
  drop_in coder-first-boot.service held <<'UNIT'
[Service]
ExecStartPre=/run/current-system/sw/bin/sh -c "until [ -e /go ]; do sleep 0.2; done"
UNIT
}
let_first_boot_go() { in_box "touch /go"; }

# small_disk MIB: the disk of a new machine, which can be filled
small_disk() {
  mkdir -p "$machine/root"
  truncate -s "$1M" "$machine/disk.img"
  mke2fs -q -F -t ext4 -m 0 "$machine/disk.img"
}

# second_box: a machine on the same network, as words for `env`
second_name=$name.2
second_work=$work/second
second() { BENCH_NAME=$second_name BENCH_WORK=$second_work BENCH_JOINS=$name "$run" "$@"; }
# build_second: the same host again
build_second() {
  mkdir -p "$second_work"
  cp -P "$work/result" "$second_work/result"
}
in_second() { second enter sh -c "cd /; $1"; }

# What is asked of a machine.
log_of() { in_box "journalctl --boot --no-pager --output=cat --unit=$1"; }
logged() { log_of "$1" | grep -q "$2"; }
is_active() { in_box "systemctl is-active --quiet $1"; }
# finished: the first boot did all of its work, in this boot of the machine
finished() { logged coder-first-boot '^first-boot: done$'; }
has_owner() { in_box "test -e /run/coder-first-boot/first-user-exists"; }
listens() { in_box "ss -tlnH" | grep -q ":$1 "; }
address() { in_box "ip -4 -o address show dev eth0 scope global" 2>/dev/null | sed -n 's/.*inet \([0-9.]*\).*/\1/p' | head -n 1; }
has_address() { [ -n "$(address)" ]; }
# reaches_coder: the neighbour gets an answer
reaches_coder() { at_peer curl -s -S -m 3 -o /dev/null "http://$(address):3000/api/v2/buildinfo"; }
closed_to_peer() { has_address && ! reaches_coder; }
coder_answers() { in_box "curl -s -S -m 3 -o /dev/null http://127.0.0.1:3000/api/v2/buildinfo"; }
failed_units() { in_box "systemctl --failed --plain --no-legend --quiet" | cut -d ' ' -f 1; }
no_failed_unit() { same "$(failed_units)" ""; }
# console: what is above the log-in prompt
console() { in_box "cat /etc/issue.d/*.issue" 2>/dev/null; }
console_says() { console | grep -q -- "$1"; }
# users, templates: what the stand-in for Coder holds, by its database
coder_state() { in_box "runuser -u postgres -- psql -X -A -t -d coder -c 'select state from fake'"; }
count_of() { coder_state | python3 -c 'import json, sys; print(len(json.load(sys.stdin)[sys.argv[1]]))' "$1"; }
template_count() { find "$root/coderd/templates" -name main.tf | wc -l; }

# one_owner_one_set: what must hold whenever a first boot is through
one_owner_one_set() {
  same "$(count_of users)" 1 && same "$(count_of templates)" "$(template_count)"
}

# nothing_secret_leaks: what the machine made for itself is root's, and in no log
nothing_secret_leaks() {
  for secret in admin-password session-token unix/box; do
    in_box "test -e $state/$secret" || continue
    same "$(in_box "stat -c %a:%U $state/$secret")" 600:root || return 1
    if in_box "journalctl --no-pager --output=cat | grep -F -q -f $state/$secret"; then
      echo "$secret is in the log"
      return 1
    fi
  done
}

# shown_password_works: the one on the console opens Coder
shown_password_works() {
  password=$(console | sed -n '/^Coder/,/^Account/s/^ *password *\([^ ]*\).*/\1/p' | head -n 1)
  mail=$(console | sed -n 's/^ *e-mail *//p' | head -n 1)
  [ -n "$password" ] || { echo "no password of Coder's on the console"; return 1; }
  same "$(in_box "curl -s -o /dev/null -w '%{http_code}' -H 'Content-Type: application/json' \
    -d '{\"email\": \"$mail\", \"password\": \"$password\"}' http://127.0.0.1:3000/api/v2/users/login")" 201
}

# closed_or_owned: the network never sees a Coder without an owner; it is asked as soon as
# the machine has an address
closed_or_owned() { eventually 60 has_address && { closed_to_peer || same "$(count_of users)" 1; }; }

# open_ports ADDRESS: what the neighbour finds by asking all of them
open_ports() { at_peer python3 "$here/namespaces/scan.py" lan "$1" | paste -sd ' '; }
address_6() { in_box "ip -6 -o address show dev eth0 scope link" | sed -n 's/.*inet6 \([0-9a-f:]*\).*/\1/p' | head -n 1; }
# only_open PORTS: on both families
only_open() { same "$(open_ports "$(address)")" "$1" && same "$(open_ports "$(address_6)")" "$1"; }

# A host in QEMU: `in_box` and what is built on it asks the virtual machine then.
# virtual HOST LABEL [OPTION…]: builds it, with an empty disk, and starts it
virtual() {
  "$run" build-vm "$1" "$2" >/dev/null || return 1
  shift 2
  virtual_again "$@"
}
# virtual_again [OPTION…]: starts it with the disk that it has
virtual_again() {
  "$run" start-vm "$@" >"$work/vm/qemu.log" 2>&1 &
  in_qemu=$work/vm
  sleep 1
}
virtual_off() {
  [ ! -s "$work/vm/qemu.pid" ] || kill "$(cat "$work/vm/qemu.pid")" 2>/dev/null || true
  eventually 30 not test -s "$work/vm/qemu.pid"
}
# serial_says_no_password: none of those that the virtual machine made
serial_says_no_password() {
  for secret in admin-password unix/box; do
    password=$(in_box "cat $state/$secret")
    [ -n "$password" ] || return 1
    not grep -a -q -F -e "$password" "$work/vm/console.log" || return 1
  done
}

# What is asked of every virtual machine.
system_runs() { in_box "systemctl is-system-running"; }
screen_shows() { in_box "cat /dev/vcs1" | grep -q "$1"; }
virtual_identity() { in_box "sha256sum $state/admin-password $state/unix/box /etc/machine-id /etc/shadow"; }
# second_boot_changes_nothing SECONDS: powers off and boots once more; the first boot may
# take so long
second_boot_changes_nothing() {
  before=$(virtual_identity)
  in_box "systemctl poweroff"
  check "it powers off" eventually 180 not test -s "$work/vm/qemu.pid"
  virtual_off
  virtual_again
  check "a second boot" eventually "$1" finished
  check "changes nothing" same "$(virtual_identity)" "$before"
  check "no unit failed then" no_failed_unit
}
