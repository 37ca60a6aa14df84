#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Scratch files: what programs put beside a file while they write it lives in memory, and reaches the
server when it is renamed over a field, and not before."""

import os
import tempfile

from harness import main, test
from proxy import Proxy

# Names of editors' and desktops' own; ".f.x" is one because the secret has a field "f".
BY_NAME = [".f.swp", ".f.swo", ".other.swx", ".f.swpx", "f~", "anything~", "#f#", "#anything#", ".#f",
           ".goutputstream-ABC123", ".f.x", ".f.Xy12Zq"]
FIELDS = [".env", ".dockerconfigjson", ".netrc", ".f", ".env.local", "f.swp", "f.tmp", "~f", "#f", "f#x",
          "goutputstream-1", "swp"]
SCRATCH = "scratch|left"


def writes(t, mark):
    return [(op, p) for op, p in t.server.requests_since(mark, "secret/")
            if op in ("create", "update", "patch", "delete")]


def make(path, value):
    """As mkstemp does it."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    os.write(fd, value)
    return fd


@test()
def named_by_their_makers(t):
    "files that editors and desktops name so, or that mkstemp makes, never reach the server"
    t.put("s", {"f": "1"})
    m = t.mount()
    mark = t.server.audit_mark()
    for name in BY_NAME:
        m.write(f"s/{name}", f"content of {name}\n")
    names = BY_NAME + ["sedAbCdEf", "tmpx9_0a", "plain"]
    for name in names[len(BY_NAME):]:
        os.close(make(m / f"s/{name}", f"content of {name}\n".encode()))
    assert sorted(os.listdir(m / "s")) == sorted(["f", *names])
    for name in names:
        assert m.read(f"s/{name}") == f"content of {name}\n".encode()
        assert os.stat(m / f"s/{name}").st_size == len(f"content of {name}\n")
        os.unlink(m / f"s/{name}")
        assert not os.path.exists(m / f"s/{name}")
    assert os.listdir(m / "s") == ["f"]
    assert writes(t, mark) == [] and t.version("s") == 1


