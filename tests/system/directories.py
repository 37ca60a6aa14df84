#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Directories as programs expect them of any file system: times, inode numbers, names that are there; and an
unmount that is not refused after a write."""

import ctypes
import errno
import os
import time

from harness import main, skip, test, until

_libc = ctypes.CDLL(None, use_errno=True)


class Dirent(ctypes.Structure):
    _fields_ = [("ino", ctypes.c_uint64), ("off", ctypes.c_int64), ("len", ctypes.c_ushort),
                ("type", ctypes.c_ubyte), ("name", ctypes.c_char * 256)]


_libc.opendir.restype = ctypes.c_void_p
_libc.opendir.argtypes = [ctypes.c_char_p]
_libc.readdir.argtypes = _libc.closedir.argtypes = [ctypes.c_void_p]
_libc.readdir.restype = ctypes.POINTER(Dirent)


def numbers(path):
    """The inode numbers that readdir(3) tells, by name."""
    stream = _libc.opendir(path.encode())
    assert stream, path
    told = {}
    while True:
        entry = _libc.readdir(stream)
        if not entry:
            break
        told[entry.contents.name.decode()] = entry.contents.ino
    _libc.closedir(stream)
    return told


def mtime(path):
    return os.stat(path).st_mtime_ns


@test()
def times_are_kept(t):
    "utimensat sets a directory's times, to the nanosecond, and they stay until something happens in it"
    t.put("s", {"f": "1"})
    t.put("folder/s", {"f": "1"})
    m = t.mount()
    os.mkdir(m / "made")
    for name in ("made", "s", "folder", ""):
        path = f"{m.path}/{name}"
        os.utime(path, ns=(1000000005123456789, 1000000006987654321))
        st = os.stat(path)
        assert (st.st_atime_ns, st.st_mtime_ns) == (1000000005123456789, 1000000006987654321), name
        assert st.st_ctime > 1700000000, name
        t.run("touch", "-m", "-d", "@7.5", path)
        st = os.stat(path)
        assert (st.st_atime_ns, st.st_mtime_ns) == (1000000005123456789, 7500000000), name
        os.chmod(path, 0o700)
        os.listdir(path)
        assert mtime(path) == 7500000000, name
    assert m.read("s/f") == b"1" and mtime(m / "s") == 7500000000
    before = time.time_ns()
    os.utime(m / "made")
    assert mtime(m / "made") >= before
    with_fd = os.open(m / "made", os.O_RDONLY | os.O_DIRECTORY)
    os.utime(with_fd, ns=(5, 6))
    os.close(with_fd)
    assert mtime(m / "made") == 6
    os.rmdir(m / "made")
    os.mkdir(m / "made")
    assert mtime(m / "made") >= before, "another directory has the old one's time"


@test()
def names_move_the_time(t):
    "a name that comes or goes moves the directory's mtime, always forward"
    t.put("s", {"f": "1", "g": "1"})
    t.put("other", {"f": "1"})
    m = t.mount()
    last = {d: mtime(m / d) for d in ("", "s", "other")}

    def moved(*dirs):
        for d in dirs:
            now = mtime(f"{m.path}/{d}")
            assert now > last[d], (d, last[d], now)
        last.update({d: mtime(f"{m.path}/{d}") for d in last})

    os.mkdir(m / "s/x")
    moved("s")
    os.rmdir(m / "s/x")
    moved("s")
    m.write("s/new", "1")
    moved("s")
    os.unlink(m / "s/new")
    moved("s")
    os.rename(m / "s/g", m / "s/h")
    moved("s")
    os.rename(m / "s/h", m / "other/h")
    moved("s", "other")
    os.close(os.open(m / "s/tmp", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    moved("s")
    os.unlink(m / "s/tmp")
    moved("s")
    os.mkdir(m / "d")
    moved("")
    os.rmdir(m / "d")
    moved("")
    future = time.time_ns() + 10 ** 15
    os.utime(m / "s", ns=(future, future))
    os.mkdir(m / "s/x")
    assert mtime(m / "s") < future, "a time that was set is not kept for ever"


@test()
def never_backwards(t):
    "the time of a secret's directory stays its version's, whatever is forgotten meanwhile"
    m = t.mount("ttl=100ms", "negative_ttl=100ms", "watch=100ms")
    os.mkdir(m / "s")
    m.write("s/f", "1")
    assert m.read("s/f") == b"1"
    last = [mtime(m / "s"), mtime(m.path)]
    end = time.monotonic() + 2
    while time.monotonic() < end:
        now = [mtime(m / "s"), mtime(m.path)]
        assert now[0] >= last[0] and now[1] >= last[1], (last, now)
        last = now
        time.sleep(0.2)
    made = last[0]
    t.put("s", {"f": "2"})
    until(lambda: mtime(m / "s") > made)
    made = mtime(m / "s")
    t.server.delete(t.path("s"))
    until(lambda: mtime(m / "s") > made)


@test()
def made_elsewhere(t):
    "a secret that is made or purged elsewhere moves the time of its folder, within watch"
    t.put("folder/a", {"f": "1"})
    m = t.mount("watch=200ms")
    assert os.listdir(m / "folder") == ["a"] and m.read("folder/a/f") == b"1"
    with os.scandir(m / "folder"):
        last = mtime(m / "folder")
        t.put("folder/b", {"f": "1"})
        until(lambda: mtime(m / "folder") > last)
        last = mtime(m / "folder")
        t.server.purge(t.path("folder/b"))
        until(lambda: mtime(m / "folder") > last)


@test()
def locks_by_directories(t):
    "a lock that is a directory and kept by touching it, as proper-lockfile's, is held, renewed and stolen"
    t.put("s", {"f": "1"})
    m = t.mount()
    lock = m / "s/f.lock"
    os.mkdir(lock)
    assert m.errno_of(os.mkdir, lock) == "EEXIST"
    probe = (int(time.time()) + 1) * 1000 + 5
    os.utime(lock, (probe / 1000, probe / 1000))
    assert round(os.stat(lock).st_mtime * 1000) == probe, "it would take us to know seconds alone"
    for n in range(5):
        held = os.stat(lock).st_mtime_ns
        renewed = time.time_ns() // 1000000 * 1000000 + n * 1000000
        os.utime(lock, ns=(renewed, renewed))
        assert held != renewed and os.stat(lock).st_mtime_ns == renewed
        m.write("s/f", str(n))
    os.utime(lock, (1, 1))
    assert time.time() - os.stat(lock).st_mtime > 10, "it is stale, and taken"
    os.rmdir(lock)
    os.mkdir(lock)
    assert time.time() - os.stat(lock).st_mtime < 3600
    os.rmdir(lock)
    assert t.get("s") == {"f": "4"}


@test()
def tar_verifies(t):
    "tar -W finds what it has written, of what was there and what was made since"
    t.put("old/s", {"f": "1"})
    m = t.mount()
    t.put("old/new", {"f": "2"})
    os.makedirs(m / "old/made/deep")
    m.write("old/made/f", "3")
    for _ in range(2):
        t.run("tar", "-cWf", f"{t.root}/a.tar", "-C", m.path, "old")
    t.run("tar", "-df", f"{t.root}/a.tar", "-C", m.path)


@test()
def numbers_of_entries(t):
    "readdir tells of each entry, dot and dot-dot included, the inode number that stat tells"
    t.put("s", {"f": "1", "g": "1", "a/b": "1"})
    t.put("s/below", {"f": "1"})
    m = t.mount()
    os.mkdir(m / "made")
    os.rename(m / "s/g", m / "s/moved")
    m.write("s/g", "another")
    scratch = os.open(m / "s/tmp", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    fresh = os.open(m / "s/fresh", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    for d in ("", "s", "made", "s/below", ".vault", "s/.vault", "s/.vault/fields",
              "s/.vault/conflicts", "s/.vault/versions/1"):
        path = f"{m.path}/{d}".rstrip("/")
        for name, number in numbers(path).items():
            above = path if d == "" and name == ".." else f"{path}/{name}"
            assert number == os.lstat(above).st_ino, (d, name)
        assert {".", ".."} < set(numbers(path)) or d.endswith(("made", "conflicts")), d
    os.close(scratch)
    os.unlink(m / "s/tmp")
    os.close(fresh)
    os.unlink(m / "s/fresh")


SECRET = {"data.json", "data.env", "version", "metadata.json", "fields", "versions", "conflicts"}


@test()
def control_names(t):
    "what .vault lists is there, in a secret, a folder, what is both, and what is deleted or not yet made"
    t.put("s", {"f": "1"})
    t.put("folder/x", {"f": "1"})
    t.put("both", {"f": "1"})
    t.put("both/x", {"f": "1"})
    t.put("gone", {"f": "1"})
    t.server.delete(t.path("gone"))
    m = t.mount()
    os.mkdir(m / "made")
    nothing = {"fields", "versions", "conflicts"}
    for d, expected in (("s", SECRET), ("both", SECRET), ("folder", nothing), ("made", nothing),
                        ("gone", SECRET - {"data.json", "data.env"})):
        names = set(os.listdir(m / f"{d}/.vault"))
        assert names == expected, (d, names)
        for name in names:
            os.stat(m / f"{d}/.vault/{name}")
    assert SECRET & set(os.listdir(m / ".vault")) <= nothing
    for name in os.listdir(m / ".vault"):
        os.stat(m / f".vault/{name}")
    m.write("made/f", "1")
    assert set(os.listdir(m / "made/.vault")) == SECRET
    assert t.run("find", m.path, m / "folder/.vault", m / "gone/.vault", "-ls")[0] == 0


@test()
def a_file_in_a_folder(t):
    "a file that is written in a folder makes a secret beside it, and errors tells of that once"
    t.put("folder/x", {"f": "1"})
    t.put("s", {"f": "1"})
    m = t.mount()
    assert "folder" in os.listdir(m.path)
    value = t.canary()
    t.shell('printf %s "$V" > "$P"', V=value, P=m / "folder/field")
    assert t.get("folder") == {"field": value} and t.get("folder/x") == {"f": "1"}
    m.write("folder/field", "again")
    m.write("s/new", "1")
    os.mkdir(m / "new")
    m.write("new/f", "1")
    told = [line.split(" ", 3) for line in m.read(".vault/errors").decode().splitlines()]
    assert [row[1:3] for row in told] == [["/folder", "EISDIR"]], told
    assert "secret" in told[0][3]
    os.unlink(m / "folder/field")
    assert os.listdir(m / "folder") == ["x"] and m.read("folder/x/f") == b"1"


@test()
def unmount_after_a_write(t):
    "umount(2) is not EBUSY after a write, a removal or a move, while the daemon looks after its readers"
    if os.geteuid() != 0:
        skip("needs root")
    t.put("s", {"f": "1", "g": "1"})
    for action in (lambda m: m.write("s/f", "2"), lambda m: os.unlink(m / "s/g"),
                   lambda m: os.rename(m / "s/f", m / "s/h"), lambda m: m.write("s/f", "3")):
        m = t.mount()
        os.listdir(m / "s")
        action(m)
        r = _libc.umount2(m.path.encode(), 0)
        assert r == 0, errno.errorcode[ctypes.get_errno()]
        assert m.wait_end() == 0
    assert t.get("s") == {"f": "3", "h": "2"}


main(local=True)
