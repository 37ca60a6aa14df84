#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writing: one version a write, made with check-and-set, whose failure reaches who wrote."""

import os
import subprocess
import threading
import time

from harness import main, test


@test()
def one_version_a_write(t):
    "printf to a field makes one version, seen by the server's own client, siblings kept"
    t.put("db", {"user": "bob", "password": "old"})
    value = t.canary()
    m = t.mount()
    t.shell('printf %s "$V" > "$F"', V=value, F=m / "db/password")
    assert t.get("db") == {"user": "bob", "password": value}
    assert t.version("db") == 2
    assert m.read("db/password") == value.encode()
    assert os.getxattr(m / "db/password", "user.vault.version") == b"2"


@test()
def new_field_and_new_secret(t):
    "a new field is a version; a new secret comes to be with its first field"
    t.put("db", {"user": "bob"})
    m = t.mount()
    m.write("db/port", "5432")
    assert t.get("db") == {"user": "bob", "port": "5432"}
    os.makedirs(m / "x/y/z")
    assert os.listdir(m / "x/y/z") == [] and t.server.list(t.path("x")) == []
    m.write("x/y/z/f", "1")
    assert t.get("x/y/z") == {"f": "1"} and t.version("x/y/z") == 1
    assert sorted(os.listdir(m.path)) == ["db", "x"]
    assert os.listdir(m / "x/y") == ["z"]


@test()
def every_byte_of_text(t):
    "what is written reads back byte for byte, from nothing to a megabyte"
    m = t.mount()
    os.mkdir(m / "s")
    for i, value in enumerate((b"", b"\n", b"no newline", b"with newline\n", b'"\\\x01\x1f\x7f',
                               "äöü€\U0001f511".encode(), b"<&>" * 1000, b"y" * (1 << 20))):
        m.write(f"s/f{i}", value)
        assert m.read(f"s/f{i}") == value
        # An empty value that was never written stays here, as touch(1) leaves it.
        if value:
            assert t.get("s")[f"f{i}"] == value.decode()


@test()
def append_and_in_place(t):
    "appending, writing in place and cutting make one version each"
    t.put("s", {"f": "0123456789"})
    m = t.mount()
    t.shell('echo more >> "$F"', F=m / "s/f")
    assert t.get("s")["f"] == "0123456789more\n"
    with open(m / "s/f", "r+b") as f:
        f.seek(2)
        f.write(b"XX")
    assert t.get("s")["f"] == "01XX456789more\n"
    with open(m / "s/f", "r+b") as f:
        f.truncate(4)
        assert os.fstat(f.fileno()).st_size == 4
    assert t.get("s")["f"] == "01XX"
    os.truncate(m / "s/f", 2)
    assert t.get("s")["f"] == "01"
    assert t.version("s") == 5
    t.shell(': > "$F"', F=m / "s/f")
    m.settle()
    assert t.get("s")["f"] == "" and t.version("s") == 6


@test()
def nothing_partial_is_seen(t):
    "readers see the old value until the commit, and then the whole new one"
    t.put("s", {"f": "old value"})
    m = t.mount()
    with open(m / "s/f", "wb", buffering=0) as f:
        f.write(b"new ")
        assert m.read("s/f") == b"old value"
        f.write(b"value, longer")
        assert m.read("s/f") == b"old value"
        assert os.stat(m / "s/f").st_size == len("new value, longer")  # its own writer's view
        assert t.run("stat", "-c", "%s", m / "s/f")[1] == b"9\n"
    assert m.read("s/f") == b"new value, longer"
    assert t.version("s") == 2


@test()
def fsync_commits(t):
    "fsync commits, and the close after it adds nothing"
    t.put("s", {"f": "1"})
    m = t.mount()
    with open(m / "s/f", "wb") as f:
        f.write(b"2")
        f.flush()
        os.fsync(f.fileno())
        assert t.get("s")["f"] == "2"
    assert t.version("s") == 2


@test()
def never_written_stays_here(t):
    "a file that is made and not written never reaches the server"
    t.put("s", {"f": "1"})
    m = t.mount()
    t.run("touch", m / "s/new")
    assert sorted(os.listdir(m / "s")) == ["f", "new"] and m.read("s/new") == b""
    assert t.version("s") == 1
    m.write("s/new", "now")
    assert t.get("s") == {"f": "1", "new": "now"}
    t.run("touch", m / "s/other")
    os.unlink(m / "s/other")
    os.rename(m / "s/new", m / "s/newer")
    assert t.get("s") == {"f": "1", "newer": "now"}


