"""Boots a machine in namespaces of its own, and stays until it is off.

usage: machine.py FOLDER STORE TOPLEVEL [NAME]

FOLDER keeps the machine: `root` is its disk, `console.log` what its console
showed, `pid` its first process. Beside it there is a neighbour on the same
network, with no route anywhere else: `ip netns exec NAME-peer ...`. With
BENCH_JOINS=OTHER the machine is on the network of the bench of that name instead.
Where FOLDER has a `disk.img`, that is the disk, and `root` is where it is mounted."""

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import time


def run(*command, check=True):
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if check and done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr.strip()}")


def network(name, joins):
    """The machine's end of a cable; the other end is on the neighbour's switch, or
    on that of the bench JOINS, beside the machine that is there already."""
    run("ip", "netns", "delete", f"{name}-box", check=False)
    run("ip", "netns", "add", f"{name}-box")
    if not joins:
        run("ip", "netns", "delete", f"{name}-peer", check=False)
        run("ip", "netns", "add", f"{name}-peer")
        peer = ("ip", "-n", f"{name}-peer")
        run(*peer, "link", "add", "lan", "type", "bridge")
        run(*peer, "address", "add", "192.168.9.1/24", "dev", "lan")
        run(*peer, "link", "set", "lan", "up")
        run(*peer, "link", "set", "lo", "up")
    peer = f"{joins or name}-peer"
    port = f"to-{name}"[:15] # the longest name that an interface can have
    run("ip", "-n", f"{name}-box", "link", "add", "eth0", "type", "veth",
        "peer", "name", port, "netns", peer)
    run("ip", "-n", peer, "link", "set", port, "master", "lan", "up")


def cgroup(name):
    for mount in open("/proc/self/mounts"):
        _, where, kind, *_ = mount.split()
        if kind == "cgroup2":
            path = os.path.join(where, name)
            os.makedirs(path, exist_ok=True)
            return path
    sys.exit("no cgroup2 is mounted here")


def remove_cgroup(path):
    """The groups that systemd made in it too; a process that is still ending
    holds one for a moment."""
    for _ in range(50):
        for folder, _, _ in os.walk(path, topdown=False):
            try:
                os.rmdir(folder)
            except OSError:
                pass
        if not os.path.exists(path):
            return
        time.sleep(0.1)


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(word) for word in file.read().split()]


def boot(folder, store, toplevel, name):
    """One boot; True when the machine asks to start again."""
    primary, secondary = pty.openpty()
    fcntl.ioctl(secondary, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 150, 0, 0))
    console = os.ttyname(secondary)
    group = cgroup(name)

    def enter():
        os.setsid()
        with open(os.path.join(group, "cgroup.procs"), "w") as file:
            file.write(str(os.getpid()))

    here = os.path.dirname(os.path.abspath(__file__))
    child = subprocess.Popen(
        ["ip", "netns", "exec", f"{name}-box",
         "unshare", "--mount", "--uts", "--ipc", "--pid", "--cgroup", "--fork", "--kill-child",
         "sh", os.path.join(here, "machine.sh"), os.path.join(folder, "root"), store, toplevel, console],
        stdin=secondary, stdout=secondary, stderr=secondary, preexec_fn=enter)
    os.close(secondary)
    signal.signal(signal.SIGTERM, lambda *_: child.kill())
    first = None
    pid_file = os.path.join(folder, "pid")
    with open(os.path.join(folder, "console.log"), "ab", buffering=0) as log:
        log.write(f"\n==== boot at {time.strftime('%T')} ====\n".encode())
        while True:
            if first is None and (found := children(child.pid) if child.poll() is None else []):
                first = found[0]
                with open(pid_file, "w") as file:
                    file.write(f"{first}\n")
            try:
                data = os.read(primary, 65536)
            except OSError:
                break
            if not data:
                break
            log.write(data)
    code = child.wait()
    remove_cgroup(group)
    with open(os.path.join(folder, "console.log"), "ab") as log:
        log.write(f"\n==== off: {code} ====\n".encode())
    os.close(primary)
    # A pid namespace ends with SIGHUP on reboot, with SIGINT on power-off;
    # unshare passes that on.
    return code in (-signal.SIGHUP, 128 + signal.SIGHUP)


def main():
    folder, store, toplevel, *rest = sys.argv[1:]
    name = rest[0] if rest else "bench"
    os.makedirs(os.path.join(folder, "root"), exist_ok=True)
    joins = os.environ.get("BENCH_JOINS")
    try:
        network(name, joins)
        while boot(os.path.abspath(folder), store, toplevel, name):
            pass
    finally:
        for end in ("box",) if joins else ("box", "peer"):
            run("ip", "netns", "delete", f"{name}-{end}", check=False)


main()
