#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a write depends on: what was read through its descriptor, that there was no such file, the size that a
writer sees, the name that a file has by then, the number that a user has armed."""

import os
import subprocess
import sys

from harness import main, test

CONFLICT = "EBUSY|scratch file goes with the mount"


def descriptor_sizes(*fds):
    """fstat and SEEK_END, of this process, and of a child that has inherited the descriptors."""
    script = "import os, sys\nfor fd in map(int, sys.argv[1:]):\n" \
             "    print(os.fstat(fd).st_size, os.lseek(fd, 0, os.SEEK_END))"
    out = subprocess.run([sys.executable, "-c", script, *map(str, fds)], pass_fds=fds,
                         check=True, stdout=subprocess.PIPE).stdout
    child = [int(n) for n in out.split()]
    own = []
    for fd in fds:
        own += [os.fstat(fd).st_size, os.lseek(fd, 0, os.SEEK_END)]
    return own, child


@test()
def sizes_of_a_draft(t):
    "a writer's descriptor tells the size of the draft, to those who inherit it too, whoever else looks"
    t.put("s", {"f": "abc", "g": "0123456789"})
    m = t.mount()
    size = lambda: int(t.run("stat", "-c", "%s", m / "s/f")[1])
    look = lambda: t.run("ls", "-l", m / "s")
    assert os.stat(m / "s/f").st_size == 3  # in the kernel's cache
    with open(m / "s/f", "r+b", buffering=0) as f:
        f.write(b"x" * 100)
        for n in (100, 103, 106):
            look()
            assert size() == 3
            assert descriptor_sizes(f.fileno()) == ([n, n], [n, n])
            look()
            assert f.seek(0, os.SEEK_END) == n
            f.write(b"END")
        f.truncate(7)
        look()
        assert descriptor_sizes(f.fileno()) == ([7, 7], [7, 7])
        with open(m / "s/g", "ab", buffering=0) as g:  # another's draft is its own
            g.write(b"!")
            look()
            assert descriptor_sizes(g.fileno()) == ([11, 11], [11, 11])
    assert t.get("s") == {"f": "x" * 7, "g": "0123456789!"}
    assert size() == 7 and os.stat(m / "s/f").st_size == 7


COUNT = """
import fcntl, os, sys, time
errors = 0
for i in range(20):
    try:
        fd = os.open(sys.argv[1], os.O_RDWR)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            n = int(os.read(fd, os.fstat(fd).st_size if sys.argv[2] == "size" else 100))
            os.lseek(fd, 0, 0)
            os.ftruncate(fd, 0)
            os.write(fd, b"%d" % (n + 1))
        finally:
            os.close(fd)
    except OSError:
        errors += 1