@test()
def removing(t):
    "rm makes a version without the field; the last one's soft-deletes the version it was in"
    t.put("s", {"a": "1", "b": "2"})
    m = t.mount()
    os.unlink(m / "s/a")
    assert t.get("s") == {"b": "2"} and t.version("s") == 2
    t.run("rm", m / "s/b")
    assert t.get("s") is None and t.version("s") == 2
    assert t.server.versions(t.path("s"))[2]["deletion_time"]
    assert t.get("s", 1) == {"a": "1", "b": "2"}
    assert os.listdir(m / "s") == []
    os.rmdir(m / "s")
    assert not os.path.exists(m / "s") and os.listdir(m.path) == []
    os.mkdir(m / "s")
    m.write("s/again", "3")
    assert t.get("s") == {"again": "3"} and t.version("s") == 3
    assert os.listdir(m.path) == ["s"]


@test()
def rmdir_purges(t):
    "rmdir=purge removes all versions; without it history stays"
    for name in ("kept", "gone"):
        t.put(name, {"x": "1"})
    m = t.mount()
    t.run("rm", "-r", m / "kept")
    assert t.version("kept") == 1 and os.listdir(m.path) == ["gone"]
    m.end()
    n = t.mount("rmdir=purge")
    assert m.errno_of(os.rmdir, n / "gone") == "ENOTEMPTY"
    t.run("rm", "-r", n / "gone")
    assert t.server.list(t.folder) == ["kept"] and os.listdir(n.path) == ["kept"]


@test()
def a_removed_secret_comes_back(t):
    "a secret that rmdir has hidden is there again when somebody writes it anew"
    t.put("s", {"x": "1"})
    m = t.mount("negative_ttl=1s")
    t.run("rm", "-r", m / "s")
    assert not os.path.exists(m / "s")
    t.put("s", {"y": "2"})
    time.sleep(1.3)
    assert m.read("s/y") == b"2"
    assert os.listdir(m.path) == ["s"]


@test()
def directories(t):
    "mkdir, rmdir and rename answer as on any file system, but that folders do not move"
    t.put("a/b", {"x": "1"})
    m = t.mount()
    m.expect("EBUSY")
    assert m.errno_of(os.mkdir, m / "a") == "EEXIST"
    assert m.errno_of(os.rmdir, m / "a") == "ENOTEMPTY"
    assert m.errno_of(os.rmdir, m / "a/b/x") == "ENOTDIR"
    assert m.errno_of(os.unlink, m / "a") in ("EISDIR", "EPERM")
    assert m.errno_of(os.rename, m / "a", m / "c") == "EXDEV"
    assert m.errno_of(os.rmdir, m / "a/.vault") == "EBUSY"
    assert m.errno_of(os.mkdir, m / "a/.vault") == "EEXIST"
    t.run("mv", m / "a", m / "c")
    assert t.get("c/b") == {"x": "1"} and os.listdir(m.path) == ["c"]
    assert m.errno_of(os.symlink, "x", m / "c/b/link") == "EPERM"
    assert m.errno_of(os.link, m / "c/b/x", m / "c/b/link") == "EPERM"


@test()
def renaming_a_field(t):
    "a field's new name is one version; in another secret the target is written first"
    t.put("a", {"x": "1", "y": "2", "n": 12})
    t.put("b", {"z": "3"})
    m = t.mount()
    os.rename(m / "a/x", m / "a/w")
    assert t.get("a") == {"w": "1", "y": "2", "n": 12} and t.version("a") == 2
    os.rename(m / "a/w", m / "a/y")
    assert t.get("a") == {"y": "1", "n": 12} and t.version("a") == 3
    assert m.read("a/y") == b"1"
    mark = t.server.audit_mark()
    os.rename(m / "a/n", m / "b/z")
    assert t.get("a") == {"y": "1"} and t.get("b") == {"z": 12}
    writes = [p for op, p in t.server.requests_since(mark, "secret/data/")
              if op in ("create", "update", "patch")]
    assert writes == [f"secret/data/{t.path(n)}" for n in "ba"]
    assert os.listdir(m / "a") == ["y"] and m.read("b/z") == b"12"


@test()
def types_are_kept(t):
    "a number stays a number while what is written is one, and becomes a string else"
    t.put("s", {"n": 1, "b": True, "o": {"a": 1}})
    m = t.mount()
    t.shell('echo 42 > "$D/n"; printf false > "$D/b"; echo \'{"a": [1, 2]}\' > "$D/o"', D=m / "s")
    assert t.get("s") == {"n": 42, "b": False, "o": {"a": [1, 2]}}
    t.shell('printf forty-two > "$D/n"', D=m / "s")
    assert t.get("s")["n"] == "forty-two"


