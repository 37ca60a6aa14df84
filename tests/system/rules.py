#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sections of the configuration file that hold for paths: owner, mode, freshness and form of files, and
what a commit must be like."""

import json
import os
import stat
import subprocess
import time

import mount as mounts
from harness import main, test
from server import ApiError


def configured(t, text, *options, **more):
    path = f"{t.root}/conf{len(t.mounts)}"
    with open(path, "w", encoding="utf-8") as f:
        f.write(text.replace("HERE", f"{t.folder}"))
    return t.mount(*options, args=("-c", path), **more)


def seen(path):
    st = os.lstat(path)
    return st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode)


@test()
def owner_and_mode(t):
    "the first section that matches a secret or its field says owner, group and modes, from the first stat"
    t.put("app/db", {"password": "1", "user": "2"})
    t.put("app/db", {"password": "3", "user": "4"})
    t.put("app/tls/web", {"cert": "c", "key": "k"})
    t.put("other", {"x": "1"})
    m = configured(t, """
uid = 11
mode = 0600
[path "HERE/app/tls/*/key"]
mode = 0400
owner = 13
[path "secret/HERE/app/tls*"]
owner = daemon
group = 22
mode = 0440
dir_mode = 0550
[path "HERE/app/tls/web"]
mode = 0777
[path "HERE/app/db"]
group = daemon
mode = 0640
""")
    import grp
    import pwd
    daemon, group = pwd.getpwnam("daemon").pw_uid, grp.getgrnam("daemon").gr_gid
    gid = os.getegid()
    for name, expected in (("other", (11, gid, 0o700)), ("other/x", (11, gid, 0o600)),
                           ("app", (11, gid, 0o700)), ("app/db", (11, group, 0o700)),
                           ("app/db/password", (11, group, 0o640)),
                           ("app/db/.vault", (11, group, 0o700)),
                           ("app/db/.vault/data.json", (11, group, 0o640)),
                           ("app/db/.vault/fields/user", (11, group, 0o640)),
                           ("app/db/.vault/versions/1/user", (11, group, 0o440)),
                           ("app/tls", (daemon, 22, 0o550)),
                           ("app/tls/web", (daemon, 22, 0o550)),
                           ("app/tls/web/cert", (daemon, 22, 0o440)),
                           ("app/tls/web/key", (13, gid, 0o400)),
                           ("app/tls/web/.vault/fields/key", (13, gid, 0o400)),
                           ("app/tls/web/.vault/versions/1/key", (13, gid, 0o400)),
                           ("app/tls/web/.vault/metadata.json", (daemon, 22, 0o440)),
                           # who may not read every field may not read all of them
                           ("app/tls/web/.vault/data.json", (daemon, 22, 0o000)),
                           ("app/tls/web/.vault/data.env", (daemon, 22, 0o000))):
        assert seen(m / name) == expected, (name, seen(m / name), expected)
    with open(m / "app/db/new", "w", encoding="utf-8") as f:
        assert stat.S_IMODE(os.fstat(f.fileno()).st_mode) == 0o640
    listed = t.run("ls", "-l", m / "app/tls/web")[1].decode()
    assert "-r--r-----" in listed and "-r--------" in listed, listed


@test()
def owner_and_mode_are_kept_to(t):
    "other users are let in where a section lets them, and nowhere else"
    t.put("open/db", {"x": "1", "key": "2"})
    t.put("closed/db", {"x": "1"})
    os.chmod(t.root, 0o755)
    os.chmod(os.path.dirname(t.root), 0o755)
    m = configured(t, """
[path "*/open/db/key"]
mode = 0400
[path "*/open*"]
owner = 61000
mode = 0440
dir_mode = 0550
""", "allow_other", "dir_mode=0711")

    def reads(uid, path):
        done = subprocess.run(["setpriv", f"--reuid={uid}", "--regid=60000", "--clear-groups",
                               "cat", m / path], capture_output=True, check=False)
        return done.stdout.decode()

    assert reads(61000, "open/db/x") == "1" and reads(61001, "open/db/x") == ""
    assert reads(61000, "open/db/key") == "" and reads(61000, "open/db/.vault/fields/key") == ""
    assert reads(61000, "open/db/.vault/data.json") == "" == reads(61000, "closed/db/x")
    assert reads(0, "open/db/.vault/data.json") != ""
    m.expect("not allowed by owner and mode", "EACCES")


@test()
def freshness(t):
    "ttl holds for the secrets of its section alone"
    for name in ("quick", "slow"):
        t.put(name, {"x": "old"})
    m = configured(t, 'ttl = 1h\nnegative_ttl = 1s\n[path "HERE/quick"]\nttl = 1s\n')
    assert m.read("quick/x") == m.read("slow/x") == b"old"
    for name in ("quick", "slow"):
        t.put(name, {"x": "new"})
    end = time.monotonic() + 20
    while m.read("quick/x") != b"new" and time.monotonic() < end:
        time.sleep(0.1)
    assert m.read("quick/x") == b"new" and os.stat(m / "slow/x").st_size == 3


@test()
def forms(t):
    "newline and binary hold for the fields of their section"
    m = configured(t, """
