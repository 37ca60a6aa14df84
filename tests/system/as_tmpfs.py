#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A mount that others may use beside a tmpfs with equal owners and modes: every operation, by users of all
classes, on directories and files of many modes, with caches that another user has filled and with none.
VAULTFS_LONG=1 goes through all pairs of modes."""

import ctypes
import os
import stat

import inotify
import mount as mounts
from harness import main, test
from people import GROUP, OWNER, PEOPLE, ROOT, Bind, Tmpfs, Worker, open_the_way, remote, result_of

LONG = os.environ.get("VAULTFS_LONG") == "1"
DIRS = [0o755, 0o700, 0o711, 0o770, 0o777, 0o500, 0o400, 0o070]
FILES = [0o644, 0o600, 0o666, 0o440, 0o200, 0o060]
if LONG:
    DIRS += [0o750, 0o710, 0o775, 0o100, 0o300, 0o007, 0o000]
    FILES += [0o660, 0o640, 0o400, 0o444, 0o040, 0o006, 0o000]
PAIRS = ([(d, f) for d in DIRS for f in FILES] if LONG else
         [(d, 0o640) for d in DIRS] + [(0o755, f) for f in FILES] + [(0o711, 0o666)])
FEW = [(0o755, 0o640), (0o711, 0o666), (0o750, 0o644), (0o700, 0o644), (0o770, 0o660)]
TEXT = "value"

_libc = ctypes.CDLL(None, use_errno=True)


def opens(path, flags, mode=0o600):
    os.close(os.open(path, flags, mode))


def reads(path):
    with open(path, "rb") as f:
        return f.read().decode()


def sees(path):
    st = os.stat(path)
    size = st.st_size if stat.S_ISREG(st.st_mode) else 0
    return [oct(st.st_mode), st.st_uid, st.st_gid, size]


def exists(path):
    os.stat(path)


def watches(path):
    with inotify.Watcher() as w:
        w.add(path)


def lists(path):
    """But for .vault, which is there and never listed."""
    return sorted(n for n in os.listdir(path) if n != ".vault")


def enters(path):
    os.chdir(path)
    os.chdir("/")


def may(path, mask):
    if _libc.access(os.fsencode(path), mask) < 0:
        raise OSError(ctypes.get_errno(), "access")


def makes(path, *how):
    opens(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    for action, *args in how:
        action(path, *args)
    os.unlink(path)


def makes_directory(path):
    os.mkdir(path, 0o755)
    os.rmdir(path)


def renames(old, new):
    os.rename(old, new)
    os.rename(new, old)


def makes_node(path):
    os.mknod(path, 0o600 | stat.S_IFREG)
    os.unlink(path)


R, W, RW, TRUNC = os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_TRUNC
XATTR = "user.vault.type"


def looking(d):
    """Operations that change nothing, on the directory `d`."""
    x = f"{d}/x"
    vault = f"{d}/.vault"
    return [
        ("stat dir", sees, d), ("enter", enters, d), ("list", lists, d), ("watch dir", watches, d),
        ("open dir", opens, d, R | os.O_DIRECTORY), ("open dir O_PATH", opens, d, os.O_PATH),
        ("open dir w", opens, d, W), ("access dir r", may, d, os.R_OK),
        ("access dir w", may, d, os.W_OK), ("access dir x", may, d, os.X_OK),
        ("stat", sees, x), ("access", may, x, os.F_OK), ("access r", may, x, os.R_OK),
        ("access w", may, x, os.W_OK), ("access rw", may, x, os.R_OK | os.W_OK),
        ("access x", may, x, os.X_OK), ("read", reads, x), ("open O_PATH", opens, x, os.O_PATH),
        ("open 3", opens, x, os.O_ACCMODE), ("open O_NOATIME", opens, x, R | os.O_NOATIME),
        ("open O_DIRECTORY", opens, x, R | os.O_DIRECTORY), ("watch", watches, x),
        ("open excl", opens, x, W | os.O_CREAT | os.O_EXCL), ("list file", lists, x),
        ("getxattr", os.getxattr, x, XATTR), ("getxattr dir", os.getxattr, d, "user.vault.meta.k"),
        ("stat none", exists, f"{d}/none"), ("open none", opens, f"{d}/none", R),
        ("stat below file", exists, f"{x}/y"), ("unlink none", os.unlink, f"{d}/none"),
        ("stat .vault", sees, vault), ("list .vault", lists, vault), ("enter .vault", enters, vault),
        ("watch .vault", watches, vault), ("read data.json", opens, f"{vault}/data.json", R),
        ("access data.json", may, f"{vault}/data.json", os.R_OK),
        ("stat data.json", exists, f"{vault}/data.json"), ("stat version", exists, f"{vault}/version"),
        ("read version", opens, f"{vault}/version", R), ("list fields", opens, f"{vault}/fields", R),
        ("read in fields", reads, f"{vault}/fields/x"),
        ("stat in fields", sees, f"{vault}/fields/x"),
        ("read old", reads, f"{vault}/versions/1/x"), ("stat old", sees, f"{vault}/versions/1/x"),
        ("list old", opens, f"{vault}/versions/1", R),
    ]


def changing(d, mode):
    """Operations that leave all as it was, on the directory `d`."""
    x, t = f"{d}/x", f"{d}/t"
    vault = f"{d}/.vault"
    return [
        ("open w", opens, x, W), ("open rw", opens, x, RW), ("open append", opens, x, W | os.O_APPEND),
        ("open creat", opens, x, W | os.O_CREAT), ("open r creat", opens, x, R | os.O_CREAT),
        ("open w trunc", opens, t, W | TRUNC), ("open r trunc", opens, t, R | TRUNC),
        ("open creat trunc", opens, t, R | os.O_CREAT | TRUNC),
        ("truncate", os.truncate, t, 0), ("truncate x", os.truncate, x, len(TEXT)),
        ("utime now", os.utime, x), ("utime", os.utime, x, (1, 1)), ("chmod", os.chmod, x, mode),
        ("chown to nobody", os.chown, x, -1, -1), ("chgrp", os.chown, x, -1, GROUP),
        ("chown", os.chown, x, OWNER, -1), ("utime dir", os.utime, d),
        ("setxattr", os.setxattr, x, XATTR, b"string"),
        ("removexattr none", os.removexattr, x, "user.vault.meta.none"),
        ("setxattr dir", os.setxattr, d, "user.vault.meta.k", b"v"),
        ("make", makes, f"{d}/new"), ("make, chmod", makes, f"{d}/new", (os.chmod, 0o600)),
        ("make, open", makes, f"{d}/new", (opens, W), (os.utime, (1, 1))),
        ("mkstemp", makes_as_mkstemp, f"{d}/.tmp"),
        ("mkdir", makes_directory, f"{d}/made"), ("mknod", makes_node, f"{d}/node"),
        ("mkfifo", makes_by, f"{d}/fifo", os.mkfifo), ("symlink", links, f"{d}/symlink"),
        ("rename", renames, x, f"{d}/y"), ("rename none", os.rename, f"{d}/none", f"{d}/y"),
        ("rmdir full", os.rmdir, d), ("rmdir file", os.rmdir, x), ("unlink dir", os.unlink, d),
        ("write data.json", opens, f"{vault}/data.json", W),
        ("write version", opens, f"{vault}/version", W),
        ("trunc version", opens, f"{vault}/version", R | os.O_EXCL),
        ("write in fields", opens, f"{vault}/fields/x", W),
        ("trunc in fields", opens, f"{vault}/fields/t", R | TRUNC),
        ("write old", opens, f"{vault}/versions/1/x", W),
        ("trunc old", opens, f"{vault}/versions/1/t", R | TRUNC),
    ]


def makes_by(path, action):
    action(path)
    os.unlink(path)


def links(path):
    os.symlink("x", path)
    os.unlink(path)


def makes_as_mkstemp(path):
    fd = os.open(path, RW | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.fchmod(fd, 0o600)
        os.write(fd, b"x")
    finally:
        os.close(fd)
    reads(path)
    os.unlink(path)


# What is otherwise than on a tmpfs, where that gives the first: what we answer, and why.
DIFFERENCES = {
    ("mkfifo", ""): ("EPERM", "there are no special files"),
    ("symlink", ""): ("EPERM", "there are no links"),
    ("write old", ""): ("EROFS", "what was cannot be changed"),
    ("trunc old", ""): ("EROFS", "what was cannot be changed"),
    ("rename", ""): ("EACCES", "what cannot be read cannot be moved: a name can have another rule"),
    ("setxattr dir", ""): ("EACCES", "it is of the whole secret, and needs w on all its fields"),
    ("removexattr none", "ENODATA"): ("", "rsync -X removes what the other side has not"),
}
# These names can be read in .vault, and tell no more there than that they exist.
NAMES_ALONE = ("list .vault",)


@remote
def run_all(d, mode, change):
    rows = looking(d) + (changing(d, mode) if change else [])
    return [(name, simple(name, result_of(action, *args))) for name, action, *args in rows]


@remote
def read_file(path):
    return result_of(reads, path)


def simple(name, answer):
    """Without what differs by nature: attributes' bytes, what is listed."""
    if answer is None or isinstance(answer, bytes) or isinstance(answer, list) and name in NAMES_ALONE:
        return ""
    return answer


