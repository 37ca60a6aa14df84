#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the mount looks at by itself: within `watch` of its use, whatever fails beside it, whatever kind of
thing comes, and not more of it than a user's share."""

import concurrent.futures
import os
import subprocess
import time

from harness import main, skip, test, until
from proxy import BREAK, PASS, Proxy


@test(products=("vault", "bao"))
def one_that_fails(t):
    "a secret whose metadata and data answer 500 does not hide changes of the others"
    for n in range(20):
        t.put(f"s{n}", {"f": "old"})
    proxy = Proxy(t.server)
    try:
        m = t.mount("watch=1s", env={"VAULT_ADDR": proxy.address, "VAULT_TOKEN": t.server.token})
        m.expect("")
        for n in range(20):
            assert m.read(f"s{n}/f") == b"old"
        os.listdir(m.path)
        proxy.fate = lambda method, path: (
            BREAK if "/s7" in path or "detailed-metadata" in path else PASS)
        for n in range(20):
            t.put(f"s{n}", {"f": "new"})
        good = [n for n in range(20) if n != 7]
        took = until(lambda: all(m.read(f"s{n}/f") == b"new" for n in good), 15)
        assert m.read("s7/f") == b"old"
        proxy.fate = lambda method, path: PASS
        t.note(f"all others after {took:.1f} s; the one {until(lambda: m.read('s7/f') == b'new'):.1f} s after it was well")
        m.end()
    finally:
        proxy.close()


@test(products=("vault", "bao"))
def within_watch_of_its_use(t):
    "what has just been opened is looked at within `watch`, wherever a round stands"
    for n in range(6):
        t.put(f"s{n}", {"f": "old"})
    m = t.mount("watch=3s")
    worst = 0
    for n in range(6):
        assert m.read(f"s{n}/f") == b"old"
        t.put(f"s{n}", {"f": "new"})
    begun = time.monotonic()
    for n in range(6):
        until(lambda n=n: m.read(f"s{n}/f") == b"new")
        worst = time.monotonic() - begun
    t.note(f"the last after {worst:.1f} s")
    assert worst < 5, worst


@test()
def kinds_that_come(t):
    "a folder made below a secret in use, and a secret made beside a folder, are there by name and in listings"
    t.put("a", {"f": "1"})
    t.put("b/c", {"f": "1"})
    m = t.mount("watch=500ms", "negative_ttl=1s")
    assert m.read("a/f") == b"1" and m.read("b/c/f") == b"1"
    assert os.listdir(m / "a") == ["f"] and os.listdir(m / "b") == ["c"]
    assert not os.path.exists(m / "a/new") and not os.path.exists(m / "b/f")
    t.put("a/new", {"f": "2"})
    t.put("b", {"f": "2"})
    until(lambda: sorted(os.listdir(m / "a")) == ["f", "new"])
    until(lambda: sorted(os.listdir(m / "b")) == ["c", "f"])
    # The kernel may still hold that they are not there, until a helper has had it ask again.
    until(lambda: os.path.exists(m / "a/new/f") and os.path.exists(m / "b/f"), 5)
    assert m.read("a/new/f") == b"2" and m.read("b/f") == b"2"


@test()
def kinds_that_come_by_name(t):
    "and with watch=0 by name, once the time for absent names has passed"
    t.put("a", {"f": "1"})
    t.put("b/c", {"f": "1"})
    m = t.mount("watch=0", "negative_ttl=500ms")
    assert m.read("a/f") == b"1" and m.read("b/c/f") == b"1"
    assert not os.path.exists(m / "a/new") and not os.path.exists(m / "b/f")
    t.put("a/new", {"f": "2"})
    t.put("b", {"f": "2"})
    until(lambda: os.path.exists(m / "a/new/f"), 5)
    until(lambda: os.path.exists(m / "b/f"), 5)
    assert m.read("a/new/f") == b"2" and m.read("b/f") == b"2"


@test()
def names_made_while_it_is_listed(t):
    "forty secrets made at once, while their folder is looked at all the time, are all there"
    t.put("s", {"f": "1"})
    m = t.mount("watch=20ms")

    def make(n):
        os.mkdir(m / f"n{n}")
        m.write(f"n{n}/f", b"x")
        assert f"n{n}" in os.listdir(m.path), n

    for rounds in range(2):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(make, range(rounds * 20, rounds * 20 + 20)))
        names = os.listdir(m.path)
        assert not [n for n in range(rounds * 20 + 20) if f"n{n}" not in names], names


WATCHER = """
import ctypes, os, sys, time
libc = ctypes.CDLL(None, use_errno=True)
fd = libc.inotify_init1(0)
for n in range(int(sys.argv[2])):
    with open(f"{sys.argv[1]}/s{n}/f") as f:
        f.read()
    libc.inotify_add_watch(fd, f"{sys.argv[1]}/s{n}/f".encode(), 2)
print("ready", flush=True)
time.sleep(60)
"""


@test(products=("vault",))
def a_user_has_a_share(t):
    "300 watches of one user are looked at within that user's share; the owner's secret is as fresh as ever"
    if os.geteuid() != 0:
        skip("needs root")
    t.server.fill(t.folder, 300)
    t.put("own", {"f": "old"})
    os.chmod(t.root, 0o755)
    m = t.mount("watch=1s", "allow_other", "mode=0644", "dir_mode=0755")
    for part in range(1, len(m.path.split("/"))):
        path = "/".join(m.path.split("/")[:part + 1])
        if path != m.path and path.startswith("/tmp/vaultfs-test"):
            os.chmod(path, 0o755)
    p = t.spawn("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "python3", "-c", WATCHER,
                m.path, "300", stdout=subprocess.PIPE)
    assert p.stdout.readline() == b"ready\n"
    assert m.read("own/f") == b"old"
    time.sleep(2)
    mark, begun = t.server.audit_mark(), time.monotonic()
    time.sleep(4)
    count, took = len(t.server.requests_since(mark)), time.monotonic() - begun
    t.note(f"{count / took:.0f} requests a second")
    assert 0 < count < 60 * took, (count, took)
    t.put("own", {"f": "new"})
    until(lambda: m.read("own/f") == b"new", 5)


main()
