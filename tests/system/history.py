#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""History: old versions as files that can only be read, and what is asked of the server for them."""

import json
import os
import stat
import time

from harness import main, test

V = ".vault/versions"


def three(t):
    """A secret of three versions: live, live with a binary value, live."""
    t.put("db", {"password": "first", "user": "bob", "n": 1})
    t.put("db", {"password": "second", "user": "bob", "big": "x" * 5000, "o": {"a": [], "b": 1}})
    t.put("db", {"password": "third", "a/b": "odd", "": "empty"})


def seconds(created):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(created))


@test()
def versions_are_directories(t):
    "each version is a directory of its fields, read only, of exact size and the version's own time"
    three(t)
    m = t.mount()
    assert sorted(os.listdir(m / f"db/{V}")) == ["1", "2", "3"]
    rows = t.server.versions(t.path("db"))
    for n in rows:
        fields = t.get("db", n)
        names = {"a/b": "a%2Fb", "": "%"}
        assert sorted(os.listdir(m / f"db/{V}/{n}")) == sorted(names.get(f, f) for f in fields)
        assert seconds(os.stat(m / f"db/{V}/{n}").st_mtime) == rows[n]["created_time"][:19]
        for f, value in fields.items():
            path = f"db/{V}/{n}/{names.get(f, f)}"
            text = value if isinstance(value, str) else json.dumps(
                value, separators=(",", ":"), sort_keys=True)
            st = os.stat(m / path)
            assert m.read(path) == text.encode() and st.st_size == len(text)
            assert not stat.S_IMODE(st.st_mode) & 0o222
            assert seconds(st.st_mtime) == rows[n]["created_time"][:19]
    with os.scandir(m / f"db/{V}/1") as entries:
        assert all(e.inode() == os.stat(e.path).st_ino for e in entries)


@test()
def what_is_not_there(t):
    "numbers and fields that are not there are ENOENT, as are other spellings of a number"
    three(t)
    t.put("folder/inner", {"x": "1"})
    m = t.mount()
    for name in ("0", "4", "03", "+1", "1.0", "x", "-1", "9" * 30, "99999999999999"):
        assert m.errno_of(os.stat, m / f"db/{V}/{name}") == "ENOENT", name
    assert m.errno_of(os.stat, m / f"db/{V}/3/user") == "ENOENT"
    assert m.errno_of(os.stat, m / f"db/{V}/1/password/x") == "ENOTDIR"
    os.mkdir(m / "new")
    assert os.listdir(m / f"new/{V}") == []
    assert m.errno_of(os.stat, m / f"new/{V}/1") == "ENOENT"
    assert os.listdir(m / f"folder/{V}") == []


@test()
def nothing_can_be_changed(t):
    "nothing in history can be changed: EROFS"
    three(t)
    m = t.mount()
    for action in (lambda p: open(f"{p}/1/password", "w"), lambda p: open(f"{p}/1/new", "w"),
                   lambda p: os.mkdir(f"{p}/9"), lambda p: os.rmdir(f"{p}/1"),
                   lambda p: os.unlink(f"{p}/1/password"), lambda p: os.truncate(f"{p}/1/user", 0),
                   lambda p: os.rename(f"{p}/1/password", f"{p}/1/x"),
                   lambda p: os.rename(f"{p}/1/password", m / "db/x"),
                   lambda p: os.setxattr(f"{p}/1/user", "user.vault.type", b"number")):
        assert m.errno_of(action, m / f"db/{V}") == "EROFS"
    assert m.errno_of(os.rmdir, m / f"db/{V}") == "EROFS"
    assert t.version("db") == 3


@test()
def attributes(t):
    "a version tells its number, state and time, and its fields their type"
    three(t)
    m = t.mount()
    get = lambda p, n: os.getxattr(m / f"db/{V}/{p}", f"user.vault.{n}").decode()
    assert get("1", "version") == get("1/n", "version") == "1"
    assert get("1", "state") == get("1/n", "state") == "live"
    assert get("1/n", "type") == "number" and get("2/o", "type") == "object"
    assert get("3/a%2Fb", "field") == "a/b"
    assert get("2", "path") == t.place("db")
    rows = t.server.versions(t.path("db"))
    for n in rows:
        created = rows[n]["created_time"].rstrip("Z").ljust(29, "0")
        assert get(str(n), "created_time").rstrip("Z")[:26] == created[:26]
    names = ["created_time", "path", "state", "version"]
    assert sorted(os.listxattr(m / f"db/{V}/1")) == [f"user.vault.{n}" for n in names]


