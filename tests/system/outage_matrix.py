#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every kind of outage, each in front of a mount of its own, all at once: how long what is cached takes to
be read, what the server hears of it, and how soon all is well again. VAULTFS_LONG=1 makes each last 15 s."""

import os
import statistics
import threading
import time

from fake_vault import reply
from harness import main, test
from proxy import HANG, LOSE_REQUEST, PASS, RESET, Proxy

LONG = os.environ.get("VAULTFS_LONG")
SECONDS = 15 if LONG else 2
SECRETS = 3
TTL = 1
# Bounds that only what hangs, or is not bounded at all, goes beyond; the goals are far below.
MEDIAN, SLOWEST, RECOVERY, PER_SECOND = 0.2, 8, 20, 40


def answer(status, *headers, body=b'{"errors":["injected"]}'):
    return lambda proxy: set_fate(proxy, reply(status, body, headers))


def set_fate(proxy, fate):
    proxy.fate = lambda method, path: fate


def flap(proxy):
    """Well and away in turn, for a third of a second each."""
    page = reply(503, {"errors": ["injected"]})
    proxy.fate = lambda method, path: page if time.monotonic() % 0.6 < 0.3 else PASS


OUTAGES = {
    "refused": lambda proxy: proxy.refuse(),
    "reset": lambda proxy: set_fate(proxy, RESET),
    "closed": lambda proxy: set_fate(proxy, LOSE_REQUEST),
    "swallowed": lambda proxy: proxy.swallow(True),
    "hung": lambda proxy: set_fate(proxy, HANG),
    "500": answer(500),
    "502": answer(502, body=b"<html>Bad Gateway</html>"),
    "503": answer(503),
    "429": answer(429),
    "429 Retry-After": answer(429, "Retry-After: 1"),
    "200 nonsense": answer(200, body=b"<html>Welcome</html>"),
    "200 empty JSON": answer(200, body=b"{}"),
    "404 gateway": answer(404, body=b"<html>404 Not Found</html>"),
    "403 firewall": answer(403, body=b"<html>Blocked</html>"),
    "flapping": flap,
}


def end_outage(what, proxy):
    if what == "refused":
        proxy.listen()
    proxy.swallow(False)
    proxy.release()


class Trial:
    """One kind of outage, in a thread of its own."""

    def __init__(self, t, number, what):
        self.t, self.number, self.what = t, number, what
        self.proxy = Proxy(t.server)
        self.m = t.mount(f"ttl={TTL}s", "watch=1s", "timeout=4s", source=f"{number}",
                         env={"VAULT_ADDR": self.proxy.address, "VAULT_TOKEN": t.server.token})
        self.m.expect("EIO|EAGAIN|EHOSTUNREACH|ETIMEDOUT|is spared")
        self.times, self.error = [], None
        self.thread = threading.Thread(target=self.run)

    def run(self):
        try:
            self.measure()
        except Exception as e:
            self.error = e

    def read_all(self):
        for i in range(SECRETS):
            begun = time.monotonic()
            assert self.m.read(f"s{i}/x") == b"1"
            self.times.append(time.monotonic() - begun)

    def measure(self):
        self.read_all()
        self.times.clear()
        OUTAGES[self.what](self.proxy)
        before, begun = len(self.proxy.requests), time.monotonic()
        while time.monotonic() < begun + SECONDS + TTL:
            self.read_all()
            time.sleep(0.01)
        self.took = time.monotonic() - begun
        self.heard = len(self.proxy.requests) - before
        end_outage(self.what, self.proxy)
        ended = time.monotonic()
        while self.m.errno_of(self.m.write, "s0/x", "2") or self.m.errno_of(open, self.m / "cold/x"):
            assert time.monotonic() < ended + RECOVERY, "it does not recover"
            time.sleep(0.02)
        self.recovery = time.monotonic() - ended
        assert self.m.read("s0/x") == b"2"

    def judge(self):
        if self.error:
            raise AssertionError(self.what) from self.error
        times = sorted(self.times)
        # The first that finds it out waits for that.
        self.slowest = times[-2]
        median = statistics.median(times)
        self.t.note(f"{self.what}: {len(times)} reads, median {median * 1000:.2f} ms, slowest "
                    f"{times[-1]:.2f} s, then {times[-2]:.2f} s; {self.heard / self.took:.1f} requests "
                    f"a second; well after {self.recovery:.2f} s")
        assert median < MEDIAN, self.what
        assert self.slowest < SLOWEST, self.what
        assert self.heard <= PER_SECOND * (self.took + 1), self.what


@test(products=("vault", "bao") if LONG else ("bao",), seconds=240)
def matrix(t):
    "in every kind of outage what is cached is read at once, the server hears little, and it is over soon"
    for number in range(len(OUTAGES)):
        for name in [f"s{i}" for i in range(SECRETS)] + ["cold"]:
            t.put(f"{number}/{name}", {"x": "1"})
    trials = [Trial(t, number, what) for number, what in enumerate(OUTAGES)]
    for trial in trials:
        trial.thread.start()
    for trial in trials:
        trial.thread.join()
    for trial in trials:
        trial.judge()
        trial.proxy.close()


main()