@test()
def other_fields_are_merged(t):
    "a change of another field made meanwhile elsewhere is kept"
    t.put("s", {"a": "1", "b": "1"})
    m = t.mount()
    with open(m / "s/a", "r+b") as f:
        t.put("s", {"a": "1", "b": "theirs", "c": "new"})
        f.write(b"mine")
    assert t.get("s") == {"a": "mine", "b": "theirs", "c": "new"} and t.version("s") == 3


@test()
def same_field_conflict(t):
    "of the same field: what replaces all goes on top, what builds on it gets EBUSY"
    t.put("s", {"a": "1"})
    m = t.mount()
    m.expect("EBUSY", "a scratch file goes with the mount path=/s/.vault/conflicts/a")
    f = open(m / "s/a", "wb")
    t.put("s", {"a": "theirs"})
    f.write(b"mine")
    f.close()
    assert t.get("s") == {"a": "mine"} and t.get("s", 2) == {"a": "theirs"}
    f = open(m / "s/a", "ab")
    t.put("s", {"a": "theirs again"})
    f.write(b"+mine")
    assert m.errno_of(f.close) == "EBUSY"
    assert t.get("s") == {"a": "theirs again"} and t.version("s") == 4


@test()
def strict_conflicts(t):
    "conflict=strict refuses both"
    t.put("s", {"a": "1"})
    m = t.mount("conflict=strict")
    m.expect("EBUSY", "a scratch file goes with the mount path=/s/.vault/conflicts/a")
    f = open(m / "s/a", "wb")
    t.put("s", {"a": "theirs"})
    f.write(b"mine")
    assert m.errno_of(f.close) == "EBUSY"
    assert t.get("s") == {"a": "theirs"}


@test()
def a_failed_commit_stays_failed(t):
    "after a commit that failed the descriptor answers the same error, and nothing is retried"
    t.put("s", {"a": "1"})
    m = t.mount("conflict=strict")
    m.expect("EBUSY", "a scratch file goes with the mount path=/s/.vault/conflicts/a")
    fd = os.open(m / "s/a", os.O_RDWR)
    t.put("s", {"a": "theirs"})
    os.write(fd, b"mine")
    assert m.errno_of(os.fsync, fd) == "EBUSY"
    assert m.errno_of(os.write, fd, b"x") == "EBUSY"
    assert m.errno_of(os.close, fd) == "EBUSY"
    m.settle()
    assert t.get("s") == {"a": "theirs"} and t.version("s") == 2


@test()
def check_and_set_by_hand(t):
    "user.vault.cas arms the next change of a secret, or of a descriptor, once"
    t.put("s", {"a": "1"})
    t.put("s", {"a": "2"})
    m = t.mount()
    m.expect("EBUSY", "a scratch file goes with the mount path=/s/.vault/conflicts/a")
    arm = lambda where, n: os.setxattr(where, "user.vault.cas", str(n).encode())
    arm(m / "s", 1)
    for _ in range(2):  # nothing was sent: it holds still
        assert m.errno_of(open, m / "s/a", "w") == "EBUSY"
    os.removexattr(m / "s", "user.vault.cas")
    m.write("s/a", "3")
    arm(m / "s/a", 3)
    m.write("s/a", "4")
    fd = os.open(m / "s/a", os.O_WRONLY)
    arm(fd, 4)
    t.put("s", {"a": "4", "other": "x"})
    os.write(fd, b"5")
    assert m.errno_of(os.close, fd) == "EBUSY"
    assert t.get("s") == {"a": "4", "other": "x"}
    os.mkdir(m / "new")
    arm(m / "new", 0)
    m.write("new/f", "1")
    arm(m / "new", 0)
    assert m.errno_of(os.unlink, m / "new/f") == "EBUSY"
    assert m.errno_of(arm, m / "new", "x") == "EINVAL"
    t.run("setfattr", "-n", "user.vault.version", "-v", "9", m / "new/f")  # read only: ignored
    assert os.getxattr(m / "new/f", "user.vault.version") == b"1"


@test()
def cas_required(t):
    "secrets and engines that require check-and-set work without the user's knowing"
    t.server.api("POST", f"secret/metadata/{t.path('s')}", {"cas_required": True})
    m = t.mount()
    assert os.listdir(m.path) == ["s"] and os.listdir(m / "s") == []
    m.write("s/a", "1")
    m.write("s/a", "2")
    assert t.get("s") == {"a": "2"} and t.version("s") == 2


