# power cuts at random moments of a reset: ten of them, or BENCH_CUTS
cuts=${BENCH_CUTS:-10}
# has_owner_again: the first boot is through, and says so after the reset
has_owner_again() { has_owner && one_owner_one_set && shown_password_works; }

fresh
start
check "the first boot finishes" eventually 120 finished
cut=0
while [ "$cut" -lt "$cuts" ]; do
  cut=$((cut + 1))
  in_box "systemctl start --no-block coder-reset"
  moment=$(awk "BEGIN { srand($$ + $cut); printf \"%.1f\", rand() * 6 }")
  sleep "$moment"
  power_off
  start
  check "cut $cut, after $moment s: Coder comes back" eventually 60 coder_answers
  check "cut $cut: never open without an owner" closed_or_owned
  check "cut $cut: the first boot finishes" eventually 120 finished
  check "cut $cut: a reset after it succeeds" in_box "systemctl start coder-reset"
  check "cut $cut: and the first boot behind it" eventually 120 has_owner_again
  check "cut $cut: one owner, one set of templates" one_owner_one_set
  check "cut $cut: the password that is shown is Coder's" shown_password_works
  check "cut $cut: no unit failed" no_failed_unit
done
