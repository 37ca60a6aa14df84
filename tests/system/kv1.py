#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""KV version 1: the same tree, without versions; what that engine cannot do is EOPNOTSUPP."""

import json
import os
import subprocess
import threading
import time

from harness import main, test
from proxy import LOSE_ANSWER, LOSE_REQUEST, PASS, Proxy
from server import ApiError

ENGINE = "old/flat"
UNSUPPORTED = ("EOPNOTSUPP", "ENOTSUP")  # two names of one number


class Flat:
    """The engine of version 1, and this test's folder of it."""

    def __init__(self, t):
        self.t = t
        if f"{ENGINE}/" not in t.server.api("GET", "sys/mounts")["data"]:
            t.server.api("POST", f"sys/mounts/{ENGINE}", {"type": "kv", "options": {"version": "1"}})

    def path(self, name):
        return f"{ENGINE}/{self.t.path(name)}"

    def put(self, name, fields):
        self.t.server.api("POST", self.path(name), fields)

    def get(self, name):
        try:
            return self.t.server.api("GET", self.path(name))["data"]
        except ApiError as e:
            if e.status == 404:
                return None
            raise

    def delete(self, name):
        self.t.server.api("DELETE", self.path(name))

    def mount(self, *options, source="", **more):
        return self.t.mount(*options, source="/" + self.path(source), **more)


@test()
def reads(t):
    "folders, secrets and fields are the same tree, also in an engine whose name holds a slash"
    e = Flat(t)
    value = t.canary()
    e.put("app/db", {"password": value, "user": "bob", "n": 12, "o": {"b": [1, None], "a": True}})
    e.put("app", {"x": "1"})
    m = e.mount()
    assert os.listdir(m.path) == ["app"]
    assert sorted(os.listdir(m / "app")) == ["db", "x"]
    assert sorted(os.listdir(m / "app/db")) == ["n", "o", "password", "user"]
    assert m.read("app/db/password") == value.encode()
    assert os.stat(m / "app/db/password").st_size == len(value)
    assert [m.read(f"app/db/{n}") for n in "no"] == [b"12", b'{"a":true,"b":[1,null]}']
    assert json.loads(m.read("app/db/.vault/data.json")) == e.get("app/db")
    assert m.errno_of(open, m / "app/nothing") == "ENOENT"
    assert os.getxattr(m / "app/db/user", "user.vault.path").decode() == e.path("app/db")
    n = e.mount(source="app/db")
    assert n.read("user") == b"bob"


@test()
def numbers_are_lossless(t):
    "numbers keep all their digits, in both directions"
    e = Flat(t)
    numbers = ["12345678901234567890", "1.0", "1e21", "-0.10", "3.141592653589793238462643"]
    body = "{" + ",".join(f'"n{i}":{n}' for i, n in enumerate(numbers)) + ',"w":0}'
    e.t.run("curl", "-sSf", "-H", f"X-Vault-Token: {t.server.token}", "-d", body,
            f"{t.server.address}/v1/{e.path('s')}")
    m = e.mount()
    assert [m.read(f"s/n{i}").decode() for i in range(len(numbers))] == numbers
    m.write("s/w", "98765432109876543210.50\n")
    assert m.read("s/w") == b"98765432109876543210.50"
    n = e.mount()
    assert n.read("s/w") == b"98765432109876543210.50"
    assert [n.read(f"s/n{i}").decode() for i in range(len(numbers))] == numbers


@test()
def writes_keep_siblings(t):
    "a write changes its field and no other; new fields and secrets come to be"
    e = Flat(t)
    e.put("db", {"user": "bob", "password": "old", "n": 7})
    value = t.canary()
    m = e.mount()
    t.shell('printf %s "$V" > "$F"', V=value, F=m / "db/password")
    assert e.get("db") == {"user": "bob", "password": value, "n": 7}
    assert m.read("db/password") == value.encode()
    m.write("db/port", "5432")
    t.shell('echo more >> "$F"', F=m / "db/user")
    assert e.get("db") == {"user": "bobmore\n", "password": value, "n": 7, "port": "5432"}
    t.run("sed", "-i", "s/bob/alice/", m / "db/user")
    os.rename(m / "db/port", m / "db/gate")
    assert e.get("db") == {"user": "alicemore\n", "password": value, "n": 7, "gate": "5432"}
    os.makedirs(m / "x/y")
    m.write("x/y/f", "1")
    assert e.get("x/y") == {"f": "1"}
    m.write("x/y/.vault/data.json", json.dumps({"o": {"b": "<&>", "a": 2}, "s": "t"}))
    assert e.get("x/y") == {"o": {"b": "<&>", "a": 2}, "s": "t"}
    assert m.read("x/y/o") == b'{"a":2,"b":"<&>"}'
    assert os.stat(m / "x/y/o").st_size == len('{"a":2,"b":"<&>"}')