def compare(person, where, want, got, wrong):
    for (name, w), (_, g) in zip(want, got):
        if g != w and DIFFERENCES.get((name, str(w)), (None,))[0] != g:
            wrong.append(f"{person} {where} {name}: {g or 'success'}, not {w or 'success'}")


def section(path, dir_mode, mode):
    return (f'[path "{path}"]\nowner = {OWNER}\ngroup = {GROUP}\ndir_mode = {dir_mode:04o}\n'
            f"mode = {mode:04o}\n")


class Pair:
    """The two trees. dMODE/fMODE/x: a secret in a folder, both of the first mode, and its file; wMODE/s/x:
    a folder of that mode, and what is open below it."""

    def __init__(self, t, pairs):
        self.t = t
        self.oracle = Tmpfs(f"{t.root}/tmpfs")
        self.places = [(f"d{d:04o}/f{f:04o}", d, f) for d, f in pairs]
        self.places += [(f"w{d:04o}/s", 0o755, 0o644) for d in sorted({d for d, _ in pairs})]
        self.config = f"{t.root}/conf"
        tops = {}
        text = ""
        for place, d, f in self.places:
            top = place.split("/")[0]
            tops[top] = int(top[1:], 8)
            text += section(f"{t.folder}/{place}", d, f)
            t.put(place, {"x": TEXT, "t": ""})
        for top, mode in tops.items():
            text += section(f"{t.folder}/{top}", mode, mode)
        with open(self.config, "w", encoding="utf-8") as f:
            f.write(text)
        for top, mode in tops.items():
            self.oracle.make(top, mode)
        for place, d, f in self.places:
            self.fill(place, d, f)

    def fill(self, place, d, f):
        make = self.oracle.make
        make(place, d)
        for name in ("", "/fields", "/versions", "/versions/1"):
            make(f"{place}/.vault{name}", d)
        for name in ("x", ".vault/data.json", ".vault/version", ".vault/fields/x",
                     ".vault/versions/1/x"):
            make(f"{place}/{name}", f, TEXT)
        for name in ("t", ".vault/fields/t", ".vault/versions/1/t"):
            make(f"{place}/{name}", f, "")
        os.setxattr(f"{self.oracle.path}/{place}/x", XATTR, b"string")
        os.setxattr(f"{self.oracle.path}/{place}", "user.vault.meta.k", b"v")

    def mount(self, *options):
        m = self.t.mount("allow_other", f"uid={OWNER}", f"gid={GROUP}", "dir_mode=0755", *options,
                         args=("-c", self.config))
        return m

    def prepare(self, m):
        for place, _, _ in self.places:
            os.setxattr(m / place, "user.vault.max_versions", b"10000")
            os.setxattr(m / place, "user.vault.meta.k", b"v")

    def run(self, m, person, change, wrong, label="", warm=True):
        worker = Worker(person)
        other = Worker(ROOT) if warm else None
        for place, _, f in self.places:
            if other:
                other.ask("run_all", m / place, f, False)
            want = worker.ask("run_all", f"{self.oracle.path}/{place}", f, change)
            got = worker.ask("run_all", m / place, f, change)
            compare(person, f"{label}{place}", want, got, wrong)
        for w in (worker, other):
            if w:
                w.end()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.oracle.end()


