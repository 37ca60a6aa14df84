#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reading: the tree, what stat(2) says, freshness, and how little is asked of the server."""

import os
import stat
import subprocess
import threading
import time

from harness import long, main, test


@test()
def reads_a_field(t):
    "a field reads as its bytes, nothing added"
    value = t.canary()
    t.put("db", {"password": value, "url": "postgres://x"})
    m = t.mount()
    assert m.read("db/password") == value.encode()
    assert sorted(os.listdir(m / "db")) == ["password", "url"]
    assert t.run("cat", m / "db/url")[1] == b"postgres://x"


@test()
def folder_and_secret_of_one_name(t):
    "a secret and a folder of one name are one directory, and the entry hides the field"
    t.put("a", {"field": "1", "both": "hidden"})
    t.put("a/both", {"inner": "2"})
    t.put("a/only", {"x": "3"})
    m = t.mount()
    assert sorted(os.listdir(m / "a")) == ["both", "field", "only"]
    assert m.read("a/field") == b"1"
    assert os.path.isdir(m / "a/both")
    assert m.read("a/both/inner") == b"2"


@test()
def stat_is_exact(t):
    "stat tells exact sizes, the version's time, modes, owners and one link"
    t.put("s", {"empty": "", "long": "x" * 5000})
    m = t.mount("uid=12", "gid=34", "mode=0640", "dir_mode=0750")
    created = t.server.versions(t.path("s"))[1]["created_time"]
    for name, size in (("empty", 0), ("long", 5000)):
        st = os.stat(m / f"s/{name}")
        assert (st.st_size, st.st_uid, st.st_gid, st.st_nlink) == (size, 12, 34, 1)
        assert stat.S_IMODE(st.st_mode) == 0o640 and stat.S_ISREG(st.st_mode)
        whole, fraction = created.rstrip("Z").split(".")
        assert time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(st.st_mtime)) == whole
        assert f"{st.st_mtime_ns % 10**9:09d}" == fraction.ljust(9, "0")
    st = os.stat(m / "s")
    assert stat.S_ISDIR(st.st_mode) and stat.S_IMODE(st.st_mode) == 0o750 and st.st_nlink == 1


@test()
def inodes_are_stable(t):
    "inode numbers are the same after a new mount, and in readdir and stat"
    t.put("a/b", {"f": "1", "g": "2"})
    names = ["a", "a/b", "a/b/f", "a/b/g", "a/b/.vault", "a/b/.vault/data.json"]
    seen = []
    for _ in range(2):
        m = t.mount()
        seen.append([os.stat(m / n).st_ino for n in names])
        with os.scandir(m / "a/b") as entries:
            assert {e.name: e.inode() for e in entries} == dict(zip("fg", seen[-1][2:4]))
        m.end()
    assert seen[0] == seen[1] and len(set(seen[0])) == len(names)


@test()
def types_read_as_compact_json(t):
    "what is not a string reads as compact JSON"
    t.put("v", {"n": 42, "f": 2.5, "b": True, "z": None, "o": {"a": {}, "b": [1, "x"]}, "s": "42"})
    m = t.mount()
    assert [m.read(f"v/{n}") for n in "nfbzos"] == [
        b"42", b"2.5", b"true", b"null", b'{"a":{},"b":[1,"x"]}', b"42"]


@test()
def odd_values_survive(t):
    "values with NUL, control characters, quotes and all of Unicode read as they are"
    values = {"nul": "a\0b", "low": "".join(map(chr, range(1, 32))), "html": "<&>\u2028\u2029",
              "esc": '"\\/\\u0000', "uni": "äöü€\U0001f511", "nl": "line\n"}
    t.put("v", values)
    m = t.mount()
    for name, value in values.items():
        assert m.read(f"v/{name}") == value.encode(), name
        assert os.stat(m / f"v/{name}").st_size == len(value.encode())


