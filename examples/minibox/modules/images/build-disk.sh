# $toplevel, $rootTree, $menu, the numbers of disk.nix (in MiB), the two labels, $imageFormat,
# $fileName, and those of grub.sh -> $out/$fileName
#
# No loop device, no mount, no root: every file system is written in place, at an offset.
mkdir -p $out
case $imageFormat in
  raw) disk=$out/$fileName ;;
  *) disk=disk.raw ;;
esac

# Room for what a running machine writes.
filled=$(du -sm $rootTree | cut -f1)
if [ $((filled + headroom)) -gt $rootSize ]; then
  echo "the root holds $filled MiB and needs $headroom MiB of headroom, but has only $rootSize MiB:" >&2
  echo "raise disko.devices.disk.main.imageSize" >&2
  exit 1
fi

# Identifiers are fixed, or every build would be another image.
truncate -s ${sizeInMiB}M $disk
sfdisk -q $disk <<EOF
label: gpt
label-id: CB0CB0C5-0000-4000-8000-000000000001
start=${espStart}MiB, size=${espSize}MiB, name=ESP, \
type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=CB0CB0C5-0000-4000-8000-000000000002
start=${rootStart}MiB, size=${rootSize}MiB, name=root, \
type=$rootType, uuid=CB0CB0C5-0000-4000-8000-000000000003
EOF

# The EFI system partition.  `-s 1`: with larger clusters 128 MiB are too few for a FAT32.
mkdir -p esp/boot/grub
cp $toplevel/kernel esp/boot/kernel
cp $toplevel/initrd esp/boot/initrd
cp $menu esp/boot/grub/grub.cfg
efi_tree $espLabel
espOffset=$((espStart * mebibyte))
mkfs.vfat --invariant -F 32 -s 1 -n $espLabel -i cb0ce5b0 \
  --offset $((espOffset / 512)) $disk $((espSize * 1024))
mcopy -s -m -i $disk@@$espOffset esp/EFI esp/boot ::/

# The root.
rootOffset=$((rootStart * mebibyte))
extended=offset=$rootOffset,root_owner=0:0,lazy_itable_init=0,nodiscard
extended=$extended,hash_seed=cb0cb0c5-0000-4000-8000-000000000005
mkfs.ext4 -q -b 4096 -I 256 -m 1 -L $rootLabel -U cb0cb0c5-0000-4000-8000-000000000004 \
  -E $extended -d $rootTree $disk $((rootSize * 256))

# `mkfs.ext4 -d` keeps owners and times as it finds them, ctime among them, which nothing but debugfs
# can set.
(cd $rootTree && find . | sort) | while read -r path; do
  for field in "uid 0" "gid 0"; do
    echo "set_inode_field \"/${path#./}\" $field"
  done
  for field in atime mtime ctime crtime; do
    echo "set_inode_field \"/${path#./}\" $field @$SOURCE_DATE_EPOCH"
  done
done >fields
debugfs -w -f fields "$disk?offset=$rootOffset" >debugfs.log 2>&1
if grep -v '^debugfs' debugfs.log; then exit 1; fi

if [ $imageFormat != raw ]; then
  qemu-img convert -f raw -O $imageFormat $disk $out/$fileName
fi
