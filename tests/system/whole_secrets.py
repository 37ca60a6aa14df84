#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A [path] section holds by every way to the bytes: other names, whole secrets, histories, settings, and the
lines that tell of failures and changes. And one user's failures silence nobody else's."""

import errno
import json
import os
import select
import subprocess
import sys
import time
import traceback

from harness import main, test

N, M = 61001, 61002

SECTIONS = """
mode = 0644
dir_mode = 0755
[path "HERE/db/key"]
mode = 0400
[path "HERE/open/db/key"]
mode = 0400
[path "HERE/*db"]
mode = 0666
dir_mode = 0777
[path "HERE/*free"]
mode = 0666
dir_mode = 0777
[path "HERE/open"]
dir_mode = 0777
[path "HERE/closed*"]
mode = 0600
dir_mode = 0700
"""


def as_user(uid, action, *args):
    """The name of the errno that it ends with, "" for none, by a process of that user."""
    child = os.fork()
    if child:
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        return errno.errorcode.get(code, "") if code < 200 else f"exit {code}"
    code = 200
    try:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        action(*args)
        code = 0
    except OSError as e:
        code = e.errno
    except BaseException:  # the child of a test must not go on as the test
        traceback.print_exc(file=sys.stdout)
        sys.stdout.flush()
    finally:
        os._exit(code)


def mounted(t, *options):
    os.chmod(t.root, 0o755)
    os.chmod(os.path.dirname(t.root), 0o755)
    with open(f"{t.root}/conf", "w", encoding="utf-8") as f:
        f.write(SECTIONS.replace("HERE", t.folder))
    return t.mount("allow_other", *options, args=("-c", f"{t.root}/conf"))


def replace(text):
    """As a program writes that is careful: beside it, and then over it."""
    def action(path):
        beside = os.path.join(os.path.dirname(path), "new~")
        with open(beside, "wb") as f:
            f.write(text)
        os.rename(beside, path)
    return action


def write(text):
    def action(path):
        with open(path, "wb") as f:
            f.write(text)
    return action


def remake(text):
    def action(path):
        os.unlink(path)
        write(text)(path)
    return action


def read_and_write(path):
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    os.write(fd, b"x")
    os.close(fd)


def set_attribute(name, value):
    return lambda path: os.setxattr(path, f"user.vault.{name}", value)


def rename_to(name):
    return lambda path: os.rename(path, os.path.join(os.path.dirname(path), name))


DOCUMENT = b'{"key": "2", "x": "2"}'
METADATA = json.dumps({"max_versions": 1}).encode()

# What acts on a whole secret: a name, a path in it, the act. `key` may be read by root alone.
ACTS = [("the version's number", ".vault/version", write(b"1")),
        ("a number put over it", ".vault/version", replace(b"1")),
        ("the document", ".vault/data.json", write(DOCUMENT)),
        ("a document put over it", ".vault/data.json", replace(DOCUMENT)),
        ("a document made anew", ".vault/data.json", remake(DOCUMENT)),
        ("metadata", ".vault/metadata.json", write(METADATA)),
        ("metadata put over it", ".vault/metadata.json", replace(METADATA)),
        ("a setting of the secret", "", set_attribute("max_versions", b"1")),
        ("a setting by way of a field", "x", set_attribute("max_versions", b"1")),
        ("a setting that hides versions", "x", set_attribute("delete_version_after", b"1s")),
        ("check-and-set for all", "x", set_attribute("cas_required", b"true")),
        ("custom metadata", "", set_attribute("meta.owner", b"me")),
        ("custom metadata by way of a field", "x", set_attribute("meta.owner", b"me")),
        ("the document moved to a scratch file", ".vault/data.json", rename_to("data.json~"))]

# What gives the bytes of `key` a name that others may read.
MOVES = [("another name", "key", "k2"), ("a scratch file's name", "key", "key~"),
         ("another name by .vault/fields", ".vault/fields/key", ".vault/fields/k2"),
         ("a name by .vault/fields", "key", ".vault/fields/k2"),
         ("a name in another secret", "key", "../free/k2"),
         ("a name in another secret by .vault/fields", "key", "../free/.vault/fields/k2")]


@test()
def matrix(t):
    "whatever acts on a whole secret, or moves a field to another rule, needs the rights on all of it"
    for name in ("db", "free"):
        t.put(name, {"key": "old", "x": "1"})
        t.put(name, {"key": "closed-value", "x": "1"})
    m = mounted(t)
    m.expect("EACCES|EINVAL|scratch file")
    before = t.get("db"), t.version("db"), m.read("db/.vault/metadata.json")
    for what, path, act in ACTS:
        assert as_user(N, act, m / f"db/{path}") in ("EACCES", "EPERM"), what
    for what, old, new in MOVES:
        assert as_user(N, os.rename, m / f"db/{old}", m / f"db/{new}") == "EACCES", what
    assert (t.get("db"), t.version("db"), m.read("db/.vault/metadata.json")) == before
    assert t.get("free") == before[0]
    # In a secret without a closed field the same user may do all of that.
    for what, path, act in ACTS:
        assert as_user(N, act, m / f"free/{path}") == "", what
    # A field with one rule for both names may move, read or not.
    assert as_user(N, os.rename, m / "db/x", m / "db/y") == ""
    assert t.get("db") == {"key": "closed-value", "y": "1"}
    os.rename(m / "db/key", m / "db/k3")
    assert t.get("db") == {"k3": "closed-value", "y": "1"}


@test()
def scratch_files_are_their_makers(t):
    "a scratch file is its maker's: what root moved aside nobody else can name anew, read or write"
    t.put("db", {"key": "closed-value", "x": "1"})
    m = mounted(t)
    m.expect("EACCES|EINVAL|scratch file")
    os.rename(m / "db/key", m / "db/key~")
    for act in (lambda: os.rename(m / "db/key~", m / "db/k2"),
                lambda: os.rename(m / "db/key~", m / "db/.vault/fields/k2"),
                lambda: os.rename(m / "db/key~", m / "free/k2"),
                lambda: os.close(os.open(m / "db/key~", os.O_RDONLY)),
                lambda: os.close(os.open(m / "db/key~", os.O_WRONLY))):
        assert as_user(N, act) in ("EACCES", "ENOENT"), act
    assert t.get("db") == {"key": "closed-value", "x": "1"}
    os.rename(m / "db/key~", m / "db/key")

    def save():
        with open(m / "db/.x.swp", "w", encoding="utf-8") as f:
            f.write("mine")
        assert os.stat(m / "db/.x.swp").st_uid == N
        with open(m / "db/.x.swp", encoding="utf-8") as f:
            assert f.read() == "mine"
        os.rename(m / "db/.x.swp", m / "db/x")

    assert as_user(N, save) == ""
    assert t.get("db") == {"key": "closed-value", "x": "mine"}


@test(products=("vault", "bao"))
def conflicts_are_their_writers(t):
    "what met a conflict is kept for its writer, and for nobody else"
    t.put("db", {"key": "1", "x": "1"})
    m = mounted(t)
    m.expect("EBUSY|scratch file")

    def conflict():
        with open(m / "db/x", "a", encoding="utf-8") as f:
            f.write("mine")
            f.seek(0, 2)
            t.put("db", {"key": "1", "x": "theirs"})

    assert as_user(N, conflict) == "EBUSY"
    kept = m / "db/.vault/conflicts/x.1"

    def holds_mine():
        with open(kept, encoding="utf-8") as f:
            assert f.read() == "1mine"

    assert as_user(N, holds_mine) == ""
    assert as_user(M, lambda: os.open(kept, os.O_RDONLY)) == "EACCES"


@test()
def purge(t):
    "rmdir=purge of a secret needs the rights on every field that its history may hold"
    for name in ("open/db", "open/free"):
        t.put(name, {"key": "1"})
    m = mounted(t, "rmdir=purge")
    m.expect("EACCES")
    for name, expected in (("db", "EACCES"), ("free", "")):
        assert as_user(N, os.unlink, m / f"open/{name}/key") == ""
        assert as_user(N, os.rmdir, m / f"open/{name}") == expected, name
    assert m.read("open/db/.vault/metadata.json") and m.errno_of(os.rmdir, m / "open/db") == ""


@test()
def orders(t):
    "refresh and renew are for root and the mount's owner, whatever the modes allow"
    t.put("free", {"x": "1"})
    m = mounted(t, "mode=0666", f"uid={M}")
    m.expect("EACCES|EOPNOTSUPP|renew")
    for order in ("refresh", "renew"):
        assert as_user(N, write(b"1"), m / f".vault/{order}") == "EACCES", order
        assert as_user(N, os.truncate, m / f".vault/{order}", 0) == "EACCES", order
        assert as_user(M, write(b"1"), m / f".vault/{order}") != "EACCES", order
    assert as_user(0, write(b"1"), m / ".vault/refresh") == ""


def lines_of(m, uid):
    """Of .vault/errors, as that user reads it."""
    r, w = os.pipe()

    def tell():
        with open(m / ".vault/errors", "rb") as f:
            os.write(w, f.read()[-60000:])

    assert as_user(uid, tell) == ""
    os.close(w)
    with os.fdopen(r, "rb") as f:
        return f.read().decode().splitlines()


@test()
def errors_are_for_who_could_see(t):
    ".vault/errors tells each reader of the paths that it could walk to, and of no others"
    t.put("closed/hidden", {"x": "1"})
    t.put("free", {"x": "1"})
    m = mounted(t)
    m.expect("EINVAL|EACCES|ENOENT")
    m.errno_of(m.write, "closed/hidden/.vault/version", "nonsense")
    m.errno_of(m.write, "free/.vault/version", "nonsense")
    as_user(N, write(b"nonsense"), m / "free/.vault/version")
    as_user(N, write(b"x"), m / "closed/hidden/x")
    mine, all_lines = lines_of(m, N), lines_of(m, 0)
    assert any("/closed/hidden" in line for line in all_lines), all_lines
    assert not any("closed" in line or "hidden" in line for line in mine), mine
    assert sum("/free/.vault/version" in line for line in mine) == 2, mine
    assert os.stat(m / ".vault/errors").st_size > 0


@test()
def events_are_for_who_could_see(t):
    ".vault/events tells each reader of the paths that it could walk to, and wakes it for no others"
    t.put("closed/hidden", {"x": "1"})
    t.put("free", {"x": "1"})
    m = mounted(t)
    ready, told, go = os.pipe(), os.pipe(), os.pipe()

    def listen():
        fd = os.open(m / ".vault/events", os.O_RDONLY | os.O_NONBLOCK)
        os.write(ready[1], b"1")
        os.read(go[0], 1)
        p = select.poll()
        p.register(fd, select.POLLIN)
        seen = bool(p.poll(0))
        os.write(told[1], b"early" if seen else b"quiet")
        os.read(go[0], 1)
        text, end = b"", time.monotonic() + 20
        while b"free" not in text and time.monotonic() < end:
            p.poll(1000)
            try:
                text += os.read(fd, 65536)
            except BlockingIOError:
                pass
        os.write(told[1], text)

    child = os.fork()
    if not child:
        os._exit(0 if as_user(N, listen) == "" else 1)
    os.read(ready[0], 1)
    m.read("closed/hidden/x")
    m.write("closed/hidden/x", "2")
    m.write("closed/hidden/y", "3")
    os.write(go[1], b"1")
    assert os.read(told[0], 100) == b"quiet"
    m.read("free/x")
    m.write("free/x", "2")
    os.write(go[1], b"1")
    text = os.read(told[0], 65536).decode()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert "free" in text and "closed" not in text and "hidden" not in text, text


@test()
def one_user_silences_nobody(t):
    "a user who fails all the time pushes out nobody else's lines, neither in errors nor in the log"
    t.put("free", {"x": "1"})
    m = mounted(t)
    m.expect("EINVAL|EACCES|left out")

    def fail(count):
        for _ in range(count):
            try:
                write(b"nonsense")(m / "free/.vault/version")
            except OSError:
                pass

    as_user(M, fail, 1)
    child = os.fork()
    if not child:
        as_user(N, fail, 300)
        os._exit(0)
    time.sleep(0.3)
    as_user(M, fail, 1)
    os.waitpid(child, 0)
    assert sum(f"uid={M}" in line for line in m.log().splitlines() if "EINVAL" in line) == 2
    text = m.log()
    assert text.count(f"uid={N} ") < 300, "one user's failures fill the log"
    assert len(lines_of(m, 0)) <= 64


@test()
def one_user_takes_no_memory_from_another(t):
    "directories and scratch files that one user makes for ever leave room for another's"
    t.put("free", {"x": "1"})
    m = mounted(t, "scratch_max=1M")
    m.expect("ENOSPC|EFBIG|ENOMEM|scratch file|left out")

    def make_all(name, count):
        for i in range(count):
            os.mkdir(m / f"free/{name}{i}")

    assert as_user(N, make_all, "n", 20000) == "ENOSPC"
    assert as_user(M, make_all, "m", 100) == "" and as_user(0, make_all, "r", 100) == ""
    assert as_user(N, lambda: os.mkdir(m / "free/more")) == "ENOSPC"
    assert as_user(N, lambda: [os.rmdir(m / f"free/n{i}") for i in range(500)]) == ""
    assert as_user(N, lambda: os.mkdir(m / "free/more")) == ""

    def fill(name, size):
        with open(m / f"free/{name}~", "wb", buffering=0) as f:
            for _ in range(size // 65536):
                f.write(bytes(65536))

    assert as_user(N, fill, "n", 1 << 20) == "EFBIG"
    assert as_user(M, fill, "m", 3 << 16) == ""
    m.write("free/x", "2")
    assert t.get("free") == {"x": "2"}


@test(products=("vault", "bao"))
def one_user_starves_nobody(t):
    "a user whose requests are refused all the time holds up nobody else's, whatever these ask for"
    for i in range(20):
        t.put(f"free/s{i}", {"x": str(i)})
    t.server.policy("starve", {
        f"secret/data/{t.folder}/free/*": ["read"],
        f"secret/metadata/{t.folder}/*": ["list", "read"]})
    os.chmod(t.root, 0o755)
    os.chmod(os.path.dirname(t.root), 0o755)
    m = t.mount("allow_other", "mode=0644", "dir_mode=0755", "timeout=5s",
                token=t.server.make_token(policies=["starve"]))
    m.expect("EACCES|EAGAIN|ETIMEDOUT|left out")

    storms = [t.spawn("setpriv", f"--reuid={N}", f"--regid={N}", "--clear-groups", "sh", "-c",
                      f"i=0; while :; do i=$((i+1)); stat {m / 'no'}/$i.{k}/x; done",
                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for k in range(4)]
    time.sleep(2)

    def read_all():
        for i in range(20):
            with open(m / f"free/s{i}/x", encoding="utf-8") as f:
                assert f.read() == str(i)

    assert as_user(M, read_all) == ""
    for p in storms:
        p.kill()


main(local=True)