@test(seconds=180)
def two_writers_of_two_fields(t):
    "two processes write two fields of a secret 100 times at once: no write is lost"
    t.put("s", {"a": "start", "b": "start"})
    m = t.mount()
    script = 'for i in $(seq 100); do printf "$N$i" > "$D/$N" || echo failed; done'
    writers = [subprocess.Popen(["bash", "-c", script], stdout=subprocess.PIPE,
                                env={**os.environ, "N": n, "D": m / "s"}) for n in "ab"]
    assert [w.communicate()[0] for w in writers] == [b"", b""]
    assert t.get("s") == {"a": "a100", "b": "b100"}
    assert t.version("s") == 201


@test(seconds=180)
def two_writers_of_one_field(t):
    "two processes write one field 100 times at once: every value that close acknowledged is a version"
    t.server.api("POST", f"secret/metadata/{t.path('s')}", {"max_versions": 300})
    t.put("s", {"a": "start"})
    m = t.mount()
    m.expect("EBUSY")
    script = """
import os, sys
for i in range(100):
    value = sys.argv[2] + str(i)
    try:
        with open(sys.argv[1], "w") as f:
            f.write(value)
        print(value)
    except OSError:
        pass
"""
    writers = [subprocess.Popen(["python3", "-c", script, m / "s/a", n], stdout=subprocess.PIPE)
               for n in "xy"]
    acknowledged = sum((w.communicate()[0].decode().split() for w in writers), [])
    versions = [t.get("s", n)["a"] for n in range(2, t.version("s") + 1)]
    assert sorted(acknowledged) == sorted(versions)
    assert len(acknowledged) == 200


@test(seconds=180)
def writers_of_two_mounts(t):
    "two mounts write two fields of one secret at once: no write is lost"
    t.put("s", {"a": "", "b": ""})
    mounts = [t.mount(), t.mount()]

    def write(m, name):
        for i in range(40):
            m.write(f"s/{name}", f"{name}{i}")

    threads = [threading.Thread(target=write, args=(m, n)) for m, n in zip(mounts, "ab")]
    for th in threads:
        th.start()
    for th in threads:
        th.join()
    assert t.get("s") == {"a": "a39", "b": "b39"} and t.version("s") == 81


READER = """
import os, sys, time
make = lambda i: (f"{i:06d}:" + chr(97 + i % 26) * (20 + 37 * i % 400) + "\\n").encode()
path, how, end = sys.argv[1], sys.argv[2], time.monotonic() + float(sys.argv[3])
reads = 0
while time.monotonic() < end:
    fd = os.open(path, os.O_RDONLY)
    if how == "whole":
        text = os.read(fd, 4096)
    elif how == "size":
        text = os.read(fd, os.fstat(fd).st_size)
    else:
        text = b""
        while part := os.read(fd, 7):
            text += part
            if how == "slow":
                time.sleep(0.0002)
    os.close(fd)
    reads += 1
    if not text[:6].isdigit() or text != make(int(text[:6])):
        print(f"bad after {reads}, {how}: {text!r}")
        sys.exit(1)
print(reads)
"""


@test()
def readers_never_see_a_mixture(t):
    "readers of a field that is rewritten all the time see whole values only"
    make = lambda i: f"{i:06d}:" + chr(97 + i % 26) * (20 + 37 * i % 400) + "\n"
    t.put("s", {"f": make(0), "other": "x"})
    m = t.mount()
    readers = [subprocess.Popen(["python3", "-c", READER, m / "s/f", how, "4"],
                                stdout=subprocess.PIPE) for how in ("whole", "size", "seven", "slow")]
    writes = 0
    while any(r.poll() is None for r in readers):
        writes += 1
        m.write("s/f", make(writes))
    output = [r.communicate()[0].decode().strip() for r in readers]
    assert [r.returncode for r in readers] == [0] * 4, output
    t.note(f"{'+'.join(output)} reads during {writes} writes")


@test()
def too_large(t):
    "more than max_size is EFBIG while it is written, more than the server takes is EFBIG at close"
    t.put("s", {"f": "1"})
    m = t.mount()
    m.expect("EFBIG")
    with open(m / "s/f", "wb", buffering=0) as f:
        f.write(b"x" * (1 << 20))
    assert t.get("s") == {"f": "x" * (1 << 20)}
    t.put("s", {"f": "xxx"})
    f = open(m / "s/f", "wb", buffering=0)
    f.write(b"x" * (1 << 20))
    assert m.errno_of(f.write, b"y") == "EFBIG"
    assert m.errno_of(f.truncate, 3) == "EFBIG"  # half a value is worse than none
    assert m.errno_of(f.close) == "EFBIG"
    assert t.get("s") == {"f": "xxx"}
    if t.product == "local":
        return  # it takes what max_size lets pass
    n = t.mount("max_size=32M")
    n.expect("EFBIG|E2BIG")
    f = open(n / "s/f", "wb")
    f.write(b"x" * (32 << 20))
    assert n.errno_of(f.close) in ("EFBIG", "E2BIG")
    assert t.get("s") == {"f": "xxx"}
    assert n.read("s/f") == b"xxx"


