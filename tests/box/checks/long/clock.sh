# a clock that is years behind and jumps, before and after the first boot
token_works() {
  in_box "curl -s -o /dev/null -w '%{http_code}' -H \"Coder-Session-Token: \$(cat $state/session-token)\" \
    http://127.0.0.1:3000/api/v2/users/me/keys/tokens" | grep -q 200
}
set_clock() { in_box "systemctl stop systemd-timesyncd; date --set '$1'"; }

virtual _appliance-disk BOXIMG -rtc base=2021-03-04T05:06:07
check "with a clock in the past: the first boot finishes" eventually 300 finished
check "one owner, one set of templates" one_owner_one_set
check "the token works" token_works
set_clock '+3 years'
check "the clock jumps three years ahead: the token is no longer good" not token_works
check "the renewal makes another" in_box "systemctl start coder-first-boot-renew"
check "which works" token_works
check "no unit failed" no_failed_unit
check "Coder answers" coder_answers
set_clock '-3 years'
check "and back: a renewal succeeds" in_box "systemctl start coder-first-boot-renew"
check "the token works then" token_works
check "no unit failed then" no_failed_unit
check "still one owner" one_owner_one_set
virtual_off
