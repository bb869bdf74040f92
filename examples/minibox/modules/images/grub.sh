# grub_core FORMAT PARTS LABEL [MODULE...]: writes ./core, a GRUB that needs no other file of its own.
# It finds its volume by label, and there its menu.
grub_core() {
  format=$1 parts=$2 label=$3
  shift 3
  cat >early.cfg <<EOF
search --no-floppy --set=root --label $label
set prefix=(\$root)/boot/grub
configfile \$prefix/grub.cfg
EOF
  grub-mkimage -O $format -d $parts -c early.cfg -p /boot/grub -o core $grubModules "$@"
}

# efi_tree LABEL: the folder ./esp, with GRUB where firmware looks when nobody told it otherwise.
efi_tree() {
  grub_core $efiFormat $efiParts $1 efi_gop all_video
  mkdir -p esp/EFI/BOOT
  cp core esp/EFI/BOOT/$efiFile
  # `mcopy -m` keeps the times of files, but those of folders too.
  find esp -exec touch -h -d @$SOURCE_DATE_EPOCH {} +
}

