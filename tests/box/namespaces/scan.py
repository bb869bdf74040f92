"""Prints the TCP ports that ADDRESS answers on, a line; all 65,535 are asked.

usage: scan.py INTERFACE ADDRESS [SECONDS]

Raw packets, so that ports which stay silent cost nothing: a question to each, and
then the answers of some SECONDS (3). A port that answers at the second try only, as
when one packet was lost, is found by asking all of them twice."""

import ipaddress
import random
import socket
import struct
import sys
import time

interface, address, *rest = sys.argv[1:]
wait = float(rest[0]) if rest else 3
target = ipaddress.ip_address(address)
family = socket.AF_INET6 if target.version == 6 else socket.AF_INET
scope = socket.if_nametoindex(interface)

probe = socket.socket(family, socket.SOCK_DGRAM)
probe.connect((address, 9, 0, scope) if target.version == 6 else (address, 9))
source = ipaddress.ip_address(probe.getsockname()[0].split("%")[0])
own_port = random.randrange(40000, 60000)

link = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_TCP)
link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
link.setblocking(False)


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def question(port):
    def head(sum_of_all):
        return struct.pack("!HHLLBBHHH", own_port, port, 1, 0, 5 << 4, 2, 1024, sum_of_all, 0)

    if target.version == 6:
        pseudo = source.packed + target.packed + struct.pack("!LL", 20, socket.IPPROTO_TCP)
    else:
        pseudo = source.packed + target.packed + struct.pack("!BBH", 0, socket.IPPROTO_TCP, 20)
    return head(checksum(pseudo + head(0)))


found = set()


def listen():
    while True:
        try:
            data, sender = link.recvfrom(65536)
        except BlockingIOError:
            return
        if ipaddress.ip_address(sender[0].split("%")[0]) != target:
            continue
        if family == socket.AF_INET:
            data = data[(data[0] & 15) * 4:]
        port, ours = struct.unpack("!HH", data[:4])
        if ours == own_port and data[13] & 0x12 == 0x12:
            found.add(port)


for _ in range(2):
    for port in range(1, 65536):
        where = (address, 0, 0, scope) if target.version == 6 else (address, 0)
        while True:
            try:
                link.sendto(question(port), where)
                break
            except (BlockingIOError, OSError):
                time.sleep(0.01)
                listen()
        if port % 64 == 0:
            listen()
    end = time.time() + wait
    while time.time() < end:
        time.sleep(0.05)
        listen()
for port in sorted(found):
    print(port)
