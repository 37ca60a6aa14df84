#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Descriptors: killed, passed on, two of one file, mapped, locked, with all the flags there are; and the
calls that copy between them. (EOPNOTSUPP has the name ENOTSUP in python.)"""

import ctypes
import fcntl
import functools
import mmap
import os
import subprocess
import sys
import time

from harness import main, test, until

_libc = ctypes.CDLL(None, use_errno=True)
KEEP_SIZE, PUNCH_HOLE, COLLAPSE, ZERO = 1, 2, 8, 16


def fallocate(fd, mode, offset, length):
    call = _libc.fallocate64
    call.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    if call(fd, mode, offset, length) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def python(t, script, *args, **more):
    p = subprocess.Popen([sys.executable, "-c", script, *args], stdout=subprocess.PIPE, text=True,
                         **more)
    t.processes.append(p)
    return p


eventually = functools.partial(until, seconds=20)


WRITER = """
import os, sys, time
fd = os.open(sys.argv[1], int(sys.argv[2]), 0o600)
for part in ("half of it, ", "then ", "more"):
    os.write(fd, part.encode())
print(flush=True)
time.sleep(60)
"""


@test()
def killed(t):
    "a writer that is killed half-way commits nothing, whatever kills it and however it writes"
    t.put("s", {"f": "whole", "g": "1"})
    m = t.mount()
    flags = {"cut": os.O_WRONLY | os.O_TRUNC, "append": os.O_WRONLY | os.O_APPEND,
             "in place": os.O_RDWR}
    for name, how in flags.items():
        for signal in (9, 15, 2, 11, 6):
            p = python(t, WRITER, m / "s/f", str(how), stderr=subprocess.DEVNULL)
            p.stdout.readline()
            p.send_signal(signal)
            assert p.wait() != 0
            m.settle()
            assert t.version("s") == 1, (name, signal, t.get("s"))
    p = python(t, WRITER, m / "s/new", str(os.O_WRONLY | os.O_CREAT))
    p.stdout.readline()
    p.kill()
    p.wait()
    m.settle()
    assert t.get("s") == {"f": "whole", "g": "1"} and t.version("s") == 1
    assert m.read("s/f") == b"whole"
    m.write("s/f", "next")
    assert t.get("s")["f"] == "next" and t.version("s") == 2


@test()
def killed_after_fsync(t):
    "what was synced before is kept, what came after is not"
    t.put("s", {"f": "1"})
    m = t.mount()
    p = python(t, "import os, sys, time\nfd = os.open(sys.argv[1], os.O_WRONLY | os.O_TRUNC)\n"
               "os.write(fd, b'kept')\nos.fsync(fd)\nos.write(fd, b' lost')\nprint(flush=True)\n"
               "time.sleep(60)", m / "s/f")
    p.stdout.readline()
    p.kill()
    p.wait()
    m.settle()
    assert t.get("s") == {"f": "kept"} and t.version("s") == 2


@test()
def ends_without_closing(t):
    "a program that ends without closing its file has it committed"
    t.put("s", {"f": "1"})
    m = t.mount()
    for n, ending in enumerate(("", "sys.exit(3)", "os._exit(0)", "os._exit(7)", "raise SystemExit"), 2):
        python(t, "import os, sys\nfd = os.open(sys.argv[1], os.O_WRONLY | os.O_TRUNC)\n"
               f"os.write(fd, b'{n}')\n{ending}", m / "s/f").wait()
        eventually(lambda n=n: t.version("s") == n)
        assert t.get("s") == {"f": str(n)}, ending


@test()
def outlives_its_opener(t):
    "a descriptor that a child keeps is committed when the last one is closed"
    t.put("s", {"f": "1"})
    m = t.mount()
    script = """
import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_TRUNC)
if os.fork():
    os._exit(0)
