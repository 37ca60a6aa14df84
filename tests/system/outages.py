#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Storms of failing requests, and what reaches the server of them; servers that go and come back."""

import os
import signal
import socket
import struct
import subprocess
import threading
import time

from fake_vault import FakeVault, reply
from harness import long, main, skip, test
from mount import VAULTFS, clean_environment, in_namespace, sanitized
from proxy import HANG, LOSE_REQUEST, Proxy

PER_SECOND = 10  # failures, and as many on top at once
SECONDS = float(os.environ.get("VAULTFS_STORM_SECONDS", "10" if long() else "2"))  # of each storm


def budget(seconds, more=0):
    """The most failing requests that may reach a server in that time."""
    return PER_SECOND * (seconds + 1) + more


def secret(fields, version=1):
    return {"data": {"data": fields, "metadata": {
        "version": version, "created_time": "2026-01-01T00:00:00Z", "deletion_time": "",
        "destroyed": False, "custom_metadata": None}}}


def storm(seconds, action, threads=8, enough=lambda: True):
    """Calls action(i), i = 0, 1, ..., from several threads, for so many seconds and until it is enough,
    which a busy machine is given a minute for; how often in all, and how each ended."""
    outcomes, counts = {}, [0] * threads
    end = time.monotonic() + seconds
    lock = threading.Lock()

    def run(n):
        mine = {}
        i = n
        while time.monotonic() < end or (not enough() and time.monotonic() < end + 60):
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


def assert_short_log(m, since):
    """Of each kind of failure there are twenty lines a second, and there are a few kinds."""
    lines = len(m.log().splitlines())
    assert lines < 100 * (time.monotonic() - since + 1), f"the storm is in the log: {lines} lines"


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


@test(seconds=400)
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
    begun_all = time.monotonic()
    m = t.mount("negative_ttl=100ms", "ttl=1s", token=token)
    m.expect("EAGAIN")
    assert m.errno_of(open, m / "theirs/s1/x") == "EACCES"
    reads, wrong = [], []
    stop = threading.Event()

    def read_mine():
        i = 0
        while not stop.is_set():
            try:
                good = m.read(f"mine/s{i % 20}/x") == str(i % 20).encode()
            except OSError as e:
                good = False
                wrong.append(e)
            reads.append(good)
            i += 1

    reader = threading.Thread(target=read_mine)
    reader.start()
    try:
        for what, name in (("many secrets", lambda i: f"theirs/s{i % 200}/x"),
                           ("one secret", lambda i: "theirs/s1/x"),
                           ("many folders", lambda i: f"folders/f{i % 200}/s/x")):
            mark = t.server.audit_mark()
            begun, before = time.monotonic(), len(reads)
            count, outcomes = storm(SECONDS, lambda i: m.errno_of(open, m / name(i)),
                                    enough=lambda: len(reads) > before + 20)
            took = time.monotonic() - begun
            asked = [r for r in t.server.requests_since(mark)
                     if r[1].startswith("secret/data/") and "/mine/" not in r[1]]
            t.note(f"{what}: {count / took:.0f} reads a second, {outcomes}; {len(asked)} requests in "
                   f"{took:.1f} s; {(len(reads) - before) / took:.0f} good reads a second")
            assert set(outcomes) <= {"EACCES", "EAGAIN"} and "EACCES" in outcomes, outcomes
            assert len(asked) <= budget(took), asked[-20:]
            assert len(reads) > before + 20
    finally:
        stop.set()
        reader.join()
    assert all(reads), wrong[:5]
    # One after the other they wait for their turn, and get their own error. Fetches that the storm began may wait
    # in front of them until their deadline, which is 10 s.
    time.sleep(11)
    outcomes = [m.errno_of(open, m / f"theirs/s{i}/x") for i in range(30)]
    assert outcomes == ["EACCES"] * 30, outcomes
    assert_short_log(m, begun_all)


