#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Walks through many secrets: asked for ahead, together, and never more than is there."""

import os
import threading
import time

from harness import main, test
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


main()