@test()
def not_text(t):
    "with binary=reject bytes that are no text are EILSEQ, and change nothing"
    t.put("s", {"f": "1"})
    m = t.mount("binary=reject")
    m.expect("EILSEQ")
    for value in (b"\xff\xfe", b"a\0b"):
        f = open(m / "s/f", "wb")
        f.write(value)
        assert m.errno_of(f.close) == "EILSEQ"
    assert t.get("s") == {"f": "1"} and t.version("s") == 1


@test()
def refused_at_open(t):
    "what the policy refuses fails at open, also for a shell's own echo"
    t.put("s", {"f": "1"})
    name = f"ro-{t.name}"
    t.server.policy(name, {f"secret/data/{t.folder}/*": ["read"],
                           f"secret/metadata/{t.folder}/*": ["list", "read"]})
    m = t.mount(token=t.server.make_token(policies=[name]))
    status, _, stderr = t.shell('echo x > "$F"', check=False, F=m / "s/f")
    assert status == 1 and b"Permission denied" in stderr
    status, _, stderr = t.shell('echo x > "$F"', check=False, F=m / "s/new")
    assert status == 1 and b"Permission denied" in stderr
    assert m.errno_of(os.unlink, m / "s/f") == "EACCES"
    assert m.errno_of(os.truncate, m / "s/f", 0) == "EACCES"
    assert m.errno_of(os.rename, m / "s/f", m / "s/g") == "EACCES"
    assert t.version("s") == 1


@test()
def killed_writer(t):
    "what a process was writing when it was killed is thrown away"
    t.put("s", {"f": "whole"})
    m = t.mount()
    script = "import os,sys,time\nf=open(sys.argv[1],'wb',buffering=0)\nf.write(b'half')\n" \
             "print(flush=True)\ntime.sleep(60)"
    p = subprocess.Popen(["python3", "-c", script, m / "s/f"], stdout=subprocess.PIPE)
    p.stdout.readline()
    p.kill()
    p.wait()
    m.settle()
    assert t.get("s") == {"f": "whole"} and t.version("s") == 1
    assert m.read("s/f") == b"whole"


@test()
def passed_descriptors(t):
    "a group of commands that share a descriptor makes one version; so does one that outlives its parent"
    t.put("s", {"f": "1", "g": "1"})
    m = t.mount()
    t.shell('{ /bin/echo a; /bin/echo b; } > "$F"', F=m / "s/f")
    assert t.get("s")["f"] == "a\nb\n" and t.version("s") == 2
    t.shell('(sleep 0.3; echo late) > "$F" & exit 0', F=m / "s/g")
    time.sleep(0.8)
    assert t.get("s")["g"] == "late\n" and t.version("s") == 3


@test()
def made_again(t):
    "a field that others remove, and that is made anew at once, is written each time"
    t.put("s", {"f": "0"})
    m = t.mount("ttl=0")
    for n in range(60):
        t.put("s", {"f": str(n)})
        m.write("s/here", str(n))
        assert t.get("s") == {"f": str(n), "here": str(n)}, n


@test()
def removed_while_open(t):
    "a file that was removed while it was open can still be read, and is not written"
    t.put("s", {"f": "content", "g": "1"})
    m = t.mount()
    r = open(m / "s/f", "rb")
    w = open(m / "s/g", "wb")
    os.unlink(m / "s/f")
    t.run("rm", m / "s/g")
    w.write(b"lost")
    w.close()
    assert r.read() == b"content"
    r.close()
    assert t.get("s") is None


@test()
def permissions_are_forgotten(t):
    "chmod, chown and touch on a field succeed and change nothing"
    t.put("s", {"f": "1"})
    m = t.mount()
    before = os.stat(m / "s/f")
    os.chmod(m / "s/f", 0o777)
    os.chown(m / "s/f", 1, 1)
    os.utime(m / "s/f", (1, 1))
    after = os.stat(m / "s/f")
    assert (before.st_mode, before.st_uid, before.st_mtime_ns) == (
        after.st_mode, after.st_uid, after.st_mtime_ns)
    assert t.version("s") == 1


main(local=True)