[path "HERE/a/raw"]
newline = keep
[path "HERE/a"]
newline = strip
binary = reject
""")
    m.expect("a scratch file goes")  # what could not be committed is kept
    for name in "ab":
        os.mkdir(m / name)
        for field in ("x", "raw"):
            m.write(f"{name}/{field}", "line\n")
    assert t.get("a") == {"x": "line", "raw": "line\n"}
    assert t.get("b") == {"x": "line\n", "raw": "line\n"}
    assert m.errno_of(m.write, "a/bin", b"\xff\0") == "EILSEQ"
    assert m.errno_of(m.write, "a/raw", b"\xff\0") == ""
    assert m.errno_of(m.write, "b/bin", b"\xff\0") == ""


RULES = """
[path "HERE/db*"]
require = user password
allow = port url
allow = note
match.port = ^[0-9]+$
match.url = ^postgres://
max_size = 20
"""


@test()
def what_a_commit_may_be(t):
    "a commit against its section is EINVAL by every way of writing, nothing is written, and errors says why"
    good = {"user": "bob", "password": "s3cret", "port": "5432"}
    t.put("db", good)
    t.put("free", {"x": "1", "port": "none"})
    m = configured(t, RULES)
    canary = t.canary("x")  # longer than max_size, and must not be told

    def document(path, fields):
        m.write(f"{path}/.vault/data.json", json.dumps(fields))

    def moved(text, to):
        with open(m / "db/.scratch", "wb") as f:
            f.write(text)
        os.rename(m / "db/.scratch", to)

    ways = [("a value that does not match", m.write, "db/port", "many"),
            ("a value that matches but for its newline", m.write, "db/port", "1\n"),
            ("a value too large", m.write, "db/user", canary),
            ("a field that is not allowed", m.write, "db/other", "1"),
            ("unlink of what is required", os.unlink, m / "db/password"),
            ("unlink by .vault/fields", os.unlink, m / "db/.vault/fields/password"),
            ("rename of what is required", os.rename, m / "db/user", m / "db/note"),
            ("rename to what is not allowed", os.rename, m / "db/port", m / "db/other"),
            ("rename to another secret", os.rename, m / "db/user", m / "free/user"),
            ("rename from another secret", os.rename, m / "free/port", m / "db/port"),
            ("a document without what is required", document, "db", {"user": "bob"}),
            ("a document with a wrong value", document, "db", {**good, "port": "x"}),
            ("an empty document", document, "db", {}),
            ("truncation", os.truncate, m / "db/port", 0),
            ("a first field", m.write, "db2/user", "bob"),
            ("a first document", document, "db2", {"user": "bob"}),
            ("a scratch file", moved, canary.encode(), m / "db/user"),
            ("a type", os.setxattr, m / "db/port", "user.vault.type", b"x")]
    os.mkdir(m / "db2")
    for what, action, *args in ways:
        assert m.errno_of(action, *args) == "EINVAL", what
    assert t.get("db") == good and t.version("db") == 1 and t.version("free") == 1
    assert t.get("db2") is None
    errors = m.read(".vault/errors").decode()
    for text in ("requires a field password", "match.port", "more than max_size",
                 "does not allow a field other"):
        assert text in errors, errors
    assert canary not in errors and "many" not in errors
    m.expect("EINVAL")
    m.write("db/port", "1")
    m.write("db/url", "postgres://h")
    m.write("free/port", "whatever it is, and however long")
    document("db2", {**good, "user": "eve"})
    assert t.get("db2")["user"] == "eve" and t.get("db")["url"] == "postgres://h"


@test()
def old_versions_and_wholes(t):
    "a version that is against its section does not come back; a whole secret may go"
    t.put("db", {"user": "bob"})
    t.put("db", {"user": "bob", "password": "1", "port": "http"})
    t.put("db", {"user": "bob", "password": "1", "port": "80"})
    t.put("db", {"user": "bob", "password": "2", "port": "80", "strange": "1"})
    m = configured(t, RULES, "rmdir=purge")
    m.expect("EINVAL")
    for number in "12":
        assert m.errno_of(m.write, "db/.vault/version", number) == "EINVAL", number
    assert t.version("db") == 4
    m.write("db/password", "3")  # what others have put there is no reason against it
    m.write("db/.vault/version", "3")
    assert t.get("db") == {"user": "bob", "password": "1", "port": "80"}
    assert m.errno_of(os.rmdir, m / "db") == "ENOTEMPTY"
    t.run("rm", "-r", m / "db")
    assert t.get("db") is None and not os.path.exists(m / "db")


@test()
def removing_all(t):
    "rm -r removes what is required with all the rest; what is left half-way is there again"
    for name in ("db", "db2", "db3"):
        t.put(name, {"password": "1", "user": "2", "port": "3", "url": "postgres://"})
    m = configured(t, RULES)
    m.expect("EINVAL", "could not be removed")
    t.run("rm", "-r", m / "db")
    assert t.get("db") is None
    # url first, which may go; then the others one by one, of which the first may not.
    t.run("rm", m / "db2/url", m / "db2/port")
    assert m.errno_of(os.unlink, m / "db2/user") == "EINVAL"
    assert sorted(t.get("db2")) == ["password", "user"]
    # A listing, and then not all of it.
    t.run("python3", "-c", "import os,sys; os.listdir(sys.argv[1]); os.unlink(sys.argv[1]+'/user')",
          m / "db3", check=False)
    end = time.monotonic() + 20
    while "user" not in os.listdir(m / "db3") and time.monotonic() < end:
        time.sleep(0.05)
    assert sorted(t.get("db3")) == ["password", "port", "url", "user"]


@test()
def by_other_programs(t):
    "shells are told when they open a file; editors, sed and cp -a fail without a change"
    good = {"user": "bob", "password": "s3cret", "port": "5432"}
    t.put("db", good)
    m = configured(t, RULES)
    m.expect("EINVAL", "a scratch file goes")
    for script in ("echo 1 > $D/other", "sed -i s/5432/many/ $D/port", "cp /etc/hosts $D/url",
                   "truncate -s 0 $D/port", "mv $D/user $D/name"):
        assert t.shell(script, check=False, D=m / "db")[0] != 0, script
    t.shell("echo -n more >> $D/port; echo x > $D/port", check=False, D=m / "db")
    assert t.get("db") == good
    t.shell("sed -i s/5432/5433/ $D/port", D=m / "db")
    assert t.get("db")["port"] == "5433"


@test()
def mistakes(t):
    "a mistake in a section ends the mount at once, with file, line, and what is taken"
    for text, line, words in (
            ("[path app]\n", 1, 'expected [path "PATTERN"]'),
            ("[server]\n", 1, 'expected [path "PATTERN"]'),
            ('ttl=1m\n\n[path "a"]\n  owner = nobody-there\n', 4, "expected a user, by name or number"),
            ('[path "a"]\nmode = 999\n', 2, "expected permissions, in octal"),
            ('[path "a"]\ncolour = red\n', 2, "owner, group, mode"),
            ('[path "a"]\naddr = x\n', 2, "before the first section"),
            ('[path "a"]\nnewline = maybe\n', 2, "expected one of keep strip"),
            ('[path "a"]\nmatch.x = (\n', 2, "regular expression"),
            ('[path "a"]\nmatch. = x\n', 2, "match.FIELD=REGEX"),
            ('[path "a"]\nrequire =\n', 2, "names of fields"),
            ('[path "a"]\nmax_size = big\n', 2, "expected a size"),
            ('[path "a"]\nttl\n', 2, "not NAME = VALUE")):
        path = f"{t.root}/bad"
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.makedirs(f"{t.root}/dir", exist_ok=True)
        env = mounts.clean_environment(VAULT_ADDR=t.server.address, VAULT_TOKEN=t.server.token)
        done = subprocess.run([mounts.VAULTFS, "mount", "-c", path, "secret", f"{t.root}/dir"],
                              capture_output=True, text=True, env=env, check=False, timeout=60)
        assert done.returncode == 1 and f"{path}, line {line}: " in done.stderr and \
            words in done.stderr, (text, done.stderr)


@test()
def an_engine_of_version_1(t):
    "sections hold in an engine of version 1 too, and name it where they want"
    if "flat1/" not in t.server.api("GET", "sys/mounts")["data"]:
        t.server.api("POST", "sys/mounts/flat1", {"type": "kv", "options": {"version": "1"}})
    t.server.api("POST", "flat1/db", {"user": "bob", "port": "1"})
    m = configured(t, '[path "flat1/db"]\nrequire = user\nmatch.port = ^[0-9]+$\nmode = 0640\n',
                   source="/flat1")
    m.expect("EINVAL")
    assert seen(m / "db/user")[2] == 0o640
    assert m.errno_of(os.unlink, m / "db/user") == "EINVAL"
    assert m.errno_of(m.write, "db/port", "x") == "EINVAL"
    m.write("db/port", "22")
    assert t.server.api("GET", "flat1/db")["data"] == {"user": "bob", "port": "22"}
    try:
        t.run("rm", "-r", m / "db")
        t.server.api("GET", "flat1/db")
        raise AssertionError("it is still there")
    except ApiError as e:
        assert e.status == 404


main()
