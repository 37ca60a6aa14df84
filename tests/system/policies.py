#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a token may do, and what programs are told: a table of policies, operations and errno; modes and
access(2); folders that may not be listed; and a SOURCE that is all that the token may use.

In the table each policy has a folder with the secrets db (two versions, fields x and y) and db/sub/inner, and
nothing named new. "a|b" is what Vault and what OpenBao come to, which does not tell a token all of its rules:
what cannot be excluded there is a directory, and opening that for writing is EISDIR. So is every name below
what may be written and not read, or read and not listed."""

import json
import os
import stat

from harness import main, test

# data/ and metadata/ below the policy's own folder; None: everything.
POLICIES = {
    "full": None,
    "read-only": {"data/*": ["read"], "metadata/*": ["read", "list"]},
    "read": {"data/*": ["read"]},
    "list-only": {"metadata/*": ["list"]},
    "write-only": {"data/*": ["create", "update"]},
    "create": {"data/*": ["create", "read"], "metadata/*": ["list"]},
    "deep": {"data/db/sub/inner": ["create", "read", "update"]},
    "deny": {"data/*": ["deny"], "metadata/*": ["deny"]},
}

def read(path):
    with open(path, "rb") as f:
        return f.read()


def write(path, text, mode="w"):
    with open(path, mode, encoding="utf-8") as f:
        f.write(text)


def access(path, mode):
    if not os.access(path, mode):
        raise PermissionError(13, "no")


def make(d):
    os.mkdir(d)
    write(f"{d}/x", "1")


# Each on a fresh folder: what it does, and what comes of it for each policy.
OPERATIONS = {
    "ls .": os.listdir,
    "ls db": lambda d: os.listdir(f"{d}/db"),
    "stat db": lambda d: os.stat(f"{d}/db"),
    "stat db/x": lambda d: os.stat(f"{d}/db/x"),
    "cat db/x": lambda d: read(f"{d}/db/x"),
    "access r db/x": lambda d: access(f"{d}/db/x", os.R_OK),
    "access w db/x": lambda d: access(f"{d}/db/x", os.W_OK),
    "overwrite db/x": lambda d: write(f"{d}/db/x", "2"),
    "append db/x": lambda d: write(f"{d}/db/x", "2", "a"),
    "truncate db/x": lambda d: os.truncate(f"{d}/db/x", 0),
    "access r db": lambda d: access(f"{d}/db", os.R_OK),
    "access w db": lambda d: access(f"{d}/db", os.W_OK),
    "create db/z": lambda d: write(f"{d}/db/z", "2"),
    "unlink db/x": lambda d: os.unlink(f"{d}/db/x"),
    "rename db/x": lambda d: os.rename(f"{d}/db/x", f"{d}/db/z"),
    "access w .": lambda d: access(d, os.W_OK),
    "mkdir new": lambda d: os.mkdir(f"{d}/new"),
    "make new": lambda d: make(f"{d}/new"),
    "rmdir db": lambda d: os.rmdir(f"{d}/db"),
    "versions": lambda d: os.listdir(f"{d}/db/.vault/versions"),
    "old version": lambda d: read(f"{d}/db/.vault/versions/1/x"),
    "get metadata": lambda d: os.getxattr(f"{d}/db", "user.vault.max_versions"),
    "set metadata": lambda d: os.setxattr(f"{d}/db", "user.vault.meta.k", b"v"),
    "rollback": lambda d: write(f"{d}/db/.vault/version", "1"),
    "access r data.json": lambda d: access(f"{d}/db/.vault/data.json", os.R_OK),
    "read data.json": lambda d: read(f"{d}/db/.vault/data.json"),
    "access w data.json": lambda d: access(f"{d}/db/.vault/data.json", os.W_OK),
    "write data.json": lambda d: write(f"{d}/db/.vault/data.json", json.dumps({"x": "9"})),
    "stat inner/x": lambda d: os.stat(f"{d}/db/sub/inner/x"),
    "cat inner/x": lambda d: read(f"{d}/db/sub/inner/x"),
    "overwrite inner/x": lambda d: write(f"{d}/db/sub/inner/x", "2"),
    "ls db/sub": lambda d: os.listdir(f"{d}/db/sub"),
}


EXPECTED = """
                     full       read-only  read       list-only  write-only create     deep          deny
