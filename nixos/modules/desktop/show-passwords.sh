# Shows what the first boot left for the person at the desktop. On the very
# first start this is before there is anything to show.
directory=/run/coder-first-boot/desktop

# AWAITED is what comes last: the others are there long before the desktop is.
shopt -s nullglob
for _ in $(seq 300); do
  if [ -e "$directory/$AWAITED" ]; then
    break
  fi
  sleep 2
done

for file in "$directory"/*.txt; do
  # As a file, since the arguments of a process are there for all to read.
  kdialog --title "Passwords of this machine" --textbox "$file" 520 240
done