@test()
def deleted_and_destroyed(t):
    "deleted and destroyed versions are empty directories that tell their state; undeleted they are back"
    three(t)
    api = lambda verb, n: t.server.api("POST", f"secret/{verb}/{t.path('db')}", {"versions": [n]})
    api("delete", 1)
    api("destroy", 2)
    m = t.mount("negative_ttl=1s")
    get = lambda n: os.getxattr(m / f"db/{V}/{n}", "user.vault.state")
    assert sorted(os.listdir(m / f"db/{V}")) == ["1", "2", "3"]
    assert [get(n) for n in (1, 2, 3)] == [b"deleted", b"destroyed", b"live"]
    assert os.listdir(m / f"db/{V}/1") == os.listdir(m / f"db/{V}/2") == []
    assert m.errno_of(os.stat, m / f"db/{V}/1/password") == "ENOENT"
    assert m.read(f"db/{V}/3/password") == b"third"
    api("undelete", 1)
    api("destroy", 3)
    time.sleep(1.2)
    assert m.read(f"db/{V}/1/password") == b"first"
    assert os.listdir(m / f"db/{V}/3") == [] and get(3) == b"destroyed"
    assert m.errno_of(open, m / f"db/{V}/3/password") == "ENOENT"
    t.server.delete(t.path("db"))
    n = t.mount()
    assert sorted(os.listdir(n / f"db/{V}")) == ["1", "2", "3"]
    assert n.read(f"db/{V}/1/password") == b"first"


@test()
def a_deletion_to_come(t):
    "a version that is to be deleted is live until then"
    t.server.api("POST", f"secret/metadata/{t.path('s')}", {"delete_version_after": "4s"})
    t.put("s", {"x": "1"})
    m = t.mount("negative_ttl=1s")
    assert os.getxattr(m / f"s/{V}/1", "user.vault.state") == b"live"
    assert os.getxattr(m / "s", "user.vault.state") == b"live"
    assert m.read(f"s/{V}/1/x") == b"1"
    time.sleep(5.2)
    assert os.getxattr(m / f"s/{V}/1", "user.vault.state") == b"deleted"
    assert os.getxattr(m / "s", "user.vault.state") == b"deleted"
    assert os.listdir(m / f"s/{V}/1") == []


@test()
def binary_values(t):
    "binary values are decoded in history as elsewhere"
    m = t.mount()
    os.mkdir(m / "s")
    m.write("s/key", b"\xff\x00\xfe")
    m.write("s/key", b"plain text")
    assert m.read(f"s/{V}/1/key") == b"\xff\x00\xfe"
    assert os.stat(m / f"s/{V}/1/key").st_size == 3
    assert m.read(f"s/{V}/2/key") == b"plain text"


@test()
def what_is_written_is_history_at_once(t):
    "what was written through the mount is in its history at once"
    t.put("s", {"x": "1"})
    m = t.mount()
    assert os.listdir(m / f"s/{V}") == ["1"]
    m.write("s/x", "2")
    assert sorted(os.listdir(m / f"s/{V}")) == ["1", "2"]
    assert m.read(f"s/{V}/2/x") == b"2" and m.read(f"s/{V}/1/x") == b"1"
    os.unlink(m / "s/x")
    assert os.listdir(m / f"s/{V}/2") == []
    assert m.read(f"s/{V}/1/x") == b"1"


