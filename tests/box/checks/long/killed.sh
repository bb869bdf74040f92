# PostgreSQL, Coder, k3s and Avahi killed, one after the other
fresh
start
check "the first boot finishes" eventually 120 finished
main_pid() { in_box "systemctl show --property MainPID --value $1"; }
back() { # back UNIT PID: it runs again, as another process
  is_active "$1" && [ "$(main_pid "$1")" != "$2" ]
}
for unit in postgresql coder k3s avahi-daemon; do
  pid=$(main_pid "$unit")
  in_box "systemctl kill --signal KILL $unit"
  check "$unit killed: it runs again" eventually 60 back "$unit" "$pid"
  check "$unit killed: Coder answers" eventually 60 coder_answers
  check "$unit killed: open to the network" eventually 60 reaches_coder
  check "$unit killed: the owner is there" eventually 30 one_owner_one_set
  check "$unit killed: no unit failed" eventually 60 no_failed_unit
done
