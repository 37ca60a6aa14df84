#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Servers that answer reads from a copy: one that lags behind the leader, and one that was restored from
a snapshot. A mount knows what it wrote and saw, and which of the two it is.

VAULTFS_LONG=1 also runs a real cluster, mounted through a standby alone."""

import contextlib
import json
import os
import subprocess
import time

from harness import main, skip, test
from proxy import Lost, Proxy, read_message
from raft import Cluster
from server import find_bao

ABSENT = b'HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{"errors":[]}\n'


class Copy(Proxy):
    """While it is `frozen`, what it has read before is answered again, and all else is not there; a
    check-and-set that does not fit that is refused. Changes go to the server. `leader`: whom it names,
    "" nobody, None: it says that it is alone. `loses` the answer to the next change."""

    def __init__(self, server):
        self.memory = {}
        self.frozen = False
        self.leader = None
        self.loses = False
        super().__init__(server)

    def exchange(self, client, server, asked, answered):
        first, request = read_message(asked)
        method, target = first.decode().split()[:2]
        path = target.removeprefix("/v1/").split("?")[0]
        self.requests.append((method, path))
        if path == "sys/leader":
            said = {"ha_enabled": self.leader is not None}
            if self.leader:
                said["leader_address"] = self.leader
            return client.sendall(self.answer(200, said))
        if self.frozen and path.startswith("secret/"):
            if method in ("GET", "LIST"):
                return client.sendall(self.memory.get((method, target), ABSENT))
            if method == "POST" and self.refuses(path, request):
                return client.sendall(self.answer(400, {"errors": [
                    "check-and-set parameter did not match the current version"]}))
        server.sendall(request)
        _, answer = read_message(answered)
        if method in ("POST", "PATCH") and self.loses:
            self.loses = False
            raise Lost
        if method in ("GET", "LIST"):
            self.memory[method, target] = answer
        client.sendall(answer)

    def refuses(self, path, request):
        cas = json.loads(request.split(b"\r\n\r\n", 1)[1]).get("options", {}).get("cas")
        known = self.memory.get(("GET", "/v1/" + path), ABSENT).split(b"\r\n\r\n", 1)[1]
        latest = ((json.loads(known).get("data") or {}).get("metadata") or {}).get("version", 0)
        return cas is not None and cas != latest

    @staticmethod
    def answer(status, body):
        body = json.dumps(body).encode()
        return (f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n").encode() + body


@contextlib.contextmanager
def copied(t, *options):
    proxy = Copy(t.server)
    try:
        m = t.mount(*options, env={"VAULT_ADDR": proxy.address, "VAULT_TOKEN": t.server.token})
        m.expect("")
        yield proxy, m
        m.end()
    finally:
        proxy.close()


def refresh(m):
    """All that it has read is forgotten."""
    m.write(".vault/refresh", b"x")


def append(m, name, text):
    with open(m / name, "ab") as f:
        f.write(text)


def work(m, rounds):
    """What a person does, each step looking at the one before."""
    for i in range(rounds):
        m.write("s/f", b"%d" % i)
        append(m, "s/f", b"+")
        assert m.read("s/f") == b"%d+" % i
        m.write("s/new", b"x")
        os.unlink(m / "s/new")
        assert "new" not in os.listdir(m / "s")
        os.mkdir(m / f"t{i}")
        m.write(f"t{i}/a", b"1")
        m.write(f"t{i}/b", b"2")
        refresh(m)
        assert m.read("s/f") == b"%d+" % i
        assert not os.path.exists(m / "s/new")
        assert f"t{i}" in os.listdir(m.path), os.listdir(m.path)
        assert sorted(os.listdir(m / f"t{i}")) == ["a", "b"]
        subprocess.run(["rm", "-r", m / f"t{i}"], check=True)
        refresh(m)
        assert not os.path.exists(m / f"t{i}/a")


@test(products=("vault", "bao"))
def a_standby_that_lags(t):
    "behind a server that lags, what was written is read, listed, appended to and removed: the leader knows it"
    t.put("s", {"f": "old", "keep": "1"})
    with copied(t) as (proxy, m):
        assert m.read("s/f") == b"old"
        os.listdir(m.path)
        proxy.leader, proxy.frozen = t.server.address, True
        work(m, 2)
        assert t.get("s") == {"f": "1+", "keep": "1"}
        # A change that another made: who has not seen it is refused, and then sees it.
        t.put("s", {"f": "theirs", "keep": "1"})
        refresh(m)
        assert m.read("s/f") in (b"1+", b"theirs")
        with open(m / "s/keep", "w") as f:
            f.write("2")
        assert t.get("s") == {"f": "theirs", "keep": "2"}


@test(products=("vault", "bao"))
def a_lag_without_a_leader(t):
    "where no leader can be asked, a short lag is waited for, and in a long one nothing old is shown or built on"
    t.put("s", {"f": "old"})
    with copied(t, "timeout=4s") as (proxy, m):
        assert m.read("s/f") == b"old"
        proxy.leader, proxy.frozen = "", True
        m.write("s/f", b"new")
        refresh(m)
        assert m.errno_of(append, m, "s/f", b"+") == "EIO"
        assert t.get("s") == {"f": "new"}
        reader = t.spawn("cat", m / "s/f", stdout=subprocess.PIPE)
        time.sleep(0.3)
        proxy.frozen = False
        assert reader.communicate()[0] == b"new"
        append(m, "s/f", b"+")
        assert t.get("s") == {"f": "new+"}


@test(products=("vault", "bao"))
def a_lost_answer_behind_a_lag(t):
    "an answer that was lost is not settled by what a server that lags says"
    t.put("s", {"f": "old"})
    with copied(t, "timeout=4s") as (proxy, m):
        assert m.read("s/f") == b"old"
        proxy.leader = ""
        m.write("s/f", b"mine")  # it is not known yet that there is a leader elsewhere
        proxy.leader, proxy.frozen, proxy.loses = t.server.address, True, True
        m.write("s/f", b"new")
        assert not proxy.loses
        assert t.get("s") == {"f": "new"} and t.version("s") == 3


@test(products=("vault", "bao"))
def a_server_that_was_restored(t):
    "versions that go backwards are shown within the ttl, with a warning; they are written on, and mtime grows"
    t.put("s", {"f": "v1"})
    t.put("s", {"f": "v2"})
    with copied(t, "watch=500ms", "ttl=2s") as (proxy, m):
        assert m.read("s/f") == b"v2"
        m.read("s/.vault/metadata.json")
        for n in (3, 4):
            t.put("s", {"f": f"v{n}"})
        limit = time.monotonic() + 20
        proxy_memory = dict(proxy.memory)
        while m.read("s/f") != b"v4":
            assert time.monotonic() < limit
            time.sleep(0.1)
        before = os.stat(m / "s/f").st_mtime_ns
        proxy.memory = proxy_memory
        proxy.frozen = True
        begun, count = time.monotonic(), len(proxy.requests)
        while m.read("s/f") != b"v2":
            assert time.monotonic() < limit + 20
            time.sleep(0.1)
        t.note(f"shown after {time.monotonic() - begun:.1f} s and {len(proxy.requests) - count} requests")
        assert os.stat(m / "s/f").st_mtime_ns > before
        assert os.getxattr(m / "s/f", "user.vault.version") == b"2"
        m.wait_log("went back to an earlier version")
        # It stays, and is asked for no more often than before.
        count = len(proxy.requests)
        time.sleep(1)
        assert m.read("s/f") == b"v2"
        assert len(proxy.requests) - count < 12


@test(products=("vault", "bao"))
def a_secret_made_anew(t):
    "a secret that was removed with all versions and made anew is shown, and written on"
    for n in range(4):
        t.put("s", {"f": f"old{n}"})
    m = t.mount("watch=500ms", "ttl=2s")
    m.expect("went back to an earlier version", "fetch failed")
    assert m.read("s/f") == b"old3"
    t.server.purge(t.path("s"))
    t.put("s", {"f": "new"})
    limit = time.monotonic() + 20
    while m.read("s/f") != b"new":
        assert time.monotonic() < limit
        time.sleep(0.1)
    append(m, "s/f", b"+")
    assert t.get("s") == {"f": "new+"} and t.version("s") == 2


@test(products=(), seconds=300)
def a_cluster_by_a_standby(t):
    "a mount through a standby alone reads what it wrote, a hundred times"
    if not os.environ.get("VAULTFS_LONG"):
        skip("VAULTFS_LONG is not set: three servers take half a minute to form a cluster")
    if not find_bao():
        skip("no bao on PATH and none in $BAO")
    cluster = Cluster(f"{t.root}/cluster")
    try:
        standby = next(n for n in cluster.nodes if n is not cluster.leader())
        for redirects in (None, "1"):
            env = {"VAULT_ADDR": standby.address, "VAULT_TOKEN": cluster.token}
            if redirects:
                env["VAULT_DISABLE_REDIRECTS"] = redirects
            m = t.mount(source="/secret/app", env=env)
            m.expect("fetch failed")
            os.makedirs(m / "s", exist_ok=True)
            begun = time.monotonic()
            work(m, 50)
            t.note(f"50 rounds in {time.monotonic() - begun:.1f} s")
            m.end()
    finally:
        cluster.stop()


main()