@test()
def programs(t):
    "diff, cp and tar work on versions"
    three(t)
    m = t.mount()
    status, out, _ = t.run("diff", "-r", m / f"db/{V}/1", m / f"db/{V}/2", check=False)
    assert status == 1 and b"Only in" in out and b"-first" not in out and b"< first" in out
    assert t.run("diff", "-r", m / f"db/{V}/3", m / "db")[0] == 0
    t.run("cp", m / f"db/{V}/1/password", f"{t.root}/p")
    assert open(f"{t.root}/p").read() == "first"
    t.run("cp", "-a", m / f"db/{V}/2", f"{t.root}/two")
    assert sorted(os.listdir(f"{t.root}/two")) == ["big", "o", "password", "user"]
    assert open(f"{t.root}/two/big").read() == "x" * 5000
    t.run("tar", "--xattrs", "-cf", f"{t.root}/t.tar", "-C", m / f"db/{V}", "1", "2")
    t.run("grep", "-rq", "second", m / f"db/{V}")
    t.run("cp", m / f"db/{V}/1/password", m / "db/password")
    assert t.get("db")["password"] == "first" and t.version("db") == 4


@test()
def requests(t):
    "a version's values are asked for once, the list of versions needs none of them"
    three(t)
    t.put("t", {"x": "1"})
    m = t.mount("negative_ttl=1m")
    os.stat(m / "db")
    mark = t.server.audit_mark()
    t.run("ls", "-lR", m / f"db/{V}/")
    for _ in range(5):
        m.read(f"db/{V}/1/password")
        m.read(f"db/{V}/2/big")
    asked = t.server.requests_since(mark, "secret/")
    path = t.path("db")
    assert sorted(asked) == [("read", f"secret/data/{path}")] * 3 + [
        ("read", f"secret/metadata/{path}")], asked
    mark = t.server.audit_mark()
    t.run("ls", "-l", m / f"t/{V}")
    assert not [p for _, p in t.server.requests_since(mark, "secret/data/") if "version" in p]


@test()
def without_metadata(t):
    "a token that may not read metadata cannot list versions, but look up a number"
    three(t)
    t.server.api("POST", f"secret/delete/{t.path('db')}", {"versions": [2]})
    t.server.policy(f"data-{t.name}", {f"secret/data/{t.folder}/*": ["read"]})
    m = t.mount(token=t.server.make_token(policies=[f"data-{t.name}"]))
    assert m.errno_of(os.listdir, m / f"db/{V}") == "EACCES"
    assert m.read(f"db/{V}/1/password") == b"first"
    assert sorted(os.listdir(m / f"db/{V}/1")) == ["n", "password", "user"]
    assert os.listdir(m / f"db/{V}/2") == []
    assert m.errno_of(os.stat, m / f"db/{V}/7") == "ENOENT"


@test()
def purged_and_made_anew(t):
    "numbers that start again after a purge are other versions"
    t.put("s", {"x": "old"})
    m = t.mount("negative_ttl=1s", "ttl=1s")
    assert m.read(f"s/{V}/1/x") == b"old"
    t.server.purge(t.path("s"))
    t.put("s", {"x": "new"})
    time.sleep(1.3)
    assert m.read(f"s/{V}/1/x") == b"new"


def number(m, text, name="db", how="w"):
    with open(m / f"{name}/.vault/version", how) as f:
        f.write(text)


@test()
def version_reads_the_number(t):
    ".vault/version reads the latest number and a newline"
    three(t)
    m = t.mount()
    assert m.read("db/.vault/version") == b"3\n" and os.stat(m / "db/.vault/version").st_size == 2
    m.write("db/user", "alice")
    assert m.read("db/.vault/version") == b"4\n"
    os.mkdir(m / "new")
    assert m.errno_of(os.stat, m / "new/.vault/version") == "ENOENT"


@test()
def rolls_back(t):
    "writing a number makes that version's content the newest, as one version, in many ways"
    three(t)
    m = t.mount()
    first, second = t.get("db", 1), t.get("db", 2)
    file = m / "db/.vault/version"
    latest = 3
    t.run("cp", m / "db/.vault/version", f"{t.root}/three")
    for script, expected in (('echo 1 > "$F"', first), ('printf 2 > "$F"', second),
                             ("sed -i 's/.*/1/' \"$F\"", first), ('echo 2 | tee "$F" >"$W/null"', second),
                             ('echo 1 > "$W/n"; cp "$W/n" "$F"', first),
                             ('echo 2 | dd of="$F" status=none', second),
                             ("printf ' 1 \n\n' > \"$F\"", first)):
        t.shell(script, F=file, W=t.root)
        m.settle()
        latest += 1
        assert (t.version("db"), t.get("db")) == (latest, expected), script
        assert m.read("db/.vault/version") == b"%d\n" % latest
        assert m.read("db/password").decode() == expected["password"]
    assert sorted(os.listdir(m / "db")) == ["n", "password", "user"]
    number(m, f"{latest}\n")
    assert t.version("db") == latest, "what is the latest is not made anew"