@test(seconds=400)
def a_policy_is_taken_away(t):
    "eight hundred secrets that were read, and from then on are refused, make few requests"
    for i in range(8):
        t.server.fill(f"{t.folder}/f{i}", 100)
    t.put("mine/s", {"f": "1"})
    mine = {f"secret/data/{t.path('mine')}/*": ["read"], f"secret/metadata/{t.folder}/*": ["list"]}
    t.server.policy("taken", {f"secret/data/{t.folder}/*": ["read"], **mine})
    m = t.mount("negative_ttl=100ms", "ttl=1s", "watch=0", token=t.server.make_token(policies=["taken"]))
    m.expect("EAGAIN")
    name = lambda i: f"f{i % 8}/s{i // 8 % 100}/f"
    for i in range(800):
        m.read(name(i))
    m.read("mine/s/f")
    time.sleep(1.2)
    t.server.policy("taken", mine)
    mark, begun = t.server.audit_mark(), time.monotonic()
    count, outcomes = storm(SECONDS, lambda i: m.errno_of(open, m / name(i)), threads=16)
    took = time.monotonic() - begun
    asked = [r for r in t.server.requests_since(mark) if r[1].startswith("secret/data/")]
    t.note(f"{count / took:.0f} reads a second, {outcomes}; {len(asked)} requests in {took:.1f} s")
    assert len(asked) <= budget(took, 16), len(asked)
    assert "EACCES" in outcomes, outcomes
    until_it_works(lambda: m.read("mine/s/f"))


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
    """A storm on a server that does not serve, in which it is found out, and one when that is known;
    `asked()` is how often it was."""
    for when, seconds in (("at first", seconds), ("then", SECONDS)):
        before, begun = asked(), time.monotonic()
        count, outcomes = storm(seconds, lambda i: m.errno_of(open, m / f"s{i % 500}/x"))
        took = time.monotonic() - begun
        reached = asked() - before
        t.note(f"{what}, {when}: {count / took:.0f} reads a second, {outcomes}; {reached} requests in "
               f"{took:.1f} s")
        assert set(outcomes) == {cause}, outcomes
        assert reached <= budget(took), reached
        assert count > 2 * reached


@test(seconds=240)
def server_away(t):
    "thousands of reads while the server is away make few requests, and it is back at once when it is"
    for i in range(500):
        t.put(f"s{i}", {"x": "1"})
    proxy = Proxy(t.server)
    begun_all = time.monotonic()
    m = t.mount("ttl=0", "max_stale=0", "timeout=4s",
                env={"VAULT_ADDR": proxy.address, "VAULT_TOKEN": t.server.token})
    m.expect("EHOSTUNREACH|ETIMEDOUT|left out")
    os.listdir(m.path)
    work = lambda: m.read("s1/x")
    work()
    # It takes requests and drops them.
    proxy.fate = lambda method, path: LOSE_REQUEST
    away(t, m, proxy, "dropped", "EHOSTUNREACH", 4, lambda: len(proxy.requests))
    proxy.fate = lambda method, path: "pass"
    t.note(f"well again after {until_it_works(work):.2f} s")
    # There is none.
    proxy.refuse()
    closed = Closed(proxy.port)
    away(t, m, proxy, "closed", "EHOSTUNREACH", 4, lambda: closed.count)
    closed.close()
    proxy.listen()
    t.note(f"well again after {until_it_works(work):.2f} s")
    # It hangs.
    proxy.fate = lambda method, path: HANG
    away(t, m, proxy, "hung", "ETIMEDOUT", 5, lambda: len(proxy.requests))
    proxy.release()
    t.note(f"well again after {until_it_works(work):.2f} s")
    m.write("s1/x", "2")
    proxy.close()
    assert_short_log(m, begun_all)


@test(products=("bao",), seconds=120)
def found_by_the_daemon(t):
    "the daemon itself finds out that a server is back: no call is sacrificed, and those that come at once wait"
    for i in range(8):
        t.put(f"s{i}", {"x": "1"})
    proxy = Proxy(t.server)
    m = t.mount("timeout=3s", "watch=1s",
                env={"VAULT_ADDR": proxy.address, "VAULT_TOKEN": t.server.token})
    m.expect("ETIMEDOUT|EHOSTUNREACH|is spared")
    for i in range(8):
        m.read(f"s{i}/x")
    t.server.hang()
    begun, before = time.monotonic(), len(proxy.requests)
    assert m.errno_of(open, m / "s0/x", "w") == "ETIMEDOUT"
    time.sleep(2)
    looks = [r for r in proxy.requests[before:] if r[1] == "sys/health"]
    assert looks and len(looks) <= time.monotonic() - begun + 3, len(looks)
    t.server.resume()
    time.sleep(3)
    outcomes = []
    writers = [threading.Thread(target=lambda i=i: outcomes.append(m.errno_of(m.write, f"s{i}/x", "2")))
               for i in range(8)]
    for w in writers:
        w.start()
    for w in writers:
        w.join()
    assert outcomes == [""] * 8, outcomes
    assert m.read(".vault/errors").count(b"\n") >= 1
    proxy.close()


