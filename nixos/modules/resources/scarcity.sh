# Says on the console, above the log-in prompt, what this machine has too little of, and what a
# person can do. What it says changes only when that does: each change draws the prompt anew.
#
#   RESERVED_MIB        memory that workspaces never get
#   PODMAN_USER         owner of the workspace containers, where there is one
#   DISKS               mount points to look at, separated by colons
#   POLL_SECONDS        between two looks
#   RUNTIME_DIRECTORY   from systemd; its folders `console` and `serial` are shown

# A load of so many tasks a processor is too much, and so few are fine again.
busy_load=4 calm_load=2
# Per cent of their memory that workspaces hold.
full_memory=90 calm_memory=75
# Free space in MiB.
full_disk=2048 calm_disk=3072
# How long one that was ended is spoken of, in seconds.
remembered=600

groups=/sys/fs/cgroup
declare -A kills=() killed_at=()

# bound NAME SCARCE ENOUGH: what is measured against, which is another one once it was said
bound() {
  if [[ " $scarce " == *" $1 "* ]]; then echo "$3"; else echo "$2"; fi
}

# workspace_groups: the control groups that all workspaces are in
workspace_groups() {
  local user
  if [[ -n ${PODMAN_USER-} ]] && user=$(id -u "$PODMAN_USER" 2>/dev/null); then
    echo "$groups/user.slice/user-$user.slice"
  fi
  printf '%s\n' "$groups/kubepods" "$groups/kubepods.slice"
}

# lacks_memory: workspaces hold nearly all that they may have, one was ended for want of it a
# while ago, or the rest of the machine has too little
lacks_memory() {
  local group held max count now name bytes answer=1 available
  now=${EPOCHSECONDS}
  while read -r group; do
    [[ -r $group/memory.events ]] || continue
    count=$(sed -n 's/^oom_kill //p' "$group/memory.events")
    if [[ -n ${kills[$group]-} ]] && ((count > kills[$group])); then
      killed_at[$group]=$now
    fi
    kills[$group]=$count
    if [[ -n ${killed_at[$group]-} ]] && ((now - killed_at[$group] < remembered)); then
      answer=0
    fi
    max=$(<"$group/memory.max")
    [[ $max != max ]] || continue
    # Not the files that it has read: those go by themselves.
    held=0
    while read -r name bytes; do
      case $name in anon | shmem) ((held += bytes)) || true ;; esac
    done <"$group/memory.stat"
    if ((held / (max / 100 + 1) >= $(bound memory "$full_memory" "$calm_memory"))); then
      answer=0
    fi
  done < <(workspace_groups)
  available=$(sed -n 's/^MemAvailable: *\([0-9]*\) kB$/\1/p' /proc/meminfo)
  if ((available / 1024 < RESERVED_MIB / 2)); then
    answer=0
  fi
  return "$answer"
}

lacks_processors() {
  local load
  read -r load _ </proc/loadavg
  ((${load%.*} >= $(bound processors "$busy_load" "$calm_load") * $(nproc)))
}

lacks_disk() {
  local disk free least
  least=$(bound disk "$full_disk" "$calm_disk")
  while read -rd: disk; do
    free=$(df --output=avail --block-size=1M "$disk" 2>/dev/null | tail -n 1)
    if [[ -n $free ]] && ((free < least)); then
      return 0
    fi
  done <<<"$DISKS:"
  return 1
}

# sentence NAME
sentence() {
  case $1 in
    memory) echo "Memory is scarce: a workspace that wants more is ended. Stop workspaces in Coder, or use smaller ones." ;;
    processors) echo "Processors are scarce: workspaces are slow. Stop workspaces in Coder, or wait." ;;
    disk) echo "Disk space is scarce: less than $((calm_disk / 1024)) GB are left. Delete workspaces in Coder, or old systems: sudo nix-collect-garbage -d" ;;
  esac
}

# show: for local and for serial terminals, in one step
show() {
  local name folder file
  for folder in console serial; do
    mkdir -p "$RUNTIME_DIRECTORY/$folder"
    file=$RUNTIME_DIRECTORY/$folder/scarce.issue
    if [[ -z $scarce ]]; then
      rm -f "$file"
      continue
    fi
    for name in $scarce; do sentence "$name"; done >"$RUNTIME_DIRECTORY/scarce.new"
    echo >>"$RUNTIME_DIRECTORY/scarce.new"
    mv "$RUNTIME_DIRECTORY/scarce.new" "$file"
  done
}

umask 077
scarce=''
show
while :; do
  now=''
  for name in memory processors disk; do
    if "lacks_$name"; then now+="${now:+ }$name"; fi
  done
  if [[ $now != "$scarce" ]]; then
    for name in $now; do
      [[ " $scarce " == *" $name "* ]] || sentence "$name"
    done
    for name in $scarce; do
      [[ " $now " == *" $name "* ]] || echo "There is enough again: $name"
    done
    scarce=$now
    show
  fi
  sleep "$POLL_SECONDS"
done
