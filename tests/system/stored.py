#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What is stored is read back as it was written, whichever way it was written: text that takes a binary
value's place, and numbers that a server would turn into others."""

import base64
import json
import os
import subprocess

from harness import main, test
from mount import VAULTFS, clean_environment

BINARY = b"\0\xffbin"
HEX = b"0123456789abcdef" * 4  # which is base64 of 48 bytes


def command(t, *args, input=b"", **env):
    """(status, stderr) of a command of ours, on this test's server or store."""
    more = ["-o", f"key=file:{t.server.key}"] if t.product == "local" else []
    if t.product != "local":
        env = {"VAULT_ADDR": t.server.address, "VAULT_TOKEN": t.server.token, **env}
    done = subprocess.run([VAULTFS, args[0], *more, *args[1:]], input=input, capture_output=True, timeout=60,
                          check=False, env=clean_environment(HOME=t.root, **env))
    return done.returncode, done.stderr.decode()


def editor(t, text):
    path = f"{t.root}/editor"
    with open(path, "w") as f:
        f.write(f"#!/bin/sh\ncat > \"$1\" <<'END'\n{text}\nEND\n")
    os.chmod(path, 0o755)
    return path


def put_file(t, m, name, text):
    path = f"{t.root}/file"
    with open(path, "wb") as f:
        f.write(text)
    t.run("cp", path, m / name)


def rewrite(m, name, text):
    """As an editor that writes beside the file and renames."""
    directory = os.path.dirname(m / name)
    with open(f"{directory}/.{os.path.basename(name)}.new", "xb", opener=lambda p, f: os.open(p, f, 0o600)) as f:
        f.write(text)
    os.rename(f.name, m / name)


def by_mv(t, m):
    m.write("s/new", HEX)
    os.rename(m / "s/new", m / "s/key")


def by_mv_from_elsewhere(t, m):
    t.put("o", {"new": HEX.decode(), "keep": "k"})
    os.rename(m / "o/new", m / "s/key")


def after_rm(t, m):
    os.unlink(m / "s/key")
    m.write("s/key", HEX)


def after_all_were_removed(t, m):
    t.run("rm", m / "s/key", m / "s/keep")
    m.settle()
    m.write("s/key", HEX)


def by_put(t, m):
    status, err = command(t, "put", "--merge", t.place("s"), f"key={HEX.decode()}")
    assert status == 0, err


def by_put_of_a_document(t, m):
    status, err = command(t, "put", t.place("s"), "-", input=json.dumps({"key": HEX.decode()}).encode())
    assert status == 0, err


def by_edit(t, m):
    status, err = command(t, "edit", t.place("s"), EDITOR=editor(t, json.dumps({"key": HEX.decode()})))
    assert status == 0, err


def by_migrate(t, m):
    with open(f"{t.root}/.env", "wb") as f:
        f.write(b"S_KEY=" + HEX + b"\n")
    status, err = command(t, "migrate", "--overwrite", "--env-file", f.name, t.place(""))
    assert status in (0, 1), err


WAYS = {
    "mv": by_mv,
    "mv from another secret": by_mv_from_elsewhere,
    "cp": lambda t, m: put_file(t, m, "s/key", HEX),
    "a rewrite": lambda t, m: rewrite(m, "s/key", HEX),
    "rm before": after_rm,
    "rm of all before": after_all_were_removed,
    "data.json": lambda t, m: m.write("s/.vault/data.json", json.dumps({"key": HEX.decode()}).encode()),
    "put": by_put,
    "put of a document": by_put_of_a_document,
    "edit": by_edit,
    "migrate": by_migrate,
}


@test(seconds=180)
def text_over_bytes(t):
    "text in the place of a binary value is read as that text, whichever way it is written"
    m = t.mount("ttl=0")
    m.expect("went back to an earlier version") # each time the secret is made anew
    wrong = []
    for how, write in WAYS.items():
        t.put("s", {"keep": "x"})
        m.write("s/key", BINARY)
        assert m.read("s/key") == BINARY, how
        write(t, m)
        n = t.mount()
        if m.read("s/key") != HEX or n.read("s/key") != HEX:
            wrong.append(how)
        assert t.get("s")["key"] == HEX.decode(), how
        n.end()
        t.server.purge(t.path("s"))
    assert not wrong, wrong


@test()
def bytes_in_documents(t):
    "a document that holds a binary value as it is stored leaves it what it is; put, edit and data.json alike"
    t.put("s", {"keep": "x"})
    m = t.mount("ttl=0")
    m.write("s/key", BINARY)
    held = base64.b64encode(BINARY).decode()
    for i, write in enumerate((
            lambda doc: m.write("s/.vault/data.json", doc),
            lambda doc: command(t, "put", t.place("s"), "-", input=doc),
            lambda doc: command(t, "edit", t.place("s"), EDITOR=editor(t, doc.decode())))):
        write(json.dumps({"key": held, "keep": f"{i}"}).encode())
        assert t.get("s") == {"key": held, "keep": f"{i}"}
        assert m.read("s/key") == BINARY, i


