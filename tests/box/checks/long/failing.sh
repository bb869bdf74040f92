# PostgreSQL, Coder, k3s and Avahi fail at their start for a while
# few_starts: systemd started nothing more than thirty times since the boot
few_starts() {
  worst=$(in_box "journalctl --boot --no-pager --output=cat --grep '^Starting '" | sort | uniq -c | sort -rn | head -n 1)
  echo "$worst"
  [ "$(echo "$worst" | awk '{ print $1 }')" -le 30 ]
}
# closed_or_unanswered: no Coder, or one with an owner
closed_or_unanswered() { ! reaches_coder || has_owner; }

for unit in postgresql coder k3s avahi-daemon; do
  fresh
  drop_in "$unit.service" fails <<'UNIT'
[Service]
ExecStartPre=/run/current-system/sw/bin/sh -c "test -e /mended"
UNIT
  start
  check "$unit fails: the machine has an address" eventually 60 has_address
  sleep 15
  check "$unit fails: never open without an owner" closed_or_unanswered
  check "$unit fails: the account's password is on the console" console_says Account
  # Not more than a try a second, so that the log stays readable.
  check "$unit fails: nothing spins" few_starts
  in_box "touch /mended"
  check "$unit mended: the first boot finishes" eventually 240 finished
  check "$unit mended: it runs" eventually 60 is_active "$unit"
  check "$unit mended: one owner, one set of templates" one_owner_one_set
  check "$unit mended: open to the network" eventually 60 reaches_coder
  check "$unit mended: no unit failed" eventually 60 no_failed_unit
done
