# Builder of debian-root: a copy of /usr of the building machine, or of what is
# unpacked below $from for another architecture, whose libraries are in lib/$triple.
# (Debian's kmod looks for modules below /usr; in NixOS they are here.)
mkdir -p "$out/usr/lib" "$out/dpkg"
ln -s /run/booted-system/kernel-modules/lib/modules "$out/usr/lib/modules"
cd "$from/usr" || exit
tar --create --one-file-system --mode=a-s \
  --exclude=./share/doc --exclude=./share/man --exclude=./share/info \
  --exclude=./share/locale --exclude=./share/i18n --exclude=./include \
  --exclude=./lib/gcc --exclude=./libexec/gcc --exclude='*.a' --exclude=./local --exclude=./games \
  --exclude=./src --exclude=./lib/modules --exclude='./bin/qemu-*' --exclude=./share/qemu --exclude=./share/seabios --exclude=./share/OVMF --exclude="./lib/$triple/perl*/**/CORE" \
  --warning=no-file-changed . | tar --extract --directory "$out/usr" --no-same-owner --delay-directory-restore
cp -r "$lists"/*.list "$out/dpkg/"
chmod -R u+w "$out"

# Links by way of /etc/alternatives lead nowhere without Debian's /etc.
find "$out/usr" -type l -lname '/etc/alternatives/*' | while read -r link; do
  real=$(readlink -f "$from/usr${link#"$out/usr"}") || real=
  if [ -e "$real" ]; then ln -sfn "$real" "$link"; else rm "$link"; fi
done

# Found by Debian's programs on their own; on NixOS these come from the modules.
mkdir -p "$out/example"
mv "$out/usr/lib/systemd/system" "$out/usr/lib/systemd/user" "$out/example/"
mkdir -p "$out/usr/lib/systemd/system" "$out/usr/lib/systemd/user"
for folder in tmpfiles.d sysusers.d sysctl.d modules-load.d modprobe.d environment.d udev/rules.d \
  systemd/system-preset systemd/user-preset systemd/system-environment-generators \
  systemd/user-environment-generators systemd/network systemd/timesyncd.conf.d; do
  if [ -e "$out/usr/lib/$folder" ]; then
    mkdir -p "$out/example/$(dirname "$folder")"
    mv "$out/usr/lib/$folder" "$out/example/$folder"
  fi
done
# udev's own rules are found where it is installed, on NixOS too.
mkdir -p "$out/usr/lib/udev/rules.d"
cat "$out"/dpkg/udev.list "$out"/dpkg/systemd.list | sed -n 's#^/usr/lib/udev/rules.d/##p' | while read -r rule; do
  cp "$out/example/udev/rules.d/$rule" "$out/usr/lib/udev/rules.d/"
done
rm -rf "$out"/usr/lib/systemd/*.conf.d \
  "$out/usr/share/dbus-1/system-services" "$out/usr/share/dbus-1/services"
mkdir -p "$out/example/dbus-1"
cp -r "$from"/usr/share/dbus-1/system-services "$from"/usr/share/dbus-1/services "$out/example/dbus-1/" 2>/dev/null || true

# Where the loader's place is in /lib, NixOS sets the link: to what it is already.
if [ -L "$out/usr/lib/ld-linux-aarch64.so.1" ]; then
  ln -sfn "/usr/lib/$triple/ld-linux-aarch64.so.1" "$out/usr/lib/ld-linux-aarch64.so.1"
fi
