# passwords are shown until they are changed, and never on a serial line
account_password() { in_box "cat $state/unix/box"; }
coder_password() { in_box "cat $state/admin-password"; }
console_hides() { ! console | grep -q -F -- "$1"; }

fresh
start
check "the first boot finishes" eventually 120 finished
account=$(account_password) coder=$(coder_password)
check "the console shows the account's" console_says "$account"
check "the console shows Coder's" console_says "$coder"

# What a terminal prints is what its agetty is told to read.
issue_files() { in_box "systemctl cat $1 | sed -n 's/.*--issue-file \([^ ]*\) .*/\1/p' | tail -n 1"; }
printed_on_serial() {
  in_box "for place in \$(echo $(issue_files serial-getty@ttyS0.service) | tr : ' '); do
    if [ -d \$place ]; then cat \$place/*.issue; else cat \$place; fi; done"
}
on_serial() { printed_on_serial | grep -q -F -- "$1"; }
check "a serial line has the address" on_serial "http://$(in_box hostname).local:3000"
check_not "a serial line does not show the account's" on_serial "$account"
check_not "a serial line does not show Coder's" on_serial "$coder"

in_box "echo box:somebody-chose-this | chpasswd"
check "the account's was changed: it is gone at once" eventually 10 console_hides "$account"
check "Coder's is still there" console_says "$coder"
check "no unit failed" no_failed_unit

# As Coder itself does it: everything that was issued before ends.
change_coders() {
  # shellcheck disable=SC2016 # PostgreSQL's quotes
  coder_state | python3 -c '
import json, sys
state = json.load(sys.stdin)
state["users"][0]["password"] = "somebody-chose-this"
state["keys"] = []
print("update fake set state = $state$" + json.dumps(state) + "$state$")' >"$(on_disk root/change.sql)"
  in_box "chmod 644 /root/change.sql; runuser -u postgres -- psql -q -X -d coder -f - </root/change.sql"
}
change_coders
check "Coder's was changed: the renewal sees it" in_box "systemctl start coder-first-boot-renew"
check "it is gone" console_hides "$coder"
check "the address stays" console_says "http://$(in_box hostname).local:3000"
check "it starts again" restart
check "after a start: Coder answers" eventually 60 coder_answers
check "after a start: the address is there" eventually 60 console_says "changed since"
check "after a start: neither is shown" console_hides "$account"
check "nor Coder's" console_hides "$coder"
check "the first boot is no failure" eventually 30 no_failed_unit
check "open to the network" eventually 30 reaches_coder
