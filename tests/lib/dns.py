# SPDX-License-Identifier: Apache-2.0
"""A DNS server on an address of loopback, for what looks services up; and programs that ask it."""

import os
import socket
import struct
import threading

from harness import skip
from mount import in_namespace

ADDRESS = "127.53.0.53"


def _name(text):
    return b"".join(bytes([len(p)]) + p.encode() for p in text.split(".")) + b"\0"


class Dns:
    """`records` are {(name, "A"): [address], (name, "SRV"): [(priority, weight, port, target)]}."""

    TYPES = {1: "A", 33: "SRV"}

    def __init__(self, records):
        self.records = records
        self.asked = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self.socket.bind((ADDRESS, 53))
        except OSError as e:
            self.socket.close()
            skip(f"no DNS server can be here: {e}")
        self.socket.settimeout(0.1)
        self.ended = False
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while not self.ended:
            try:
                query, peer = self.socket.recvfrom(4096)
            except socket.timeout:
                continue
            try:
                self.socket.sendto(self.answer(query), peer)
            except (OSError, IndexError, ValueError):
                pass

    def answer(self, query):
        at, parts = 12, []
        while query[at]:
            parts.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        kind, = struct.unpack(">H", query[at + 1:at + 3])
        question, name = query[12:at + 5], ".".join(parts).lower()
        self.asked.append((name, self.TYPES.get(kind, kind)))
        data = [self.encode(self.TYPES[kind], r)
                for r in self.records.get((name, self.TYPES.get(kind)), [])]
        known = any(n == name for n, _ in self.records)
        head = query[:2] + struct.pack(">HHHHH", 0x8180 | (0 if known else 3), 1, len(data), 0, 0)
        return head + question + b"".join(
            b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 1, len(d)) + d for d in data)

    @staticmethod
    def encode(kind, record):
        if kind == "A":
            return socket.inet_aton(record)
        priority, weight, port, target = record
        return struct.pack(">HHH", priority, weight, port) + _name(target)

    def close(self):
        self.ended = True
        self.thread.join()
        self.socket.close()

    @staticmethod
    def under(t, *words):
        """A command that asks this server, and none else."""
        path = f"{t.root}/resolv.conf"
        if not os.path.exists(path):
            with open(path, "w") as f:
                f.write(f"nameserver {ADDRESS}\noptions timeout:1 attempts:2\n")
        return in_namespace('mount --bind "$0" "$(readlink -f /etc/resolv.conf)" && exec "$@"', path, *words)