@test()
def control_files(t):
    ".vault is in every directory, is not listed, and has data.json and metadata.json"
    t.put("db", {"user": "bob", "n": 12})
    m = t.mount()
    assert ".vault" not in os.listdir(m.path) + os.listdir(m / "db")
    for d in (".vault", "db/.vault"):
        assert os.path.isdir(m / d)
    text = m.read("db/.vault/data.json")
    assert os.stat(m / "db/.vault/data.json").st_size == len(text)
    assert t.run("python3", "-c", "import json,sys; print(json.load(sys.stdin))",
                 input=text)[1] == b"{'n': 12, 'user': 'bob'}\n"
    import json
    metadata = json.loads(m.read("db/.vault/metadata.json"))
    assert metadata == t.server.api("GET", f"secret/metadata/{t.path('db')}")["data"]
    assert m.errno_of(open, m / ".vault/data.json") == "ENOENT"
    assert m.errno_of(open, m / "db/.vault/data.env", "w") == "EROFS"
    assert m.errno_of(open, m / "db/.vault/other", "w") == "EPERM"
    assert sorted(os.listdir(m / "db/.vault")) == ["conflicts", "data.env", "data.json", "fields", "metadata.json",
                                                     "version", "versions"]
    assert os.listdir(m / "db/.vault/conflicts") == []


@test()
def attributes(t):
    "user.vault.path, field, version and created_time can be read and are listed"
    t.put("db", {"user": "a"})
    t.put("db", {"user": "b"})
    m = t.mount()
    created = t.server.versions(t.path("db"))[2]["created_time"].rstrip("Z").ljust(29, "0")
    get = lambda p, n: os.getxattr(m / p, f"user.vault.{n}").decode()
    assert get("db/user", "version") == get("db", "version") == "2"
    assert get("db/user", "path") == t.place("db")
    assert get("db/user", "field") == "user"
    assert get("db", "created_time").rstrip("Z")[:26] == created[:26]
    assert sorted(os.listxattr(m / "db/user")) == [
        f"user.vault.{n}" for n in ("age", "created_time", "field", "path", "source",
                                    "state", "type", "version")]
    assert sorted(os.listxattr(m.path)) == ["user.vault.path"]
    assert m.errno_of(os.getxattr, m / "db", "user.vault.field") == "ENODATA"
    assert m.errno_of(os.getxattr, m / "db", "security.selinux") == "ENOTSUP"
    assert b'user.vault.version="2"' in t.run("getfattr", "-d", m / "db/user")[1]


@test()
def absent_names(t):
    "what is not there is ENOENT; a deleted secret is an empty directory"
    t.put("gone", {"x": "1"})
    t.server.delete(t.path("gone"))
    t.put("there", {"x": "1"})
    m = t.mount()
    assert m.errno_of(os.stat, m / "nothing") == "ENOENT"
    assert m.errno_of(os.stat, m / "there/nothing") == "ENOENT"
    assert m.errno_of(os.stat, m / "there/x/y") == "ENOTDIR"
    assert os.listdir(m / "gone") == []
    assert m.errno_of(os.stat, m / "gone/x") == "ENOENT"


@test()
def future_deletion_is_none(t):
    "a deletion_time in the future is no deletion, and ends freshness when it comes"
    t.server.api("POST", f"secret/metadata/{t.path('brief')}", {"delete_version_after": "4s"})
    t.put("brief", {"x": "1"})
    m = t.mount()
    assert m.read("brief/x") == b"1"
    time.sleep(4.5)
    assert m.errno_of(open, m / "brief/x") == "ENOENT"


@test()
def a_change_is_seen_after_the_ttl(t):
    "a change made elsewhere is seen after the ttl, and not before"
    t.put("db", {"password": "old", "other": "1"})
    m = t.mount("ttl=2s", "negative_ttl=1s")
    assert m.read("db/password") == b"old"
    t.put("db", {"password": "newer-and-longer", "added": "2"})
    assert m.read("db/password") == b"old"
    time.sleep(2.2)
    assert m.read("db/password") == b"newer-and-longer"
    assert os.stat(m / "db/password").st_size == len("newer-and-longer")
    assert sorted(os.listdir(m / "db")) == ["added", "password"]
    assert m.errno_of(os.stat, m / "db/other") == "ENOENT"


