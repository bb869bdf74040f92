# sshd and ssh, for the tests of stores on other machines: the machine's own, else Debian's
# packages in the private prefix. The server is never started by anything but a test, in
# namespaces of its own, with keys and a configuration that are the test's.
# shellcheck shell=sh

# What the packages need only for installing and for sessions that nobody opens here.
ssh_assumed="ucf procps libpam-modules libpam-runtime openssh-sftp-server runit-helper systemd
  sysvinit-utils init-system-helpers"

# ssh_here: both are the machine's own
ssh_here() { have ssh && { have sshd || [ -x /usr/sbin/sshd ]; }; }

# setup_ssh: the step itself
setup_ssh() {
  if ssh_here; then
    say "ssh: $(command -v ssh) and its server, the machine's own"
    return
  fi
  if ! prefix_have sshd || ! { have ssh || prefix_have ssh ssh-keygen; }; then
    if ! prefix_suite >/dev/null; then
      say "ssh: no server here, and no Debian package to take it from: left out"
      return
    fi
    # shellcheck disable=SC2086 # a list of words
    prefix_assume $ssh_assumed
    prefix_install openssh-server openssh-client patchelf
    # The server starts itself again, and its parts since OpenSSH 9.8.
    prefix_patch sshd usr/sbin
    for part in sshd-session sshd-auth; do
      [ ! -e "$prefix/usr/lib/openssh/$part" ] || prefix_patch "$part" usr/lib/openssh
    done
    for program in ssh ssh-keygen; do
      have "$program" || prefix_wrapper "$program"
    done
  fi
  say "ssh: sshd in .tools, from a Debian package, for the tests alone"
}
