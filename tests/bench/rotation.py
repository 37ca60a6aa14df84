#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long until a change made elsewhere is read: from the server's answer to the writer until an inotify
waiter has read the new value, with watch=1s; and what 1,000 hot secrets cost the server. Prints figures,
asserts nothing. PYTHONPATH=tests/lib VAULTFS=... tests/bench/rotation.py [vault|bao] [rotations] [seconds]"""

import os
import random
import shutil
import statistics
import sys
import tempfile
import time

import mount as mounts
import server as servers
from inotify import CLOSE_WRITE, Watcher


def mounted(root, server, name, *options):
    env = mounts.clean_environment(VAULT_ADDR=server.address, VAULT_TOKEN=server.token)
    os.makedirs(f"{root}/{name}")
    m = mounts.Mount(f"{root}/{name}", f"secret/{name}", list(options), env, [])
    m.wait_mounted()
    return m


def rotations(root, server, count):
    server.put("one/s", {"f": "0"})
    m = mounted(root, server, "one", "watch=1s")
    m.read("s/f")
    took = []
    with Watcher() as w:
        w.add(m / "s/f")
        for n in range(1, count + 1):
            time.sleep(random.random())  # at any point of the interval
            server.put("one/s", {"f": str(n)})
            begun = time.monotonic()
            w.until(CLOSE_WRITE)
            assert m.read("s/f") == str(n).encode()
            took.append(time.monotonic() - begun)
    m.end()
    took.sort()
    print(f"seen after, watch=1s, {count} rotations: median {statistics.median(took) * 1000:.0f} ms, "
          f"p95 {took[int(count * 0.95)] * 1000:.0f} ms, worst {took[-1] * 1000:.0f} ms")


def hot(root, server, seconds, count=1000):
    server.fill("hot", count)
    m = mounted(root, server, "hot")
    for n in range(count):
        m.read(f"s{n}/f")
    time.sleep(11)
    mark, begun = server.audit_mark(), time.monotonic()
    while time.monotonic() < begun + seconds:
        m.read(f"s{random.randrange(count)}/f")
        time.sleep(0.005)
    took = time.monotonic() - begun
    asked = len(server.requests_since(mark, "secret/"))
    print(f"{count} hot secrets for {took:.0f} s, watch=10s: {asked} requests, {asked / took:.1f} a second, "
          f"{asked / took * 3600:.0f} an hour")
    m.end()


def main():
    product = sys.argv[1] if len(sys.argv) > 1 else "vault"
    root = tempfile.mkdtemp(prefix="vaultfs-rotation-")
    server = servers.Server(product, f"{root}/server")
    try:
        print(product)
        rotations(root, server, int(sys.argv[2]) if len(sys.argv) > 2 else 100)
        hot(root, server, int(sys.argv[3]) if len(sys.argv) > 3 else 60)
    finally:
        server.stop()
        shutil.rmtree(root, ignore_errors=True)


main()