@test()
def what_appears_is_seen_after_negative_ttl(t):
    "a name that was not there is asked for again after negative_ttl"
    t.put("db", {"x": "1"})
    m = t.mount("negative_ttl=1s")
    assert not os.path.exists(m / "new") and not os.path.exists(m / "db/y")
    t.put("new", {"f": "2"})
    t.put("db", {"x": "1", "y": "3"})
    time.sleep(1.3)
    assert m.read("new/f") == b"2"
    assert m.read("db/y") == b"3"


@test()
def mtime_only_grows(t):
    "mtime grows with each version"
    m = t.mount("ttl=0")
    last = 0
    for i in range(5):
        t.put("db", {"x": str(i)})
        st = os.stat(m / "db/x")
        assert m.read("db/x") == str(i).encode()
        assert os.stat(m / "db/x").st_mtime_ns > last
        last = os.stat(m / "db/x").st_mtime_ns


@test()
def one_get_for_a_cold_secret(t):
    "a cold secret costs one GET, its ancestors one LIST each, and a warm one nothing"
    t.put("a/b/c", {f"f{i}": "x" for i in range(5)})
    m = t.mount()
    mark = t.server.audit_mark()
    for i in range(5):
        m.read(f"a/b/c/f{i}")
    t.run("ls", "-l", m / "a/b/c")
    asked = t.server.requests_since(mark, "secret/")
    base = t.folder
    assert sorted(asked) == sorted([
        ("list", f"secret/metadata/{base}/"), ("list", f"secret/metadata/{base}/a/"),
        ("list", f"secret/metadata/{base}/a/b/"), ("read", f"secret/data/{base}/a/b/c")]), asked
    mark = t.server.audit_mark()
    for _ in range(20):
        m.read("a/b/c/f1")
        os.listdir(m / "a/b")
    assert t.server.requests_since(mark, "secret/") == []


@test()
def fifty_readers_one_request(t):
    "fifty readers of one cold path cost one request"
    t.put("a", {"x": "v"})
    t.put("b", {"x": "v"})
    m = t.mount()
    os.listdir(m.path)
    mark = t.server.audit_mark()
    go = threading.Event()
    got = []

    def reader():
        go.wait()
        got.append(m.read("a/x"))

    threads = [threading.Thread(target=reader) for _ in range(50)]
    t.server.hang()
    for th in threads:
        th.start()
    go.set()
    time.sleep(0.5)
    t.server.resume()
    for th in threads:
        th.join()
    assert got == [b"v"] * 50
    assert t.server.requests_since(mark, "secret/") == [("read", f"secret/data/{t.path('a')}")]


@test(seconds=900)
def ten_thousand_secrets(t):
    "a folder of thousands of secrets is listed, with ls -l too, by one LIST and no value read"
    mark = t.server.audit_mark()
    # A dev server of OpenBao takes longer for each secret the more it has: 10,000 are minutes.
    n = 1000 if t.product == "bao" and not long() else 10000
    t.server.fill(t.path("big"), n)
    m = t.mount()
    os.listdir(m.path)
    before = m.memory()
    mark = t.server.audit_mark()
    assert len(t.run("ls", "-f", m / "big")[1].split()) == n + 2
    assert len(t.run("ls", "-l", m / "big")[1].splitlines()) == n + 1
    asked = t.server.requests_since(mark, "secret/")
    assert [a for a in asked if a[0] == "list"] == [("list", f"secret/metadata/{t.path('big')}/")]
    assert [a for a in asked if a[0] == "read"] in ([], [("read", f"secret/data/{t.path('big')}")])
    t.note(f"{t.product}: resident memory {before} KiB before, {m.memory()} KiB after {n} entries")


@test()
def nothing_is_read_by_listing(t):
    "ls -l of a folder reads no value"
    for i in range(20):
        t.put(f"d/s{i}", {"x": "1"})
    m = t.mount()
    mark = t.server.audit_mark()
    t.run("ls", "-l", m / "d")
    assert not [p for op, p in t.server.requests_since(mark, "secret/data/")
                if p.startswith(f"secret/data/{t.path('d')}/")]


