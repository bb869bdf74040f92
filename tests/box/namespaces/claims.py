"""A neighbour with a name: says by multicast DNS that NAME.local is its own, every
second and whenever somebody asks, until it is ended.

usage: claims.py ADDRESS NAME"""

import socket
import struct
import sys
import time

GROUP, PORT = "224.0.0.251", 5353


def main():
    address, name = sys.argv[1:]
    label = name.encode()
    domain = bytes([len(label)]) + label + b"\x05local\x00"
    # Class IN with the bit that nobody else has it; for two minutes.
    record = domain + struct.pack("!HHIH", 1, 0x8001, 120, 4) + socket.inet_aton(address)
    answer = struct.pack("!HHHHHH", 0, 0x8400, 0, 1, 0, 0) + record

    link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    link.bind(("", PORT))
    own = socket.inet_aton(address)
    link.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, own)
    link.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
    link.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(GROUP) + own)
    link.settimeout(0.2)

    said = 0.0
    while True:
        asked = False
        try:
            data, (sender, _) = link.recvfrom(9000)
            asked = sender != address and domain.lower() in data.lower()
        except TimeoutError:
            pass
        if asked or time.monotonic() - said > 1:
            said = time.monotonic()
            link.sendto(answer, (GROUP, PORT))


main()