@test()
def odd_names_and_values(t):
    "odd names of fields and paths, and odd text, go both ways"
    e = Flat(t)
    names = {"a b": "1", "ä/€": "2", "..": "3", "": "4", "%": "5", ".vault": "6", "new\nline": "7"}
    e.put("odd name/ü", names)
    m = e.mount()
    d = m / "odd name/ü"
    seen = {"a b": "1", "ä%2F€": "2", "%2E%2E": "3", "%": "4", "%25": "5", "%2Evault": "6",
            "new\nline": "7"}
    assert sorted(os.listdir(d)) == sorted(seen)
    for name, value in seen.items():
        assert m.read(f"odd name/ü/{name}") == value.encode()
        m.write(f"odd name/ü/{name}", value + "<&>\u2028\0x"[:4])
    assert e.get("odd name/ü") == {k: v + "<&>\u2028" for k, v in names.items()}
    m.write("odd name/ü/big", b"y" * 500000)
    assert e.get("odd name/ü")["big"] == "y" * 500000


@test()
def removing(t):
    "rm takes the field out; the last one's takes the secret, and rm -r all of it"
    e = Flat(t)
    for name in ("s", "tree/a", "tree/b/c"):
        e.put(name, {"a": "1", "b": "2", "c": "3"})
    m = e.mount()
    os.unlink(m / "s/a")
    assert e.get("s") == {"b": "2", "c": "3"}
    t.run("rm", m / "s/b", m / "s/c")
    os.listdir(m / "s")
    assert e.get("s") is None
    m.write("s/again", "1")
    assert e.get("s") == {"again": "1"}
    t.run("rm", "-r", m / "s", m / "tree")
    assert [e.get(n) for n in ("s", "tree/a", "tree/b/c")] == [None] * 3
    assert os.listdir(m.path) == []
    e.put("s", {"later": "2"})
    n = e.mount()
    assert n.read("s/later") == b"2"
    os.mkdir(m / "made")
    m.write("made/x", "1")
    assert "made" in os.listdir(m.path)


@test()
def two_fields_at_once(t):
    "two fields that are written at the same time in one mount are both kept"
    e = Flat(t)
    e.put("s", {"kept": "1"})
    m = e.mount()
    with open(m / "s/a", "w") as a, open(m / "s/b", "w") as b:
        a.write("1")
        b.write("2")
    assert e.get("s") == {"kept": "1", "a": "1", "b": "2"}
    failures = []

    def write(i):
        try:
            for k in range(10):
                m.write(f"s/f{i}", f"{i}-{k}")
        except OSError as x:
            failures.append(x)
    threads = [threading.Thread(target=write, args=(i,)) for i in range(6)]
    for x in threads:
        x.start()
    for x in threads:
        x.join()
    assert not failures, failures
    assert e.get("s") == {"kept": "1", "a": "1", "b": "2", **{f"f{i}": f"{i}-9" for i in range(6)}}


@test()
def what_others_write(t):
    "what others write is seen after ttl, and kept when it was another field"
    e = Flat(t)
    e.put("s", {"a": "1", "b": "1"})
    m = e.mount("ttl=1s", "negative_ttl=1s")
    assert m.read("s/a") == b"1"
    e.put("s", {"a": "22", "b": "1", "c": "3"})
    end = time.monotonic() + 20
    while m.read("s/a") != b"22":
        assert time.monotonic() < end
        time.sleep(0.1)
    assert m.read("s/c") == b"3" and os.stat(m / "s/a").st_size == 2
    e.delete("s")
    while os.path.exists(m / "s/a"):
        assert time.monotonic() < end
        time.sleep(0.1)
    e.put("s", {"a": "1", "b": "1"})
    n = e.mount()
    with open(n / "s/a", "a") as f:
        f.write("2")
        e.put("s", {"a": "1", "b": "theirs"})
    assert e.get("s") == {"a": "12", "b": "theirs"}
    with open(n / "s/a", "w") as f:
        f.write("whole")
        e.put("s", {"a": "theirs"})
    assert e.get("s") == {"a": "whole"}
    f = open(n / "s/a", "a")
    f.write("part")
    e.put("s", {"a": "theirs"})
    assert n.errno_of(f.close) == "EBUSY"
    assert e.get("s") == {"a": "theirs"} and n.read("s/a") == b"theirs"
    assert n.read("s/.vault/conflicts/a.1") == b"wholepart"
    os.unlink(n / "s/.vault/conflicts/a.1")
    n.expect("EBUSY")


