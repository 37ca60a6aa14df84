#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Removing all of a secret: it is deleted as it was, and undeleting it brings all of it back."""

import functools
import os
import shutil
import sys
import time

from harness import main, test, until
from proxy import LOSE_REQUEST, PASS, Proxy

FIELDS = {f"f{i:02d}": f"value {i}" for i in range(30)}


def undelete(t, name, number):
    t.server.api("POST", f"secret/undelete/{t.path(name)}", {"versions": [number]})


def deleted(t, name):
    """The numbers of its versions, of which the last must be deleted."""
    versions = t.server.versions(t.path(name))
    last = max(versions, key=int)
    assert versions[last]["deletion_time"], versions
    return sorted(map(int, versions))


eventually = functools.partial(until, seconds=20)


def with_scandir(path):
    with os.scandir(path) as entries:
        for e in entries:
            os.unlink(e.path)


WHOLE = {
    "rm -r": lambda t, s: t.run("rm", "-r", s),
    "rmtree": lambda t, s: shutil.rmtree(s),
    "find": lambda t, s: t.run("find", s, "-type", "f", "-delete"),
    "scandir": lambda t, s: with_scandir(s),
    "glob": lambda t, s: t.shell('rm "$S"/*', S=s),
    "glob inside": lambda t, s: t.shell('cd "$S" && rm -- *', S=s),
}


@test(seconds=120)
def the_whole_secret(t):
    "what removes all fields makes no version: the latest is deleted, and undeleted it has all of them"
    for i in range(len(WHOLE)):
        t.put(f"s{i}", {"old": "1"})
        t.put(f"s{i}", FIELDS)
    m = t.mount("negative_ttl=1s")
    for i, (how, remove) in enumerate(WHOLE.items()):
        name = f"s{i}"
        remove(t, m / name)
        if os.path.exists(m / name):
            assert os.listdir(m / name) == [], how
            os.rmdir(m / name)
        assert t.get(name) is None and deleted(t, name) == [1, 2], (how, t.server.versions(t.path(name)))
        assert t.get(name, 1) == {"old": "1"}
    assert os.listdir(m.path) == []
    for i, how in enumerate(WHOLE):
        undelete(t, f"s{i}", 2)
        assert t.get(f"s{i}") == FIELDS, how
    eventually(lambda: sorted(os.listdir(m.path)) == [f"s{i}" for i in range(len(WHOLE))])
    for i in range(len(WHOLE)):
        assert m.read(f"s{i}/f07") == b"value 7"
        assert sorted(os.listdir(m / f"s{i}")) == sorted(FIELDS)


@test()
def undeleted_by_name(t):
    "a secret that was removed and undeleted is found by its name, too"
    t.put("s", FIELDS)
    m = t.mount("negative_ttl=1s")
    t.run("rm", "-r", m / "s")
    assert not os.path.exists(m / "s")
    undelete(t, "s", 1)
    eventually(lambda: os.path.exists(m / "s/f01"))
    assert m.read("s/f01") == b"value 1"


@test()
def written_anew(t):
    "a secret that was removed is there again when somebody writes it"
    t.put("s", FIELDS)
    m = t.mount("negative_ttl=1s")
    t.run("rm", "-r", m / "s")
    t.put("s", {"new": "1"})
    eventually(lambda: os.listdir(m.path) == ["s"])
    assert os.listdir(m / "s") == ["new"]


@test()
def one_after_the_other(t):
    "a process that removes all fields without having said so leaves a version to undelete that has them all"
    t.put("s", FIELDS)
    m = t.mount()
    script = "import os, sys\nfor i in range(30): os.unlink(f'{sys.argv[1]}/f{i:02d}')\nos.rmdir(sys.argv[1])"
    t.run(sys.executable, "-c", script, m / "s")
    number = deleted(t, "s")[-1]
    t.note(f"{number} versions")
    undelete(t, "s", number)
    assert t.get("s") == FIELDS


@test()
def one_is_one(t):
    "one field, removed with the directory listed before, is a version at once"
    t.put("s", FIELDS)
    t.put("two", {"a": "1", "b": "2"})
    m = t.mount()
    assert len(os.listdir(m / "s")) == 30
    os.unlink(m / "s/f00")
    assert "f00" not in t.get("s") and t.version("s") == 2
    t.run("rm", m / "s/f01")
    assert "f01" not in t.get("s") and t.version("s") == 3
    t.run("rm", m / "two/a")
    assert t.get("two") == {"b": "2"}
    t.run("rm", m / "two/b")
    assert t.get("two") is None and deleted(t, "two") == [1, 2]


@test()
def a_part(t):
    "find that deletes some of the fields makes one version without them"
    t.put("s", FIELDS)
    m = t.mount()
    t.run("find", m / "s", "-name", "f1*", "-delete")
    left = {k: v for k, v in FIELDS.items() if not k.startswith("f1")}
    assert sorted(os.listdir(m / "s")) == sorted(left)
    assert t.get("s") == left and t.version("s") == 2


@test(products=("vault", "bao"))
def a_failure(t):
    "where the deletion fails all fields are there again, and rmdir and .vault/errors tell why"
    t.put("s", FIELDS)
    proxy = Proxy(t.server)
    try:
        m = t.mount("timeout=2s", "max_retries=0",
                    env={"VAULT_ADDR": proxy.address, "VAULT_TOKEN": t.server.token})
        m.expect("")
        proxy.fate = lambda method, path: LOSE_REQUEST if path.startswith("/v1/secret/delete") or \
            "/delete/" in path else PASS
        status, _, err = t.run("rm", "-r", m / "s", check=False)
        assert status == 1 and b"cannot remove" in err, err
        proxy.release()
        proxy.fate = lambda method, path: PASS
        assert t.get("s") == FIELDS and t.version("s") == 1
        eventually(lambda: os.path.isdir(m / "s") and sorted(os.listdir(m / "s")) == sorted(FIELDS))
        assert b"fields could not be removed" in m.read(".vault/errors") or m.read(".vault/errors")
        m.end()
    finally:
        proxy.close()


@test(products=("local",), seconds=200)
def thousands(t):
    "rm -r of thousands of fields takes a time that grows with their number, and no faster"
    count = 5000 if os.environ.get("VAULTFS_LONG") else 3000
    t.put("s", {f"field-{i}": "v" for i in range(count)})
    m = t.mount()
    begun = time.monotonic()
    t.run("rm", "-r", m / "s")
    took = time.monotonic() - begun
    t.note(f"{count} fields in {took:.1f} s")
    assert deleted(t, "s") == [1]
    undelete(t, "s", 1)
    assert len(t.get("s")) == count
    assert took < 30  # each in the time of all would be more


main(local=True)
