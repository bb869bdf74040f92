# power cuts at random moments of the first boot: ten of them, or BENCH_CUTS
cuts=${BENCH_CUTS:-10}
cut=0
while [ "$cut" -lt "$cuts" ]; do
  cut=$((cut + 1))
  fresh
  start
  # The first boot takes some 8 s here; what is random is said, to try it again.
  moment=$(awk "BEGIN { srand($$ + $cut); printf \"%.1f\", 1 + rand() * 9 }")
  sleep "$moment"
  power_off
  start
  check "cut $cut, after $moment s: the first boot finishes" eventually 120 finished
  check "cut $cut: one owner, one set of templates" one_owner_one_set
  check "cut $cut: open to the network" eventually 20 reaches_coder
  check "cut $cut: the password that is shown is Coder's" shown_password_works
  check "cut $cut: secrets are root's, and in no log" nothing_secret_leaks
  check "cut $cut: no unit failed" no_failed_unit
done