@test()
def what_the_engine_cannot(t):
    "versions, metadata, check-and-set and bytes that are no text are refused"
    e = Flat(t)
    e.put("s", {"a": "1"})
    m = e.mount()
    assert m.read("s/a") == b"1"
    for name in ("version", "created_time"):
        for path in ("s", "s/a"):
            assert m.errno_of(os.getxattr, m / path, f"user.vault.{name}") in UNSUPPORTED
    assert sorted(os.listxattr(m / "s/a")) == ["user.vault.field", "user.vault.path",
                                               "user.vault.type"]
    assert m.errno_of(open, m / "s/.vault/metadata.json") in UNSUPPORTED
    assert m.errno_of(os.setxattr, m / "s", "user.vault.cas", b"1") in UNSUPPORTED
    for name in ("version", "versions/1"):
        assert m.errno_of(os.stat, m / f"s/.vault/{name}") in UNSUPPORTED
    assert m.errno_of(os.listdir, m / "s/.vault/versions") in UNSUPPORTED
    for name in ("meta.owner", "max_versions"):
        assert m.errno_of(os.getxattr, m / "s", f"user.vault.{name}") in UNSUPPORTED
        assert m.errno_of(os.setxattr, m / "s", f"user.vault.{name}", b"1") in UNSUPPORTED
    assert m.read("s/.vault/fields/a") == b"1" and m.read("s/.vault/data.env") == b"a='1'\n"
    assert m.errno_of(m.write, "s/b", b"\xff\0\xfe") == "EILSEQ"
    assert e.get("s") == {"a": "1"}
    assert m.errno_of(m.write, "s/.vault/data.json", "{}") == "EINVAL"
    assert e.get("s") == {"a": "1"}
    m.expect("EILSEQ", "EINVAL", "a scratch file goes with the mount")


@test()
def policies(t):
    "tokens that may read, or write and not read, or reach one deep path only, can do that"
    e = Flat(t)
    e.put("deep/s", {"a": "1"})
    t.server.policy("flat-read", {e.path("deep/s"): ["read"]})
    m = e.mount(token=t.server.make_token(policies=["flat-read"]))
    assert m.read("deep/s/a") == b"1"
    assert m.errno_of(m.write, "deep/s/a", "2") == "EACCES"
    assert m.errno_of(m.read, "other/s/a") in ("EACCES", "ENOENT")
    t.server.policy("flat-write", {e.path("deep/s"): ["create", "update"]})
    n = e.mount(token=t.server.make_token(policies=["flat-write"]))
    assert n.errno_of(n.read, "deep/s/a") == "EACCES"
    n.write("deep/s/.vault/data.json", '{"b": "2"}')
    assert e.get("deep/s") == {"b": "2"}
    m.expect("EACCES")
    n.expect("EACCES")


@test()
def lost_answers(t):
    "a write whose answer was lost has happened; one that was lost itself is made again"
    e = Flat(t)
    for i, fate in enumerate((LOSE_ANSWER, LOSE_REQUEST)):
        e.put(f"s{i}", {"a": "1", "b": "1"})
        proxy = Proxy(t.server)
        try:
            m = e.mount(env={"VAULT_ADDR": proxy.address, "VAULT_TOKEN": t.server.token})
            assert m.read(f"s{i}/a") == b"1"

            def decide(method, path, fate=fate, proxy=proxy):
                if method == "POST" and path.startswith(ENGINE):
                    proxy.fate = lambda method, path: PASS
                    return fate
                return PASS
            proxy.fate = decide
            m.write(f"s{i}/a", "2")
            assert e.get(f"s{i}") == {"a": "2", "b": "1"}
            m.end()
        finally:
            proxy.close()


@test()
def official_client(t):
    "what the official client writes is read, and the other way"
    e = Flat(t)
    m = e.mount()
    env = {"PATH": os.environ["PATH"], "HOME": t.root, f"{t.product.upper()}_ADDR": t.server.address,
           f"{t.product.upper()}_TOKEN": t.server.token}
    run = lambda *a: subprocess.run([t.server.binary, "kv", *a], env=env, check=True,
                                    capture_output=True, timeout=60, text=True).stdout
    run("put", e.path("db"), "a=1", "b=two words")
    assert (m.read("db/a"), m.read("db/b")) == (b"1", b"two words")
    m.write("db/b", "three\n")
    assert run("get", "-field=b", e.path("db")).rstrip("\n") == "three"
    assert json.loads(run("get", "-format=json", e.path("db")))["data"] == {"a": "1", "b": "three\n"}


main()
