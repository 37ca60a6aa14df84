#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The local store as a file: what survives SIGKILL, what a damaged file does, what can be read in it, and
the commands for all of it. What it does as an engine is tested by the tests of the servers."""

import glob
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time

import mount as mounts
from harness import main, test

LOCAL = ("local",)
KILLS = int(os.environ.get("VAULTFS_KILLS", "25"))
WRITER = """
import os, sys
path, first = sys.argv[1], int(sys.argv[2])
n = first
while True:
    value = ("%d " % n) * 200
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.write(fd, value.encode())
        os.close(fd)
    except OSError:
        sys.exit(0)
    print(n, flush=True)
    n += 1
"""


def kept(t, name):
    """A store of this test's own: its file, and options for it."""
    key = f"{t.root}/key"
    with open(key, "w", opener=lambda p, f: os.open(p, f, 0o600)) as f:
        f.write("0123456789abcdef")
    return f"{t.root}/{name}", f"key=file:{key}"


def start(t, file, key, *options, wait=True, **more):
    return t.mount(key, *options, source=f"/local:{file}", wait=wait, **more)


def run(t, *args, **more):
    return t.run(mounts.VAULTFS, *args, env=mounts.clean_environment(HOME=t.root), **more)


@test(LOCAL)
def replaced_under_a_mount(t):
    "a store that was replaced or removed while it is mounted takes no write that would be lost"
    file, key = kept(t, "swap.db")
    for change in (lambda: (shutil.copy(file, file + ".copy"), os.rename(file + ".copy", file)),
                   lambda: os.unlink(file)):
        m = start(t, file, key)
        os.makedirs(m / "s", exist_ok=True)
        m.write("s/f", "1")
        change()
        m.expect("was removed or replaced")
        assert m.errno_of(m.write, "s/f", "2") == "EIO"
        assert m.read("s/f") == b"1" and b"unmount, and mount again" in m.read(".vault/errors")
        m.end()


@test(LOCAL)
def no_store_in_place_of_a_folder(t):
    "a folder that is missing on the way to a store is no new store"
    _, key = kept(t, "x")
    m = start(t, f"{t.root}/missing/store.db", key, wait=False)
    assert m.process.wait(20) == 1 and "is not there, neither as a store nor as a folder" in m.log(), m.log()
    m.ended = True
    assert not os.path.exists(f"{t.root}/missing")


@test(LOCAL)
def paths_that_none_has(t):
    "a path that a mount could not show is not written, by whichever command"
    file, key = kept(t, "paths.db")
    for name in ("../x", "q/./x", "a\nb"):
        status, _, err = run(t, "put", "-o", key, f"local:{file}/{name}", "a=1", check=False)
        assert status == 1 and b"no path holds a name like" in err, err
    status, _, err = run(t, "put", "-o", key, f"local:{file}/".encode() + b"\xff", "a=1", check=False)
    assert status == 1 and b"not UTF-8" in err, err
    run(t, "local", "import", "-o", key, file, input=b'{"format": "vaultfs-export-1", "secrets": {}}')
    deep = "/".join("a" * 3000)
    status, _, err = run(t, "put", "-o", key, f"local:{file}/{deep}", "a=1", check=False)
    assert status != 0 and b"too many names" in err, err
    run(t, "put", "-o", key, f"local:{file}//q///x/", "a=1")
    run(t, "put", "-o", key, f"local:{file}/" + deep[:4000], "a=1")
    export = json.loads(run(t, "local", "export", "-o", key, file)[1])
    assert set(export["secrets"]) == {"q/x", deep[:3999]}, export
    one = export["secrets"]["q/x"]
    for name in ("", "/x", "x/", "q//x", "q/../x", ".", "q/.vault", "a\nb", deep):
        again = json.dumps({**export, "secrets": {name: one}}).encode()
        status, _, err = run(t, "local", "import", "-o", key, f"{t.root}/x.db", check=False, input=again)
        assert status == 1 and (b"no path" in err or name == deep), (name, err)


