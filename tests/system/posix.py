#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What of POSIX holds for fields and directories: the groups of pjdfstest, by hand, since most of its
cases need what there is none of here.

    Left out of      because
    chmod, chown     accepted and forgotten (writing.py); owner and mode come from options
    chflags, mkfifo  there are no flags, and no special files: EPERM
    link, symlink    EPERM, always: a field has one name, and a secret holds no links
    granular, acl    no ACLs: every attribute outside user. is EOPNOTSUPP (reading.py)
    rename of dirs   EXDEV, so that mv copies; but for those that mkdir made and nothing is in
    utimensat        accepted and forgotten: a field's time is its version's
    EFAULT, ELOOP    the kernel's own, before it asks us
    ETXTBSY, ENOSPC  nothing is executed, nothing is full: what is too large is EFBIG (values.py)
    sticky, setuid   no modes but those of the options
    ctime            a field's times are all those of its version"""

import ctypes
import os
import socket
import stat

from harness import main, test

_libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD, NOREPLACE, EXCHANGE, WHITEOUT = -100, 1, 2, 4
LONG = "n" * 255


def renameat2(old, new, flags):
    if _libc.renameat2(AT_FDCWD, old.encode(), AT_FDCWD, new.encode(), flags) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def table(m, rows):
    """Rows of (errno, action, arguments...): all that are not so."""
    wrong = []
    for expected, action, *args in rows:
        got = m.errno_of(action, *args)
        if got not in (expected if isinstance(expected, tuple) else (expected,)):
            shown = [str(a).replace(m.path, "") for a in args]
            wrong.append(f"{action.__name__}{shown}: {got or 'success'}, not {expected}")
    assert not wrong, "\n" + "\n".join(wrong)


def opening(path, flags, mode=0o600):
    os.close(os.open(path, flags, mode))


def tree(t, *options):
    """s has the fields f and g, d is a folder with the secret d/x; e was made here and is empty."""
    t.put("s", {"f": "1", "g": "22"})
    t.put("d/x", {"f": "1"})
    m = t.mount(*options)
    os.mkdir(m / "e")
    return m


@test()
def opens(t):
    "open: what is not there, is a directory, is there already, or is none"
    m = tree(t)
    r, w, rw, c, x = os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_CREAT, os.O_EXCL
    table(m, [
        ("ENOENT", opening, m / "s/none", r), ("ENOENT", opening, m / "s/none", w),
        ("ENOENT", opening, m / "s/none", rw | os.O_TRUNC), ("ENOENT", opening, m / "none/f", r),
        ("ENOENT", opening, m / "none/f", w | c), ("ENOENT", opening, m / "d/none/f", w | c),
        ("ENOTDIR", opening, m / "s/f/x", r), ("ENOTDIR", opening, m / "s/f/x", w | c),
        ("ENOTDIR", opening, m / "s/f", r | os.O_DIRECTORY), ("ENOTDIR", opening, m / "s/f/", r),
        ("EISDIR", opening, m / "s", w), ("EISDIR", opening, m / "s", rw),
        ("EISDIR", opening, m / "d", w | c), ("EISDIR", opening, m / "e", r | os.O_TRUNC | w),
        ("EISDIR", opening, m / "s/new/", w | c),
        ("EEXIST", opening, m / "s/f", w | c | x), ("EEXIST", opening, m / "s", w | c | x),
        ("EEXIST", opening, m / "s/f", rw | c | x),
        ("", opening, m / "s", r), ("", opening, m / "s", r | os.O_DIRECTORY),
        ("", opening, m / "s/f", r), ("", opening, m / "s/f", w), ("", opening, m / "s/f", rw),
        ("", opening, m / "s/f", r | os.O_NOFOLLOW), ("", opening, m / "s/f", w | os.O_NONBLOCK),
        ("", opening, m / "s/f", r | os.O_PATH), ("", opening, m / "s/f", r | os.O_SYNC),
        ("", opening, m / "s/f", w | c), ("", opening, m / "s/f", w | os.O_APPEND),
    ])
    fd = os.open(m / "s/f", r)
    assert m.errno_of(os.write, fd, b"x") == "EBADF"
    assert m.errno_of(os.ftruncate, fd, 0) in ("EINVAL", "EBADF")
    os.close(fd)
    fd = os.open(m / "s/f", w)
    assert m.errno_of(os.read, fd, 1) == "EBADF"
    os.close(fd)
    fd = os.open(m / "s", r)
    assert m.errno_of(os.read, fd, 1) == "EISDIR"
    os.close(fd)
    assert t.get("s") == {"f": "1", "g": "22"} and t.version("s") == 1