print(errors)
"""


@test()
def counting_under_a_lock(t):
    "two processes that lock, read, cut and write a counter lose nothing, and meet no conflict"
    m = t.mount()
    for how in ("size", "all"):
        t.put("s", {"n": "0", "how": how})
        m.write("s/n", "0")
        both = [subprocess.Popen([sys.executable, "-c", COUNT, m / "s/n", how],
                                 stdout=subprocess.PIPE) for _ in range(2)]
        assert [p.communicate()[0] for p in both] == [b"0\n"] * 2
        assert m.read("s/n") == b"40" and t.get("s")["n"] == "40"


@test()
def what_was_read_matters(t):
    "who has read the old value through a descriptor does not go over a newer one, though he cuts it to nothing"
    t.put("s", {"f": "1", "g": "1"})
    m, other = t.mount(), t.mount()
    m.expect(CONFLICT)
    f = open(m / "s/f", "r+b", buffering=0)
    assert f.read() == b"1"
    other.write("s/f", "theirs")
    f.seek(0)
    f.truncate()
    f.write(b"2")
    assert m.errno_of(f.close) == "EBUSY"
    assert t.get("s") == {"f": "theirs", "g": "1"}
    assert m.read("s/.vault/conflicts/f.1") == b"2"
    f = open(m / "s/g", "r+b", buffering=0)  # who has not read it replaces it
    other.write("s/g", "theirs")
    f.truncate()
    f.write(b"2")
    f.close()
    assert t.get("s") == {"f": "theirs", "g": "2"}
    # A descriptor that stays open: each value that it has read matters anew.
    f = open(m / "s/g", "r+b", buffering=0)
    for n in range(2, 5):
        f.seek(0)
        assert f.read() == b"%d" % n
        f.seek(0)
        f.truncate()
        f.write(b"%d" % (n + 1))
        os.fsync(f.fileno())
    m.write("s/g", "6")
    f.seek(0)
    assert f.read() == b"6"  # nothing was read since the last commit
    other.write("s/g", "theirs")
    f.seek(0)
    f.truncate()
    f.write(b"7")
    assert m.errno_of(f.close) == "EBUSY"
    assert t.get("s")["g"] == "theirs"


@test()
def new_files_of_two(t):
    "of two who make the same new field the second gets EBUSY, in one mount and in two, with O_EXCL and without"
    t.put("s", {"x": "1"})
    m, other = t.mount(), t.mount()
    for mount in (m, other):
        mount.expect(CONFLICT)
    for n, (a, b, flags) in enumerate(((m, other, os.O_EXCL), (m, other, os.O_TRUNC), (m, other, 0),
                                       (m, m, os.O_TRUNC), (m, m, 0))):
        name = f"s/new{n}"
        first = os.open(a / name, os.O_CREAT | os.O_WRONLY | flags)
        second = os.open(b / name, os.O_CREAT | os.O_WRONLY | flags)
        os.write(first, b"first")
        os.write(second, b"second")
        os.close(first)
        assert b.errno_of(os.close, second) == "EBUSY", name
        assert t.get("s")[f"new{n}"] == "first", name
        assert a.read(name) == b"first"
        assert b.read(f"s/.vault/conflicts/new{n}.1") == b"second"
    # So it is for a whole secret, and for a rename that must not replace.
    os.mkdir(m / "d")
    document = open(m / "d/.vault/data.json", "w")
    t.put("d", {"theirs": "1"})
    document.write('{"mine": "1"}')
    assert m.errno_of(document.close) == "EBUSY"
    assert t.get("d") == {"theirs": "1"}


@test()
def a_new_file_that_others_write(t):
    "a file that was made and not written is the one that others have made since, once that is known here"
    t.put("s", {"x": "1"})
    m = t.mount("ttl=0")
    t.run("touch", m / "s/new", m / "s/mine")
    t.put("s", {"x": "2", "new": "theirs"})
    assert m.read("s/x") == b"2"
    assert m.read("s/new") == b"theirs" and os.stat(m / "s/new").st_size == 6
    assert m.read("s/mine") == b""
    os.rename(m / "s/new", m / "s/x")
    assert t.get("s") == {"x": "theirs"}


@test()
def renamed_while_open(t):
    "a field that is renamed while it is open for appending is appended to under its new name"
    t.put("s", {"f": "1", "g": "gone"})
    t.put("d", {"x": "1"})
    m = t.mount()
    m.expect(CONFLICT)
    f = open(m / "s/f", "ab", buffering=0)
    f.write(b"2")
    os.rename(m / "s/f", m / "s/g")
    f.write(b"3")
    f.close()
    assert t.get("s") == {"g": "123"}
    f = open(m / "s/g", "r+b", buffering=0)
    assert f.read() == b"123"
    os.rename(m / "s/g", m / "d/h")
    f.write(b"4")
    f.close()
    assert t.get("d") == {"x": "1", "h": "1234"} and m.read("d/h") == b"1234"
    f = open(m / "d/h", "ab", buffering=0)  # what was changed before is still a conflict
    f.write(b"5")
    t.put("d", {"h": "theirs"})
    os.rename(m / "d/h", m / "d/i")
    assert m.errno_of(f.close) == "EBUSY"
    assert t.get("d") == {"i": "theirs"}


@test()
def names_after_a_rename(t):
    "a file that is made under the old name of another is another file"
    t.put("s", {"f": "1"})
    m = t.mount()
    held = open(m / "s/f", "rb")  # so that the kernel keeps its inode
    os.rename(m / "s/f", m / "s/g")
    m.write("s/f", "2")
    assert os.fstat(held.fileno()).st_ino != os.stat(m / "s/f").st_ino != os.stat(m / "s/g").st_ino
    held.close()
    t.run("cp", m / "s/g", m / "s/f")
    assert t.get("s") == {"f": "1", "g": "1"}


@test()
def truncate_of_a_new_file(t):
    "truncate(2) by the path of a file that was just made gives it that length"
    t.put("s", {"f": "1"})
    m = t.mount()
    t.run("touch", m / "s/new")
    os.truncate(m / "s/new", 0)
    assert t.version("s") == 1
    os.truncate(m / "s/new", 5)
    assert os.stat(m / "s/new").st_size == 5 and m.read("s/new") == b"\0" * 5
    assert t.version("s") == 2
    m.write("s/new", "now")
    assert t.get("s") == {"f": "1", "new": "now"}


@test()
def read_again(t):
    "a descriptor that has changed nothing reads what is newest, and never the begin of one value with the end of another"
    old, new = "old " * 100, "new and longer " * 100
    t.put("s", {"f": old})
    m = t.mount()
    m.expect(CONFLICT)
    fd = os.open(m / "s/f", os.O_RDWR)
    assert os.read(fd, 100) == old[:100].encode()
    m.write("s/f", new)
    assert os.read(fd, 5000) == old[100:].encode() and os.read(fd, 10) == b""
    assert os.pread(fd, 5000, 0) == new.encode() and os.fstat(fd).st_size == len(new)
    os.pwrite(fd, b"NEW", 0)
    m.write("s/other", "1")
    assert os.pread(fd, 7, 0) == b"NEW and"
    os.fsync(fd)
    assert t.get("s")["f"] == "NEW" + new[3:]
    os.pread(fd, 9, 0)
    m.write("s/f", old)
    os.pwrite(fd, b"x", 0)  # by what it has read, which is over
    assert m.errno_of(os.close, fd) == "EBUSY" and t.get("s")["f"] == old


CUT = "import os, sys\nos.truncate(sys.argv[1], int(sys.argv[2]))"


@test()
def truncate_by_the_path_of_ones_own_draft(t):
    "truncate(2) by path cuts what the same process writes, or one that inherited its descriptor; no other's"
    t.put("s", {"f": "0123456789", "g": "g"})
    m = t.mount()
    m.expect(CONFLICT)
    cut = lambda size, *fds: subprocess.run([sys.executable, "-c", CUT, m / "s/f", str(size)],
                                            pass_fds=fds, check=True)
    fd = os.open(m / "s/f", os.O_RDWR)
    os.truncate(m / "s/f", 10)  # it is that long
    assert t.version("s") == 1
    t.put("s", {"f": "0123456789ABC", "g": "g"})
    os.truncate(m / "s/f", 10)  # the newest is cut: nothing depends on the old one yet
    assert t.get("s")["f"] == "0123456789" and t.version("s") == 3
    os.pwrite(fd, b"abcdef", 8)
    assert t.version("s") == 3
    os.truncate(m / "s/f", 9)
    assert t.get("s")["f"] == "01234567a" == m.read("s/f").decode() and t.version("s") == 4
    assert os.fstat(fd).st_size == 9 and os.pread(fd, 100, 0) == b"01234567a"
    os.pwrite(fd, b"X", 9)
    cut(2, fd)
    assert t.get("s")["f"] == "01" and os.fstat(fd).st_size == 2 and os.pread(fd, 100, 0) == b"01"
    os.pwrite(fd, b"Y", 2)
    os.close(fd)
    assert t.get("s") == {"f": "01Y", "g": "g"} and t.version("s") == 6
    a = os.open(m / "s/f", os.O_RDWR | os.O_TRUNC)
    os.write(a, b"mine")
    cut(1)
    assert t.get("s")["f"] == "0" and os.pread(a, 100, 0) == b"mine" and os.fstat(a).st_size == 4
    os.close(a)
    a = os.open(m / "s/f", os.O_RDWR)
    os.pwrite(a, b"M", 0)
    cut(1)
    assert m.errno_of(os.close, a) == "EBUSY" and t.get("s")["f"] == "m"


def arm(where, n):
    os.setxattr(where, "user.vault.cas", str(n).encode())


@test()
def an_armed_number_is_kept(t):
    "looking, touching, opening and moving aside do not spend an armed number; a commit that is sent does"
    t.put("s", {"f": "1", "other": "1"})
    m = t.mount()
    m.expect(CONFLICT)
    looks = (lambda: t.shell(': >> "$F"', F=m / "s/f"), lambda: t.run("touch", m / "s/f"),
             lambda: t.run("touch", m / "s/new"), lambda: t.run("cat", m / "s/f"),
             lambda: os.close(os.open(m / "s/f", os.O_RDWR)),
             lambda: t.run("mv", m / "s/f", m / "s/f~") and t.run("mv", m / "s/f~", m / "s/f"),
             lambda: os.truncate(m / "s/f", 1), lambda: t.run("rm", m / "s/new"))
    for look in looks:
        version = t.version("s")
        arm(m / "s", version)
        look()
        assert t.version("s") == version
        t.put("s", {"f": "1", "other": str(version)})
        assert m.errno_of(m.write, "s/f", "mine") == "EBUSY"
        assert m.errno_of(os.unlink, m / "s/f") == "EBUSY"
    arm(m / "s", t.version("s"))
    m.write("s/f", "2")
    m.write("s/f", "3")  # it was spent
    a = open(m / "s/f", "wb", buffering=0)
    b = open(m / "s/other", "wb", buffering=0)
    os.setxattr(m / "s", "user.vault.cas", str(t.version("s")).encode())
    a.write(b"4")
    a.close()
    b.write(b"4")  # the next change was the other
    b.close()
    assert t.get("s") == {"f": "4", "other": "4"}


main(local=True)
