#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Changes made elsewhere, as inotify(7) tells them: what a local write would raise, once a version."""

import json
import os
import subprocess
import time

from harness import long, main, skip, test
from inotify import ALL, CLOSE_WRITE, CREATE, DELETE, ISDIR, MODIFY, OPEN, Watcher
from mount import in_namespace

CHANGES = MODIFY | CLOSE_WRITE | CREATE | DELETE


def seen(events):
    return [(path, mask & ~ISDIR) for path, mask in events if mask & CHANGES]


@test()
def rotated_elsewhere(t):
    "a version made elsewhere raises IN_MODIFY and IN_CLOSE_WRITE on the field that it changes alone"
    t.put("db", {"password": "old", "user": "bob"})
    m = t.mount("watch=1s")
    assert m.read("db/password") == b"old" and m.read("db/user") == b"bob"
    with Watcher() as w:
        w.add(m / "db/password")
        w.add(m / "db/user")
        t.put("db", {"password": "a longer one", "user": "bob"})
        assert w.until(CLOSE_WRITE) == [(m / "db/password", OPEN), (m / "db/password", MODIFY),
                                        (m / "db/password", CLOSE_WRITE)]
        assert m.read("db/password") == b"a longer one"
        assert os.stat(m / "db/password").st_size == 12
        w.quiet(mask=CHANGES)


@test()
def many_rotations(t):
    "many versions: one IN_CLOSE_WRITE each, and what is read then is that version"
    t.put("s", {"f": "0" * 9, "g": "x"})
    m = t.mount("watch=50ms")
    assert m.read("s/f") == b"0" * 9
    with Watcher() as w:
        w.add(m / "s/f")
        for n in range(1, 101 if long() else 41):
            value = str(n) * (1 + n * 7 % 50)
            t.put("s", {"f": value, "g": "x"})
            events = w.until(CLOSE_WRITE)
            assert m.read("s/f") == value.encode(), n
            assert [mask for _, mask in events if mask & CHANGES] == [MODIFY, CLOSE_WRITE], events
        w.quiet(mask=CHANGES)


@test()
def changes_made_here(t):
    "what is changed through the mount raises what the kernel raises by itself, and no more"
    t.put("s", {"f": "old", "g": "x"})
    m = t.mount("watch=100ms")
    assert m.read("s/f") == b"old" and m.read("s/g") == b"x"
    with Watcher() as w:
        w.add(m / "s")
        for n in range(20):
            m.write("s/f", f"version {n}")
            events = w.until(CLOSE_WRITE)
            assert {path for path, _ in events} == {m / "s/f"}, events
            assert sum(bool(mask & CLOSE_WRITE) for _, mask in events) == 1
        m.write("s/new", "1")
        w.until(CREATE)
        w.until(CLOSE_WRITE)
        os.remove(m / "s/new")
        w.until(DELETE)
        m.write("s/.vault/data.json", json.dumps({"f": "whole", "g": "y", "h": "z"}))
        w.quiet(mask=CHANGES)
        assert m.read("s/h") == b"z"


@test()
def fields_come_and_go(t):
    "fields that come and go elsewhere raise IN_CREATE and IN_DELETE in the secret's directory"
    t.put("s", {"a": "1", "b": "2"})
    m = t.mount("watch=500ms")
    assert sorted(os.listdir(m / "s")) == ["a", "b"] and m.read("s/b") == b"2"
    with Watcher() as w:
        w.add(m / "s")
        t.put("s", {"a": "1", "b": "2", "new": "3"})
        assert seen(w.until(CREATE)) == [(m / "s/new", CREATE)]
        assert m.read("s/new") == b"3" and sorted(os.listdir(m / "s")) == ["a", "b", "new"]
        t.put("s", {"a": "1", "new": "3"})
        assert seen(w.until(DELETE)) == [(m / "s/b", DELETE)]
        assert m.errno_of(open, m / "s/b") == "ENOENT"
        assert sorted(os.listdir(m / "s")) == ["a", "new"]
        w.quiet(mask=CHANGES)
        t.server.delete(t.path("s"))
        w.until(DELETE)
        assert seen(w.drain()) in ([], [(m / "s/new", DELETE)])
        assert os.listdir(m / "s") == []


@test()
def secrets_come_and_go(t):
    "secrets and folders that come and go elsewhere raise IN_CREATE and IN_DELETE in theirs"
    t.put("one", {"f": "1"})
    m = t.mount("watch=500ms")
    assert os.listdir(m.path) == ["one"] and m.read("one/f") == b"1"
    with Watcher() as w:
        w.add(m.path)
        t.put("two", {"g": "2"})
        assert seen(w.until(CREATE)) == [(m / "two", CREATE)]
        assert m.read("two/g") == b"2"
        t.put("folder/three", {"h": "3"})
        assert seen(w.until(CREATE)) == [(m / "folder", CREATE)]
        assert os.listdir(m / "folder") == ["three"]
        t.server.purge(t.path("two"))
        assert seen(w.until(DELETE)) == [(m / "two", DELETE)]
        assert m.errno_of(os.stat, m / "two") == "ENOENT"
        t.server.purge(t.path("one"))
        assert seen(w.until(DELETE)) == [(m / "one", DELETE)]
        w.quiet(mask=CHANGES)
        assert os.listdir(m.path) == ["folder"]


