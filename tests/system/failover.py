#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Several addresses: who is asked, who is asked when that one fails, and who after that."""

import os
import subprocess
import sys
import threading
import time

from fake_vault import FakeVault, reply
from harness import main, test
from proxy import HANG, LOSE_ANSWER, PASS, Proxy
from server import free_port


def data_requests(proxy):
    return [r for r in proxy.requests if r[1].startswith("secret/")]


def ways(t, count, *options, how="repeated", **proxies):
    """Ways to the server, and a mount that knows them all."""
    all_ways = [Proxy(t.server) for _ in range(count)]
    addresses = [p.address for p in all_ways]
    env = {"VAULT_TOKEN": t.server.token}
    if how == "repeated":
        options = [f"addr={a}" for a in addresses] + list(options)
    elif how == "escaped":
        options = ["addr=" + "\\,".join(addresses), *options]
    else:
        env["VAULT_ADDR"] = ", ".join(addresses)
    m = t.mount(*options, env=env)
    m.expect("is spared")
    return all_ways, m


@test(seconds=120)
def the_first_that_serves(t):
    "the first address is asked until it fails, then the next, unnoticed by readers; then it stays there"
    t.put("s", {"x": "1"})
    for how in ("repeated", "escaped", "environment"):
        (a, b, c), m = ways(t, 3, "ttl=0", how=how)
        for _ in range(20):
            assert m.read("s/x") == b"1"
        assert len(data_requests(a)) >= 20 and not b.requests and not c.requests
        a.refuse()
        for _ in range(20):
            assert m.read("s/x") == b"1"
            m.write("s/x", "1")
        assert len(data_requests(b)) >= 40 and not c.requests
        a.listen()
        before = len(a.requests)
        for _ in range(20):
            assert m.read("s/x") == b"1"
        assert len(a.requests) - before <= 1, "it went back at once"
        assert m.log().count("is spared") == 1 and m.log().count("another server is asked") == 1
        for p in (a, b, c):
            p.close()


@test(seconds=120)
def back_to_the_first(t):
    "after a while the first is asked again"
    t.put("s", {"x": "1"})
    (a, b), m = ways(t, 2, "ttl=0")
    a.refuse()
    assert m.read("s/x") == b"1" and data_requests(b)
    a.listen()
    a.requests.clear()
    begun = time.monotonic()
    while not data_requests(a):
        assert m.read("s/x") == b"1"
        assert time.monotonic() - begun < 60
        time.sleep(0.05)
    t.note(f"back after {time.monotonic() - begun:.1f} s")
    before = len(b.requests)
    for _ in range(10):
        assert m.read("s/x") == b"1"
    assert len(b.requests) == before
    a.close()
    b.close()


@test(seconds=120)
def mounted_without_the_first(t):
    "a mount begins with any that serves, and says whom it could not reach where none does"
    t.put("s", {"x": "1"})
    dead = [f"http://127.0.0.1:{free_port()}" for _ in range(2)]
    env = {"VAULT_TOKEN": t.server.token}
    m = t.mount(f"addr={dead[0]}", f"addr={dead[1]}", f"addr={t.server.address}", env=dict(env))
    m.expect("is spared")
    assert m.read("s/x") == b"1"
    none = t.mount(f"addr={dead[0]}", f"addr={dead[1]}", env=dict(env), wait=False)
    none.expect("login failed|is spared")
    assert none.wait_end() == 2 and "cannot reach http://127.0.0.1" in none.log()
    none.check_log()
    for wrong in ("addr=nonsense", f"addr={t.server.address},addr=ftp://x", "addr=\\,"):
        bad = t.mount(wrong, env=dict(env), wait=False)
        assert bad.wait_end() == 1 and ("not an address" in bad.log() or "no address" in bad.log())


