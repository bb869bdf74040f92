# $root (unpacked packages) -> $out/bin/<each of $programs>: starts the program with the dynamic linker
# and the libraries of $root, since the machine that builds may have others or none.
linker=$(find $root/lib $root/usr/lib -name 'ld-linux-*.so.*' -type f | head -n1)
libraries=$(find $root/lib $root/usr/lib -name '*-linux-gnu' -type d | tr '\n' ':')
# mtools convert file names with iconv, which would load the conversion tables of the machine.
tables=$(find $root -name gconv -type d | head -n1)

find_program() {
  for folder in bin sbin usr/bin usr/sbin; do
    if [ -e $root/$folder/$1 ]; then
      echo $root/$folder/$1
      return
    fi
  done
  echo "no $1 in $root" >&2
  exit 1
}

mkdir -p $out/bin
for name in $programs; do
  program=$(find_program $name)
  cat >$out/bin/$name <<EOF
#!$shell
GCONV_PATH=$tables exec $linker --argv0 $name --library-path ${libraries%:} $program "\$@"
EOF
  chmod 755 $out/bin/$name
done
