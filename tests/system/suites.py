#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the test suites of others check of a file system, in our own words: LTP's ftest01, 03, 05 and 07,
pjdfstest's truncate/02, truncate/03 and unlink/14, and libfuse's test_syscalls.

    Left out of test_syscalls    because
    modes, access by mode        owner and mode come from options
    link, symlink, fifo, socket  EPERM, see posix.py
    rename of full directories   EXDEV, so that mv copies
    utime of a file              accepted and forgotten: a field's time is its version's
    what is written is read by   a draft is private until it is committed
    another open before close"""

import ctypes
import os
import stat
import subprocess
import sys
import zlib

from harness import main, test, until

_libc = ctypes.CDLL(None, use_errno=True)

# Five children write a file each, that their parent has opened. Each reads a chunk at random, checks that it
# holds what was written there last or zeros, and writes it; now and then it syncs, cuts the file through
# the descriptor or by its path, or asks for its size. All print the checksum of what the file must hold.
FTEST = """
import ctypes, os, random, sys, zlib
directory, vectors, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
CHUNK, COUNT, ROUNDS, CHILDREN = 512, 24, 2, 5
libc = ctypes.CDLL(None, use_errno=True)

def get(fd, at):
    os.lseek(fd, at, os.SEEK_SET)
    if not vectors:
        return os.read(fd, CHUNK)
    parts = [bytearray(CHUNK // vectors) for _ in range(vectors)]
    n = os.readv(fd, parts)
    return b"".join(parts)[:n]

def put(fd, at, byte):
    os.lseek(fd, at, os.SEEK_SET)
    part = bytes([byte]) * (CHUNK // (vectors or 1))
    n = os.writev(fd, [part] * vectors) if vectors else os.write(fd, part)
    assert n == CHUNK, ("write", n)

def work(me, name, fd):
    rng = random.Random(seed * 100 + me)
    steps = 0
    for round in range(ROUNDS):
        os.ftruncate(fd, 0)
        shadow = bytearray()
        for _ in range(2 * COUNT):
            at = rng.randrange(COUNT) * CHUNK
            got = get(fd, at)
            assert got == shadow[at:at + CHUNK], (name, at, len(got), len(shadow))
            if len(shadow) < at + CHUNK:
                shadow.extend(bytes(at + CHUNK - len(shadow)))
            put(fd, at, 12 * me + 1 + round)
            shadow[at:at + CHUNK] = bytes([12 * me + 1 + round]) * CHUNK
            if rng.randrange(7):
                continue
            steps += 1
            if steps % 4 == 0:
                os.fsync(fd)
            elif steps % 4 == 1:
                size = rng.randrange(len(shadow) // CHUNK) * CHUNK
                if steps % 8 == 1:
                    os.truncate(name, size)
                else:
                    os.ftruncate(fd, size)
                del shadow[size:]
            elif steps % 4 == 2:
                assert libc.syncfs(fd) == 0
            else:
                assert os.fstat(fd).st_size == len(shadow), (name, os.fstat(fd).st_size, len(shadow))
        os.fsync(fd)
    return f"{name} {zlib.crc32(shadow)}\\n"

os.chdir(directory)
children = []
for me in range(CHILDREN):
    name = "abcde"[me]
    fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
    children.append(os.fork())
    if not children[-1]:
        os.write(1, work(me, name, fd).encode())
        os._exit(0)
    os.close(fd)
sys.exit(any([os.waitpid(pid, 0)[1] for pid in children]))
"""


def ftest(t, vectors):
    m = t.mount("timeout=60s")
    seed = int.from_bytes(os.urandom(3), "big")
    os.mkdir(m / "s")
    done = subprocess.run([sys.executable, "-c", FTEST, m / "s", str(vectors), str(seed)], timeout=170,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"seed {seed}: {done.stderr}"
    sums = dict(line.split() for line in done.stdout.splitlines())
    assert sorted(sums) == list("abcde") == sorted(os.listdir(m / "s"))
    for name, expected in sums.items():
        assert zlib.crc32(m.read(f"s/{name}")) == int(expected), f"seed {seed}: {name}"
    m.settle()
    assert sorted(t.get("s")) == sorted(sums)
    t.run("rm", "-rf", m / "s")
    assert os.listdir(m.path) == []


@test(seconds=180)
def chunks_at_random(t):
    "ftest01 and 05: chunks that children read and write at random hold what they should, whoever cuts the file"
    ftest(t, 0)


@test(seconds=180)
def chunks_in_parts(t):
    "ftest03 and 07: so they do with readv and writev of sixteen parts"
    ftest(t, 16)


def create(path, data=b""):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    if data:
        assert os.write(fd, data) == len(data)
    os.close(fd)
    st = os.lstat(path)
    assert stat.S_ISREG(st.st_mode) and st.st_nlink == 1 and st.st_size == len(data)


def contents(path):
    with open(path, "rb", buffering=0) as f:
        return f.read(1 << 20)


@test()
def names_of_full_length(t):
    "truncate/02 and 03: a file of the longest name, and of the longest path, is made, cut and removed"
    m = t.mount()
    os.mkdir(m / "s")
    name = "n" * 255
    create(m / f"s/{name}")
    os.truncate(m / f"s/{name}", 123)
    assert os.stat(m / f"s/{name}").st_size == 123 and t.get("s")[name] is not None
    os.unlink(m / f"s/{name}")
    assert m.errno_of(os.truncate, m / f"s/{name}x", 123) == "ENAMETOOLONG"
    # PATH_MAX counts the NUL.
    room = 4095
    path = "/".join(["d" * 127] * 31)
    path += "/" + "f" * (room - len(path) - 1)
    os.chdir(m / "s")
    try:
        os.makedirs(os.path.dirname(path))
        create(path)
        os.truncate(path, 123)
        st = os.stat(path)
        assert stat.S_ISREG(st.st_mode) and st.st_size == 123 and contents(path) == bytes(123)
        os.unlink(path)
        assert m.errno_of(os.stat, path) == "ENOENT"
        assert m.errno_of(os.truncate, path + "x", 123) == "ENAMETOOLONG"
    finally:
        os.chdir("/")
    m.expect("ENAMETOOLONG")


@test()
def removed_while_open(t):
    "unlink/14: a removed file is read and written through its descriptors, and never comes back"
    m = t.mount()
    os.mkdir(m / "s")
    path = m / "s/f"
    create(path)
    fd = os.open(path, os.O_RDONLY)
    os.unlink(path)
    assert os.fstat(fd).st_nlink == 0 and os.read(fd, 1) == b""
    os.close(fd)
    create(path)
    fd = os.open(path, os.O_WRONLY)
    os.pwrite(fd, b"Hello, World!", 0)
    os.close(fd)
    fd = os.open(path, os.O_RDONLY)
    os.unlink(path)
    assert os.fstat(fd).st_nlink == 0 and os.read(fd, 100) == b"Hello, World!"
    os.close(fd)
    create(path)
    fd = os.open(path, os.O_RDWR)
    os.write(fd, b"Hello,_World!")
    os.unlink(path)
    assert os.pread(fd, 13, 0) == b"Hello,_World!"
    assert os.fstat(fd).st_nlink == 0 and os.fstat(fd).st_size == 13
    os.close(fd)
    m.settle()
    assert os.listdir(m / "s") == [] and not t.get("s")
    os.rmdir(m / "s")


LETTERS = b"abcdefghijklmnopqrstuvwxyz"
OTHERS = b"1234567890-=qwertyuiop[]\asdfghjkl;'zxcvbnm,./"


@test()
def made_and_removed(t):
    "test_syscalls: files by creat and mknod, directories, a rename; each is there, and gone when removed"
    m = t.mount()
    os.mkdir(m / "s")
    path = m / "s/testfile"
    create(path, LETTERS)
    assert contents(path) == LETTERS
    os.rename(path, m / "s/testfile2")
    assert m.errno_of(os.lstat, path) == "ENOENT" and contents(m / "s/testfile2") == LETTERS
    os.unlink(m / "s/testfile2")
    os.mknod(path, stat.S_IFREG | 0o644)
    assert os.lstat(path).st_size == 0 and os.lstat(path).st_nlink == 1
    with open(path, "r+b") as f:
        f.write(LETTERS)
    assert contents(path) == LETTERS
    os.unlink(path)
    os.mkdir(m / "s/dir")
    for name in ("f1", "f2"):
        create(m / f"s/dir/{name}")
    assert sorted(os.listdir(m / "s/dir")) == ["f1", "f2"]
    assert m.errno_of(os.rmdir, m / "s/dir") == "ENOTEMPTY"
    for name in ("f1", "f2"):
        os.unlink(m / f"s/dir/{name}")
    os.rmdir(m / "s/dir")
    assert m.errno_of(os.lstat, path) == m.errno_of(os.lstat, m / "s/dir") == "ENOENT"


@test()
def cut_and_grown(t):
    "test_syscalls: truncate and ftruncate to nothing, half, the same and more"
    m = t.mount()
    os.mkdir(m / "s")
    path = m / "s/testfile"
    for size in (0, 13, 26, 126):
        for by in ("path", "descriptor"):
            create(path, LETTERS)
            fd = os.open(path, os.O_WRONLY)
            if by == "descriptor":
                os.ftruncate(fd, size)
                # For a moment the kernel may keep the size that the commit before has told of.
                until(lambda: os.fstat(fd).st_size == size, 10)
            os.close(fd)
            if by == "path":
                os.truncate(path, size)
            expected = LETTERS[:size] + bytes(max(size - 26, 0))
            assert os.stat(path).st_size == size and contents(path) == expected, (size, by)
            os.unlink(path)
            assert m.errno_of(os.lstat, path) == "ENOENT"


def open_and_write(m, path, exists, flags):
    "As do_test_open() has it, without modes and with what others see only once it is closed."
    if exists:
        create(path, OTHERS)
    try:
        fd = os.open(path, flags, 0o600)
    except FileExistsError:
        assert exists and flags & os.O_EXCL and flags & os.O_CREAT
        return contents(path) == OTHERS
    except FileNotFoundError:
        return not exists and not flags & os.O_CREAT
    size = len(OTHERS) if exists and not flags & os.O_TRUNC else 0
    assert os.fstat(fd).st_size == os.stat(path).st_size == size
    writes = flags & os.O_ACCMODE != os.O_RDONLY
    assert m.errno_of(os.write, fd, LETTERS) == ("" if writes else "EBADF")
    if writes:
        size = max(size, 26)
    assert os.fstat(fd).st_size == size and os.lseek(fd, 0, os.SEEK_SET) == 0
    whole = (LETTERS if writes else b"") + (OTHERS[26 if writes else 0:] if size > 26 else b"")
    if flags & os.O_ACCMODE == os.O_WRONLY:
        assert m.errno_of(os.read, fd, 1) == "EBADF"
    else:
        assert os.read(fd, 1000) == whole and os.read(fd, 1) == b""
    os.close(fd)
    return os.stat(path).st_size == size and contents(path) == whole


@test()
def opened_in_every_way(t):
    "test_syscalls: open with each set of flags, of a file that is there and of one that is not"
    m = t.mount()
    os.mkdir(m / "s")
    path = m / "s/testfile"
    c, x, cut = os.O_CREAT, os.O_EXCL, os.O_TRUNC
    for exists in (False, True):
        for how in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR):
            for flags in (how, how | c, how | c | cut, how | c | x):
                if os.path.exists(path):
                    os.unlink(path)
                assert open_and_write(m, path, exists, flags), (exists, oct(flags))


class Directory:
    "Of libc, since python has no seekdir()."

    def __init__(self, path):
        for name, result in (("opendir", ctypes.c_void_p), ("readdir", ctypes.c_void_p),
                             ("telldir", ctypes.c_long)):
            getattr(_libc, name).restype = result
        self.dir = ctypes.c_void_p(_libc.opendir(path.encode()))
        assert self.dir

    def name(self):
        entry = _libc.readdir(self.dir)
        return entry and ctypes.string_at(entry + 19).decode()

    def tell(self):
        return _libc.telldir(self.dir)

    def seek(self, at):
        _libc.seekdir(self.dir, ctypes.c_long(at))

    def close(self):
        _libc.closedir(self.dir)


@test()
def seeking_in_a_directory(t):
    "test_syscalls: what telldir() told leads back to the same entry"
    t.put("s", {"f1": "1", "f2": "2", "f3": "3"})
    m = t.mount()
    for d in (Directory(m / "s"), Directory(m.path)):
        seen = []
        while True:
            at = d.tell()
            name = d.name()
            seen.append((at, name))
            if not name:
                break
        assert {".", ".."} < {name for _, name in seen}
        for at, name in reversed(seen):
            d.seek(at)
            assert d.name() == name, (name, seen)
        d.close()


main(local=True)