@test(seconds=120)
def one_that_hangs(t):
    "of a server that hangs the readers wait half of the timeout, once, and then ask another"
    for i in range(20):
        t.put(f"s{i}", {"x": "1"})
    (a, b), m = ways(t, 2, "timeout=6s")
    os.listdir(m.path)
    a.fate = lambda method, path: HANG
    longest = 0
    for i in range(20):
        begun = time.monotonic()
        assert m.read(f"s{i}/x") == b"1"
        longest = max(longest, time.monotonic() - begun)
    hung = len(data_requests(a)) - 1
    t.note(f"the longest read took {longest:.1f} s; {hung} of 20 requests hung")
    assert hung <= 2
    a.close()
    b.close()


@test()
def those_that_are_not_well(t):
    "of the others one is taken that says that it is well: not one that is sealed, not initialised, a replica"
    t.put("s", {"x": "1"})
    states = {501: {"initialized": False}, 503: {"sealed": True}, 472: {}, 530: {}}
    asked = []

    def ill(status):
        def answer(method, path, body):
            asked.append((status, path))
            return reply(status if path.startswith("/v1/sys/health") else 503, {"errors": ["no"]})
        return answer

    fakes = [FakeVault(ill(status)) for status in states]
    first = Proxy(t.server)
    m = t.mount(f"addr={first.address}", *(f"addr={f.address}" for f in fakes),
                f"addr={t.server.address}", "ttl=0",
                env={"VAULT_TOKEN": t.server.token})
    m.expect("is spared")
    assert m.read("s/x") == b"1"
    first.refuse()
    assert m.read("s/x") == b"1"
    assert {s for s, _ in asked} == set(states), asked
    assert all(path.startswith("/v1/sys/health") for _, path in asked), asked
    first.close()
    for f in fakes:
        f.close()


@test(seconds=120)
def writes(t):
    "a write that the server may have seen is not sent to another: it is read back there, and is one version"
    t.put("s", {"x": "0"})
    (a, b), m = ways(t, 2)
    m.expect("EHOSTUNREACH")
    for i in range(1, 4):
        a.requests.clear()
        b.requests.clear()
        for p in (a, b):
            p.lose_once(LOSE_ANSWER)
        m.write("s/x", str(i))
        for p in (a, b):
            p.fate = lambda method, path: PASS
        assert t.get("s") == {"x": str(i)} and t.version("s") == i + 1
        # A kept connection that broke is not known to have brought the request: it is sent again there.
        assert not a.writes() or not b.writes(), (a.writes(), b.writes())
    # What was surely not sent goes to the other.
    (a.refuse if data_requests(a) else b.refuse)()
    m.write("s/x", "last")
    assert t.get("s") == {"x": "last"} and t.version("s") == 5
    a.close()
    b.close()


@test(seconds=120)
def redirected_to_nowhere(t):
    "of an address whose redirects lead nowhere the next takes the request, and no write fails"
    t.put("s", {"x": "0"})
    (a, b), m = ways(t, 2)
    to_nowhere = lambda location: (lambda method, path: reply(307, b"", [f"Location: {location}"])
                                   if method in ("POST", "PATCH") and "/data/" in path else PASS)
    # To itself, to what is no address, to where nobody listens.
    for i, location in enumerate((f"{a.address}/v1/secret/data/{t.path('s')}", "nonsense",
                                  f"http://127.0.0.1:{free_port()}/v1/x"), 1):
        a.fate = to_nowhere(location)
        for _ in range(3):
            m.write("s/x", f"{location} {i}")
        assert t.get("s") == {"x": f"{location} {i}"}
    assert [r for r in b.writes()], "the other was never asked"
    a.close()
    b.close()