def check(t, wrong):
    assert not wrong, f"{len(wrong)} differ:\n" + "\n".join(wrong[:60])


@test(seconds=900 if LONG else 180)
def every_operation(t):
    "every operation by every class of user is as on a tmpfs, whoever has filled the caches"
    open_the_way(t)
    wrong = []
    with Pair(t, PAIRS if t.product == "local" else FEW) as pair:
        m = pair.mount()
        pair.prepare(m)
        for person in PEOPLE:
            pair.run(m, person, True, wrong)
        for person in PEOPLE if LONG else PEOPLE[1::2]:
            pair.run(pair.mount(), person, False, wrong, "cold ", warm=False)
        t.note(f"{len(pair.places)} places, {len(PEOPLE)} users")
    check(t, wrong)


@test(products=("local",))
def fast_open(t):
    "so it is with fast_open, where opens never reach the daemon"
    open_the_way(t)
    wrong = []
    with Pair(t, FEW) as pair:
        m = pair.mount()
        pair.prepare(m)
        m = pair.mount("ro", "fast_open")
        pair.oracle.make_read_only()
        for person in PEOPLE:
            pair.run(m, person, True, wrong)
    check(t, wrong)


@test(products=("local",))
def bind_mounts(t):
    "a bind mount leads past a closed directory, to a directory or a single file, as on a tmpfs"
    open_the_way(t)
    wrong = []
    with Pair(t, [(0o700, 0o640), (0o755, 0o644)]) as pair:
        m = pair.mount()
        pair.prepare(m)
        closed = "w0700/s"
        with Bind(m / closed, f"{t.root}/ours") as ours, \
             Bind(f"{pair.oracle.path}/{closed}", f"{t.root}/theirs") as theirs, \
             Bind(m / f"{closed}/x", f"{t.root}/our-file") as our_file:
            for person in PEOPLE:
                worker = Worker(person)
                compare(person, "bound", worker.ask("run_all", theirs, 0o644, True),
                        worker.ask("run_all", ours, 0o644, True), wrong)
                assert worker.ask("read_file", our_file) == TEXT, person
                worker.end()
    check(t, wrong)