@test()
def other_dotfiles_are_fields(t):
    ".env, .dockerconfigjson and all that merely look like scratch are fields"
    t.put("s", {"f": "1"})
    m = t.mount()
    for n, name in enumerate(FIELDS, 2):
        m.write(f"s/{name}", "v")
        assert t.get("s")[name] == "v" and t.version("s") == n, name
    fd = os.open(m / "s/exclusive", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.write(fd, b"v")
    os.close(fd)
    fd = os.open(m / "s/readable", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
    os.write(fd, b"v")
    os.close(fd)
    assert t.get("s") == {"f": "1", **dict.fromkeys([*FIELDS, "exclusive", "readable"], "v")}


@test()
def held_names_are_no_scratch(t):
    "a name that the server holds is that field, however it looks"
    t.put("s", {".x.swp": "1", "y~": "1", "#z#": "1", "f": "1", ".f.bak": "1"})
    m = t.mount()
    for n, name in enumerate((".x.swp", "y~", "#z#", ".f.bak"), 2):
        assert m.read(f"s/{name}") == b"1"
        m.write(f"s/{name}", "2")
        assert t.get("s")[name] == "2" and t.version("s") == n
    fd = make(m / "s/tmp", b"3")
    os.close(fd)
    os.rename(m / "s/tmp", m / "s/y~")
    assert t.get("s")["y~"] == "3" and t.version("s") == 6
    os.unlink(m / "s/y~")
    assert "y~" not in t.get("s") and t.version("s") == 7


@test()
def they_are_files(t):
    "they can be written anywhere, cut, appended to, synced, and have a size, a time and a mode"
    t.put("s", {"f": "1"})
    m = t.mount()
    path = m / "s/tmpfile"
    fd = make(path, b"0123456789")
    os.fsync(fd)
    os.pwrite(fd, b"XX", 4)
    os.pwrite(fd, b"end\0\xff", 12)
    os.ftruncate(fd, 16)
    assert os.pread(fd, 100, 0) == b"0123XX6789\0\0end\0"
    assert os.fstat(fd).st_size == 16
    os.fchmod(fd, 0o640)
    os.fchown(fd, os.getuid(), os.getgid())
    os.utime(fd, (1, 1))
    assert os.fstat(fd).st_nlink == 1
    os.close(fd)
    assert m.read("s/tmpfile") == b"0123XX6789\0\0end\0"
    with open(path, "ab") as f:
        f.write(b"more")
    assert os.stat(path).st_size == 20
    os.truncate(path, 4)
    with open(path, "r+b") as f:
        f.write(b"ab")
    assert m.read("s/tmpfile") == b"ab23"
    m.write("s/tmpfile", "")
    assert m.read("s/tmpfile") == b"" and os.stat(path).st_size == 0
    assert m.errno_of(make, path, b"") == "EEXIST"
    assert m.errno_of(os.link, path, m / "s/link") == "EPERM"
    assert m.errno_of(os.mkdir, path) == "EEXIST"
    assert m.errno_of(os.rmdir, path) == "ENOTDIR"
    assert m.errno_of(os.listdir, path) == "ENOTDIR"
    os.unlink(path)
    assert t.version("s") == 1


@test()
def renamed_over_a_field(t):
    "renamed over a field, or to be a new one, it is one version"
    t.put("s", {"f": "1", "keep": "k", "n": 1})
    m = t.mount()
    for n, (name, value) in enumerate((("f", "2\n"), ("new", ""), ("f", "x" * 100000), ("n", "42")), 2):
        os.close(make(m / f"s/tmp{n}", value.encode()))
        mark = t.server.audit_mark()
        os.rename(m / f"s/tmp{n}", m / f"s/{name}")
        assert len(writes(t, mark)) == 1 and t.version("s") == n
        assert m.read(f"s/{name}") == value.encode()
        assert not os.path.exists(m / f"s/tmp{n}")
    assert t.get("s") == {"f": "x" * 100000, "keep": "k", "new": "", "n": 42}
    assert sorted(os.listdir(m / "s")) == ["f", "keep", "n", "new"]


@test()
def renamed_while_it_is_open(t):
    "it may be open while it is renamed: what it held then is the field"
    t.put("s", {"f": "1"})
    m = t.mount()
    fd = make(m / "s/tmp", b"two")
    os.rename(m / "s/tmp", m / "s/f")
    assert t.get("s") == {"f": "two"} and t.version("s") == 2
    assert os.pread(fd, 10, 0) == b"two"
    os.close(fd)
    assert t.version("s") == 2 and m.read("s/f") == b"two"


@test()
def renamed_among_themselves(t):
    "renamed to another scratch name it stays here, and replaces what was there"
    t.put("s", {"f": "1"})
    m = t.mount()
    mark = t.server.audit_mark()
    m.write("s/a~", "a")
    m.write("s/b~", "b")
    os.rename(m / "s/a~", m / "s/b~")
    assert sorted(os.listdir(m / "s")) == ["b~", "f"] and m.read("s/b~") == b"a"
    os.rename(m / "s/b~", m / "s/.f.swp")
    assert m.read("s/.f.swp") == b"a"
    os.unlink(m / "s/.f.swp")
    assert writes(t, mark) == []


@test()
def into_other_secrets(t):
    "renamed into another secret, or into one that is not there yet, it is one version of that"
    t.put("a", {"f": "1"})
    t.put("b", {"g": "1"})
    m = t.mount()
    os.close(make(m / "a/tmp", b"2"))
    os.rename(m / "a/tmp", m / "b/g")
    assert t.get("b") == {"g": "2"} and t.version("b") == 2 and t.version("a") == 1
    os.mkdir(m / "new")
    os.close(make(m / "new/tmp", b"3"))
    assert os.listdir(m / "new") == ["tmp"] and t.server.list(t.folder) == ["a", "b"]
    os.rename(m / "new/tmp", m / "new/f")
    assert t.get("new") == {"f": "3"} and t.version("new") == 1


@test()
def a_field_moved_aside(t):
    "a field that is renamed to a scratch name is not lost, nor is what is written in its place"
    t.put("s", {"f": "1", "keep": "k"})
    m = t.mount()
    os.rename(m / "s/f", m / "s/f~")
    assert m.read("s/f~") == b"1" and sorted(os.listdir(m / "s")) == ["f~", "keep"]
    m.write("s/f", "2")
    assert t.get("s") == {"f": "2", "keep": "k"} and m.read("s/f~") == b"1"
    os.rename(m / "s/f~", m / "s/f")
    assert t.get("s") == {"f": "1", "keep": "k"} and sorted(os.listdir(m / "s")) == ["f", "keep"]
    values = [(t.get("s", n) or {}).get("f") for n in range(1, t.version("s") + 1)]
    assert values[0] == "1" and "2" in values, "what was overwritten is in the history"


@test()
def seen_here_alone(t):
    "another mount does not see it, and its directory is not empty here"
    t.put("s", {"f": "1"})
    m, other = t.mount(), t.mount()
    m.expect(SCRATCH)
    m.write("s/f~", "mine")
    assert os.listdir(other / "s") == ["f"] and not os.path.exists(other / "s/f~")
    os.unlink(m / "s/f")
    assert m.errno_of(os.rmdir, m / "s") == "ENOTEMPTY"
    t.run("rm", "-r", m / "s")
    assert os.listdir(m.path) == []


@test()
def bounded(t):
    "scratch_max bounds what they take: EFBIG for what goes beyond, and what was there stays"
    t.put("s", {"f": "1"})
    m = t.mount("scratch_max=64K")
    m.expect("EFBIG")
    fd = make(m / "s/tmp", b"x" * 60000)
    assert m.errno_of(os.write, fd, b"y" * 10000) == "EFBIG"
    assert m.errno_of(os.pwrite, fd, b"y", 1 << 20) == "EFBIG"
    assert m.errno_of(os.ftruncate, fd, 1 << 20) == "EFBIG"
    os.close(fd)
    assert m.read("s/tmp") == b"x" * 60000
    os.unlink(m / "s/tmp")
    m.settle()
    fd = make(m / "s/tmp", b"y" * 60000)  # what is removed is free again
    os.close(fd)
    os.rename(m / "s/tmp", m / "s/f")
    m.settle()
    assert t.get("s") == {"f": "y" * 60000}
    fd = make(m / "s/tmp", b"z" * 60000)  # and so is what has become a field
    os.close(fd)
    os.unlink(m / "s/tmp")


@test()
def left_at_the_end(t):
    "what is left of them at unmount is warned of by name, and its content is nowhere"
    value = t.canary()
    t.put("s", {"f": "1"})
    m = t.mount()
    m.expect(SCRATCH)
    os.close(make(m / "s/forgotten", value.encode()))
    m.write("s/removed~", value)
    os.unlink(m / "s/removed~")
    m.unmount()
    assert m.wait_end() == 0
    warnings = [line for line in m.log().splitlines() if " warning " in line]
    assert len(warnings) == 1 and "forgotten" in warnings[0], warnings
    assert "removed~" not in m.log() and t.get("s") == {"f": "1"}


@test()
def other_patterns(t):
    "scratch=PATTERNS takes the place of the list; mkstemp's are scratch all the same"
    t.put("s", {"f": "1"})
    m = t.mount("scratch=*.tmp:draft-*")
    mark = t.server.audit_mark()
    for name in ("f.tmp", "draft-1"):
        m.write(f"s/{name}", "here")
    os.close(make(m / "s/XXmk", b"here"))
    assert writes(t, mark) == []
    m.write("s/f~", "field")
    assert t.get("s") == {"f": "1", "f~": "field"}
    for name in ("f.tmp", "draft-1", "XXmk"):
        assert m.read(f"s/{name}") == b"here"
        os.unlink(m / f"s/{name}")
    assert t.version("s") == 2


@test()
def refused_when_renamed(t):
    "where the server refuses or is away the rename fails, and both files are as they were"
    t.put("s", {"f": "1"})
    name = f"ro-{t.name}"
    t.server.policy(name, {f"secret/data/{t.folder}/*": ["read"],
                           f"secret/metadata/{t.folder}/*": ["list", "read"]})
    proxy = Proxy(t.server)
    try:
        ro = t.mount(token=t.server.make_token(policies=[name]))
        down = t.mount("timeout=2s", "max_retries=0",
                       env={"VAULT_ADDR": proxy.address, "VAULT_TOKEN": t.server.token})
        for m, error in ((ro, "EACCES"), (down, "EHOSTUNREACH")):
            m.expect(f"{error}|fetch failed|{SCRATCH}")
            assert m.read("s/f") == b"1"
            os.close(make(m / "s/tmp", b"2"))
            if m is down:
                proxy.refuse()
            assert m.errno_of(os.rename, m / "s/tmp", m / "s/f") == error
            assert m.read("s/tmp") == b"2" and m.read("s/f") == b"1"
            assert m.errno_of(os.rename, m / "s/tmp", m / "s/new") == error
            os.unlink(m / "s/tmp")
        proxy.listen()
        assert t.get("s") == {"f": "1"} and t.version("s") == 1
        down.end()
    finally:
        proxy.close()


@test()
def mkstemp_of_python(t):
    "python's tempfile in a secret works as anywhere"
    t.put("s", {"f": "1"})
    m = t.mount()
    with tempfile.NamedTemporaryFile(dir=m / "s") as f:
        f.write(b"x" * 5000)
        f.flush()
        assert m.read("s/" + os.path.basename(f.name)) == b"x" * 5000
    assert os.listdir(m / "s") == ["f"]
    with tempfile.TemporaryDirectory(dir=m / "s") as d:
        assert os.path.isdir(d)
    assert t.get("s") == {"f": "1"} and t.version("s") == 1
    assert t.server.list(t.folder) == ["s"]


@test(needs=("vim",))
def an_editor_that_crashes(t):
    "vim's swap file is there after vim was killed, and vim recovers from it"
    t.put("s", {"f": "old\n"})
    m = t.mount()
    m.expect(SCRATCH)
    t.shell("""vim -N -u NONE -i NONE -es "$F" -c "s/old/new text/" -c preserve \
               -c 'call system("kill -9 " . getpid())'""", check=False, F=m / "s/f", TMPDIR=t.root)
    assert sorted(os.listdir(m / "s")) == [".f.swp", "f"] and t.get("s") == {"f": "old\n"}
    t.shell('vim -N -u NONE -i NONE -es -r "$F" -c wq!', check=False, F=m / "s/f",
            TMPDIR=t.root)
    assert t.get("s") == {"f": "new text\n"} and t.version("s") == 2


@test()
def listed_while_it_is_scratch(t):
    "a scratch file that others see in a listing is the field once it is renamed over it, for all"
    t.put("s", {"key": "old", "other": "x"})
    m = t.mount("ttl=1h")
    for content in (b"one", b"two", b"three"):
        fd = os.open(m / "s/.key.tmp", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(fd, content)
        os.close(fd)
        # Two processes, so that neither has looked the name up by itself.
        t.run("ls", "-l", m / "s")
        t.run("python3", "-c", "import os, sys; print(os.listdir(sys.argv[1]))", m / "s")
        os.rename(m / "s/.key.tmp", m / "s/key")
        assert m.read("s/key") == content, m.read("s/key")
        with open(m / "s/key", "ab") as f:
            f.write(b"+more")
        assert t.get("s")["key"] == content.decode() + "+more"


main(local=True)