@test()
def rollback_refused(t):
    "a number that is none is EINVAL, a version that is not there ENOENT, one that is deleted EINVAL"
    three(t)
    t.server.api("POST", f"secret/delete/{t.path('db')}", {"versions": [1]})
    t.server.api("POST", f"secret/destroy/{t.path('db')}", {"versions": [2]})
    m = t.mount()
    for text, name, word in (
            ("1\n", "EINVAL", "version 1 is deleted"), ("2\n", "EINVAL", "version 2 is destroyed"),
            ("9\n", "ENOENT", "there is no version 9"), ("x\n", "EINVAL", "not a version's number"),
            ("\n", "EINVAL", "not a"), ("3 3", "EINVAL", "not a"), ("-1", "EINVAL", "not a"),
            ("0", "EINVAL", "not a"), ("3.0", "EINVAL", "not a"), ("1" * 60, "EINVAL", "not a"),
            ("1\0", "EINVAL", "not a")):
        assert m.errno_of(number, m, text) == name, text
        assert word in m.read(".vault/errors").decode().splitlines()[-1]
    assert m.errno_of(number, m, "1" * 100) == "EFBIG"
    assert m.errno_of(os.unlink, m / "db/.vault/version") == "EROFS"
    assert t.version("db") == 3 and m.read("db/password") == b"third"
    m.expect("request failed")


@test()
def rolls_back_what_is_deleted(t):
    "a secret of which the latest version is deleted comes back"
    t.put("s", {"x": "1"})
    t.put("s", {"x": "2"})
    t.server.delete(t.path("s"))
    m = t.mount()
    assert m.read("s/.vault/version") == b"2\n" and os.listdir(m / "s") == []
    assert m.errno_of(number, m, "2", "s") == "EINVAL"
    number(m, "1", "s")
    assert t.get("s") == {"x": "1"} and t.version("s") == 3 and m.read("s/x") == b"1"
    m.expect("request failed")


@test()
def rolls_back_binary(t):
    "a binary value comes back as it was"
    m = t.mount()
    os.mkdir(m / "s")
    m.write("s/key", b"\xff\x00\xfe")
    m.write("s/key", b"plain text")
    m.write("s/key", b"more text")
    m.write("s/key", b"\xff\x01")
    number(m, "1", "s")
    assert m.read("s/key") == b"\xff\x00\xfe" and t.version("s") == 5
    number(m, "2", "s")
    assert m.read("s/key") == b"plain text"


@test()
def rollback_and_others(t):
    "check-and-set holds for it: user.vault.cas, and conflict=strict"
    three(t)
    m = t.mount()
    os.setxattr(m / "db", "user.vault.cas", b"2")
    assert m.errno_of(number, m, "1") == "EBUSY"
    os.removexattr(m / "db", "user.vault.cas")
    with open(m / "db/.vault/version", "w") as f:
        f.write("1")
        t.put("db", {"password": "elsewhere"})
    assert t.version("db") == 5 and t.get("db") == t.get("db", 1)
    n = t.mount("conflict=strict")

    def race():
        with open(n / "db/.vault/version", "w") as f:
            f.write("1")
            f.flush()
            t.put("db", {"password": "again"})
    assert n.errno_of(race) == "EBUSY" and t.version("db") == 6
    os.unlink(n / "db/.vault/conflicts/version.1")
    m.expect("request failed")
    n.expect("request failed")


F = ".vault/fields"


