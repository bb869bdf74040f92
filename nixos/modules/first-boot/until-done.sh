# Runs the first boot until it is done, in growing steps, or until it says that no
# further try mends it. One unit that stays up all the while: with systemd's own
# restarts each try would be a failure to `nixos-rebuild switch`, and what starts
# it would wait for templates that wait for a network.

pause=30
while :; do
  code=0
  coder-first-boot run || code=$?
  case $code in
    0) exit 0 ;;
    # Wrong usage, a broken template, a password that is not known, a setting.
    64 | 65 | 77 | 78) exit "$code" ;;
    # A file that somebody is about to write.
    66) pause=30 ;;
  esac
  echo "Again in $pause s (exit code $code)"
  sleep "$pause"
  pause=$((pause * 2 < 600 ? pause * 2 : 600))
done
