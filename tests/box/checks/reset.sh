# coder-reset: it ends, leaves PostgreSQL running, waits for a renewal, and gives back what it stopped
password() { in_box "sha256sum <$state/admin-password"; }
main_pid() { in_box "systemctl show --property MainPID --value $1"; }
new_owner() { has_owner && same "$(count_of users)" 1 && shown_password_works; }
reset() { in_box "timeout 60 systemctl start coder-reset"; }
said_reset() { logged coder-reset "$1"; }

fresh
start
check "the first boot finishes" eventually 120 finished

before=$(password) database=$(main_pid postgresql)
check "it ends well" reset
check "a new owner" eventually 60 new_owner
check "with another password" other "$(password)" "$before"
check "its templates follow" eventually 60 one_owner_one_set
check "PostgreSQL went on" same "$(main_pid postgresql)" "$database"
check "the database is Coder's" same "$(in_box "runuser -u postgres -- psql -XAtc \"select pg_get_userbyid(datdba) from pg_database where datname = 'coder'\"")" coder
check "open to the network" eventually 20 reaches_coder
check "no unit failed" no_failed_unit

# Whatever holds the lock, a renewal for one, is waited for and not killed.
in_box "flock $state/lock sleep 4 & exit 0"
check "while a renewal is under way" reset
check "a new owner then" eventually 60 new_owner
check "a renewal and a reset at once" in_box "timeout 60 systemctl start coder-first-boot-renew coder-reset"
check "a new owner after both" eventually 60 new_owner
check "no unit failed after both" no_failed_unit

# k3s is off and cannot start: nothing is stopped, and it says why.
before=$(password) coder=$(main_pid coder)
in_box "systemctl stop NetworkManager k3s; ip route flush default; ip -6 route flush default"
check "there is no default route" same "$(in_box "ip route show default; ip -6 route show default")" ""
check_not "without a default route, and k3s off: refused" reset
check "it says why" said_reset "no default route"
check "Coder was not touched" same "$(main_pid coder)" "$coder"
check "nor its password" same "$(password)" "$before"
in_box "systemctl stop coder"
check_not "refused again" reset
check "a Coder that somebody had stopped stays so" throughout 3 not is_active coder
in_box "systemctl start coder; systemctl start NetworkManager; systemctl reset-failed"

# A step in the middle fails.
in_box "mkdir -p /var/lib/coder-podman/stuck; mount -t tmpfs none /var/lib/coder-podman/stuck"
check_not "a step fails" reset
check "Coder is brought back" eventually 30 coder_answers
check "with its owner" eventually 60 new_owner
check "and is open to the network again" eventually 20 reaches_coder
in_box "systemctl stop coder; systemctl reset-failed"
check_not "it fails with a Coder that is off" reset
check "which stays off" throughout 3 not is_active coder
in_box "umount /var/lib/coder-podman/stuck; systemctl reset-failed"

# Killed, with everything that it runs.
in_box "systemctl start coder"
check "Coder answers" eventually 30 coder_answers
in_box "systemctl start --no-block coder-reset
  for try in \$(seq 400); do systemctl show --property ActiveState --value coder | grep -qx inactive && break; sleep 0.05; done
  systemctl kill --signal KILL coder-reset"
check "killed: Coder is brought back" eventually 30 coder_answers
check "killed: there is an owner" eventually 60 new_owner
in_box "systemctl reset-failed"
check "and the next reset ends well" reset
check "a new owner at last" eventually 60 new_owner
check "no unit failed at last" no_failed_unit
