# modules.dep -> the files of the modules named in `wanted` (separated by spaces) and of all that they
# depend on, one a line.
{
  file = $1
  sub(/:$/, "", file)
  dependencies[file] = substr($0, length($1) + 1)

  # kernel/drivers/nvme/host/nvme-core.ko.xz is the module nvme_core
  name = file
  sub(/.*\//, "", name)
  sub(/\.ko.*$/, "", name)
  gsub(/-/, "_", name)
  file_of[name] = file
}

function take(file,    list, count, i) {
  if (file in taken) return
  taken[file] = 1
  count = split(dependencies[file], list, " ")
  for (i = 1; i <= count; i++) take(list[i])
}

END {
  count = split(wanted, names, " ")
  for (i = 1; i <= count; i++) if (names[i] in file_of) take(file_of[names[i]])
  for (file in taken) print file
}