@test()
def memory_is_bounded(t):
    "the cache keeps to cache_size, and what was let go is read anew"
    for i in range(40):
        t.put(f"s{i}", {"x": "v" * 100000})
    m = t.mount("cache_size=1M")
    for _ in range(2):
        for i in range(40):
            assert len(m.read(f"s{i}/x")) == 100000
    mark = t.server.audit_mark()
    t.run("bash", "-c", f"cat {m.path}/s*/x | wc -c")
    # The kernel's pages serve them; what the daemon let go is asked for when it is opened.
    assert len(t.server.requests_since(mark, "secret/data/")) >= 25


@test()
def source_at_a_secret(t):
    "SOURCE may be a secret, and may not exist yet"
    t.put("db", {"user": "bob"})
    m = t.mount(source="db")
    assert m.read("user") == b"bob"
    n = t.mount(source="not/yet")
    assert os.listdir(n.path) == []
    n.write("field", "x")
    assert t.get("not/yet") == {"field": "x"}


@test()
def access_by_owner_and_mode(t):
    "other users are let in by owner, group and mode, and only with allow_other"
    t.put("db", {"x": "1"})
    as_user = lambda uid, *cmd: subprocess.run(
        ["setpriv", f"--reuid={uid}", "--regid=60000", "--clear-groups", *cmd],
        capture_output=True, check=False)
    os.chmod(t.root, 0o755)
    os.chmod(os.path.dirname(t.root), 0o755)
    m = t.mount("allow_other", "uid=61000", "mode=0400", "dir_mode=0500")
    assert as_user(61000, "cat", m / "db/x").stdout == b"1"
    assert b"Permission denied" in as_user(61001, "cat", m / "db/x").stderr
    assert b"Permission denied" in as_user(61001, "ls", m.path).stderr
    assert b"Permission denied" in as_user(61000, "sh", "-c", f"echo y > {m.path}/db/x").stderr
    n = t.mount()
    assert b"Permission denied" in as_user(61000, "ls", n.path).stderr


@test()
def read_only(t):
    "ro refuses every change with EROFS, and shows no w"
    t.put("db", {"x": "1"})
    m = t.mount("ro")
    assert m.read("db/x") == b"1"
    assert stat.S_IMODE(os.stat(m / "db/x").st_mode) == 0o400
    assert stat.S_IMODE(os.stat(m / "db").st_mode) == 0o500
    for action, *args in ((open, m / "db/x", "w"), (open, m / "db/y", "w"), (os.mkdir, m / "n"),
                          (os.unlink, m / "db/x"), (os.rmdir, m / "db"),
                          (os.rename, m / "db/x", m / "db/y"), (os.truncate, m / "db/x", 0),
                          (os.chmod, m / "db/x", 0o600)):
        assert m.errno_of(action, *args) == "EROFS", action
    assert t.version("db") == 1


@test()
def deep_rights_alone(t):
    "a token with rights on one deep path gets there, and nowhere else"
    t.put("a/b/c", {"x": "1"})
    t.put("a/other", {"x": "2"})
    name = f"deep-{t.name}"
    t.server.policy(name, {f"secret/data/{t.path('a/b/c')}": ["read"]})
    m = t.mount(source="/secret", token=t.server.make_token(policies=[name]))
    m.expect("fetch failed")
    base = m / t.folder
    assert open(f"{base}/a/b/c/x").read() == "1"
    assert os.listdir(f"{base}/a/b/c") == ["x"]
    assert m.errno_of(os.stat, f"{base}/a/b/c/nothing") == "ENOENT"
    assert m.errno_of(open, f"{base}/a/other/x") in ("EACCES",)
    assert os.listdir(f"{base}/a") == ["b"]
    assert m.errno_of(open, f"{base}/a/b/c/x", "w") == "EACCES"


main(local=True)
