#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Two who change one thing: what replaces goes on top, what builds on the old is refused and kept, other
fields are merged; check-and-set by hand; removals that are committed together."""

import os
import re
import threading
import time

from harness import main, test
from proxy import LOSE_REQUEST, PASS, Proxy

CONFLICT = "EBUSY|conflict"


def begin(m, name, mode, text):
    """A file that is open, with something written."""
    f = open(m / name, mode, buffering=0)
    f.write(text)
    return f


def drafts(m, name="s"):
    return sorted(os.listdir(m / f"{name}/.vault/conflicts"))


@test()
def replacing_goes_on_top(t):
    "what replaces the whole content goes on top of a change made meanwhile, that stays in the history"
    t.put("s", {"f": "1", "other": "1"})
    m = t.mount()
    f = begin(m, "s/f", "wb", b"mine")
    t.put("s", {"f": "theirs", "other": "theirs"})
    f.close()
    assert t.get("s") == {"f": "mine", "other": "theirs"} and t.version("s") == 3
    assert t.get("s", 2)["f"] == "theirs"
    m.write("s/g", "renamed")
    f = open(m / "s/f", "wb")
    t.put("s", {"f": "theirs", "other": "again", "g": "renamed"})
    f.write(b"mine too")
    f.close()
    t.put("s", {"f": "theirs once more", "g": "renamed"})
    os.rename(m / "s/g", m / "s/f")
    assert t.get("s") == {"f": "renamed"}
    assert t.get("s", t.version("s") - 1)["f"] == "theirs once more"


@test()
def replacing_what_was_removed(t):
    "what replaces a field brings it back that was removed meanwhile, with its secret too"
    t.put("s", {"f": "1", "other": "1"})
    t.put("d", {"f": "1"})
    m = t.mount()
    f = begin(m, "s/f", "wb", b"mine")
    t.put("s", {"other": "1"})
    f.close()
    assert t.get("s") == {"f": "mine", "other": "1"}
    f = begin(m, "d/f", "wb", b"mine")
    t.server.delete(t.path("d"))
    f.close()
    assert t.get("d") == {"f": "mine"} and t.version("d") == 2
    assert m.read("d/f") == b"mine"


@test()
def building_on_the_old_is_refused(t):
    "appending to, writing in and cutting what was changed meanwhile is EBUSY, and writes nothing"
    t.put("s", {"f": "start", "other": "1"})
    m = t.mount()
    m.expect(CONFLICT)
    cut = lambda f: f.truncate(2)
    for n, (mode, change) in enumerate((("ab", None), ("r+b", None), ("r+b", cut)), 1):
        f = open(m / "s/f", mode, buffering=0)
        change(f) if change else f.write(b"+mine")
        t.put("s", {"f": f"theirs {n}", "other": "1"})
        assert m.errno_of(f.close) == "EBUSY", mode
        m.settle()
        assert t.get("s") == {"f": f"theirs {n}", "other": "1"} and t.version("s") == n + 1
        assert m.read("s/f") == f"theirs {n}".encode()
    assert drafts(m) == ["f.1", "f.2", "f.3"]


@test()
def fsync_tells_it_too(t):
    "a conflict is told by fsync where there is one, and then by all that follows"
    t.put("s", {"f": "start"})
    m = t.mount()
    m.expect(CONFLICT)
    f = begin(m, "s/f", "ab", b"+mine")
    t.put("s", {"f": "theirs"})
    assert m.errno_of(os.fsync, f.fileno()) == "EBUSY"
    assert m.errno_of(f.write, b"x") == "EBUSY"
    assert m.errno_of(f.close) == "EBUSY"
    assert t.version("s") == 2 and drafts(m) == ["f.1"]
    assert m.read("s/.vault/conflicts/f.1") == b"start+mine"


@test()
def removed_meanwhile(t):
    "appending to what was removed meanwhile is EBUSY too"
    t.put("s", {"f": "start", "other": "1"})
    m = t.mount()
    m.expect(CONFLICT)
    f = begin(m, "s/f", "ab", b"+mine")
    t.put("s", {"other": "1"})
    assert m.errno_of(f.close) == "EBUSY"
    assert t.get("s") == {"other": "1"} and m.read("s/.vault/conflicts/f.1") == b"start+mine"
    t.put("s", {"f": "start"})
    f = begin(m, "s/f", "ab", b"+mine")
    t.server.delete(t.path("s"))  # which makes no version
    assert m.errno_of(f.close) == "EBUSY"
    assert t.get("s") is None


@test()
def same_change_elsewhere(t):
    "a version that leaves the field as it was is no conflict"
    t.put("s", {"f": "start", "other": "1"})
    m = t.mount()
    f = begin(m, "s/f", "ab", b"+mine")
    t.put("s", {"f": "start", "other": "2"})
    t.put("s", {"f": "start", "third": "3"})
    f.close()
    assert t.get("s") == {"f": "start+mine", "third": "3"} and t.version("s") == 4


@test()
def drafts_are_kept(t):
    "what was refused is a file in .vault/conflicts, that can be read, removed and moved over the field"
    t.put("s", {"f": "start", "a/b": "start"})
    m = t.mount()
    m.expect(CONFLICT)
    for name in ("f", "f", "f", "a%2Fb"):
        f = begin(m, f"s/{name}", "ab", b"+mine")
        fields = t.get("s")
        field = name.replace("%2F", "/")
        t.put("s", {**fields, field: fields[field] + "."})
        assert m.errno_of(f.close) == "EBUSY"
    d = m / "s/.vault/conflicts"
    assert drafts(m) == ["a%2Fb.1", "f.1", "f.2", "f.3"]
    assert [m.read(f"s/.vault/conflicts/f.{n}") for n in (1, 2, 3)] == [
        b"start+mine", b"start.+mine", b"start..+mine"]
    assert os.stat(f"{d}/f.2").st_size == 11
    assert t.run("diff", m / "s/f", f"{d}/f.1", check=False)[0] == 1
    t.run("ls", "-l", d)
    t.run("rm", f"{d}/f.1")
    assert drafts(m) == ["a%2Fb.1", "f.2", "f.3"]
    before = t.version("s")
    t.run("mv", f"{d}/f.3", m / "s/f")
    assert t.get("s") == {"f": "start..+mine", "a/b": "start."} and t.version("s") == before + 1
    t.run("mv", f"{d}/a%2Fb.1", m / "s/a%2Fb")
    assert t.get("s")["a/b"] == "start+mine" and t.version("s") == before + 2
    assert drafts(m) == ["f.2"]
    t.run("rm", f"{d}/f.2")
    assert drafts(m) == []
    assert t.version("s") == before + 2


@test()
def drafts_are_nothing_else(t):
    "there are no drafts where nothing was refused, and none can be made by hand"
    t.put("s", {"f": "1"})
    m = t.mount()
    assert m.errno_of(open, m / "s/.vault/conflicts/f.1") == "ENOENT"
    assert m.errno_of(open, m / "s/.vault/conflicts/f.1", "w") != ""
    assert m.errno_of(os.mkdir, m / "s/.vault/conflicts/d") != ""
    assert m.errno_of(os.rename, m / "s/f", m / "s/.vault/conflicts/f.1") != ""
    assert t.get("s") == {"f": "1"} and t.version("s") == 1


@test()
def strict(t):
    "with conflict=strict what replaces is refused as well, other fields are merged still"
    t.put("s", {"f": "1", "other": "1"})
    m = t.mount("conflict=strict")
    m.expect(CONFLICT)
    for n, mode in enumerate(("wb", "ab", "r+b"), 2):
        f = begin(m, "s/f", mode, b"mine")
        t.put("s", {"f": "theirs" * n, "other": "1"})
        assert m.errno_of(f.close) == "EBUSY", mode
        assert t.get("s")["f"] == "theirs" * n and t.version("s") == n
    f = begin(m, "s/f", "wb", b"mine")
    t.put("s", {"f": "theirs" * 4, "other": "2"})
    f.close()
    assert t.get("s") == {"f": "mine", "other": "2"}


@test(seconds=180)
def appenders_lose_nothing(t):
    "two mounts append to one field, again when it is EBUSY: every line is there once"
    t.put("s", {"f": ""})
    mounts = [t.mount(), t.mount()]
    lines, refused = 15, []

    def append(m, name):
        m.expect(CONFLICT)
        for i in range(lines):
            while True:
                f = open(m / "s/f", "ab", buffering=0)
                f.write(f"{name}{i}\n".encode())
                error = m.errno_of(f.close)
                if not error:
                    break
                assert error == "EBUSY", error
                refused.append(name)

    threads = [threading.Thread(target=append, args=(m, n)) for m, n in zip(mounts, "ab")]
    for th in threads:
        th.start()
    for th in threads:
        th.join()
    got = t.get("s")["f"].splitlines()
    assert sorted(got) == sorted(f"{n}{i}" for n in "ab" for i in range(lines)), got
    assert t.version("s") == 2 * lines + 1
    t.note(f"{len(refused)} of {2 * lines + len(refused)} were refused")


def arm(where, n):
    os.setxattr(where, "user.vault.cas", str(n).encode())


@test()
def cas_by_path(t):
    "user.vault.cas on a secret or a field arms its next change, once, whatever that is"
    t.put("s", {"f": "1", "g": "1", "h": "1"})
    m = t.mount()
    m.expect(CONFLICT)
    for wrong in (0, 2, 7):
        arm(m / "s", wrong)
        assert m.errno_of(open, m / "s/f", "wb") == "EBUSY", wrong
    arm(m / "s/f", 9)
    assert m.errno_of(os.unlink, m / "s/f") == "EBUSY"
    arm(m / "s/f", 9)
    assert m.errno_of(os.rename, m / "s/f", m / "s/x") == "EBUSY"
    arm(m / "s/f", 9)
    assert m.errno_of(os.truncate, m / "s/f", 0) == "EBUSY"
    assert t.version("s") == 1
    arm(m / "s", 1)
    m.write("s/f", "2")
    arm(m / "s", 2)
    os.unlink(m / "s/g")
    arm(m / "s", 3)
    os.rename(m / "s/h", m / "s/i")
    assert t.get("s") == {"f": "2", "i": "1"} and t.version("s") == 4
    m.write("s/f", "3")  # nothing is armed
    assert "user.vault.cas" not in os.listxattr(m / "s/f")
    assert m.errno_of(os.getxattr, m / "s/f", "user.vault.cas") == "ENODATA"


@test()
def cas_by_descriptor(t):
    "on a descriptor it holds for that one alone, and makes what replaces as strict as what appends"
    t.put("s", {"f": "1", "g": "1"})
    m = t.mount()
    m.expect(CONFLICT)
    f = open(m / "s/f", "wb", buffering=0)
    arm(f.fileno(), 1)
    m.write("s/g", "2")  # another's write is not concerned, and makes version 2
    f.write(b"mine")
    assert m.errno_of(f.close) == "EBUSY"
    assert t.get("s") == {"f": "1", "g": "2"}
    f = open(m / "s/f", "wb", buffering=0)
    arm(f.fileno(), 2)
    f.write(b"mine")
    f.close()
    assert t.get("s") == {"f": "mine", "g": "2"} and t.version("s") == 3


@test()
def cas_of_what_must_not_exist(t):
    "0 makes a secret that must not exist"
    m = t.mount()
    m.expect(CONFLICT)
    os.mkdir(m / "new")
    arm(m / "new", 0)
    m.write("new/f", "1")
    assert t.get("new") == {"f": "1"} and t.version("new") == 1
    os.mkdir(m / "late")
    arm(m / "late", 0)
    t.put("late", {"f": "theirs"})
    try:
        m.write("late/f", "mine")
        raise AssertionError("it was written")
    except OSError as e:
        assert e.errno == 16, e
    assert t.get("late") == {"f": "theirs"}


@test()
def cas_required(t):
    "an engine that requires check-and-set is written without the user's knowing"
    engine = f"cas-{t.product}"
    t.server.api("POST", f"sys/mounts/{engine}", {"type": "kv", "options": {"version": "2"}})
    end = time.monotonic() + 20
    while True:
        try:
            t.server.api("POST", f"{engine}/config", {"cas_required": True})
            break
        except Exception:  # the engine is being upgraded
            assert time.monotonic() < end
            time.sleep(0.1)
    m = t.mount(source=f"/{engine}")
    os.makedirs(m / "a/s")
    m.write("a/s/f", "1")
    m.write("a/s/g", "1")
    t.shell('echo 2 >> "$F"', F=m / "a/s/f")
    os.rename(m / "a/s/g", m / "a/s/h")
    get = lambda: t.server.get("a/s", mount=engine)
    assert get() == {"f": "12\n", "h": "1"}
    f = begin(m, "a/s/f", "wb", b"mine")
    t.server.put("a/s", {"f": "theirs", "h": "theirs"}, cas=4, mount=engine)
    f.close()
    assert get() == {"f": "mine", "h": "theirs"} and t.server.version("a/s", mount=engine) == 6
    t.run("rm", "-r", m / "a")
    assert get() is None
    m.end()
    t.server.api("DELETE", f"sys/mounts/{engine}")


@test()
def removing_a_large_secret(t):
    "rm -r of a secret of 30 fields makes no version: the latest is deleted, with all that it held"
    fields = {f"f{i:02d}": f"value {i}" for i in range(30)}
    t.put("s", fields)
    m = t.mount()
    t.run("rm", "-r", m / "s")
    assert os.listdir(m.path) == []
    versions = t.server.versions(t.path("s"))
    assert t.get("s") is None and list(map(str, versions)) == ["1"] and versions[max(versions)]["deletion_time"]
    t.server.api("POST", f"secret/undelete/{t.path('s')}", {"versions": [1]})
    assert t.get("s") == fields


@test()
def removals_are_joined(t):
    "what a process removes at a stroke is one version after the first, and is seen by all at once"
    t.put("s", {n: n for n in "abcdefgh"})
    m = t.mount()
    t.run("rm", *(m / f"s/{n}" for n in "abcd"))
    assert sorted(os.listdir(m / "s")) == list("efgh")
    assert t.get("s") == {n: n for n in "efgh"}
    version = t.version("s")
    t.note(f"{version - 1} versions for 4 fields")
    assert version < 5
    os.unlink(m / "s/e")
    assert t.version("s") == version + 1
    os.unlink(m / "s/f")
    assert t.run("cat", m / "s/g")[1] == b"g"  # another's access, that has it committed
    assert t.get("s") == {"g": "g", "h": "h"} and t.version("s") == version + 2


@test()
def removals_of_several_processes(t):
    "processes that remove one field each are told of each, at once"
    t.put("s", {n: n for n in "abcd"})
    m = t.mount()
    for n in "abc":
        t.run("rm", m / f"s/{n}")
        assert n not in t.get("s")
    assert t.version("s") == 4


@test()
def joined_removals_that_fail(t):
    "removals that could not be committed leave the fields, and rmdir and .vault/errors tell of it"
    t.put("s", {n: n for n in "abcd"})
    proxy = Proxy(t.server)
    try:
        m = t.mount("timeout=2s", "max_retries=0",
                    env={"VAULT_ADDR": proxy.address, "VAULT_TOKEN": t.server.token})
        m.expect("")
        os.listdir(m / "s")
        os.unlink(m / "s/a")
        proxy.fate = lambda method, path: (
            LOSE_REQUEST if method != "GET" and path.split("/")[1] in ("data", "delete") else PASS)
        errors = [m.errno_of(os.unlink, m / f"s/{n}") for n in "bcd"]
        errors.append(m.errno_of(os.rmdir, m / "s"))
        assert errors[-1] in ("EHOSTUNREACH", "ETIMEDOUT", "EIO", "ENOTEMPTY"), errors
        proxy.release()
        assert t.get("s") == {n: n for n in "bcd"} and t.version("s") == 2
        assert sorted(os.listdir(m / "s")) == list("bcd")
        assert re.search(rb"EHOSTUNREACH|ETIMEDOUT|EIO", m.read(".vault/errors"))
        t.run("rm", "-r", m / "s")
        assert t.get("s") is None
        m.end()
    finally:
        proxy.close()


main(local=True)