@test()
def several_marks(t):
    "several binary values of a new secret are all marked, and what its owner has set before is kept"
    m = t.mount("ttl=0")
    os.mkdir(m / "s")
    os.setxattr(m / "s", "user.vault.meta.owner", b"ops")
    for name in ("a", "b"):
        with open(f"{t.root}/{name}", "wb") as f:
            f.write(BINARY + name.encode())
    status, err = command(t, "put", t.place("s"), f"a=@{t.root}/a", f"b=@{t.root}/b")
    assert status == 0, err
    assert m.read("s/a") == BINARY + b"a" and m.read("s/b") == BINARY + b"b"
    assert os.getxattr(m / "s", "user.vault.meta.owner") == b"ops"


@test(products=("vault", "bao"))
def a_refused_text_leaves_the_mark(t):
    "a text that the server refuses leaves the binary value readable"
    t.put("s", {"keep": "x"})
    m = t.mount("ttl=0", "conflict=strict")
    m.write("s/key", BINARY)
    m.expect("EBUSY", "a scratch file goes with the mount")
    fd = os.open(m / "s/key", os.O_WRONLY | os.O_TRUNC)
    os.write(fd, HEX)
    t.put("s", {**t.get("s"), "key": base64.b64encode(b"\xfe").decode()})
    assert m.errno_of(os.close, fd) == "EBUSY"
    assert m.read("s/key") == b"\xfe"


LOST = ("1.10", "81111e1", "12345678901234567890", "1.0", "9007199254740993")


@test()
def numbers_by_file(t):
    "a number is read back as it was written: where the server would turn it into another it is a string"
    keeps = t.product == "local"
    m = t.mount("ttl=0")
    for text in (*LOST, "007", "1.1", "-5", "[1.10]", '{"a":[1,1.10]}'):
        before = {"[": [1], "{": {}}.get(text[0], 1.9)
        t.put("s", {"n": before, "other": "x"})
        m.write("s/n", text)
        m.settle()
        assert m.read("s/n") == text.encode(), text
        got = t.get("s")["n"]
        assert isinstance(got, str) == (text == "007" or not keeps and text not in ("1.1", "-5")), (text, got)
    t.put("s", {"n": "1.10"})
    if not keeps:
        m.expect("EINVAL")
        assert m.errno_of(os.setxattr, m / "s/n", "user.vault.type", b"number") == "EINVAL"
        assert t.get("s") == {"n": "1.10"}


def refused(t, m, what, write):
    status, err = write()
    assert status != 0 and "the field n" in err and "1.10" not in err.replace("(1.10 becomes", ""), (what, err)
    assert t.get("s") == {"n": 1, "other": "x"}, what


@test()
def numbers_in_documents(t):
    "a document with a number that the server would turn into another is refused; a store that keeps it takes it"
    m = t.mount("ttl=0")
    for text in LOST:
        t.put("s", {"n": 1, "other": "x"})
        doc = f'{{"n": {text}, "other": "x"}}'.encode()
        ways = {"put": lambda doc=doc: command(t, "put", t.place("s"), "-", input=doc),
                "edit": lambda doc=doc: command(t, "edit", t.place("s"), EDITOR=editor(t, doc.decode()))}
        for what, write in ways.items():
            if t.product == "local":
                assert write()[0] == 0 and m.read("s/n") == text.encode(), what
            else:
                refused(t, m, what, write)
        if t.product != "local":
            m.expect("EINVAL")
            assert m.errno_of(m.write, "s/.vault/data.json", doc) == "EINVAL"
            m.settle()
            assert t.get("s") == {"n": 1, "other": "x"}
        else:
            m.write("s/.vault/data.json", doc)
            assert m.read("s/n") == text.encode()


@test(products=("vault", "bao"))
def numbers_by_migrate(t):
    "a copy of a store with such a number is refused before anything is written; version 1 keeps it"
    store, key = f"{t.root}/store.db", f"{t.root}/key"
    with open(key, "w", opener=lambda p, f: os.open(p, f, 0o600)) as f:
        f.write("0123456789abcdef")
    env = clean_environment(VAULT_ADDR=t.server.address, VAULT_TOKEN=t.server.token, HOME=t.root)
    ours = lambda *args, **more: subprocess.run(
        [VAULTFS, args[0], "-o", f"key=file:{key}", *args[1:]], capture_output=True, timeout=60, check=False,
        env=env, **more)
    m = t.mount(f"key=file:{key}", source=f"/local:{store}")
    for name, doc in (("a", '{"x": "1"}'), ("b", '{"pin": 12345678901234567890, "v": 1.10}')):
        os.mkdir(m / name)
        m.write(f"{name}/.vault/data.json", doc)
    m.end()
    done = ours("migrate", "--from", f"local:{store}", t.place("to"))
    assert done.returncode != 0 and b"pin" in done.stderr and b"1234567" not in done.stderr, done
    assert t.server.list(t.path("to")) == []
    engine = f"one-{t.name}".lower().replace("_", "-")
    t.server.enable(engine, 1)
    done = ours("migrate", "--from", f"local:{store}", f"{engine}/to")
    assert done.returncode == 0, done
    m = t.mount(source=f"/{engine}")
    assert m.read("to/b/pin") == b"12345678901234567890" and m.read("to/b/v") == b"1.10"
    m.write("to/b/v", "1.20")
    assert m.read("to/b/v") == b"1.20" and os.getxattr(m / "to/b/v", "user.vault.type") == b"number"
    m.end()
    t.server.disable(engine)


main(local=True)