@test(products=("bao",), seconds=120)
def cut_off_from_its_leader(t):
    "of a standby that knows no leader the next address takes the reads, though it answers them"
    t.put("s", {"x": "1"})
    (a, b), m = ways(t, 2, "ttl=0")
    m.expect("behind|not noticed")
    leaderless = {"sys/health": {"initialized": True, "sealed": False, "standby": True, "version": "2"},
                  "sys/leader": {"ha_enabled": True, "is_self": False, "leader_address": ""}}
    assert m.read("s/x") == b"1" and not data_requests(b)
    a.fate = lambda method, path: reply(200, leaderless[path]) if path in leaderless else PASS
    begun = time.monotonic()
    while not data_requests(b):
        assert m.read("s/x") == b"1"
        assert time.monotonic() < begun + 60, "it goes on to ask the one without a leader"
        time.sleep(0.05)
    t.note(f"the other is asked after {time.monotonic() - begun:.1f} s")
    a.requests.clear()
    for _ in range(10):
        assert m.read("s/x") == b"1"
    assert not data_requests(a)
    # Where none has a leader the one that answers is better than nothing.
    b.fate = a.fate
    time.sleep(5)
    assert m.read("s/x") == b"1"
    a.close()
    b.close()


@test(products=("bao",), seconds=120)
def two_that_lead(t):
    "of two that say that they lead the one that began to later is asked"
    t.put("s", {"x": "1"})
    (a, b), m = ways(t, 2, "ttl=0")
    m.expect("behind|not noticed")

    def leads(since):
        told = {"sys/health": {"initialized": True, "sealed": False, "standby": False, "version": "2"},
                "sys/leader": {"ha_enabled": True, "is_self": True, "leader_address": "http://x",
                               "active_time": f"2026-11-30T18:0{since}:00.5Z"}}
        return lambda method, path: reply(200, told[path]) if path in told else PASS

    a.fate, b.fate = leads(1), leads(2)
    begun = time.monotonic()
    while not data_requests(b):
        assert m.read("s/x") == b"1"
        assert time.monotonic() < begun + 60, "it goes on to ask the one that led before"
        time.sleep(0.05)
    t.note(f"the other is asked after {time.monotonic() - begun:.1f} s")
    a.requests.clear()
    for _ in range(10):
        m.write("s/x", "2")
        assert m.read("s/x") == b"2"
    assert not data_requests(a)
    a.close()
    b.close()


READER = """
import os, sys, time
last = reads = 0
longest = 0.0
while not os.path.exists(sys.argv[2]):
    begun = time.monotonic()
    with open(sys.argv[1]) as f:
        now = int(f.read())
    longest = max(longest, time.monotonic() - begun)
    assert now >= last, (now, last)
    last = now
    reads += 1
print(reads, longest)
"""


@test(seconds=120)
def while_they_come_and_go(t):
    "with two ways that are cut and mended in turn no write is lost, and no read fails"
    t.put("s", {"x": "0"})
    (a, b), m = ways(t, 2)
    reading = t.mount("ttl=0", env={"VAULT_ADDR": f"{b.address},{a.address}",
                                    "VAULT_TOKEN": t.server.token})
    for either in (m, reading):
        either.expect("EHOSTUNREACH|EIO|ETIMEDOUT|is spared")
    stop, written, failed = f"{t.root}/stop", [0], [0]
    readers = [t.spawn(sys.executable, "-c", READER, reading / "s/x", stop, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE) for _ in range(2)]

    def write():
        i = 0
        while not os.path.exists(stop):
            i += 1
            try:
                m.write("s/x", str(i))
                written[0] = i
            except OSError:
                failed[0] += 1  # whether it is written is not known

    writer = threading.Thread(target=write)
    writer.start()
    for _ in range(3):
        for p in (a, b):
            p.refuse()
            time.sleep(0.7)
            p.listen()
            time.sleep(0.7)
    open(stop, "w").close()
    writer.join()
    for r in readers:
        out, errors = r.communicate()
        assert r.returncode == 0, errors.decode()
        reads, longest = out.split()
        t.note(f"{int(reads)} reads, the longest {float(longest):.2f} s")
    t.note(f"{written[0]} writes, {failed[0]} failed")
    assert int(t.get("s")["x"]) >= written[0] > 10
    a.close()
    b.close()


main()