@test()
def reading_and_seeking(t):
    "read, pread and lseek: at the end, beyond it, before the begin"
    m = tree(t)
    fd = os.open(m / "s/g", os.O_RDONLY)
    assert os.read(fd, 0) == b"" and os.read(fd, 100) == b"22" and os.read(fd, 1) == b""
    assert [os.pread(fd, 10, at) for at in (1, 2, 1 << 40)] == [b"2", b"", b""]
    assert os.lseek(fd, 0, os.SEEK_END) == 2 and os.lseek(fd, -1, os.SEEK_CUR) == 1
    assert os.lseek(fd, 100, os.SEEK_SET) == 100 and os.read(fd, 1) == b""
    table(m, [("EINVAL", os.lseek, fd, -1, os.SEEK_SET), ("EINVAL", os.pread, fd, 1, -1),
              ("ENXIO", os.lseek, fd, 5, os.SEEK_DATA)])
    assert os.lseek(fd, 0, os.SEEK_HOLE) == 2
    os.close(fd)


@test()
def making_directories(t):
    "mkdir: where something is, where nothing is above, what is no name"
    m = tree(t)
    table(m, [
        ("EEXIST", os.mkdir, m / "s"), ("EEXIST", os.mkdir, m / "d"), ("EEXIST", os.mkdir, m / "e"),
        ("EEXIST", os.mkdir, m / "s/f"), ("EEXIST", os.mkdir, m / "d/x/f"), ("EEXIST", os.mkdir, m.path),
        ("ENOENT", os.mkdir, m / "none/x"), ("ENOTDIR", os.mkdir, m / "s/f/x"),
        ("ENAMETOOLONG", os.mkdir, m / ("x" * 256)), ("", os.mkdir, m / LONG),
        ("", os.mkdir, m / "e/below"), ("", os.mkdir, m / "slash/"), ("ENOENT", os.mkdir, ""),
    ])
    st = os.stat(m / "e/below")
    assert stat.S_ISDIR(st.st_mode) and st.st_uid == os.getuid()
    assert sorted(os.listdir(m.path)) == sorted(["s", "d", "e", LONG, "slash"])
    assert t.server.list(t.folder) == ["d/", "s"]


@test()
def removing_directories(t):
    "rmdir: what is not empty, is none, or is in use"
    m = tree(t)
    os.makedirs(m / "e/a/b")
    table(m, [
        ("ENOTEMPTY", os.rmdir, m / "s"), ("ENOTEMPTY", os.rmdir, m / "d"), ("ENOTEMPTY", os.rmdir, m / "d/x"),
        ("ENOTEMPTY", os.rmdir, m / "e"), ("ENOTDIR", os.rmdir, m / "s/f"), ("ENOENT", os.rmdir, m / "none"),
        ("ENOTDIR", os.rmdir, m / "s/f/x"), ("ENOENT", os.rmdir, m / "none/x"),
        ("EINVAL", os.rmdir, m / "e/."), ("ENOTEMPTY", os.rmdir, m / "e/a/.."),
        ("EBUSY", os.rmdir, m.path), ("ENAMETOOLONG", os.rmdir, m / ("x" * 256)),
        ("", os.rmdir, m / "e/a/b/"), ("", os.rmdir, m / "e/a"), ("", os.rmdir, m / "e"),
        ("ENOENT", os.rmdir, m / "e"), ("ENOENT", os.stat, m / "e"),
    ])
    fd = os.open(m / "s", os.O_RDONLY)
    t.run("rm", "-r", m / "s")
    assert os.listdir(fd) == []
    os.close(fd)
    assert sorted(os.listdir(m.path)) == ["d"]


@test()
def unlinking(t):
    "unlink: directories, what is not there, what is open"
    m = tree(t)
    table(m, [
        (("EISDIR", "EPERM"), os.unlink, m / "s"), (("EISDIR", "EPERM"), os.unlink, m / "e"),
        ("ENOENT", os.unlink, m / "s/none"), ("ENOENT", os.unlink, m / "none/f"),
        ("ENOTDIR", os.unlink, m / "s/f/x"), ("ENOTDIR", os.unlink, m / "s/f/"),
        ("ENAMETOOLONG", os.unlink, m / ("s/" + "x" * 256)), ("ENOENT", os.unlink, m / f"s/{LONG}"),
    ])
    fd = os.open(m / "s/g", os.O_RDONLY)
    os.unlink(m / "s/g")
    assert os.read(fd, 10) == b"22" and m.errno_of(os.stat, m / "s/g") == "ENOENT"
    os.close(fd)
    assert m.errno_of(os.unlink, m / "s/g") == "ENOENT"
    m.write("s/g", "again")
    assert m.read("s/g") == b"again" and t.get("s") == {"f": "1", "g": "again"}