class Scripted(FakeVault):
    """A fake that answers what `answers` has for a secret's name, and a good secret else. Values are
    bytes; or functions that are given the connection, and end it."""

    def __init__(self, answers):
        self.answers = answers
        self.counts = {}
        super().__init__(self.decide)

    def decide(self, method, path, body):
        name = path.split("?")[0].rsplit("/", 1)[-1]
        if not path.startswith("/v1/secret/"):
            return reply(404, {"errors": []})
        if method == "LIST":
            return reply(200, {"data": {"keys": list(self.answers) + ["good"]}})
        self.counts[method, name] = self.counts.get((method, name), 0) + 1
        answer = self.answers.get(name)
        if isinstance(answer, dict):
            answer = answer.get(method)
        if answer is None:
            if method != "GET":
                return reply(200, {"data": {"version": 2, "created_time": "2026-01-01T00:00:00Z"}})
            return reply(200, secret({"x": "1"}))
        return answer(self.connection()) if callable(answer) else answer

    def connection(self):
        """The newest: each test has one at a time."""
        return self.connections[-1]

    def env(self):
        return {"VAULT_ADDR": self.address, "VAULT_TOKEN": "x"}


WHOLE = reply(200, secret({"x": "1"}))


def reset_before(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def reset_within(connection):
    connection.sendall(WHOLE[:-10])
    time.sleep(0.1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def closed_within(connection):
    connection.sendall(WHOLE[:-10])
    time.sleep(0.1)
    connection.shutdown(socket.SHUT_RDWR)


def half_closed(connection):
    connection.shutdown(socket.SHUT_WR)
    time.sleep(30)


def half_sent(connection):
    connection.sendall(WHOLE[:-10])
    time.sleep(30)


@test(products=(), seconds=120)
def broken_connections(t):
    "connections that are reset, closed or stall are EHOSTUNREACH or ETIMEDOUT, in time"
    answers = {"before": reset_before, "within": reset_within, "half": half_closed, "cut": closed_within,
               "stalls": half_sent, "silent": lambda connection: time.sleep(30)}
    expected = {"before": "EHOSTUNREACH", "within": "EHOSTUNREACH", "half": "EHOSTUNREACH",
                "cut": "EHOSTUNREACH", "stalls": "ETIMEDOUT", "silent": "ETIMEDOUT"}
    fake = Scripted(answers)
    m = t.mount("timeout=3s", "max_retries=0", "ttl=0", "max_stale=0", source="/secret",
                env=fake.env())
    m.expect("EHOSTUNREACH|ETIMEDOUT|EIO|is spared")
    os.listdir(m.path)
    for name, cause in expected.items():
        begun = time.monotonic()
        assert m.errno_of(open, m / f"{name}/x") == cause, name
        t.note(f"{name}: {cause} after {time.monotonic() - begun:.2f} s")
        until_it_works(lambda: m.read("good/x"))
    # With retries the first two are got over, where they are for once.
    once = {}

    def first_time(name):
        def answer(connection):
            once[name] = once.get(name, 0) + 1
            return answers[name](connection) if once[name] == 1 else WHOLE
        return answer

    fake.answers = {name: first_time(name) for name in ("before", "within", "half", "cut")}
    m = t.mount("timeout=10s", source="/secret", env=fake.env())
    for name in fake.answers:
        assert m.read(f"{name}/x") == b"1", name
    fake.close()


@test(products=(), seconds=120)
def permanent_and_passing(t):
    "of 5xx, what can never be is an errno of its own at once, and the rest is tried again where that is safe"
    permanent = {
        "string": ("JSON string value exceeds allowed length", "EFBIG"),
        "entry": ("put failed due to value being too large", "EFBIG"),
        "key": ("put failed due to key being too large", "ENAMETOOLONG"),
        "members": ("JSON object exceeds allowed entry count", "E2BIG"),
        "elements": ("JSON array exceeds allowed element count", "E2BIG"),
        "depth": ("JSON input exceeds allowed nesting depth", "E2BIG"),
        "tokens": ("JSON payload exceeds allowed token count", "E2BIG"),
        "twice": ("duplicate key 'x' in object", "EINVAL")}
    answers = {name: {"POST": reply(500, {"errors": [words]}), "PATCH": reply(500, {"errors": [words]})}
               for name, (words, _) in permanent.items()}
    gateway = {f"g{status}": reply(status, b"<html>Bad</html>") for status in (500, 502, 503, 504)}
    fake = Scripted({**answers, **gateway})
    uncached = ("timeout=8s", "ttl=0", "max_stale=0")
    m = t.mount(*uncached, source="/secret", env=fake.env())
    m.expect("E2BIG|EFBIG|ENAMETOOLONG|EINVAL|EIO|is spared")
    os.listdir(m.path)
    for name, (_, cause) in permanent.items():
        f = open(m / f"{name}/x", "wb")
        f.write(b"new")
        assert m.errno_of(f.close) == cause, name
        sent = [n for (method, of), n in fake.counts.items() if of == name and method != "GET"]
        assert sent == [1], (name, fake.counts)
    for name in gateway:
        until_it_works(lambda: m.read("good/x"))
        assert m.errno_of(open, m / f"{name}/x") == "EIO", name
        assert fake.counts["GET", name] == 3, (name, fake.counts)
    # A write: 503 says that nothing was done, and is tried again; 500, 502 and 504 leave it open.
    fake.answers = {name: {"POST": answer, "PATCH": answer} for name, answer in gateway.items()}
    n = t.mount(*uncached, source="/secret", env=fake.env())
    n.expect("EIO|is spared")
    for name in gateway:
        until_it_works(lambda: n.read("good/x"))
        time.sleep(3.1)  # until the breaker lets changes through too
        fake.counts.clear()
        f = open(n / f"{name}/x", "wb")
        f.write(b"new")
        assert n.errno_of(f.close) == "EIO", name
        sent = sum(k for (method, of), k in fake.counts.items() if of == name and method != "GET")
        # Less than three where the breaker, with what failed before, opens meanwhile.
        assert sent in ((2, 3) if name == "g503" else (1,)), (name, fake.counts)
    fake.close()


@test(products=(), seconds=120)
def retry_after(t):
    "an engine that answers 429 with Retry-After is left alone for as long; past the deadline it is EAGAIN"
    until, refused = [0], [0]

    def limited(connection):
        left = until[0] - time.monotonic()
        refused[0] += left > 0
        return WHOLE if left <= 0 else reply(429, {"errors": ["limited"]},
                                             [f"Retry-After: {int(left) + 1}"])

    fake = Scripted({"limited": limited})
    m = t.mount("timeout=2s", "watch=0", source="/secret", env=fake.env())
    m.expect("EAGAIN")
    os.listdir(m.path)
    assert m.read("limited/x") == b"1"
    n = t.mount("timeout=2s", "watch=0", "ttl=0", "max_stale=0", source="/secret", env=fake.env())
    n.expect("EAGAIN", "ETIMEDOUT") # what is asked for at the very end of its time
    assert n.read("limited/x") == b"1"
    fake.counts.clear()
    begun = time.monotonic()
    until[0] = begun + 8
    count, outcomes = storm(4, lambda i: n.errno_of(open, n / "limited/x"))
    assert set(outcomes) == {"EAGAIN"} and count > 100, outcomes
    assert fake.counts == {("GET", "limited"): 1}, fake.counts
    took = until_it_works(lambda: n.read("limited/x"))
    t.note(f"{count} reads were one request; well again {time.monotonic() - until[0]:.1f} s after "
           "the time was over")
    # Who has the time waits, and gets it.
    patient = t.mount("timeout=20s", "ttl=0", source="/secret", env=fake.env())
    until[0], refused[0] = time.monotonic() + 2, 0
    assert patient.read("limited/x") == b"1"
    assert time.monotonic() >= until[0] and refused[0] == 1, refused
    fake.close()


@test(seconds=400)
def quota(t):
    "a real server's rate limit that tells Retry-After is waited for"
    for i in range(3):
        t.put(f"s{i}", {"x": "1"})
    m = t.mount("timeout=120s", "watch=0")
    m.expect("EAGAIN")
    os.listdir(m.path)
    t.server.api("POST", "sys/quotas/config", {"enable_rate_limit_response_headers": True})
    t.server.api("POST", "sys/quotas/rate-limit/tight",
                 {"rate": 1, "interval": "3s", "path": "secret/"})
    mark = t.server.audit_mark()
    try:
        begun = time.monotonic()
        for i in range(3):
            assert m.read(f"s{i}/x") == b"1"
        took = time.monotonic() - begun
    finally:
        t.server.api("DELETE", "sys/quotas/rate-limit/tight")
        t.server.api("POST", "sys/quotas/config", {"enable_rate_limit_response_headers": False})
    t.note(f"three reads took {took:.1f} s; {len(t.server.requests_since(mark, 'secret/'))} requests")
    assert took > 2


@test(seconds=150)
def stale_and_fresh_again(t):
    "after an outage what was served stale is asked for again within seconds"
    for i in range(5):
        t.put(f"s{i}", {"x": "old"})
    proxy = Proxy(t.server)
    m = t.mount("ttl=100ms", "timeout=3s",
                env={"VAULT_ADDR": proxy.address, "VAULT_TOKEN": t.server.token})
    m.expect("EHOSTUNREACH|is spared")
    read_all = lambda: {m.read(f"s{i}/x") for i in range(5)}
    assert read_all() == {b"old"}
    proxy.refuse()
    end = time.monotonic() + 15
    while time.monotonic() < end:
        assert read_all() == {b"old"}
        time.sleep(0.1)
    for i in range(5):
        t.put(f"s{i}", {"x": "new"})
    proxy.listen()
    begun = time.monotonic()
    while read_all() != {b"new"}:
        assert time.monotonic() < begun + 30
        time.sleep(0.05)
    t.note(f"all fresh again after {time.monotonic() - begun:.1f} s")
    proxy.close()


@test(seconds=120)
def sealed_and_unsealed(t):
    "while the server is sealed what was read is served and writing is EIO, with few requests; then it works"
    for i in range(50):
        t.put(f"s{i}", {"x": "1"})
    proxy = Proxy(t.server)
    env = {"VAULT_ADDR": proxy.address, "VAULT_TOKEN": t.server.token}
    m = t.mount("ttl=200ms", env=env)
    m.expect("sealed|EIO|is spared")
    os.listdir(m.path)
    assert m.read("s0/x") == b"1"
    key = t.server.unseal_key()
    t.server.api("PUT", "sys/seal")
    proxy.requests.clear()
    begun = time.monotonic()
    kinds = (lambda i: m.errno_of(m.read, "s0/x"),                       # was read
             lambda i: m.errno_of(open, m / f"s{1 + i % 49}/x"),         # was not
             lambda i: m.errno_of(lambda: open(m / "s0/x", "r+b").close()))  # is to be written
    count, outcomes = storm(6, lambda i: (i % 3, kinds[i % 3](i)))
    took = time.monotonic() - begun
    t.note(f"{count / took:.0f} a second: {outcomes}; {len(proxy.requests)} requests in {took:.1f} s")
    assert set(outcomes) <= {(0, ""), (1, "EIO"), (2, "EIO")}, outcomes
    assert len(proxy.requests) <= budget(took)
    t.server.api("PUT", "sys/unseal", {"key": key})
    t.note(f"well again after {until_it_works(lambda: m.write('s0/x', '2')):.2f} s")
    assert m.read("s1/x") == b"1" and t.get("s0") == {"x": "2"}
    proxy.close()


CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
/* The wall clock, by as many seconds ahead as the file named by CLOCK has bytes. */
static time_t ahead(void)
{
    struct stat st;
    return stat(getenv("CLOCK"), &st) == 0 ? st.st_size : 0;
}
int clock_gettime(clockid_t id, struct timespec *t)
{
    static int (*real)(clockid_t, struct timespec *);
    int r;
    if (!real)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    r = real(id, t);
    if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)
        t->tv_sec += ahead();
    return r;
}
time_t time(time_t *to)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return to ? *to = t.tv_sec : t.tv_sec;
}
int gettimeofday(struct timeval *to, void *zone)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    to->tv_sec = t.tv_sec;
    to->tv_usec = t.tv_nsec / 1000;
    return 0;
}
"""


@test(seconds=120, needs=("cc",))
def the_clock_jumps(t):
    "a wall clock that jumps by years and back ends no token, no freshness and no wait"
    if sanitized():
        skip("a sanitizer does not stand another library before it")
    with open(f"{t.root}/clock.c", "w") as f:
        f.write(CLOCK)
    t.run("cc", "-shared", "-fPIC", "-o", f"{t.root}/clock.so", f"{t.root}/clock.c", "-ldl")
    ahead = f"{t.root}/ahead"
    open(ahead, "w").close()
    t.put("s", {"x": "1"})
    t.put("cold", {"x": "1"})
    token = t.server.make_token(policies=["root"], ttl="1h", renewable=True)
    m = t.mount("ttl=1h", env={"VAULT_ADDR": t.server.address, "VAULT_TOKEN": token,
                               "LD_PRELOAD": f"{t.root}/clock.so", "CLOCK": ahead})
    assert m.read("s/x") == b"1"
    mark = t.server.audit_mark()
    for years in (10, 0, 30, 1, 0):
        os.truncate(ahead, years * 365 * 86400)
        for _ in range(20):
            assert m.read("s/x") == b"1"
        time.sleep(0.3)
    asked = [r for r in t.server.requests_since(mark) if r[1].startswith(("secret/", "auth/"))]
    assert asked == [], asked
    os.truncate(ahead, 20 * 365 * 86400)
    assert m.read("cold/x") == b"1"
    m.write("s/x", "2")
    t.server.hang()
    try:
        waiting = t.spawn("cat", m / "nothing/x", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(0.5)
        os.truncate(ahead, 0)
        time.sleep(0.5)
        assert waiting.poll() is None, "the wait is over"
    finally:
        t.server.resume()
    waiting.wait(20)
    assert b"No such file" in waiting.stderr.read()
    assert m.log().count("logged in") == 1 and t.get("s") == {"x": "2"}


@test(needs=("unshare",), seconds=120)
def the_name_is_gone(t):
    "a server's name that cannot be looked up any more is EHOSTUNREACH, and is found again where it moved to"
    if os.geteuid() != 0:
        skip("only root may have another /etc/hosts")
    t.put("s", {"x": "1"})
    t.put("cold", {"x": "2"})
    hosts, mountpoint = f"{t.root}/hosts", f"{t.root}/mnt"
    os.mkdir(mountpoint)

    def resolve(line):
        with open(hosts, "w") as f:
            f.write(line)

    proxy = Proxy(t.server)
    name = f"vault-{os.getpid()}.invalid"
    resolve(f"127.0.0.1 {name}\n")
    daemon = t.spawn(
        *in_namespace('mount --bind "$0" /etc/hosts && exec "$@"', hosts, VAULTFS, "mount", "-f", "-o",
                      "ttl=100ms,max_stale=0,timeout=5s,max_retries=0", f"secret/{t.folder}", mountpoint),
        stderr=open(f"{t.root}/log", "wb"),
        env=clean_environment(VAULT_ADDR=f"http://{name}:{proxy.port}", VAULT_TOKEN=t.server.token,
                              HOME=t.root))
    inside = f"/proc/{daemon.pid}/root{mountpoint}"

    def read(field):
        with open(f"{inside}/{field}") as f:
            return f.read()

    until_it_works(lambda: read("s/x"))
    resolve("")
    proxy.refuse()  # what is connected stays so
    end = time.monotonic() + 30
    while True:
        try:
            read("cold/x")
        except OSError as e:
            if "could not resolve" in open(f"{t.root}/log").read().lower():
                assert os.strerror(e.errno) == "No route to host"
                break
        assert time.monotonic() < end, "it is found still"
        time.sleep(0.1)
    proxy.listen()
    resolve(f"127.0.0.1 {name}\n")
    t.note(f"well again after {until_it_works(lambda: read('cold/x')):.2f} s")
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(20) == 0
    proxy.close()


main()