@test(products=("bao",))
def events_in_closed_directories(t):
    "inotify tells of what comes, changes and goes where owner and mode would refuse the daemon's user"
    t.put("d/s", {"x": "1", "gone": "1"})
    m = t.mount("allow_other", f"uid={OWNER}", f"gid={GROUP}", "mode=0400", "dir_mode=0500",
                "watch=300ms")
    assert m.read("d/s/x") == b"1" and m.read("d/s/gone") == b"1"
    with inotify.Watcher() as w:
        w.add(m / "d/s")
        t.put("d/s", {"x": "2", "come": "1"})
        seen = w.until(inotify.CREATE | inotify.DELETE, count=2)
    masks = {}
    for path, mask in seen:
        name = os.path.basename(path)
        masks[name] = masks.get(name, 0) | mask
    assert masks["x"] & inotify.MODIFY and masks["come"] & inotify.CREATE, masks
    assert masks["gone"] & inotify.DELETE, masks


# /dev/fuse is for everybody, and fuse.conf lets users have allow_other, as on most machines.
SCRIPT = """
set -e
mknod "$ROOT/fuse" c 10 229
chmod 666 "$ROOT/fuse"
mount --bind "$ROOT/fuse" /dev/fuse
echo user_allow_other > "$ROOT/fuse.conf"
mount --bind "$ROOT/fuse.conf" /etc/fuse.conf
nobody="setpriv --reuid=nobody --regid=nogroup --clear-groups"
other="setpriv --reuid=61003 --regid=61003 --clear-groups"
$nobody "$VAULTFS" mount -o allow_other,mode=0644,dir_mode=0711 "secret/$FOLDER" "$D"
$nobody cat "$D/open/x"; echo
$other cat "$D/open/x"; echo
$other stat -c ' %s' "$D/open/x"
$other ls "$D/open" 2>/dev/null || echo closed
$other sh -c ': < "$D/open/x"; echo 3 1<> "$D/open/x"' 2>/dev/null || echo refused
$nobody "$VAULTFS" umount "$D"
$nobody "$VAULTFS" mount -o allow_other,mode=0644 "secret/$FOLDER" "$D"
$nobody cat "$D/open/x"; echo
$other cat "$D/open/x" 2>/dev/null || echo closed
$other stat "$D/open/x" 2>/dev/null || echo closed
$nobody sh -c 'printf 2 > "$D/open/x"'
$nobody "$VAULTFS" umount "$D"
"""


@test(products=("bao",), needs=("setpriv", "unshare", "fusermount3"))
def ordinary_user(t):
    "so it is where an ordinary user mounts for others, by fusermount3"
    open_the_way(t)
    t.put("open", {"x": "1"})
    where = f"{t.root}/dir"
    os.makedirs(where)
    os.chown(where, 65534, 65534)
    environment = mounts.clean_environment(
        VAULT_ADDR=t.server.address, VAULT_TOKEN=t.server.token, HOME="/", VAULTFS=mounts.VAULTFS,
        ROOT=t.root, D=where, FOLDER=t.folder)
    _, out, _ = t.run(*mounts.in_namespace(SCRIPT), env=environment)
    assert out.decode().split() == "1 1 1 closed refused 1 closed closed".split(), out
    assert t.get("open") == {"x": "2"}


main(local=True)
