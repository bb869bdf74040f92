# $package (unpacked), $wanted (module names), $findModules -> $out/vmlinuz, $out/lib/modules/<version>
version=$(basename $package/boot/vmlinuz-*)
version=${version#vmlinuz-}
modules=$(ls -d $package/lib/modules/$version $package/usr/lib/modules/$version 2>/dev/null | head -n1)

# The package has no modules.dep: that is made where it is installed.
mkdir -p all/lib/modules
cp -r $modules all/lib/modules/
chmod -R u+w all
depmod -b all $version

target=$out/lib/modules/$version
mkdir -p $target
cd all/lib/modules/$version
awk -v wanted="$wanted" "$findModules" modules.dep | sort | while read -r module; do
  mkdir -p $target/$(dirname $module)
  cp $module $target/$module
done
for list in modules.order modules.builtin modules.builtin.modinfo; do
  if [ -e $list ]; then cp $list $target/; fi
done
depmod -b $out $version

cp $package/boot/vmlinuz-$version $out/vmlinuz