ls .                 -          -          EACCES     -          EACCES     -          -             EACCES
ls db                -          -          -          -          EACCES     -          -             EACCES
stat db              -          -          -          -          -          -          -             EACCES
stat db/x            -          -          -          EACCES     -          -          EACCES|-      EACCES
cat db/x             -          -          -          EACCES     EACCES     -          EACCES        EACCES
access r db/x        -          -          -          EACCES     EACCES     -          EACCES        EACCES
access w db/x        -          EACCES     EACCES     EACCES     -          EACCES     EACCES        EACCES
overwrite db/x       -          EACCES     EACCES     EACCES     EISDIR     EACCES     EACCES|EISDIR EACCES
append db/x          -          EACCES     EACCES     EACCES     EISDIR     EACCES     EACCES|EISDIR EACCES
truncate db/x        -          EACCES     EACCES     EACCES     EISDIR     EACCES     EACCES|EISDIR EACCES
access r db          -          -          -          -          EACCES     -          -             EACCES
access w db          -          EACCES     EACCES     EACCES     -          -          -             EACCES
create db/z          -          EACCES     EISDIR     EACCES     EISDIR     EACCES     EACCES|EISDIR EACCES
unlink db/x          -          EACCES     EACCES     EACCES     EISDIR     EACCES     EACCES|EISDIR EACCES
rename db/x          -          EACCES     EISDIR     EACCES     EXDEV      EACCES     EACCES|EXDEV  EACCES
access w .           -          EACCES     EACCES     EACCES     -          -          -             EACCES
mkdir new            -          EACCES     EEXIST     EACCES     EEXIST     -          EACCES|EEXIST EACCES
make new             -          EACCES     EEXIST     EACCES     EEXIST     -          EACCES|EEXIST EACCES
rmdir db             ENOTEMPTY  ENOTEMPTY  EACCES     EACCES     EACCES     ENOTEMPTY  EACCES        EACCES
versions             -          -          EACCES     EACCES     EACCES     EACCES     EACCES        EACCES
old version          -          -          -          EACCES     EACCES     -          EACCES        EACCES
get metadata         -          -          EACCES     EACCES     EACCES     EACCES     EACCES        EACCES
set metadata         -          EACCES     EACCES     EACCES     EACCES     EACCES     EACCES        EACCES
rollback             -          EACCES     EACCES     EACCES     EACCES     EACCES     EACCES        EACCES
access r data.json   -          -          -          EACCES     EACCES     -          EACCES        EACCES
read data.json       -          -          -          EACCES     EACCES     -          EACCES        EACCES
access w data.json   -          EACCES     EACCES     EACCES     -          EACCES     EACCES        EACCES
write data.json      -          EACCES     EACCES     EACCES     -          EACCES     EACCES        EACCES
stat inner/x         -          -          -          EACCES     -          -          -             EACCES
cat inner/x          -          -          -          EACCES     EACCES     -          -             EACCES
overwrite inner/x    -          EACCES     EACCES     EACCES     EISDIR     EACCES     -             EACCES
ls db/sub            -          -          -          -          EACCES     -          -             EACCES
"""


def expected(product):
    """{policy: {operation: errno}}."""
    policies, *rows = EXPECTED.strip().splitlines()
    table = {p: {} for p in policies.split()}
    for row in rows:
        for policy, cell in zip(table, row[21:].split()):
            either = cell.split("|")
            name = either[-1] if product == "bao" else either[0]
            table[policy][row[:21].strip()] = "" if name == "-" else name
    return table


MUTATING = ("overwrite", "append", "truncate", "create", "unlink", "rename", "mkdir", "make", "rmdir",
            "set", "rollback", "write")


def folder_of(op):
    """The operations that change nothing share one."""
    return op.replace(" ", "-").replace("/", "-") if op.startswith(MUTATING) else "look"


def rules_of(t, policy):
    rules = {f"secret/data/{t.path('elsewhere')}": ["read"]}  # without any, there is nothing to mount
    for path, rights in POLICIES[policy].items():
        tree, rest = path.split("/", 1)
        for op in OPERATIONS if policy == "deep" else [None]:
            folder = f"{policy}/{folder_of(op)}" if op else policy
            rules[f"secret/{tree}/{t.path(folder)}/{rest}"] = rights
    return rules


def run(t, policy):
    for folder in {folder_of(op) for op in OPERATIONS}:
        for x in "12":
            t.put(f"{policy}/{folder}/db", {"x": x, "y": "y"})
        t.put(f"{policy}/{folder}/db/sub/inner", {"x": "1"})
    token = None
    if POLICIES[policy] is not None:
        t.server.policy(f"{t.name}-{policy}", rules_of(t, policy))
        token = t.server.make_token(policies=[f"{t.name}-{policy}"])
    m = t.mount(token=token)
    m.expect("")
    column = {op: m.errno_of(act, m / f"{policy}/{folder_of(op)}") for op, act in OPERATIONS.items()}
    m.end()
    return column


@test(seconds=400)
def table(t):
    "each policy and operation: what may be done is done, and the rest fails as it should"
    bad = []
    for policy, column in expected(t.product).items():
        assert set(column) == set(OPERATIONS)
        for op, found in run(t, policy).items():
            if found != column[op]:
                bad.append(f"{policy}: {op}: {found or 'ok'} in place of {column[op] or 'ok'}")
    assert not bad, "\n".join(bad)


def token_for(t, rules, name=""):
    """`rules` are {path in an engine's tree below the test's folder: rights}, as "data/db"."""
    full = {f"secret/{p.split('/', 1)[0]}/{t.path(p.split('/', 1)[1])}": r for p, r in rules.items()}
    t.server.policy(f"{t.name}{name}", full)
    return t.server.make_token(policies=[f"{t.name}{name}"])


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


@test()
def modes(t):
    "what surely cannot be written has no w in its mode, by stat and by ls -l, and access(2) says so too"
    for name in ("app/db", "app/rw", "prod/db", "one/cfg", "one/other"):
        t.put(name, {"x": "1"})
    token = token_for(t, {"metadata/*": ["list", "read"], "data/*": ["read"],
                          "data/app/rw": ["read", "update"], "data/prod/*": ["read"],
                          "data/one/*": ["create", "read", "update"], "data/+/cfg": ["read"],
                          "data/one/cfg": ["read"]})
    m = t.mount(token=token)
    for _ in range(2):
        for name, writable in (("app", True), ("app/db", False), ("app/db/x", False),
                               ("app/db/.vault/data.json", False), ("app/db/.vault/version", False),
                               ("app/rw", True), ("app/rw/x", True), ("app/rw/.vault/version", True),
                               ("prod", False), ("prod/db", False), ("prod/db/x", False),
                               ("one/other/x", True), ("one/cfg/x", False), (".", True)):
            assert bool(mode(m / name) & 0o200) == writable, (name, oct(mode(m / name)))
            assert os.access(m / name, os.W_OK) == writable, name
            assert os.access(m / name, os.R_OK), name
    listed = t.run("ls", "-l", m / "app")[1].decode().splitlines()[1:]
    assert [line[:10] for line in listed] == ["dr-x------", "drwx------"], listed
    full = t.mount()
    assert mode(full / "app/db/x") == 0o600 and mode(full / "app/db") == 0o700
    m.expect("EACCES")


@test(seconds=200)
def modes_cost_little(t):
    "ls -l of 1,000 secrets by a reader asks for rights a few times, and cat of many once a folder"
    n = 1000
    for i in range(n):
        t.put(f"big/s{i:04d}", {"x": "1"})
    m = t.mount(token=token_for(t, {"metadata/*": ["list", "read"], "data/*": ["read"]}))
    mark = t.server.audit_mark()
    listed = t.run("ls", "-l", m / "big")[1].decode().splitlines()[1:]
    assert len(listed) == n and {line[:10] for line in listed} == {"dr-x------"}
    t.run("ls", "-l", m / "big")
    asked = t.server.requests_since(mark)
    rights = [a for a in asked if a[1].startswith("sys/")]
    assert len(rights) <= 1 + 3 + 3, rights  # the rules; 400 entries each; the folders above
    assert len([a for a in asked if a[1].startswith("secret/")]) <= 4, asked
    mark = t.server.audit_mark()
    t.shell("cat $D/s000?/x $D/s09??/x > /dev/null", D=m / "big")
    assert len([a for a in t.server.requests_since(mark) if a[1].startswith("sys/")]) <= 2
    # Who may write everything is never asked for it.
    w = t.mount(token=token_for(t, {"metadata/*": ["list", "read"],
                                    "data/*": ["create", "read", "update"]}, "-w"))
    mark = t.server.audit_mark()
    assert {line[:10] for line in t.run("ls", "-l", w / "big")[1].decode().splitlines()[1:]} == {
        "drwx------"}
    rights = [a for a in t.server.requests_since(mark) if a[1].startswith("sys/")]
    assert len(rights) <= 1, rights


@test()
def what_may_not_be_listed(t):
    "ls of a folder that may not be listed shows what policies name in it, and what was read"
    for name in ("a/b/c", "a/b/d", "a/x", "a/y", "z/q"):
        t.put(name, {"f": "1"})
    m = t.mount(token=token_for(t, {"data/a/b/c": ["read"], "metadata/a/n*": ["read"],
                                    "data/a/p/*": ["read"], "data/a/x": ["deny"]}))
    m.expect("EACCES")
    assert os.listdir(m.path) == ["a"] and sorted(os.listdir(m / "a")) == ["b", "p"]
    assert os.listdir(m / "a/b") == ["c"] and os.listdir(m / "a/b/c") == ["f"]
    assert t.run("find", m.path, "-type", "f", check=False)[1].decode() == f"{m.path}/a/b/c/f\n"
    assert m.errno_of(os.listdir, m / "a/x") == "EACCES" == m.errno_of(os.listdir, m / "z")
    all_ = t.mount(token=token_for(t, {"data/*": ["read"]}, "-all"))
    all_.expect("EACCES")
    assert all_.errno_of(os.listdir, all_ / "a") == "EACCES"
    assert all_.read("a/x/f") == all_.read("a/y/f") == b"1"
    assert sorted(os.listdir(all_ / "a")) == ["x", "y"]


@test()
def writers_without_listing(t):
    "who may read and write, and not list, makes fields in secrets that are there, and new secrets by data.json"
    t.put("db", {"x": "1"})
    m = t.mount(token=token_for(t, {"data/*": ["create", "read", "update"]}))
    m.expect("EACCES")
    m.write("db/new", "2")
    assert t.get("db") == {"x": "1", "new": "2"}
    m.write("other/.vault/data.json", '{"k":"v"}')
    assert t.get("other") == {"k": "v"} and m.read("other/k") == b"v"


@test()
def a_source_that_is_a_secret(t):
    "SOURCE at a secret: its fields are files of the root, beside the root's own control files"
    for x in "12":
        t.put("deep/er/db", {"x": x, "y": "y"})
    token = token_for(t, {"data/deep/er/db": ["create", "read", "update", "patch"],
                          "metadata/deep/er/db": ["read"], "delete/deep/er/db": ["update"]})
    for m in (t.mount(source="deep/er/db"), t.mount(source="deep/er/db", token=token)):
        m.expect("EACCES")
        version = t.version("deep/er/db")
        assert sorted(os.listdir(m.path)) == ["x", "y"]
        assert {"data.json", "data.env", "metadata.json", "fields", "version", "versions", "conflicts",
                "status.json", "errors", "refresh"} <= set(os.listdir(m / ".vault"))
        assert m.read(".vault/version") == b"%d\n" % version and m.read(f".vault/versions/{version}/x") == b"2"
        assert m.read(".vault/fields/y") == b"y" and json.loads(m.read(".vault/data.json"))["y"] == "y"
        assert json.loads(m.read(".vault/status.json"))["source"] == f"secret/{t.path('deep/er/db')}"
        assert json.loads(m.read(".vault/metadata.json"))["current_version"] == version
        assert os.getxattr(m.path, "user.vault.version") == b"%d" % version
        assert mode(m.path) == 0o700 and mode(m / "x") == 0o600 and os.access(m.path, os.W_OK)
        m.write("x", "new")
        m.write("z", "3")
        os.rename(m / "z", m / "w")
        t.shell("sed -i s/new/newer/ $D/x; cp $D/x $D/copy", D=m.path)
        os.unlink(m / "w")
        assert t.get("deep/er/db") == {"x": "newer", "y": "y", "copy": "newer"}
        m.write(".vault/version", str(version))
        assert t.get("deep/er/db") == {"x": "2", "y": "y"} and m.read("x") == b"2"
        m.write(".vault/refresh", "1")
        assert m.read("y") == b"y"
        m.end()


@test()
def a_source_below_all_that_is_refused(t):
    "SOURCE at any depth works where the token may use nothing above it"
    t.put("a/b/c/db", {"x": "1"})
    token = token_for(t, {"data/a/b/c/*": ["create", "read", "update"],
                          "metadata/a/b/c/*": ["list", "read"]})
    m = t.mount(source="a/b/c", token=token)
    m.expect("EACCES")
    assert os.listdir(m.path) == ["db"] and m.read("db/x") == b"1"
    os.mkdir(m / "new")
    m.write("new/f", "v")
    assert t.get("a/b/c/new") == {"f": "v"}


main()
