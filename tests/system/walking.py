#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Walks through many secrets: asked for ahead, together, and never more than is there."""

import os
import subprocess
import sys
import threading
import time

from fake_vault import FakeVault, reply
from harness import main, skip, test
from proxy import PASS, Proxy

SECRETS = 120


class Slow(Proxy):
    """Each request takes a while, so that those that are under way together are seen."""

    def __init__(self, server):
        super().__init__(server)
        self.lock = threading.Lock()
        self.together = self.most = 0
        self.fate = self.wait

    def wait(self, method, path):
        with self.lock:
            self.together += 1
            self.most = max(self.most, self.together)
        time.sleep(0.02)
        with self.lock:
            self.together -= 1
        return PASS


def start(t, *options, folders=()):
    for i in range(SECRETS):
        t.put(f"w/s{i:03}", {"user": f"u{i}", "password": f"needle {i}"})
    for name in folders:
        t.put(f"w/{name}", {"user": "u", "password": "needle"})
    proxy = Slow(t.server)
    m = t.mount(*options, env={"VAULT_ADDR": proxy.address, "VAULT_TOKEN": t.server.token})
    os.listdir(m.path)  # the mount's own folder may be a secret too, and is asked for
    proxy.requests.clear()
    proxy.most = 0
    return m, proxy


def data(proxy):
    return [path for method, path in proxy.requests if "/data/" in path]


def lists(proxy):
    return [path for method, path in proxy.requests if "/metadata/" in path]


@test()
def grep_asks_for_many_at_once(t):
    "grep -r asks for each secret once, for several at a time, and for no more than parallel="
    m, proxy = start(t, "parallel=8")
    _, out, _ = t.run("grep", "-r", "needle", m / "w")
    assert len(out.splitlines()) == SECRETS
    assert len(data(proxy)) == SECRETS == len(set(data(proxy))), len(data(proxy))
    assert len(lists(proxy)) == 1, lists(proxy)
    assert 4 <= proxy.most <= 8, proxy.most
    t.note(f"{proxy.most} at a time")


@test()
def by_inode_number(t):
    "cp -r, which goes by inode number, has several asked for at a time too, and each once"
    m, proxy = start(t, "parallel=8")
    t.run("cp", "-r", m / "w", f"{t.root}/copy")
    for i in range(SECRETS):
        with open(f"{t.root}/copy/s{i:03}/password") as f:
            assert f.read() == f"needle {i}"
    assert len(data(proxy)) == SECRETS == len(set(data(proxy))), len(data(proxy))
    assert 4 <= proxy.most <= 8, proxy.most


@test()
def in_no_order(t):
    "who opens in no order has nothing asked ahead"
    m, proxy = start(t, "parallel=8")
    for i in range(40):
        os.listdir(m / f"w/s{i * 67 % SECRETS:03}")
    assert len(data(proxy)) == 40 == len(set(data(proxy))), len(data(proxy))


@test()
def folders_of_folders(t):
    "find through folders within folders lists each once, several at a time"
    inner = [f"f{i:02}/g{k}/s" for i in range(12) for k in range(3)]
    m, proxy = start(t, folders=inner)
    _, out, _ = t.run("find", m / "w", "-type", "f")
    assert len(out.splitlines()) == 2 * (SECRETS + len(inner))
    assert len(data(proxy)) == SECRETS + len(inner) == len(set(data(proxy)))
    assert len(lists(proxy)) == 1 + 12 + 36 == len(set(lists(proxy))), len(lists(proxy))
    assert proxy.most > 2, proxy.most


@test()
def single_files_ask_for_themselves(t):
    "cat of files in a row, and ls -l, ask for nothing that they do not show"
    m, proxy = start(t)
    t.run("ls", "-l", m / "w")
    assert len(lists(proxy)) == 1 and not data(proxy)
    for i in range(20):
        t.run("cat", m / f"w/s{i:03}/user")
    assert len(data(proxy)) == 20 == len(set(data(proxy)))
    t.run("ls", "-l", m / "w/s050", m / "w/s020", m / "w/s080", m / "w/s060")
    assert len(data(proxy)) == 24


@test()
def a_walk_that_ends(t):
    "who stops walking has had asked at most parallel= more"
    m, proxy = start(t, "parallel=8")
    for i in range(10):
        os.listdir(m / f"w/s{i:03}")
    time.sleep(0.5)
    assert 10 < len(data(proxy)) <= 10 + 8, len(data(proxy))
    # Nobody else waits for what is asked ahead.
    assert m.read("w/s090/user") == b"u90"


@test()
def one_at_a_time(t):
    "with parallel=1 nothing is asked ahead"
    m, proxy = start(t, "parallel=1")
    for i in range(10):
        os.listdir(m / f"w/s{i:03}")
    assert len(data(proxy)) == 10 and proxy.most == 1


@test()
def a_small_cache(t):
    "where the cache cannot hold it nothing is asked ahead, and nothing twice"
    for i in range(40):
        t.put(f"big/s{i:02}", {"f": str(i) * 4000})
    proxy = Slow(t.server)
    m = t.mount("cache_size=64K", env={"VAULT_ADDR": proxy.address, "VAULT_TOKEN": t.server.token})
    t.run("grep", "-rc", "0", m / "big")
    assert len(data(proxy)) <= 40 + 16, len(data(proxy))


# Opens the directory until it is refused, tells how often it could, and then waits.
HOLDER = """
import errno, os, sys, time
held = []
try:
    while len(held) < 1000:
        held.append(os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECTORY))
except OSError as e:
    print(len(held), errno.errorcode[e.errno], flush=True)
sys.stdin.read()
for fd in held:
    os.close(fd)
end = time.monotonic() + 60
while True:
    try:
        os.close(os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECTORY))
        break
    except OSError:
        if time.monotonic() > end:
            raise
        time.sleep(0.02)  # the kernel tells of the last close after close(2)
print("again", flush=True)
"""


@test(products=(), seconds=120)
def held_directories(t):
    "a user who holds a large directory open many times is refused more, and others still list it"
    if os.geteuid() != 0:
        skip("needs root")
    names = [f"{i:x}" for i in range(130000)]
    fake = FakeVault(lambda method, path, _: reply(200, {"data": {"keys": names}})
                     if path.split("?")[0].endswith("metadata/") else reply(404, {"errors": []}))
    for path in (t.root, os.path.dirname(t.root)):
        os.chmod(path, 0o755)
    try:
        m = t.mount("allow_other", "dir_mode=0755", "ttl=1h", "timeout=30s", "watch=0", source="/secret",
                    env={"VAULT_ADDR": fake.address, "VAULT_TOKEN": "x"})
        m.expect("")
        assert len(os.listdir(m.path)) == len(names)
        holder = subprocess.Popen(["setpriv", "--reuid=61001", "--regid=61001", "--clear-groups", sys.executable,
                                   "-c", HOLDER, m.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        t.processes.append(holder)
        held, error = holder.stdout.readline().split()
        assert error == "ENOMEM" and 2 <= int(held) < 20, (held, error)
        assert len(os.listdir(m.path)) == len(names)
        other = subprocess.run(["setpriv", "--reuid=61002", "--regid=61002", "--clear-groups", "ls", "-f", m.path],
                               capture_output=True, text=True, check=True)
        assert len(other.stdout.split()) == len(names) + 2
        holder.stdin.close()
        assert holder.stdout.readline() == "again\n"
        assert holder.wait(60) == 0
        m.end()
    finally:
        fake.close()


main()
