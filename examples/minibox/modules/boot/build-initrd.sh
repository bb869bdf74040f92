# $kernel, $busybox, $modules, $initPath -> $out, a compressed cpio archive
mkdir root
cd root
mkdir -p bin dev etc mnt proc ro rw sys
cp $(find $busybox -name busybox -type f -perm -1 | head -n1) bin/busybox
for applet in $(busybox --list | grep -v '^busybox$'); do ln -s busybox bin/$applet; done
cp -r $kernel/lib .
chmod -R u+w .
echo "$modules" >etc/modules
cp $initPath init
chmod 755 init

# Nothing of this build may show: no times, owners, device or inode numbers.
find . -exec touch -h -d @$SOURCE_DATE_EPOCH {} +
find . | sort | cpio -o -H newc -R 0:0 --ignore-devno --renumber-inodes | gzip -n -9 >$out