def requests(t, mark):
    return [r for r in t.server.requests_since(mark, "secret/") if t.folder in r[1]]


@test()
def watched_and_idle(t):
    "what nobody reads any more is looked at while somebody watches it, and else not at all"
    t.put("s", {"f": "0"})
    t.put("idle", {"f": "0"})
    m = t.mount("watch=300ms", "ttl=1s")
    assert m.read("s/f") == b"0" and m.read("idle/f") == b"0"
    standing = t.spawn("sh", "-c", "cd $0 && echo in && exec sleep 600", m / "s", stdout=subprocess.PIPE)
    assert standing.stdout.readline() == b"in\n"
    with Watcher() as w:
        w.add(m / "s/f")
        time.sleep(3)
        mark = t.server.audit_mark()
        time.sleep(1)
        asked = requests(t, mark)
        assert asked and not [path for _, path in asked if path.endswith("idle")], asked
        assert os.readlink(f"/proc/{standing.pid}/cwd") == m / "s"
        t.put("s", {"f": "1"})
        w.until(CLOSE_WRITE)
        assert m.read("s/f") == b"1"
    standing.kill()
    standing.wait()
    time.sleep(3)
    mark = t.server.audit_mark()
    time.sleep(2)
    assert requests(t, mark) == []


@test()
def off(t):
    "watch=0 asks nothing"
    t.put("s", {"f": "0"})
    m = t.mount("watch=0")
    assert m.read("s/f") == b"0"
    mark = t.server.audit_mark()
    time.sleep(2)
    assert requests(t, mark) == []
    assert json.loads(m.read(".vault/status.json"))["watch"]["interval"] == 0


@test()
def without_metadata(t):
    "a token that may not read metadata is served by reading the data"
    t.put("s", {"f": "0"})
    t.server.policy("watch-data", {f"secret/data/{t.folder}/*": ["read"]})
    m = t.mount("watch=200ms", token=t.server.make_token(policies=["watch-data"]))
    assert m.read("s/f") == b"0"
    with Watcher() as w:
        w.add(m / "s/f")
        for n in range(1, 4):
            t.put("s", {"f": str(n)})
            w.until(CLOSE_WRITE)
            assert m.read("s/f") == str(n).encode()
        w.quiet(mask=CHANGES)


@test(seconds=600)
def within_the_rate(t):
    "1,000 hot secrets at watch=1s stay within the rate, and status.json says how far that stretches"
    t.server.fill(t.folder, 1000)
    m = t.mount("watch=1s", "rate=200")
    for n in range(1000):
        m.read(f"s{n}/f")
    # The first round finds out how long one takes.
    while True:
        watch = json.loads(m.read(".vault/status.json"))["watch"]
        if watch["secrets"] == 1000 and (watch["every"] >= 9.9 or t.product == "bao"):
            break
        time.sleep(0.5)
    mark, begun = t.server.audit_mark(), time.monotonic()
    time.sleep(5)
    count, took = len(requests(t, mark)), time.monotonic() - begun
    assert 0 < count <= 200 * took * 0.75, (count, took)
    watch = json.loads(m.read(".vault/status.json"))["watch"]
    assert watch["interval"] == 1 and watch["secrets"] == 1000, watch
    if t.product == "vault":
        assert watch["every"] >= 9.9 and watch["stretch"] >= 9.9, watch
    else:  # OpenBao tells of all of them at once
        assert count < 200, count
    t.note(f"{count} requests in {took:.1f} s; {watch}")


@test()
def bind_mount_of_a_file(t):
    "a bind mount of one field, in another mount namespace, is told and shows each version"
    if os.geteuid() != 0:
        skip("needs root")
    t.put("s", {"f": "0"})
    m = t.mount("watch=200ms")
    assert m.read("s/f") == b"0"
    target = f"{t.root}/bound"
    open(target, "w").close()
    script = (f"mount --bind {m / 's/f'} {target} && echo ready && "
              f"exec inotifywait -q -m -e close_write --format '%e' {target}")
    p = t.spawn(*in_namespace(script, keep=(m.path,)), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert p.stdout.readline() == b"ready\n"
    while not _watches(p.pid):
        time.sleep(0.01)
    for n in range(1, 6):
        t.put("s", {"f": str(n)})
        assert b"CLOSE_WRITE" in p.stdout.readline()
        with open(f"/proc/{p.pid}/root{target}", "rb") as f:
            assert f.read() == str(n).encode()
    p.kill()
    p.wait()  # its namespace has a copy of the mount


def _watches(pid):
    try:
        fds = os.listdir(f"/proc/{pid}/fdinfo")
        return any("inotify wd" in open(f"/proc/{pid}/fdinfo/{fd}").read() for fd in fds)
    except OSError:
        return False


@test(needs=("inotifywait",))
def inotifywait_ends(t):
    "inotifywait on a field, as scripts use it"
    t.put("s", {"f": "0"})
    m = t.mount("watch=200ms", "mode=0400", "ro")
    assert m.read("s/f") == b"0"
    p = t.spawn("inotifywait", "-q", "-e", "close_write", m / "s/f", stdout=subprocess.PIPE)
    while not _watches(p.pid):
        time.sleep(0.01)
    t.put("s", {"f": "1"})
    assert b"CLOSE_WRITE" in p.communicate(timeout=60)[0]
    assert m.read("s/f") == b"1"


main()