@test()
def fields_are_all_there(t):
    ".vault/fields has all fields, also those that an entry of the folder hides"
    t.put("a", {"field": "1", "both": "hidden", "a/b": "odd", "n": 7})
    t.put("a/both", {"inner": "2"})
    m = t.mount()
    assert sorted(os.listdir(m / "a")) == ["a%2Fb", "both", "field", "n"]
    assert sorted(os.listdir(m / f"a/{F}")) == ["a%2Fb", "both", "field", "n"]
    assert os.path.isdir(m / "a/both") and m.read(f"a/{F}/both") == b"hidden"
    assert os.stat(m / f"a/{F}/both").st_size == 6
    assert m.read(f"a/{F}/field") == m.read("a/field") == b"1"
    assert os.stat(m / f"a/{F}/field").st_ino == os.stat(m / "a/field").st_ino
    assert os.getxattr(m / f"a/{F}/both", "user.vault.field") == b"both"
    assert os.getxattr(m / f"a/{F}/n", "user.vault.type") == b"number"
    assert m.errno_of(os.stat, m / f"a/{F}/none") == "ENOENT"
    assert m.errno_of(os.stat, m / f"{F}") == "" and os.listdir(m / F) == []


@test()
def fields_are_written(t):
    "fields are written, made, renamed and removed in .vault/fields as in the directory, one version each"
    t.put("a", {"field": "1", "both": "hidden"})
    t.put("a/both", {"inner": "2"})
    m = t.mount()
    assert m.read("a/field") == b"1"
    fields = {"field": "1", "both": "hidden"}
    number = 1

    def made(**changed):
        nonlocal number
        m.settle()
        number += 1
        for name, value in changed.items():
            fields[name] = value
        expected = {n: v for n, v in fields.items() if v is not None}
        assert (t.version("a"), t.get("a")) == (number, expected)
        assert sorted(os.listdir(m / f"a/{F}")) == sorted(expected)
        assert sorted(os.listdir(m / "a")) == sorted({*expected, "both"})
        for name, value in expected.items():
            assert m.read(f"a/{F}/{name}").decode() == value
            if name != "both":
                assert m.read(f"a/{name}").decode() == value
                assert os.stat(m / f"a/{name}").st_size == len(value)

    m.write(f"a/{F}/both", "written")
    made(both="written")
    t.shell('echo more >> "$P"', P=m / f"a/{F}/both")
    made(both="writtenmore\n")
    m.write(f"a/{F}/field", "second")
    made(field="second")
    m.write("a/field", "third and longer")
    made(field="third and longer")
    m.write(f"a/{F}/new", "n")
    made(new="n")
    t.shell('sed -i s/n/N/ "$P"', P=m / f"a/{F}/new")
    made(new="N")
    t.shell('sed -i s/more// "$P"', P=m / f"a/{F}/both")
    made(both="written\n")
    os.rename(m / f"a/{F}/new", m / f"a/{F}/newer")
    made(new=None, newer="N")
    os.rename(m / f"a/{F}/both", m / "a/plain")
    made(both=None, plain="written\n")
    os.rename(m / "a/newer", m / f"a/{F}/both")
    made(newer=None, both="N")
    os.unlink(m / f"a/{F}/both")
    made(both=None)
    os.unlink(m / f"a/{F}/plain")
    time.sleep(0.5)  # it is one of a row
    made(plain=None)
    t.run("cp", "-a", m / f"a/{F}/field", m / f"a/{F}/both")
    made(both="third and longer")
    assert t.get("a/both") == {"inner": "2"}
    assert m.errno_of(os.mkdir, m / f"a/{F}/x") == "EPERM"
    assert m.errno_of(os.rmdir, m / f"a/{F}") == "EROFS"


@test()
def fields_change_elsewhere(t):
    "a change made elsewhere is seen in .vault/fields as in the directory"
    t.put("a", {"f": "1", "b": "old"})
    t.put("a/b", {"inner": "2"})
    m = t.mount("ttl=1s", "negative_ttl=1s")
    assert m.read(f"a/{F}/f") == m.read("a/f") == b"1" and m.read(f"a/{F}/b") == b"old"
    t.put("a", {"f": "longer", "c": "3"})
    time.sleep(1.3)
    assert m.read(f"a/{F}/f") == b"longer" == m.read("a/f")
    assert m.errno_of(os.stat, m / f"a/{F}/b") == "ENOENT" and m.read(f"a/{F}/c") == b"3"


main(local=True)
