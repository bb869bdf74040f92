# all is carried, no way out of the network: templates deploy, images are there, and what is missing is named
"$run" build coder-thinkcentre "$here/checks/long/carried.nix" || exit 1

# podman WORDS: as the owner of the containers
in_podman() { in_box "cd /var/lib/coder-podman && runuser -u coder-podman -- env XDG_RUNTIME_DIR=/run/user/\$(id -u coder-podman) $1"; }
image_count() { in_podman "podman images --quiet --filter dangling=false" | sort -u | wc -l; }
names() { in_podman "podman images --format '{{.Repository}}:{{.Tag}}'" | sort; }
# The template for Kubernetes has the last one.
for_podman() { in_box "cat /etc/coder-box/images" | grep -v podman/stable | sort; }
loaded() { same "$(names)" "$(for_podman)"; }

fresh
start
check "the first boot finishes" eventually 120 finished
check "Terraform found the providers of every template" same \
  "$(log_of coder | grep -c 'terraform init: 0: ')" "$(template_count)"
check "one owner, one set of templates" one_owner_one_set
check "k3s imports its images and those of pods" same "$(log_of k3s | grep -c 'stand-in: imports ')" 2
check "Podman has every image of the templates" eventually 60 loaded
# in_image OPTIONS SCRIPT: in a container of an image that is there, without what a machine
# in namespaces may not do
in_image() {
  in_podman "podman run --rm --cgroups disabled -v /proc:/proc --network none --pull never $1 docker.io/library/python:3.13-bookworm sh -c '$2'"
}
check "it starts a container of one" same "$(in_image "" "echo hello")" hello
tools="-v /etc/coder-box/tools/nix:/nix:ro"
check "with the tools of the machine, as templates mount them" same \
  "$(in_image "$tools" "echo /nix/tools/bin/*")" /nix/tools/bin/code-server
check "and with nothing else of its store" same "$(in_image "$tools" "ls -d /nix/store/*nixos-system*" 2>/dev/null)" ""
check_not "that it could change" in_image "$tools" "touch /nix/there"
images_before=$(in_podman "podman images --quiet --no-trunc" | sort)
check "it starts again" restart
check "the first boot is through again" eventually 120 finished
check "a reboot loads nothing again" same \
  "$(in_box "journalctl --boot --no-pager -o cat" | grep -c 'loaded docker.io')" 0
check "the images are there" same "$(in_podman "podman images --quiet --no-trunc" | sort)" "$images_before"
check "a reset" in_box "timeout 120 systemctl start coder-reset"
check "brings them back" eventually 60 loaded
check "and the templates" eventually 120 one_owner_one_set
check "no unit failed" no_failed_unit

# Podman's answer to the provider for Docker, which puts the name of the image before it.
absent() {
  in_box "curl -s -S -X POST --unix-socket /run/coder-podman/podman.sock \
    'http://localhost/v1.41/images/create?fromImage=docker.io/library/nothing&tag=1'"
}
check "of an image that is not carried, Podman says that its registry is out of reach" same \
  "$(absent | grep -c 'registry-1.docker.io.*\(no such host\|unreachable\|resolution\|timeout\)')" 1

# Templates of the owner's: one cannot be read, one asks for a provider that is not
# carried, one for another release of one that is.
"$run" build coder-thinkcentre "$here/checks/long/carried.nix" "$here/checks/long/carried-bad-templates.nix" || exit 1
fresh
start
waits() { logged coder-first-boot "templates that wait for a network, Podman or Kubernetes: other-provider"; }
check "a bad template: the first boot ends in a sentence" eventually 120 waits
check "a bad template: what is wrong is in the log of its import" logged coder-first-boot "Unclosed configuration block"
check "another release is named in the log of its import" logged coder "no available releases match the given constraints ~> 1.0"
check "the good ones deploy" same "$(count_of templates)" 1
check "there is an owner" has_owner

# An image of another architecture does not get as far as a machine.
if "$run" build coder-thinkcentre "$here/checks/long/carried.nix" "$here/checks/long/carried-wrong.nix" >/dev/null 2>&1; then
  verdict_failed "an image for another architecture is refused"
else
  cp "$work/build.log" "$said"
  check "an image for another architecture is refused in a sentence" grep -q \
    "The carried image docker.io/library/wrong:1 is for arm64, and this machine is amd64" "$work/build.log"
fi
"$run" build coder-thinkcentre
