# the template k3s-podman: Podman runs and builds in a pod without privileges
template=$root/coderd/templates/k3s-podman/main.tf
volume=$work/pod-home
rm -rf "$volume"
mkdir -p "$volume"
chmod 777 "$volume"
# in_pod SCRIPT: each time a new pod with the same home
in_pod() { "$here/lib/pod.sh" "$tree" "$template" "$volume" "$1" 2>"$work/pod.log" || { cat "$work/pod.log"; false; }; }

# An image from the programs at hand, there being no network.
# shellcheck disable=SC2016 # for the shell in there
make_image='mkdir -p /tmp/image/bin /tmp/image/etc /tmp/image/proc /tmp/image/dev /tmp/image/sys
cp /usr/bin/busybox /tmp/image/bin/
for program in sh echo id touch chown stat cat; do ln -s busybox /tmp/image/bin/$program; done
echo root:x:0:0::/:/bin/sh >/tmp/image/etc/passwd
tar -C /tmp/image -c . | podman import - localhost/tiny'

check "nobody is root in the pod" same "$(in_pod "id -u")" 1000
check "an image is taken in" in_pod "$make_image"
check "a container runs, of the pod that comes next" same "$(in_pod "podman run --rm localhost/tiny echo hello")" hello
check "with users of its own" same \
  "$(in_pod "podman run --rm localhost/tiny sh -c 'touch /f && chown 55:55 /f && stat -c %u:%g /f'")" 55:55
check "an image is built" same "$(in_pod "printf 'FROM localhost/tiny\nRUN echo built >/built\n' >/tmp/Containerfile
podman build -q -t localhost/built -f /tmp/Containerfile /tmp >/dev/null && podman run --rm localhost/built cat /built")" built
rm -rf "$volume"
