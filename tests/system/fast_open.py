#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""fast_open: the kernel opens files without us; and io_uring."""

import json
import os
import signal
import subprocess
import time

from harness import main, test
from mount import VAULTFS, clean_environment

FAST = ("ro", "fast_open")


class Frozen:
    """What is answered meanwhile is answered by the kernel."""

    def __init__(self, m):
        self.process = m.process

    def __enter__(self):
        self.process.send_signal(signal.SIGSTOP)
        with open(f"/proc/{self.process.pid}/stat") as f:
            while f.read().rpartition(")")[2].split()[0] != "T":
                f.seek(0)

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGCONT)


def read(path):
    """As cat does: Python's own open() asks whether it is a terminal, which the daemon has to answer."""
    fd = os.open(path, os.O_RDONLY)
    try:
        return os.read(fd, 1 << 16)
    finally:
        os.close(fd)


def drop_pages(fd):
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


@test()
def needs_ro(t):
    "fast_open without ro is refused in a sentence"
    os.makedirs(f"{t.root}/m")
    done = subprocess.run([VAULTFS, "mount", "-o", "fast_open", "secret", f"{t.root}/m"],
                          env=clean_environment(VAULT_ADDR=t.server.address,
                                                VAULT_TOKEN=t.server.token),
                          capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1, done
    assert "fast_open needs ro" in done.stderr, done.stderr


@test()
def io_uring(t):
    "io_uring is used by a build that has it, and refused in a sentence by one that has not"
    t.put("s", {"f": "first"})
    m = t.mount("io_uring", wait=False)
    m.expect("io_uring is not used", "fusermount3")
    try:
        m.wait_mounted()
    except AssertionError:
        assert m.wait_end() == 1 and "this build lacks it" in m.log(), m.log()
        return
    assert m.read("s/f") == b"first"


@test()
def opens_stay_in_the_kernel(t):
    "what is known is opened, stat'ed and read while the daemon is stopped; nothing can be written"
    t.put("db", {"password": "s3cret", "user": "app"})
    m = t.mount(*FAST)
    assert m.read("db/password") == b"s3cret"
    assert sorted(os.listdir(m / "db")) == ["password", "user"]
    assert os.stat(m / "db/password").st_size == 6
    with Frozen(m):
        for _ in range(3):
            assert read(m / "db/password") == b"s3cret"
            assert os.stat(m / "db/password").st_size == 6
    with open("/proc/self/mountinfo") as f:
        line = next(line for line in f if f" {m.path} " in line)
    assert "default_permissions" in line and " ro" in line, line
    assert m.errno_of(m.write, "db/password", "x") == "EROFS"
    assert m.errno_of(os.unlink, m / "db/password") == "EROFS"
    assert m.errno_of(os.mkdir, m / "new") == "EROFS"
    assert t.get("db")["password"] == "s3cret"


@test()
def a_version_is_a_file(t):
    "what is open stays on its version; the name stands for the new one, of another size and a later time"
    t.put("s", {"f": "first", "g": "same"})
    m = t.mount(*FAST, "ttl=0")
    with open(m / "s/f", "rb", buffering=0) as old:
        before = os.fstat(old.fileno())
        t.put("s", {"f": "the second", "g": "same"})
        assert m.read("s/f") == b"the second"
        after = os.stat(m / "s/f")
        assert after.st_size == 10 and after.st_mtime_ns > before.st_mtime_ns
        assert after.st_ino == before.st_ino
        drop_pages(old.fileno())
        assert os.pread(old.fileno(), 100, 0) == b"first"
        assert os.fstat(old.fileno()).st_size == 5
    assert m.read("s/g") == b"same"
    t.put("s", {"g": "alone"})
    assert m.errno_of(m.read, "s/f") == "ENOENT"
    t.server.api("DELETE", f"secret/data/{t.path('s')}")
    assert m.errno_of(m.read, "s/g") == "ENOENT"
    assert os.listdir(m / "s") == []


@test()
def watched(t):
    "a change made elsewhere is seen as soon as the daemon notices it, long before the ttl has passed"
    t.put("s", {"f": "first"})
    m = t.mount(*FAST, "ttl=1h", "watch=1s")
    with open(m / "s/f", "rb", buffering=0) as old:
        assert old.read() == b"first"
        t.put("s", {"f": "the second"})
        end = time.monotonic() + 60
        while m.read("s/f") != b"the second":
            assert time.monotonic() < end
            time.sleep(0.02)
        assert os.pread(old.fileno(), 100, 0) == b"first"
    assert m.read(".vault/events") == b""  # it does not wait


@test()
def let_go_and_asked_for_again(t):
    "what the daemon and the kernel have let go of is read again, from the version that was looked up"
    for i in range(200):
        t.put(f"many/s{i}", {"f": f"{i} of many " * 50})
    t.put("s", {"f": "first"})
    m = t.mount(*FAST, "cache_size=64K", "ttl=1h")
    latest = os.open(m / "many/s0/f", os.O_RDONLY)
    old = os.open(m / "s/f", os.O_RDONLY)
    t.put("s", {"f": "second"})
    for i in range(200):
        assert m.read(f"many/s{i}/f") == f"{i} of many ".encode() * 50
    for fd in (latest, old):
        drop_pages(fd)
    assert os.read(latest, 5) == b"0 of "
    assert os.pread(old, 100, 0) == b"first"
    os.close(latest)
    os.close(old)


@test()
def refused_at_once(t):
    "a value that the policy takes back is gone from the kernel too, for who has it open as well"
    t.put("s", {"f": "first"})
    t.server.policy("mine", {"secret/*": ["read", "list"]})
    m = t.mount(*FAST, "ttl=100ms", token=t.server.make_token(policies=["mine"]))
    m.expect("fetch failed")
    with open(m / "s/f", "rb", buffering=0) as f:
        assert f.read() == b"first"
        t.server.policy("mine", {"secret/metadata/*": ["read", "list"]})
        end = time.monotonic() + 20
        while m.errno_of(m.read, "s/f") != "EACCES":
            assert time.monotonic() < end
            time.sleep(0.02)
        while m.errno_of(os.pread, f.fileno(), 5, 0) != "EACCES":
            assert time.monotonic() < end
            time.sleep(0.02)


@test()
def control_files(t):
    "control files are read whole, each time anew, and old versions too"
    t.put("s", {"f": "first"})
    t.put("s", {"f": "second", "g": "more"})
    m = t.mount(*FAST, "ttl=0")
    assert json.loads(m.read("s/.vault/data.json")) == {"f": "second", "g": "more"}
    assert m.read("s/.vault/version") == b"2\n"
    assert m.read("s/.vault/versions/1/f") == b"first"
    assert m.read("s/.vault/fields/g") == b"more"
    assert os.getxattr(m / "s/f", "user.vault.version") == b"2"
    t.put("s", {"f": "the third, which is longer"})
    assert json.loads(m.read("s/.vault/data.json")) == {"f": "the third, which is longer"}
    assert m.read("s/.vault/version") == b"3\n"
    assert json.loads(m.read(".vault/status.json"))["server"]["sealed"] is False
    assert m.errno_of(m.write, ".vault/refresh", "1") == "EROFS"


@test(needs=("setpriv",))
def modes_decide(t):
    "who may read is decided by owner and mode, with nobody asked"
    t.put("s", {"f": "first"})
    os.chmod(t.root, 0o755)
    os.chmod(os.path.dirname(t.root), 0o755)

    def read_as(uid, path):
        return subprocess.run(["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "cat",
                               path], capture_output=True, timeout=30, check=False).stdout

    m = t.mount(*FAST, "allow_other", "uid=1234", "gid=1234", "mode=0400", "dir_mode=0500")
    assert read_as(1234, m / "s/f") == b"first"
    with Frozen(m):
        assert read_as(1234, m / "s/f") == b"first"
    assert read_as(4321, m / "s/f") == b""


main()