@test(LOCAL, seconds=120)
def many_at_once(t):
    "an import and an export of more than the memory for secrets has room for lose nothing"
    file, key = kept(t, "many.db")
    when = "2026-01-01T00:00:00Z"
    meta = {"cas_required": False, "created_time": when, "updated_time": when, "custom_metadata": None,
            "delete_version_after": "0s", "max_versions": 0, "current_version": 1, "oldest_version": 0,
            "versions": {"1": {"created_time": when, "deletion_time": "", "destroyed": False}}}
    secrets = {f"d{n % 7}/s{n}": {"metadata": meta, "versions": {"1": {"n": n, "text": "x" * (n * 7919 % 2000)}}}
               for n in range(3000)}
    text = json.dumps({"format": "vaultfs-export-1", "secrets": secrets}).encode()
    assert run(t, "local", "import", "-o", key, file, input=text)[1] == b"3000 secrets\n"
    again = json.loads(run(t, "local", "export", "-o", key, file)[1])["secrets"]
    assert {p: s["versions"] for p, s in again.items()} == {p: s["versions"] for p, s in secrets.items()}


@test(LOCAL)
def a_prefix_with_slashes(t):
    "slashes too many above the secrets of a migration make no name of a store, which opens afterwards"
    file, key = kept(t, "slashes.db")
    with open(f"{t.root}/a.env", "w") as f:
        f.write("DB_X=1\n")
    for target, prefix in ((f"local:{file}", "/dev"), (f"local:{file}/", "test//a/"), (f"local:{file}/p//q", "/")):
        run(t, "migrate", "-o", key, "--env-file", f"{t.root}/a.env", "--prefix", prefix, target)
    secrets = json.loads(run(t, "local", "export", "-o", key, file)[1])["secrets"]
    assert set(secrets) == {"dev/db", "test/a/db", "p/q/db"}, secrets
    m = start(t, file, key)
    assert m.read("dev/db/x") == b"1"
    m.end()
    for prefix in ("../x", "a/./b", ".vault"):
        status, _, err = run(t, "migrate", "-o", key, "--env-file", f"{t.root}/a.env", "--prefix", prefix,
                             f"local:{file}", check=False)
        assert status == 1 and b"no path holds a name like" in err, (prefix, err)


@test(LOCAL, seconds=60 + 5 * KILLS)
def killed_while_writing(t):
    "SIGKILL of a daemon that writes loses nothing that was acknowledged, and tears nothing"
    file, key = kept(t, "kill.db")
    acknowledged, done, random_ = 0, 0, random.Random(7)
    for _ in range(KILLS):
        m = start(t, file, key, "auto_unmount=no")
        os.makedirs(m / "s", exist_ok=True)
        if acknowledged:
            text = m.read("s/f").decode()
            number = int(text.split()[0])
            assert text == f"{number} " * 200, "a version is torn"
            assert acknowledged <= number <= acknowledged + 1, (acknowledged, number)
            acknowledged = number
        writer = subprocess.Popen(["python3", "-c", WRITER, m / "s/f", str(acknowledged + 1)],
                                  stdout=subprocess.PIPE, text=True)
        first = writer.stdout.readline()
        time.sleep(random_.uniform(0, 0.1))
        m.process.send_signal(signal.SIGKILL)
        m.process.wait()
        mounts.lazy_unmount(m.path)
        seen = (first + writer.communicate(timeout=30)[0]).split()
        if seen:
            acknowledged = int(seen[-1])
        done += len(seen)
        m.ended = True
    assert done > KILLS / 2, done
    t.note(f"{KILLS} kills, {done} acknowledged writes, none lost")
    m = start(t, file, key)
    assert int(m.read("s/f").split()[0]) >= acknowledged


@test(LOCAL)
def nothing_to_read(t):
    "neither values nor names of any kind can be read in its files, while it is mounted and after"
    file, key = kept(t, "canary.db")
    value, name, field, custom = (t.canary() for _ in range(4))
    m = start(t, file, key)
    os.makedirs(m / name)
    for text in (value, value + "2"):
        m.write(f"{name}/{field}", text)
    os.setxattr(m / name, "user.vault.meta.owner", custom.encode())

    def look():
        for path in glob.glob(f"{file}*"):
            data = open(path, "rb").read()
            for canary in (value, name, field, custom, "owner", "created_time"):
                assert canary.encode() not in data, (path, canary)
        return sorted(os.path.basename(p) for p in glob.glob(f"{file}*"))
    assert look() == ["canary.db", "canary.db-shm", "canary.db-wal"]
    assert all(os.stat(p).st_mode & 0o777 == 0o600 for p in glob.glob(f"{file}*"))
    m.canaries = [value]
    m.end()
    assert look() == ["canary.db"]