@test()
def renaming(t):
    "rename: onto itself, over directories, across them, out of nothing"
    m = tree(t)
    os.mkdir(m / "e/sub")
    version = t.version("s")
    os.rename(m / "s/f", m / "s/f")
    assert t.version("s") == version and m.read("s/f") == b"1"
    table(m, [
        ("ENOENT", os.rename, m / "s/none", m / "s/x"), ("ENOENT", os.rename, m / "s/f", m / "none/f"),
        ("ENOTDIR", os.rename, m / "s/f/x", m / "s/y"), ("ENOTDIR", os.rename, m / "s/f", m / "s/g/x"),
        ("EISDIR", os.rename, m / "s/f", m / "d/x"), ("EISDIR", os.rename, m / "s/f", m / "e"),
        ("ENOTDIR", os.rename, m / "d", m / "s/f"), ("ENOTDIR", os.rename, m / "e/sub", m / "s/f"),
        (("EXDEV", "ENOTEMPTY"), os.rename, m / "s", m / "d"), ("EXDEV", os.rename, m / "s", m / "s2"),
        ("EXDEV", os.rename, m / "d", m / "d2"), ("EINVAL", os.rename, m / "s", m / "s/below"),
        ("ENOTEMPTY", os.rename, m / "e/sub", m / "e"), ("ENOTDIR", os.rename, m / "s/f", m / "s/x/"),
        ("ENAMETOOLONG", os.rename, m / "s/f", m / ("s/" + "x" * 256)),
        ("EXDEV", os.rename, m / "s/f", f"{t.root}/out"),
    ])
    assert t.get("s") == {"f": "1", "g": "22"} and t.version("s") == version
    os.rename(m / "s/f", m / f"s/{LONG}")
    assert t.get("s") == {LONG: "1", "g": "22"}
    fd = os.open(m / "s/g", os.O_RDONLY)
    os.rename(m / f"s/{LONG}", m / "s/g")
    assert os.listdir(m / "s") == ["g"] and m.read("s/g") == b"1"
    assert os.pread(fd, 10, 0) in (b"22", b"1")
    os.close(fd)


@test()
def renaming_with_flags(t):
    "renameat2: what must not replace does not; what cannot be done at once is refused"
    m = tree(t)
    table(m, [("EEXIST", renameat2, m / "s/f", m / "s/g", NOREPLACE),
              ("EEXIST", renameat2, m / "s/f", m / "d/x", NOREPLACE),
              ("EEXIST", renameat2, m / "s/f", m / "d/x/f", NOREPLACE),
              (("EINVAL", "ENOTSUP", "EXDEV"), renameat2, m / "s/f", m / "s/g", EXCHANGE),
              (("EINVAL", "ENOTSUP", "EPERM"), renameat2, m / "s/f", m / "s/x", WHITEOUT),
              ("ENOENT", renameat2, m / "s/f", m / "s/x", EXCHANGE),
              ("EINVAL", renameat2, m / "s/f", m / "s/x", NOREPLACE | EXCHANGE)])
    assert t.get("s") == {"f": "1", "g": "22"} and t.version("s") == 1
    renameat2(m / "s/f", m / "s/x", NOREPLACE)
    assert t.get("s") == {"x": "1", "g": "22"} and t.version("s") == 2


@test()
def truncating(t):
    "truncate: directories, what is not there, negative lengths, the same length"
    m = tree(t)
    table(m, [("EISDIR", os.truncate, m / "s", 0), ("ENOENT", os.truncate, m / "s/none", 0),
              ("ENOTDIR", os.truncate, m / "s/f/x", 0), ("EINVAL", os.truncate, m / "s/f", -1),
              ("EFBIG", os.truncate, m / "s/f", 1 << 40)])
    assert t.version("s") == 1
    m.expect("EFBIG")
    os.truncate(m / "s/g", 2)
    assert m.read("s/g") == b"22"
    os.truncate(m / "s/g", 1)
    assert m.read("s/g") == b"2" and os.stat(m / "s/g").st_size == 1
    fd = os.open(m / "s/g", os.O_RDWR)
    os.ftruncate(fd, 0)
    os.ftruncate(fd, 0)
    assert os.fstat(fd).st_size == 0
    os.close(fd)
    assert t.get("s")["g"] == ""


@test()
def special_files(t):
    "links, symlinks, fifos, sockets and devices cannot be made: EPERM, and nothing is changed"
    m = tree(t)
    bind = lambda path: socket.socket(socket.AF_UNIX).bind(path)
    os.chdir(m / "s")
    try:
        table(m, [
            ("EPERM", os.link, m / "s/f", m / "s/l"), ("EPERM", os.symlink, "f", m / "s/l"),
            ("EPERM", os.symlink, "f", m / "l"), ("EPERM", os.mkfifo, m / "s/l"),
            ("EPERM", os.mknod, m / "s/l", stat.S_IFCHR | 0o600, os.makedev(1, 3)), ("EPERM", bind, "l"),
            ("EEXIST", os.link, m / "s/f", m / "s/g"), ("EEXIST", os.symlink, "f", m / "s/g"),
            ("EXDEV", os.link, m / "s/f", f"{t.root}/l"), ("EINVAL", os.readlink, m / "s/f"),
            ("EPERM", os.link, m / "s/f", m / "d/x/l"), ("ENOENT", os.link, m / "s/none", m / "s/l"),
        ])
    finally:
        os.chdir("/")
    assert sorted(os.listdir(m / "s")) == ["f", "g"] and t.version("s") == 1


