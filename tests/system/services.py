#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Servers that are found by SRV records of DNS."""

import subprocess
import time

from dns import ADDRESS, Dns
from harness import main, skip, test
from mount import VAULTFS, clean_environment
from server import free_port


def get(t, address, status=0, **more):
    words = Dns.under(t, VAULTFS, "get", "-f", "x", "-o", "timeout=5s,max_retries=0",
                      f"secret/{t.path('db')}")
    done = subprocess.run(words, capture_output=True, timeout=60, check=False,
                          env=clean_environment(VAULT_ADDR=address, VAULT_TOKEN=t.server.token,
                                                HOME=t.root, **more))
    if b"unshare" in done.stderr or b"mount:" in done.stderr:
        skip(done.stderr.decode())
    assert done.returncode == status, (done.returncode, done.stderr)
    return done.stdout if status == 0 else done.stderr.decode()


SERVICE = ("_http._tcp.cluster.test", "SRV")


@test(needs=("unshare",))
def srv(t):
    "an address without a port is looked up as a service, where that is asked for; one with a port never is"
    t.put("db", {"x": "found"})
    port = t.server.port
    dns = Dns({SERVICE: [(20, 0, free_port(), "far.test"), (10, 5, port, "near.test"),
                         (10, 0, port, "near.test")],
               ("near.test", "A"): ["127.0.0.1"], ("far.test", "A"): ["127.0.0.1"],
               ("cluster.test", "A"): ["127.0.0.1"], ("plain.test", "A"): ["127.0.0.1"]})
    try:
        on = {"VAULT_SRV_LOOKUP": "true"}
        assert get(t, "http://cluster.test", **on) == b"found"
        assert SERVICE in dns.asked and ("near.test", "A") in dns.asked
        assert ("far.test", "A") not in dns.asked, "it is of a lesser priority"
        looked_up = [a for a in dns.asked if a == SERVICE]
        assert len(looked_up) == 1, "an answer is kept for some seconds"
        assert get(t, "http://cluster.test", BAO_SRV_LOOKUP="1") == b"found"

        # A port, no option, no record: the address is what it is.
        dns.asked.clear()
        assert get(t, f"http://cluster.test:{port}", **on) == b"found"
        assert SERVICE not in dns.asked
        for address, more in (("http://cluster.test", {}), ("http://plain.test", on)):
            err = get(t, address, status=2, **more)
            assert address in err, err
        assert SERVICE not in dns.asked and ("_http._tcp.plain.test", "SRV") in dns.asked

        # A target that is not there, and one that says that there is no service.
        dns.records[SERVICE] = [(1, 1, port, "nowhere.test")]
        get(t, "http://cluster.test", status=2, **on)
        dns.records[SERVICE] = [(0, 0, 0, "")]
        get(t, "http://cluster.test", status=2, **on)
    finally:
        dns.close()


class Silent(Dns):
    def answer(self, query):
        raise ValueError("it answers nothing")


@test(products=("vault",), needs=("unshare",))
def no_answer_from_dns(t):
    "a DNS server that does not answer costs a request no more than its deadline"
    t.put("db", {"x": "1"})
    with open(f"{t.root}/resolv.conf", "w") as f:
        f.write(f"nameserver {ADDRESS}\noptions timeout:10 attempts:2\n")
    dns = Silent({})
    try:
        begun = time.monotonic()
        get(t, f"http://silent.test:{t.server.port}", status=2)
        took = time.monotonic() - begun
        t.note(f"{took:.1f} s")
        assert 4 < took < 9
    finally:
        dns.close()


main()