@test(LOCAL, seconds=240)
def damaged(t):
    "a file that was changed or cut off is refused with what to do, or reads as it was"
    file, key = kept(t, "whole.db")
    m = start(t, file, key)
    os.makedirs(m / "a/b")
    for n in range(3):
        m.write("a/b/f", f"value {n} " * 50)
    m.end()
    whole = open(file, "rb").read()
    bad = f"{t.root}/bad.db"
    random_ = random.Random(11)
    refused = 0
    changes = [("cut", n) for n in (0, 1, 99, 100, 4096, len(whole) // 2, len(whole) - 1)]
    changes += [("flip", at) for at in random_.sample([i for i, b in enumerate(whole) if b], 40)]
    for what, at in changes:
        data = bytearray(whole)
        if what == "cut":
            del data[at:]
        else:
            data[at] ^= 0x10
        for path in glob.glob(f"{bad}*"):
            os.unlink(path)
        with open(bad, "wb") as f:
            f.write(data)
        status, out, err = run(t, "local", "export", "-o", key, bad, check=False)
        if status == 0:
            secrets = json.loads(out)["secrets"]
            assert secrets["a/b"]["versions"]["3"] == {"f": "value 2 " * 50}, (what, at)
        else:
            refused += 1
            assert status == 1 and out == b"" and bad.encode() in err, (what, at, err)
    assert refused > 15, refused
    t.note(f"{refused} of {len(changes)} changed files refused, the others read as they were")
    m = start(t, bad, key, wait=False)
    if m.wait_end() == 0:
        raise AssertionError("the last of them was mounted")


def killed(t, name, writes):
    """A store whose daemon was killed after so many writes of a/f: its file, its options, and the two files."""
    file, key = kept(t, name)
    m = start(t, file, key, "auto_unmount=no")
    os.makedirs(m / "a")
    for n in range(writes):
        m.write("a/f", f"value {n} " * 50)
    m.process.send_signal(signal.SIGKILL)
    m.process.wait()
    mounts.lazy_unmount(m.path)
    m.ended = True
    return file, key, open(file, "rb").read(), open(f"{file}-wal", "rb").read()


def put_files(path, data, log):
    for old in glob.glob(f"{path}*"):
        os.unlink(old)
    for name, content in ((path, data), (f"{path}-wal", log)):
        with open(name, "wb") as f:
            f.write(content)


def commits(log):
    "Where the frames of a log of 4096 byte pages end that end a transaction"
    frame = 24 + 4096
    return [at + frame for at in range(32, len(log) - frame + 1, frame) if log[at + 4:at + 8] != bytes(4)]


@test(LOCAL, seconds=240)
def damaged_log(t):
    "a log that a killed daemon has left is refused where what it had acknowledged was changed"
    file, key, data, log = killed(t, "log.db", 8)
    bad, random_ = f"{t.root}/badlog.db", random.Random(13)
    ends = commits(log)
    assert len(ends) >= 8 and ends[-1] == len(log), (ends, len(log))
    for at in [0, 9, 17, 30] + random_.sample(range(32, ends[-2]), 40):
        changed = bytearray(log)
        changed[at] ^= 0x10
        put_files(bad, data, changed)
        status, out, err = run(t, "local", "export", "-o", key, bad, check=False)
        if status == 0:  # a few of SQLite's fields are of no account
            assert json.loads(out)["secrets"]["a"]["versions"]["8"] == {"f": "value 7 " * 50}, at
        else:
            assert status == 1 and out == b"" and b"-wal" in err and b"put back a copy" in err, (at, err)
            assert open(f"{bad}-wal", "rb").read() == changed, "it is left as it was"
    changed = bytearray(log)
    changed[32 + 24 + 100] ^= 1
    put_files(bad, data, changed)
    for _ in range(2):
        m = start(t, bad, key, wait=False)
        assert m.wait_end() != 0, "a damaged log was mounted"
    ps = [t.spawn(mounts.VAULTFS, "local", "export", "-o", key, bad, env=mounts.clean_environment(HOME=t.root),
                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(6)]
    assert [p.wait(60) for p in ps] == [1] * 6, "of many at a time each refuses it"


@test(LOCAL, seconds=240)
def log_cut_off(t):
    "of a log without its end all is there but the transaction that was under way"
    file, key, data, log = killed(t, "cut.db", 6)
    cut = f"{t.root}/cutlog.db"
    ends = commits(log)
    for less in (0, 1, 100, 4120, 4121):
        put_files(cut, data, log[:len(log) - less])
        m = start(t, cut, key)
        whole = sum(end <= len(log) - less for end in ends)
        assert whole == len(ends) - (less > 0), (less, ends)
        assert m.read("a/f") == f"value {whole - len(ends) + 5} ".encode() * 50, less
        m.write("a/f", "and on")
        m.end()
    shutil.copy(file, cut)
    shutil.copy(f"{file}-wal", f"{cut}-wal")
    ps = [t.spawn(mounts.VAULTFS, "local", "export", "-o", key, cut, env=mounts.clean_environment(HOME=t.root),
                  stdout=subprocess.DEVNULL) for _ in range(6)]
    assert [p.wait(60) for p in ps] == [0] * 6, "many at a time may find a whole one"


@test(LOCAL)
def exported_and_imported(t):
    "an export holds everything, for its owner alone; a store made of it is the same"
    file, key = kept(t, "one.db")
    m = start(t, file, key)
    os.makedirs(m / "a")
    m.write("a/f", "1")
    m.write("a/f", b"\xff\x00")
    m.end()
    to = f"{t.root}/out.json"
    run(t, "local", "export", "-o", key, file, to)
    assert os.stat(to).st_mode & 0o777 == 0o600
    assert run(t, "local", "export", "-o", key, file, to, check=False)[0] == 1
    assert run(t, "local", "export", "-o", key, file)[1] == open(to, "rb").read()
    run(t, "local", "import", "-o", key, f"{t.root}/two.db", to)
    status, _, err = run(t, "local", "import", "-o", key, f"{t.root}/two.db", to, check=False)
    assert status == 1 and b"nothing was imported" in err
    m = start(t, f"{t.root}/two.db", key)
    assert m.read("a/f") == b"\xff\x00" and m.read("a/.vault/versions/1/f") == b"1"
    assert run(t, "local", "import", "-o", key, f"{t.root}/x.db", input=b"{}", check=False)[0] == 1


@test(LOCAL)
def rekeyed(t):
    "after a rekey the new key alone opens it; a store that is mounted is not rekeyed"
    file, key = kept(t, "re.db")
    other = f"{t.root}/other"
    with open(other, "w", opener=lambda p, f: os.open(p, f, 0o600)) as f:
        f.write("fedcba9876543210")
    m = start(t, file, key)
    os.makedirs(m / "a/b")
    m.write("a/b/f", "kept " * 100)
    status, _, err = run(t, "local", "rekey", "--new-key", f"file:{other}", "-o", key, file, check=False)
    assert status == 1 and b"unmount it first" in err, err
    m.end()
    old = open(file, "rb").read()
    for new in (f"file:{other}", "machine", "machine", f"file:{other}"):
        run(t, "local", "rekey", "--new-key", new, "-o", key, file)
        if key != f"key={new}":
            assert run(t, "local", "export", "-o", key, file, check=False)[0] == 1
        key = f"key={new}"
        assert b"kept kept" in run(t, "local", "export", "-o", key, file)[1]
    assert glob.glob(f"{file}*") == [file], "the salt is gone too"
    now = open(file, "rb").read()
    runs = [old[i:i + 24] for i in range(4096, len(old) - 24, 24)]
    shared = [r for r in runs if len(set(r)) > 12 and r in now]
    assert not [r for r in shared if b"CREATE" not in r and not r.isascii()], "sealed bytes are left"


@test(LOCAL, seconds=240)
def killed_while_rekeying(t):
    "a rekey that is killed has been done or not: one key of the two opens all of it"
    file, _ = kept(t, "half.db")
    keys = [f"file:{t.root}/k{n}" for n in range(2)] + ["machine"]
    for n in range(2):
        with open(f"{t.root}/k{n}", "w", opener=lambda p, f: os.open(p, f, 0o600)) as f:
            f.write(f"{n}" * 32)
    m = start(t, file, f"key={keys[0]}")
    for n in range(20):
        os.makedirs(m / f"s{n}")
        m.write(f"s{n}/f", f"{n} " * 2000)
    m.end()

    def export(key):
        return run(t, "local", "export", "-o", f"key={key}", file, check=False)
    whole, now, random_, turned = export(keys[0])[1], 1, random.Random(5), 0
    begun = time.monotonic()
    run(t, "local", "rekey", "--new-key", keys[1], "-o", f"key={keys[0]}", file)
    took = time.monotonic() - begun
    for n in range(KILLS):
        to = (now + 1 + n % 2) % 3
        p = t.spawn(mounts.VAULTFS, "local", "rekey", "--new-key", keys[to], "-o", f"key={keys[now]}", file,
                    env=mounts.clean_environment(HOME=t.root))
        time.sleep(random_.uniform(0, took))
        p.kill()
        p.wait()
        opened = [k for k in (now, to) if export(keys[k])[:2] == (0, whole)]
        assert len(opened) == 1, (n, opened, export(keys[now]), export(keys[to]))
        turned += opened[0] != now
        now = opened[0]
    t.note(f"{KILLS} kills, {turned} of them after the new key held")
    m = start(t, file, f"key={keys[now]}")
    assert m.read("s19/f") == b"19 " * 2000


@test(LOCAL)
def passphrase(t):
    "a passphrase comes from a descriptor, for a mount too, and another opens nothing"
    file = f"{t.root}/phrase.db"

    def command(phrase, *args):
        fd = os.memfd_create("phrase", 0)
        os.write(fd, phrase.encode() + b"\n")
        os.lseek(fd, 0, os.SEEK_SET)
        try:
            return subprocess.run([mounts.VAULTFS, *(a.replace("FD", str(fd)) for a in args)], pass_fds=[fd],
                                  capture_output=True, timeout=60, check=False,
                                  env=mounts.clean_environment(HOME=t.root))
        finally:
            os.close(fd)
    phrase, mnt = t.canary(), f"{t.root}/mnt"
    os.mkdir(mnt)
    for value in ("one", "two"):
        done = command(phrase, "mount", "-o", "key=passphrase:FD", f"local:{file}", mnt)
        assert done.returncode == 0, done.stderr
        try:
            if value == "one":
                os.makedirs(f"{mnt}/a")
            else:
                assert open(f"{mnt}/a/f").read() == "one"
            with open(f"{mnt}/a/f", "w") as f:
                f.write(value)
        finally:
            t.run(mounts.VAULTFS, "umount", mnt)
    done = command("another phrase", "mount", "-o", "key=passphrase:FD", f"local:{file}", mnt)
    assert done.returncode == 1 and b"the key does not open" in done.stderr, done.stderr
    assert not os.path.ismount(mnt) and phrase.encode() not in done.stderr
    done = command(phrase, "local", "export", "-o", "key=passphrase:FD", file)
    assert json.loads(done.stdout)["secrets"]["a"]["versions"]["2"] == {"f": "two"}, done.stderr
    assert all(phrase.encode() not in open(p, "rb").read() for p in glob.glob(f"{file}*"))


def rows_of(file, name):
    db = sqlite3.connect(file)
    rows = db.execute(f"SELECT rowid, * FROM {name} ORDER BY rowid").fetchall()
    db.close()
    return rows


def header_of(file):
    db = sqlite3.connect(file)
    rows = db.execute("SELECT name, value FROM header").fetchall()
    db.close()
    return rows


def put_rows(file, name, rows):
    """Has a table hold these rows, with their row ids."""
    db = sqlite3.connect(file, isolation_level=None)
    db.execute("BEGIN")
    db.execute(f"DELETE FROM {name}")
    names = [c[1] for c in db.execute(f"PRAGMA table_info({name})")]
    rowid = [] if any(n in ("id",) for n in names) else ["rowid"]
    for row in rows:
        values = row if rowid else row[1:]
        db.execute(f"INSERT INTO {name}({', '.join(rowid + names)}) "
                   f"VALUES({', '.join('?' * len(values))})", values)
    db.execute("COMMIT")
    db.close()


@test(LOCAL)
def rolled_back(t):
    "a secret that is put back from an older copy of the file, or removed, without the key is found at open"
    file, key = kept(t, "back.db")
    m = start(t, file, key)
    for name, value in (("a", "old"), ("b", "other"), ("gone", "x")):
        os.makedirs(m / name)
        m.write(f"{name}/f", value)
    m.end()
    shutil.copy(file, f"{file}.old")
    m = start(t, file, key)
    m.write("a/f", "new")
    os.remove(m / "gone/f")
    m.write("b/f", "newer")
    os.makedirs(m / "c")
    m.write("c/f", "young")
    m.end()
    run(t, "destroy", "--yes", "-o", key, f"local:{file}/b", "1")
    shutil.copy(file, f"{file}.new")
    old = {n: rows_of(f"{file}.old", n) for n in ("node", "version")}
    new = {n: rows_of(f"{file}.new", n) for n in ("node", "version")}

    def node_of(rows, k):
        return next(r for r in rows["node"] if r[0] == k)

    def with_old(ids):
        """The secrets of these ids as they were, the others as they are."""
        return {"node": [r for r in new["node"] if r[0] not in ids] +
                        [r for r in old["node"] if r[0] in ids],
                "version": [r for r in new["version"] if r[1] not in ids] +
                           [(None, *r[1:]) for r in old["version"] if r[1] in ids]}

    ids = [r[0] for r in new["node"]]
    known = {r[0] for r in old["node"]}
    cases = [with_old({i}) for i in ids if i in known and node_of(old, i) != node_of(new, i)]
    assert len(cases) >= 3, (old["node"], new["node"])
    cases += [{"node": [r for r in new["node"] if r[0] != i],
               "version": [r for r in new["version"] if r[1] != i]} for i in ids]
    cases.append({"node": new["node"], "version": new["version"][:-1]})
    cases.append(with_old(known))
    for case in cases:
        for name in ("node", "version"):
            put_rows(file, name, case[name])
        for command in (["status"], ["get"], ["doctor"], ["ls"], ["local", "export"]):
            place = [file, "-"] if command[0] == "local" else [f"local:{file}/b#f" if command == ["get"]
                                                              else f"local:{file}"]
            status, out, err = run(t, *command, "-o", key, *place, check=False)
            text = (out + err).decode()
            assert status == 1 and "is damaged (" in text and "put back a copy" in text, (command, text)
        os.makedirs(f"{t.root}/no", exist_ok=True)
        status, _, err = run(t, "mount", "-o", key, f"local:{file}", f"{t.root}/no", check=False)
        assert status == 1 and b"is damaged (" in err, err
        shutil.copy(f"{file}.new", file)
    # The state of then beside the rows of now, and the header whole of then.
    header = dict(header_of(f"{file}.old"))
    for names in (("state",), ("proof", "salt", "state"), ()):
        with sqlite3.connect(file, isolation_level=None) as db:
            for name in names:
                db.execute("UPDATE header SET value = ? WHERE name = ?", (header[name], name))
            if not names:
                db.execute("DELETE FROM header WHERE name = 'state'")
        db.close()
        assert run(t, "status", "-o", key, f"local:{file}", check=False)[0] == 1, names
        shutil.copy(f"{file}.new", file)
    assert run(t, "get", "-o", key, f"local:{file}/a#f")[1] == b"new"
    # What nobody can see without a word from outside: all of it, as it was.
    shutil.copy(f"{file}.old", file)
    assert run(t, "get", "-o", key, f"local:{file}/a#f")[1] == b"old"


@test(LOCAL)
def of_an_earlier_release(t):
    "a store of the first format is read whole, gets the new one at the next open, and what was sealed before is void"
    file, key = kept(t, "first.db")
    first = os.path.join(os.path.dirname(__file__), "../data/store_format_1.db")
    shutil.copy(first, file)
    os.chmod(file, 0o600)
    get = ["get", "-o", key, f"local:{file}/app/db#password"]
    # While another process has it, it stays as it is, and is used as it is.
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("PRAGMA journal_mode=WAL")
    other.execute("BEGIN")
    other.execute("SELECT count(*) FROM node").fetchall()
    assert run(t, *get)[1] == b"two"
    run(t, "put", "-o", key, f"local:{file}/app/api", "key=k2")
    other.execute("COMMIT")
    other.close()
    assert "state" not in dict(header_of(file))
    shutil.copy(file, f"{file}.then")
    then = rows_of(file, "node")
    m = start(t, file, key)
    assert m.read("app/db/password") == b"two" and m.read("app/db/user") == b"u"
    assert m.read("app/api/key") == b"k2" and os.listdir(m / "gone") == []
    assert m.errno_of(open, m / "app/db/.vault/versions/1/password") == "ENOENT"
    assert os.getxattr(m / "app/db", "user.vault.meta.owner") == b"me"
    m.write("app/db/password", "three")
    m.end()
    assert "state" in dict(header_of(file))
    assert run(t, *get)[1] == b"three"
    shutil.copy(file, f"{file}.new")
    put_rows(file, "node", then)
    assert run(t, "status", "-o", key, f"local:{file}", check=False)[0] == 1
    # Nor is the old proof good for anything.
    shutil.copy(f"{file}.new", file)
    header = dict(header_of(f"{file}.then"))
    with sqlite3.connect(file) as db:
        db.execute("UPDATE header SET value = ? WHERE name = 'proof'", (header["proof"],))
        db.execute("DELETE FROM header WHERE name = 'state'")
    db.close()
    assert run(t, "status", "-o", key, f"local:{file}", check=False)[0] == 1


@test(LOCAL)
def status_and_doctor(t):
    "status and doctor tell of a store, named or mounted, whether the key opens it and it is whole"
    file, key = kept(t, "told.db")

    def told(*args):
        status, out, err = run(t, *args, check=False)
        return status, (out + err).decode()
    status, text = told("doctor", "-o", key, f"local:{file}")
    assert status == 0 and "ok    store    there is none yet" in text, text
    m = start(t, file, key)
    os.makedirs(m / "a")
    m.write("a/f", "1")
    for place in (f"local:{file}", m.path, m / "a"):
        status, text = told("doctor", "-o", key, place)
        assert status == 0 and "ok    store    it opens with the key" in text and "server:" not in text, text
    status, text = told("status", "-o", key, f"local:{file}")
    assert status == 0 and f"store      {file}\n" in text and "entries    1\n" in text, text
    assert told("status", m.path)[0] == 0
    status, text = told("status", "--renew", "-o", key, f"local:{file}")
    assert status == 1 and "no token to renew" in text, text
    m.end()
    with open(f"{t.root}/wrong", "w", opener=lambda p, f: os.open(p, f, 0o600)) as f:
        f.write("f" * 32)
    status, text = told("doctor", "-o", f"key=file:{t.root}/wrong", f"local:{file}")
    assert status == 1 and "FAIL  store" in text and "-> name the key" in text, text
    status, text = told("doctor", f"local:{file}")
    assert status == 1 and "FAIL  store    cannot read" in text and ".salt" in text, text
    os.truncate(file, os.path.getsize(file) // 2)
    for command in ("status", "doctor"):
        status, text = told(command, "-o", key, f"local:{file}")
        assert status == 1 and "is damaged" in text and "put back a copy" in text, text


@test(LOCAL)
def two_mounts(t):
    "two mounts of one file see what the other writes, and no write is lost"
    file, key = kept(t, "two.db")
    a, b = start(t, file, key, "ttl=0s"), start(t, file, key, "ttl=0s")
    os.makedirs(a / "s")
    a.write("s/f", "0")
    script = 'for i in $(seq 40); do printf "$i" > "$D/s/$N" || exit 1; done'
    ps = [t.spawn("bash", "-c", script, env={**os.environ, "D": m.path, "N": n}) for m, n in ((a, "x"), (b, "y"))]
    assert [p.wait(60) for p in ps] == [0, 0]
    assert a.read("s/x") == b.read("s/x") == a.read("s/y") == b.read("s/y") == b"40"
    assert os.getxattr(a / "s", "user.vault.version") == b"81"


main()
