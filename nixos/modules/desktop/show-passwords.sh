# Shows what the first boot left for the person at the desktop. On the very
# first start this is before there is anything to show.
directory=/run/coder-first-boot/desktop

for _ in $(seq 300); do
  if ls "$directory"/*.txt >/dev/null 2>&1; then
    break
  fi
  sleep 2
done

for file in "$directory"/*.txt; do
  # As a file, since the arguments of a process are there for all to read.
  kdialog --title "Passwords of this machine" --textbox "$file" 520 240
done