sys.stdin.read()
os.write(fd, b"by the child")
os.close(fd)
"""
    p = python(t, script, m / "s/f", stdin=subprocess.PIPE)
    assert p.wait() == 0
    m.settle()
    assert t.version("s") == 1 and m.read("s/f") == b"1"
    p.stdin.close()
    eventually(lambda: t.version("s") == 2)
    assert t.get("s") == {"f": "by the child"}


@test()
def group_of_commands(t):
    "commands that write to one descriptor in turn make one version; what they see is what was before"
    t.put("s", {"f": "old\n"})
    m = t.mount()
    t.shell('{ /bin/echo a; head -c 99 "$F"; seq 3; } > "$F"', F=m / "s/f")
    assert t.get("s")["f"] == "a\nold\n1\n2\n3\n" and t.version("s") == 2
    t.shell('exec 5>> "$F"; /bin/echo b >&5; /bin/echo c >&5; exec 5>&-', F=m / "s/f")
    m.settle()
    assert t.get("s")["f"] == "a\nold\n1\n2\n3\nb\nc\n" and t.version("s") == 3
    t.shell('(sleep 0.2; /bin/echo d) >> "$F" & (sleep 0.2; /bin/echo e) > "$G" & wait',
            F=m / "s/f", G=m / "s/g")
    eventually(lambda: t.version("s") == 5)
    assert t.get("s")["f"].endswith("c\nd\n") and t.get("s")["g"] == "e\n"


@test()
def duplicates(t):
    "dup shares the offset and the draft; a dirty close of either is a version"
    t.put("s", {"f": "1"})
    m = t.mount()
    fd = os.open(m / "s/f", os.O_RDWR | os.O_TRUNC)
    other = os.dup(fd)
    os.write(fd, b"one ")
    os.write(other, b"two")
    assert os.pread(fd, 10, 0) == b"one two" and os.fstat(other).st_size == 7
    os.close(other)
    assert t.get("s") == {"f": "one two"} and t.version("s") == 2
    os.close(fd)
    assert t.version("s") == 2


@test()
def two_descriptors(t):
    "two that are open for writing are two drafts: the last one that replaces is on top, none is mixed"
    t.put("s", {"f": "start", "g": "1"})
    m = t.mount()
    m.expect("EBUSY|conflict")
    a = os.open(m / "s/f", os.O_RDWR | os.O_TRUNC)
    b = os.open(m / "s/f", os.O_RDWR | os.O_TRUNC)
    os.write(a, b"aaaa")
    os.write(b, b"bb")
    assert os.pread(a, 10, 0) == b"aaaa" and os.pread(b, 10, 0) == b"bb" and m.read("s/f") == b"start"
    os.close(a)
    assert t.get("s")["f"] == "aaaa" and m.read("s/f") == b"aaaa"
    os.close(b)
    assert t.get("s")["f"] == "bb" and t.version("s") == 3
    a = os.open(m / "s/f", os.O_RDWR)
    b = os.open(m / "s/g", os.O_RDWR)
    os.write(a, b"A")
    os.write(b, b"B")
    os.close(a)
    os.close(b)
    assert t.get("s") == {"f": "Ab", "g": "B"} and t.version("s") == 5
    a = os.open(m / "s/f", os.O_WRONLY | os.O_APPEND)
    b = os.open(m / "s/f", os.O_WRONLY | os.O_APPEND)
    os.write(a, b"1")
    os.write(b, b"2")
    os.close(a)
    error = m.errno_of(os.close, b)
    assert (error, t.get("s")["f"]) in (("EBUSY", "Ab1"), ("", "Ab12")), (error, t.get("s"))


@test()
def mapping(t):
    "reading and private maps work; one that would write through is ENODEV"
    t.put("s", {"f": "0123456789" * 1000})
    m = t.mount()
    whole = b"0123456789" * 1000
    with open(m / "s/f", "rb") as f:
        with mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ) as pages:
            assert pages[:] == whole
        with mmap.mmap(f.fileno(), 0, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE) as pages:
            pages[:4] = b"mine"
            assert pages[:6] == b"mine45"
    with open(m / "s/f", "r+b") as f:
        table = ((mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE, "ENODEV"),
                 (mmap.MAP_PRIVATE, mmap.PROT_READ, ""))
        for flags, protection, expected in table:
            assert m.errno_of(mmap.mmap, f.fileno(), 0, flags, protection) == expected
    m.settle()
    assert m.read("s/f") == whole and t.version("s") == 1


@test()
def appending(t):
    "O_APPEND writes at the end of what the descriptor sees, wherever it was told to"
    t.put("s", {"f": "start"})
    m = t.mount()
    fd = os.open(m / "s/f", os.O_RDWR | os.O_APPEND)
    os.lseek(fd, 0, os.SEEK_SET)
    os.write(fd, b"+1")
    os.lseek(fd, 2, os.SEEK_SET)
    os.write(fd, b"+2")
    assert os.lseek(fd, 0, os.SEEK_CUR) == 9 and os.pread(fd, 100, 0) == b"start+1+2"
    os.ftruncate(fd, 3)
    os.write(fd, b"!")
    os.close(fd)
    assert t.get("s") == {"f": "sta!"} and t.version("s") == 2
    fd = os.open(m / "s/new", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, b"1")
    os.write(fd, b"2")
    os.close(fd)
    assert t.get("s")["new"] == "12"


@test()
def flags(t):
    "O_EXCL, O_TMPFILE, O_SYNC, O_DIRECT and O_PATH do what they say or refuse"
    t.put("s", {"f": "1"})
    m = t.mount()
    assert m.errno_of(os.open, m / "s/f", os.O_WRONLY | os.O_CREAT | os.O_EXCL) == "EEXIST"
    assert m.errno_of(os.open, m / "s", os.O_TMPFILE | os.O_RDWR) in ("ENOTSUP", "EISDIR")
    fd = os.open(m / "s/new", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    assert m.errno_of(os.open, m / "s/new", os.O_WRONLY | os.O_CREAT | os.O_EXCL) == "EEXIST"
    os.write(fd, b"new")
    os.close(fd)
    assert t.get("s") == {"f": "1", "new": "new"} and t.version("s") == 2
    fd = os.open(m / "s/f", os.O_PATH)
    assert m.errno_of(os.read, fd, 1) == "EBADF" and os.fstat(fd).st_size == 1
    os.close(fd)
    fd = os.open(m / "s/f", os.O_WRONLY | os.O_TRUNC | os.O_SYNC)
    os.write(fd, b"synced")
    os.close(fd)
    assert t.get("s")["f"] == "synced"
    if m.errno_of(lambda: os.close(os.open(m / "s/f", os.O_RDONLY | os.O_DIRECT))) == "":
        fd = os.open(m / "s/f", os.O_RDONLY | os.O_DIRECT)
        assert os.read(fd, 4096) == b"synced"
        os.close(fd)


LOCKER = """
import fcntl, os, sys
f = open(sys.argv[1], sys.argv[3])
lock = fcntl.flock if sys.argv[2] == "flock" else fcntl.lockf
try:
    lock(f, int(sys.argv[4]) | fcntl.LOCK_NB)
    print("got", flush=True)
