#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
""".vault/events: a line of JSON a change, for any number of readers."""

import json
import os
import select
import signal
import subprocess
import time

from harness import main, test


class Reader:
    """One that reads as a program does that waits for lines."""

    def __init__(self, m):
        self.fd = os.open(m / ".vault/events", os.O_RDONLY | os.O_NONBLOCK)
        self.rest = b""
        self.events = []

    def next(self, seconds=40):
        end = time.monotonic() + seconds
        while not self.events:
            assert time.monotonic() < end, "there is no event"
            select.select([self.fd], [], [], 1)
            try:
                *lines, self.rest = (self.rest + os.read(self.fd, 4096)).split(b"\n")
            except BlockingIOError:
                continue
            self.events += [json.loads(line) for line in lines]
        return self.events.pop(0)

    def nothing(self):
        time.sleep(1)
        try:
            return os.read(self.fd, 4096)
        except BlockingIOError:
            return b""


@test()
def each_change_is_a_line(t):
    "a line for each change, made here or elsewhere, with path, version and fields, and no value"
    value = t.canary()
    t.put("db", {"password": "old", "user": "bob"})
    m = t.mount("watch=300ms")
    assert m.read("db/password") == b"old" and os.listdir(m.path) == ["db"]
    one, two = Reader(m), Reader(m)
    t.put("db", {"password": value, "user": "bob", "new": "1"})
    for r in (one, two):
        e = r.next()
        assert e.pop("time").endswith("Z")
        assert e == {"path": "/db", "version": 2, "kind": "changed", "fields": ["password", "new"],
                     "origin": "remote"}, e
    m.write("db/user", value)
    for r in (one, two):
        e = r.next()
        assert (e["version"], e["kind"], e["fields"], e["origin"]) == (3, "changed", ["user"], "local")
    late = Reader(m)
    t.server.delete(t.path("db"))
    e = one.next()
    assert (e["kind"], e["version"], sorted(e["fields"])) == ("deleted", 3, ["new", "password", "user"])
    assert late.next()["kind"] == "deleted"
    t.put("other", {"x": value})
    e = one.next()
    assert (e["path"], e["kind"], e["fields"]) == ("/other", "created", []), e
    m.write("db/again", value)
    e = one.next()
    assert (e["path"], e["kind"], e["version"], e["fields"], e["origin"]) == (
        "/db", "created", 4, ["again"], "local")
    assert one.nothing() == b""
    for r in (one, two, late):
        os.close(r.fd)


@test()
def reads_wait(t):
    "a read waits for a change, a signal ends it, O_NONBLOCK does not wait"
    t.put("s", {"f": "0"})
    m = t.mount("watch=200ms")
    assert m.read("s/f") == b"0"
    fd = os.open(m / ".vault/events", os.O_RDONLY | os.O_NONBLOCK)
    assert m.errno_of(os.read, fd, 100) == "EAGAIN"
    poll = select.epoll()
    poll.register(fd, select.EPOLLIN)
    assert poll.poll(0.3) == []
    p = t.spawn("head", "-n", "1", m / ".vault/events", stdout=subprocess.PIPE)
    time.sleep(0.5)
    t.put("s", {"f": "1"})
    assert json.loads(p.communicate(timeout=60)[0])["version"] == 2 and p.returncode == 0
    assert poll.poll(30)
    part = os.read(fd, 10)
    assert len(part) == 10 and json.loads(part + os.read(fd, 4096))["version"] == 2
    for number in (signal.SIGINT, signal.SIGKILL):
        p = t.spawn("cat", m / ".vault/events")
        time.sleep(0.3)
        p.send_signal(number)
        assert p.wait(10) == -number
    m.write("s/f", "2")
    assert poll.poll(30) and json.loads(os.read(fd, 4096))["version"] == 3
    poll.close()
    os.close(fd)


@test()
def who_is_slow_is_told(t):
    "a reader that does not read for long is told how many lines it has lost"
    t.put("s", {"f": "0"})
    m = t.mount()
    assert m.read("s/f") == b"0"
    slow = Reader(m)
    fast = Reader(m)
    for n in range(1100):
        m.write("s/f", str(n))
    while fast.next().get("version") != 1101:
        pass
    e = slow.next()
    assert e["kind"] == "lost" and e["count"] >= 1, e
    assert slow.next()["version"] == e["count"] + 2
    os.close(slow.fd)
    os.close(fast.fd)


@test()
def unmounting_ends_reads(t):
    "the end of the mount ends those who wait"
    m = t.mount()
    fd = os.open(m / ".vault/events", os.O_RDONLY | os.O_NONBLOCK)
    waiting = select.poll()
    waiting.register(fd, select.POLLIN)
    assert not waiting.poll(10)
    p = t.spawn("cat", m / ".vault/events", stderr=subprocess.DEVNULL)
    time.sleep(0.3)
    m.process.terminate()
    assert m.wait_end() == 0
    assert p.wait(10) != 0
    os.close(fd)


main()
