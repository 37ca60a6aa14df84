#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A field that is removed and made again, for those who reach it without its name: bind mounts of one file, as
containers have them, and descriptors. As root, who may mount."""

import ctypes
import os

from harness import main, skip, test, until

_libc = ctypes.CDLL(None, use_errno=True)
MS_BIND = 4096


class Bound:
    """A bind mount of one file."""

    def __init__(self, t, source, name="bound"):
        if os.geteuid() != 0:
            skip("needs root")
        self.path = f"{t.root}/{name}"
        self.source = source

    def __enter__(self):
        open(self.path, "w").close()
        r = _libc.mount(self.source.encode(), self.path.encode(), None, MS_BIND, None)
        assert r == 0, os.strerror(ctypes.get_errno())
        return self

    def __exit__(self, *_):
        _libc.umount2(self.path.encode(), 2)

    def read(self):
        with open(self.path, "rb") as f:
            return f.read()

    def shows(self, value):
        assert self.read() == value, (self.read(), value)
        assert os.stat(self.path).st_size == len(value)


@test()
def removed_and_made_again(t):
    "a bind mount of a field is that field again once there is one of its name, however it was replaced"
    t.put("s", {"f": "0", "g": "moved"})
    m = t.mount()
    plain = f"{t.root}/plain"
    with open(plain, "wb") as f:
        f.write(b"from install")
    with Bound(t, m / "s/f") as bound:
        bound.shows(b"0")
        os.unlink(m / "s/f")
        assert m.errno_of(os.stat, bound.path) == m.errno_of(open, bound.path) == "ENOENT"
        m.write("s/f", "made again")
        bound.shows(b"made again")
        t.run("install", plain, m / "s/f")
        bound.shows(b"from install")
        t.run("sed", "-i", "s/from/by/", m / "s/f")
        bound.shows(b"by install")
        t.run("mv", plain, m / "s/f")
        bound.shows(b"from install")
        os.rename(m / "s/g", m / "s/f")
        bound.shows(b"moved")
        assert os.stat(bound.path).st_nlink == 1
        m.write("s/f", "and written")
        bound.shows(b"and written")


@test()
def written_through_it(t):
    "what is written through such a bind mount is the field's, one version each"
    t.put("s", {"f": "0", "g": "1"})
    m = t.mount()
    with Bound(t, m / "s/f") as bound:
        held = os.open(m / "s/f", os.O_RDONLY)
        os.unlink(m / "s/f")
        m.write("s/f", "another")
        os.close(held)
        for n, action in enumerate((lambda: t.shell('printf written > "$P"', P=bound.path),
                                    lambda: os.truncate(bound.path, 4),
                                    lambda: t.shell('printf more >> "$P"', P=bound.path))):
            before = t.version("s")
            action()
            expected = (b"written", b"writ", b"writmore")[n]
            assert t.version("s") == before + 1 and t.get("s")["f"].encode() == expected
            bound.shows(expected)
            assert m.read("s/f") == expected
        os.unlink(m / "s/f")
        # ESTALE: the kernel looks a path up anew then, and here there is none.
        assert m.errno_of(open, bound.path, "r+") in ("ENOENT", "ESTALE")
        until(lambda: "f" not in t.get("s"))  # one of a row of removals


@test()
def held_open(t):
    "who holds a removed field open goes on reading what it was, while a bind mount shows what has come"
    t.put("s", {"f": "old", "g": "1"})
    m = t.mount()
    with Bound(t, m / "s/f") as bound:
        with open(m / "s/f", "rb") as f:
            os.unlink(m / "s/f")
            m.write("s/f", "newer")
            assert f.read() == b"old" and os.fstat(f.fileno()).st_size == 3
            assert os.fstat(f.fileno()).st_nlink == 0
            assert bound.read() == b"newer" and m.read("s/f") == b"newer"
            assert os.access(bound.path, os.R_OK | os.W_OK)
            assert os.getxattr(bound.path, "user.vault.field") == b"f"
            assert "user.vault.field" in os.listxattr(bound.path)
            os.setxattr(bound.path, "user.vault.type", b"string")
            f.seek(0)
            assert f.read() == b"old"
        bound.shows(b"newer")
        m.write("s/f", "newest of all")
        bound.shows(b"newest of all")


@test()
def made_elsewhere(t):
    "it comes back to life too where others remove and make it, and by way of a directory made anew"
    t.put("s", {"f": "1", "g": "1"})
    m = t.mount("watch=200ms", "negative_ttl=200ms")
    with Bound(t, m / "s/f") as bound:
        bound.shows(b"1")
        for n in range(3):
            t.put("s", {"g": "1"})
            until(lambda: m.errno_of(open, bound.path) == "ENOENT")
            t.put("s", {"f": f"again {n}", "g": "1"})
            until(lambda: m.errno_of(open, bound.path) == "")
            bound.shows(f"again {n}".encode())
            t.put("s", {"f": f"and another {n}", "g": "1"})
            until(lambda: bound.read() == f"and another {n}".encode())
        t.run("rm", "-r", m / "s")
        assert m.errno_of(open, bound.path) == "ENOENT"
        os.mkdir(m / "s")
        m.write("s/f", "in a new directory")
        bound.shows(b"in a new directory")
        m.write("s/f", "once more")
        bound.shows(b"once more")


@test()
def unlinked_but_open(t):
    "fstat of a file that was unlinked answers as long as it is open, whoever opened it and how"
    t.put("s", {"f": "old"})
    m = t.mount()
    for text in (b"", b"text"):
        for write in (os.O_WRONLY, os.O_RDWR):
            fds = [os.open(m / "s/new", os.O_CREAT | os.O_EXCL | write, 0o644)]
            fds.append(os.open(m / "s/new", os.O_RDONLY))
            os.write(fds[0], text)
            os.unlink(m / "s/new")
            assert m.errno_of(os.stat, m / "s/new") == "ENOENT"
            while fds:
                for n, fd in enumerate(fds):
                    st = os.fstat(fd)
                    assert st.st_nlink == 0 and st.st_size in (0, len(text)), (n, st)
                os.close(fds.pop(0))
    fd = os.open(m / "s/f", os.O_RDONLY)
    os.unlink(m / "s/f")
    assert os.fstat(fd).st_size == 3 and os.read(fd, 9) == b"old"
    os.close(fd)
    assert t.version("s") in (0, 1)


main(local=True)