except OSError as e:
    print("refused", flush=True)
sys.stdin.read()
"""


@test()
def locks(t):
    "flock and fcntl locks hold between processes of this machine, and make no version"
    t.put("s", {"f": "1"})
    m = t.mount()
    for how in ("flock", "lockf"):
        def ask(mode, kind, how=how):
            p = python(t, LOCKER, m / "s/f", how, mode, str(kind), stdin=subprocess.PIPE)
            return p, p.stdout.readline().strip()

        def end(*processes):
            for p in processes:
                p.stdin.close()
                p.wait()

        first, answer = ask("rb", fcntl.LOCK_SH)
        second, also = ask("rb", fcntl.LOCK_SH)
        assert (answer, also) == ("got", "got"), how
        third, refused = ask("r+b", fcntl.LOCK_EX)
        assert refused == "refused", how
        end(first, second, third)
        writer, answer = ask("r+b", fcntl.LOCK_EX)
        reader, refused = ask("rb", fcntl.LOCK_SH)
        assert (answer, refused) == ("got", "refused"), how
        writer.kill()
        writer.wait()
        again, answer = ask("r+b", fcntl.LOCK_EX)
        assert answer == "got", how
        end(reader, again)
    m.settle()
    assert t.version("s") == 1
    t.shell('exec 9<> "$F"; flock 9; echo locked > "$F"', F=m / "s/f")
    m.settle()
    assert t.get("s") == {"f": "locked\n"} and t.version("s") == 2


@test()
def allocating(t):
    "fallocate makes a file longer, with NULs; what makes holes is EOPNOTSUPP"
    t.put("s", {"f": "abc", "g": "1"})
    m = t.mount()
    m.expect("EFBIG")
    fd = os.open(m / "s/f", os.O_RDWR)
    for mode in (KEEP_SIZE | PUNCH_HOLE, COLLAPSE, ZERO, KEEP_SIZE | ZERO):
        assert m.errno_of(fallocate, fd, mode, 0, 1) == "ENOTSUP", mode
    assert m.errno_of(fallocate, fd, KEEP_SIZE, 0, 100) in ("", "ENOTSUP")
    assert os.fstat(fd).st_size == 3 and m.errno_of(fallocate, fd, 0, 0, 0) == "EINVAL"
    fallocate(fd, 0, 1, 1)
    assert os.fstat(fd).st_size == 3
    os.posix_fallocate(fd, 0, 6)
    assert os.pread(fd, 10, 0) == b"abc\0\0\0"
    os.pwrite(fd, b"def", 3)
    os.close(fd)
    assert t.get("s") == {"f": "abcdef", "g": "1"} and t.version("s") == 2
    fd = os.open(m / "s/f", os.O_RDONLY)
    assert m.errno_of(fallocate, fd, 0, 0, 10) == "EBADF"
    os.close(fd)
    fd = os.open(m / "s/g", os.O_RDWR)
    assert m.errno_of(fallocate, fd, 0, 0, 1 << 40) == "EFBIG"
    m.errno_of(os.close, fd)
    assert t.get("s") == {"f": "abcdef", "g": "1"} and t.version("s") == 2


@test()
def copying(t):
    "copy_file_range and sendfile copy into and out of fields, or say that they cannot"
    t.put("s", {"f": "0123456789", "g": "1"})
    m = t.mount()
    outside = f"{t.root}/outside"
    with open(outside, "wb") as f:
        f.write(b"from outside")

    def copy(call, source, target):
        a = os.open(source, os.O_RDONLY)
        b = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            while call(a, b):
                pass
        finally:
            os.close(a)
            os.close(b)

    calls = (lambda a, b: os.copy_file_range(a, b, 1000), lambda a, b: os.sendfile(b, a, None, 1000),
             lambda a, b: os.write(b, os.read(a, 1000)))
    for call in calls:
        for source, target, value in ((m / "s/f", f"{t.root}/x", b"0123456789"),
                                      (outside, m / "s/g", b"from outside"),
                                      (m / "s/f", m / "s/g", b"0123456789")):
            error = m.errno_of(copy, call, source, target)
            if error:
                assert error in ("EXDEV", "ENOTSUP", "EINVAL"), error
                m.settle()
            else:
                with open(target, "rb") as f:
                    assert f.read() == value, (source, target)
    assert t.get("s") == {"f": "0123456789", "g": "0123456789"}


@test()
def unlink_grace(t):
    "unlink_grace=MS joins an unlink and the create that follows to one version; else it is a removal"
    t.put("s", {"f": "old", "g": "1", "h": "1"})
    t.put("last", {"f": "old"})
    m = t.mount("unlink_grace=2000")
    for name in ("new", "other"):
        with open(f"{t.root}/{name}", "w") as f:
            f.write(name)
    t.run("mv", f"{t.root}/new", m / "s/f")
    assert t.get("s") == {"f": "new", "g": "1", "h": "1"} and t.version("s") == 2
    t.run("install", "-m600", f"{t.root}/other", m / "s/f")
    assert t.get("s")["f"] == "other" and t.version("s") == 3
    t.run("install", "-m600", f"{t.root}/other", m / "last/f")
    assert t.get("last") == {"f": "other"} and t.version("last") == 2
    assert not t.server.versions(t.path("last"))[1]["deletion_time"]
    t.run("rm", m / "s/g")
    assert m.errno_of(os.stat, m / "s/g") == "ENOENT"
    eventually(lambda: t.get("s") == {"f": "other", "h": "1"})
    assert t.version("s") == 4
    os.unlink(m / "s/h")
    m.end()  # what is still to be removed is, before the end
    assert t.get("s") == {"f": "other"}


main(local=True)
