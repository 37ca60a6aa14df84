#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Storms of failing requests, and what reaches the server of them; servers that go and come back."""

import os
import socket
import threading
import time

from fake_vault import FakeVault, reply
from harness import main, test
from proxy import HANG, LOSE_REQUEST, Proxy

PER_SECOND = 10  # failures, and as many on top at once


def budget(seconds, more=0):
    """The most failing requests that may reach a server in that time."""
    return PER_SECOND * (seconds + 1) + more


def secret(fields, version=1):
    return {"data": {"data": fields, "metadata": {
        "version": version, "created_time": "2026-01-01T00:00:00Z", "deletion_time": "",
        "destroyed": False, "custom_metadata": None}}}


def storm(seconds, action, threads=8):
    """Calls action(i), i = 0, 1, ..., from several threads; how often in all, and how each ended."""
    outcomes, counts = {}, [0] * threads
    end = time.monotonic() + seconds
    lock = threading.Lock()

    def run(n):
        mine = {}
        i = n
        while time.monotonic() < end:
            outcome = action(i)
            mine[outcome] = mine.get(outcome, 0) + 1
            i += threads
            counts[n] += 1
        with lock:
            for k, v in mine.items():
                outcomes[k] = outcomes.get(k, 0) + v

    all_threads = [threading.Thread(target=run, args=(n,)) for n in range(threads)]
    for th in all_threads:
        th.start()
    for th in all_threads:
        th.join()
    return sum(counts), outcomes


def until_it_works(action, seconds=30):
    """How long it takes until it does not raise an OSError any more."""
    begun = time.monotonic()
    while True:
        try:
            action()
            return time.monotonic() - begun
        except OSError:
            assert time.monotonic() < begun + seconds, "it never recovers"
            time.sleep(0.02)


@test(seconds=120)
def refusals(t):
    "thousands of reads of what is refused make few requests, and what is allowed is read as before"
    for i in range(20):
        t.put(f"mine/s{i}", {"x": str(i)})
    for i in range(200):
        t.put(f"theirs/s{i}", {"x": "1"})
        t.put(f"folders/f{i}/s", {"x": "1"})
    t.server.policy("storm", {f"secret/data/{t.path('mine')}/*": ["read"],
                              f"secret/metadata/{t.folder}/*": ["list"]})
    token = t.server.make_token(policies=["storm"])
    m = t.mount("negative_ttl=100ms", "ttl=1s", token=token)
    m.expect("EAGAIN")
    assert m.errno_of(open, m / "theirs/s1/x") == "EACCES"
    reads = []
    stop = threading.Event()

    def read_mine():
        i = 0
        while not stop.is_set():
            reads.append(m.read(f"mine/s{i % 20}/x") == str(i % 20).encode())
            i += 1

    reader = threading.Thread(target=read_mine)
    for what, name in (("many secrets", lambda i: f"theirs/s{i % 200}/x"),
                       ("one secret", lambda i: "theirs/s1/x"),
                       ("many folders", lambda i: f"folders/f{i % 200}/s/x")):
        if what == "many secrets":
            reader.start()
        mark = t.server.audit_mark()
        begun, before = time.monotonic(), len(reads)
        count, outcomes = storm(4, lambda i: m.errno_of(open, m / name(i)))
        took = time.monotonic() - begun
        asked = [r for r in t.server.requests_since(mark)
                 if r[1].startswith("secret/data/") and "/mine/" not in r[1]]
        t.note(f"{what}: {count / took:.0f} reads a second, {outcomes}; {len(asked)} requests in "
               f"{took:.1f} s; {(len(reads) - before) / took:.0f} good reads a second")
        assert set(outcomes) <= {"EACCES", "EAGAIN"} and outcomes["EACCES"], outcomes
        assert len(asked) <= budget(took), asked[-20:]
        assert len(reads) > before + 20
    stop.set()
    reader.join()
    assert all(reads)
    # One after the other they wait for their turn, and are told what they are.
    time.sleep(2)
    for i in range(30):
        assert m.errno_of(open, m / f"theirs/s{i}/x") == "EACCES"
    assert len(m.log().splitlines()) < 1000, "the storm is in the log"


class Closed:
    """A port where connections are taken and closed again, and counted."""

    def __init__(self, port):
        self.count = 0
        self.socket = socket.create_server(("127.0.0.1", port), backlog=64)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.count += 1
            connection.close()

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def away(t, m, proxy, what, cause, seconds, asked):
    """A storm on a server that does not serve; `asked()` is how often it was."""
    before, begun = asked(), time.monotonic()
    count, outcomes = storm(seconds, lambda i: m.errno_of(open, m / f"s{i % 500}/x"))
    took = time.monotonic() - begun
    reached = asked() - before
    t.note(f"{what}: {count / took:.0f} reads a second, {outcomes}; {reached} requests in {took:.1f} s")
    assert set(outcomes) == {cause}, outcomes
    assert reached <= budget(took), reached
    assert count > 2 * reached
    return reached


@test(seconds=180)
def server_away(t):
    "thousands of reads while the server is away make few requests, and it is back at once when it is"
    for i in range(500):
        t.put(f"s{i}", {"x": "1"})
    proxy = Proxy(t.server)
    m = t.mount("ttl=0", "max_stale=0", "timeout=4s",
                env={"VAULT_ADDR": proxy.address, "VAULT_TOKEN": t.server.token})
    m.expect("EHOSTUNREACH|ETIMEDOUT|left out")
    os.listdir(m.path)
    work = lambda: m.read("s1/x")
    work()
    # It takes requests and drops them.
    proxy.fate = lambda method, path: LOSE_REQUEST
    away(t, m, proxy, "dropped", "EHOSTUNREACH", 5, lambda: len(proxy.requests))
    proxy.fate = lambda method, path: "pass"
    t.note(f"well again after {until_it_works(work):.2f} s")
    # There is none.
    proxy.refuse()
    closed = Closed(proxy.port)
    away(t, m, proxy, "closed", "EHOSTUNREACH", 5, lambda: closed.count)
    closed.close()
    proxy.listen()
    t.note(f"well again after {until_it_works(work):.2f} s")
    # It hangs.
    proxy.fate = lambda method, path: HANG
    away(t, m, proxy, "hung", "ETIMEDOUT", 12, lambda: len(proxy.requests))
    proxy.release()
    t.note(f"well again after {until_it_works(work):.2f} s")
    m.write("s1/x", "2")
    proxy.close()
    assert len(m.log().splitlines()) < 2000, "the storm is in the log"


main()
