#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A secret of a thousand versions: listed, read, compared and rolled back, and what is asked of the
server for it."""

import json
import os
import subprocess

from harness import main, test
from mount import VAULTFS, clean_environment

MANY = 1000
V = "s/.vault/versions"


def value(n):
    return f"value {n}"


def make(t):
    """Version n has its number in "n", and every hundred one field more; 500 is deleted, 501 destroyed."""
    t.server.api("POST", f"secret/metadata/{t.path('s')}", {"max_versions": 2 * MANY})
    for n in range(1, MANY + 1):
        t.put("s", {"n": value(n), "same": "x" * 200, **{f"f{k}": str(k) for k in range(n // 100)}})
    t.server.api("POST", f"secret/delete/{t.path('s')}", {"versions": [500]})
    t.server.api("POST", f"secret/destroy/{t.path('s')}", {"versions": [501]})


def command(t, *args):
    done = subprocess.run([VAULTFS, *args], capture_output=True, timeout=200, check=False, text=True,
                          env=clean_environment(VAULT_ADDR=t.server.address, HOME=t.root,
                                                VAULT_TOKEN=t.server.token))
    assert done.returncode == 0, done.stderr
    return done.stdout


@test(seconds=280)
def a_thousand_versions(t):
    "1,000 versions are listed by one request, each read by one, compared and rolled back"
    make(t)
    m = t.mount("ttl=1h", "cache_size=64M")
    mark = t.server.audit_mark()
    names = os.listdir(m / V)
    assert sorted(map(int, names)) == list(range(1, MANY + 1))
    listed = t.shell('ls -l "$P"', P=m / V)[1].decode().splitlines()
    assert len(listed) == MANY + 1
    asked = t.server.requests_since(mark, "secret/")
    assert len([r for r in asked if "/metadata/" in r[1]]) <= 2, asked
    assert len([r for r in asked if "/data/" in r[1]]) <= 2, asked
    mark = t.server.audit_mark()
    for n in range(1, MANY + 1):
        there = os.listdir(m / f"{V}/{n}")
        assert len(there) == (0 if n in (500, 501) else 2 + n // 100), (n, there)
        if there:
            assert m.read(f"{V}/{n}/n").decode() == value(n)
    asked = t.server.requests_since(mark, "secret/data/")
    assert MANY - 2 <= len(asked) <= MANY, len(asked)
    for n in (500, 501):
        state = os.getxattr(m / f"{V}/{n}", "user.vault.state")
        assert state == (b"deleted" if n == 500 else b"destroyed")
    status, out, _ = t.run("diff", "-r", m / f"{V}/299", m / f"{V}/300", check=False)
    assert status == 1 and b"Only in " in out and b": f2\n" in out and b"> value 300" in out, out
    assert t.run("diff", "-r", m / f"{V}/7", m / f"{V}/7")[1] == b""
    assert t.run("cat", m / f"{V}/1000/n")[1].decode() == value(MANY)
    m.write("s/.vault/version", "1\n")
    assert t.version("s") == MANY + 1 and t.get("s") == {"n": value(1), "same": "x" * 200}
    assert m.read("s/n").decode() == value(1) and not os.path.exists(m / "s/f0")
    assert len(os.listdir(m / V)) == MANY + 1
    assert len(json.loads(m.read("s/.vault/metadata.json"))["versions"]) == MANY + 1


@test(seconds=280)
def commands_on_a_thousand_versions(t):
    "history lists 1,000 versions as the server has them, and diff and rollback work on them"
    make(t)
    p = f"secret/{t.path('s')}"
    rows = json.loads(command(t, "history", "--format=json", p))
    known = t.server.versions(t.path("s"))
    assert [r["version"] for r in rows] == sorted(known) and len(rows) == MANY
    for r in rows:
        row = known[r["version"]]
        assert r["state"] == ("destroyed" if row["destroyed"] else
                              "deleted" if row["deletion_time"] else "live"), r
    assert command(t, "diff", p, "299", "300") == "+\tf2\n~\tn\n"
    assert command(t, "get", f"{p}#n", "--version", "777") == value(777)
    assert command(t, "rollback", p, "42").strip().endswith("has the content of version 42")
    assert t.get("s")["n"] == value(42) and t.version("s") == MANY + 1


main()