@test()
def names(t):
    "names of 255 bytes, of 256, dots, slashes at the end, and paths that are too long"
    m = tree(t)
    m.write(f"s/{LONG}", "1")
    assert t.get("s")[LONG] == "1" and LONG in os.listdir(m / "s")
    umlauts = "ä" * 127
    m.write(f"s/{umlauts}", "2")
    assert t.get("s")[umlauts] == "2"
    table(m, [("ENAMETOOLONG", os.stat, m / ("s/" + "x" * 256)),
              ("ENAMETOOLONG", opening, m / ("s/" + "ä" * 128), os.O_WRONLY | os.O_CREAT),
              ("ENAMETOOLONG", os.stat, m / ("s/../" * 1000)),
              ("ENOTDIR", os.stat, m / "s/f/"), ("ENOTDIR", os.stat, m / "s/f/."), ("", os.stat, m / "s/"),
              ("", os.stat, m / "s/."), ("", os.stat, m / "s/../s/f"), ("", os.stat, m / "s//f")])


@test()
def times(t):
    "mtime goes up with each version, one link each, and each file is itself again"
    m = tree(t)
    seen = [os.stat(m / "s/f").st_mtime_ns]
    inode = os.stat(m / "s/f").st_ino
    for n in range(20):
        m.write("s/f", f"version {n}")
        st = os.stat(m / "s/f")
        assert st.st_size == len(f"version {n}") and st.st_nlink == 1 and st.st_ino == inode
        seen.append(st.st_mtime_ns)
    assert seen == sorted(set(seen)), seen
    assert st.st_mtime_ns == st.st_ctime_ns and st.st_blocks * 512 >= 0
    assert os.stat(m / "s").st_nlink == 1 and os.stat(m.path).st_nlink == 1
    inodes = [os.stat(m / p).st_ino for p in ("", "s", "s/f", "s/g", "d", "d/x", "d/x/f", "e")]
    assert len(set(inodes)) == len(inodes)
    with open(m / "s/f", "rb") as f:
        assert os.path.samestat(os.fstat(f.fileno()), os.stat(m / "s/f"))


@test()
def directories_are_read(t):
    "readdir: dot and dot-dot, what is made and removed meanwhile, seeking back"
    t.put("s", {f"f{i:03d}": "x" for i in range(300)})
    m = t.mount()
    listed = t.run("ls", "-fa", m / "s")[1].decode().split()
    assert sorted(listed) == sorted([".", "..", *(f"f{i:03d}" for i in range(300))])
    with os.scandir(m / "s") as entries:
        seen = []
        for n, entry in enumerate(entries):
            assert entry.is_file(follow_symlinks=False)
            seen.append(entry.name)
            if n == 10:
                os.unlink(m / "s/f250")
                m.write("s/new", "1")
    assert len(seen) == len(set(seen)) and set(seen) >= {f"f{i:03d}" for i in range(300)} - {"f250"}
    fd = os.open(m / "s", os.O_RDONLY)
    assert sorted(os.listdir(fd)) == sorted(os.listdir(fd)) == sorted(os.listdir(m / "s"))
    os.close(fd)
    assert "new" in os.listdir(m / "s") and "f250" not in os.listdir(m / "s")


@test()
def read_only_mount(t):
    "with ro all that would change is EROFS"
    t.put("s", {"f": "1"})
    m = t.mount("ro")
    table(m, [("EROFS", opening, m / "s/f", os.O_WRONLY),
              ("EROFS", opening, m / "s/n", os.O_WRONLY | os.O_CREAT),
              ("EROFS", os.unlink, m / "s/f"), ("EROFS", os.rename, m / "s/f", m / "s/g"),
              ("EROFS", os.mkdir, m / "x"), ("EROFS", os.rmdir, m / "s"), ("EROFS", os.truncate, m / "s/f", 0),
              ("EROFS", os.setxattr, m / "s", "user.vault.cas", b"1"),
              ("EROFS", opening, m / "s/f~", os.O_WRONLY | os.O_CREAT),
              ("EROFS", opening, m / "s/.vault/data.json", os.O_WRONLY),
              ("", opening, m / "s/f", os.O_RDONLY), ("EEXIST", os.mkdir, m / "s")])
    assert t.version("s") == 1


main(local=True)
