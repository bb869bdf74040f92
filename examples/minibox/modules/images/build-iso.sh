# $toplevel, $squashfs, $menu, $volumeID, $fileName, and those of grub.sh -> $out/iso/$fileName
mkdir -p iso/boot/grub iso/live $out/iso $out/nix-support
cp $toplevel/kernel iso/boot/kernel
cp $toplevel/initrd iso/boot/initrd
cp $menu iso/boot/grub/grub.cfg

# The squashfs as a cpio archive of its own, which GRUB loads behind the initrd.  (GRUB could wrap it
# itself, with `newc:`, but as of 2.06 it writes names that kernels from 5.17 on refuse.)
cp $squashfs root.squashfs
touch -d @$SOURCE_DATE_EPOCH root.squashfs
echo root.squashfs | cpio -o -H newc -R 0:0 --ignore-devno --renumber-inodes >iso/live/root.img

efi_tree $volumeID
truncate -s 4M iso/boot/efi.img
mkfs.vfat --invariant -n BOX_EFI -i cb0ce0f1 iso/boot/efi.img
mcopy -s -m -i iso/boot/efi.img esp/EFI ::/

# BIOS, where there is such a thing: from a CD by El Torito, from a stick by the boot sector.
bios=
if [ -n "$biosParts" ]; then
  grub_core i386-pc $biosParts $volumeID biosdisk serial terminal
  cat $biosParts/cdboot.img core >iso/boot/grub/bios.img
  bios="-b boot/grub/bios.img -no-emul-boot -boot-load-size 4 -boot-info-table"
  bios="$bios --grub2-boot-info --grub2-mbr $biosParts/boot_hybrid.img"
fi

find iso -exec touch -h -d @$SOURCE_DATE_EPOCH {} +
xorriso -as mkisofs -quiet -o $out/iso/$fileName -V $volumeID -r -J \
  --sort-weight 0 / --sort-weight 1 /boot \
  --protective-msdos-label -partition_cyl_align off -partition_offset 16 \
  $bios --efi-boot boot/efi.img -efi-boot-part --efi-boot-image \
  iso
echo "file iso $out/iso/$fileName" >$out/nix-support/hydra-build-products
