#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Programs that keep more in a directory than the file they write: databases with their journals, key stores,
repositories, copies that are made a second time, locks that are directories. programs.py has those that
write one file."""

import os
import signal
import sqlite3
import subprocess
import sys
import time

from harness import SERVERS, long, main, test


def rows(path, sql="select count(*) from t"):
    db = sqlite3.connect(path, timeout=60)
    try:
        return db.execute(sql).fetchone()[0]
    finally:
        db.close()


INSERT = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
for i in range(int(sys.argv[2])):
    db.execute("begin immediate")
    db.execute("insert into t values (?)", (i,))
    db.execute("commit")
"""

# Pages go to the file before the end of the transaction: the cache holds no more than a few.
UNDONE = """
import os, sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
db.execute("pragma cache_size=2")
db.execute("begin immediate")
db.execute("delete from t")
for i in range(40):
    db.execute("insert into t values (?)", ("x" * 500,))
print("ready", flush=True)
sys.stdin.read()
"""


@test(seconds=300)
def database(t):
    "a database of SQLite with a rollback journal: two writers, transactions undone, a writer that is killed"
    m = t.mount("timeout=60s")
    os.mkdir(m / "db")
    path = m / "db/x.db"
    db = sqlite3.connect(path, timeout=60, isolation_level=None)
    assert db.execute("pragma journal_mode=delete").fetchone() == ("delete",)
    db.execute("create table t (a)")
    db.execute("begin")
    db.execute("insert into t values (1)")
    db.execute("rollback")
    assert db.execute("select count(*) from t").fetchone() == (0,)
    db.close()
    writers = [t.spawn(sys.executable, "-c", INSERT, path, "4") for _ in range(2)]
    assert [p.wait() for p in writers] == [0, 0]
    assert rows(path) == 8 and os.listdir(m / "db") == ["x.db"]
    p = subprocess.Popen([sys.executable, "-c", UNDONE, path], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE)
    t.processes.append(p)
    assert p.stdout.readline() == b"ready\n"
    p.send_signal(signal.SIGKILL)
    p.wait()
    p.stdin.close()
    assert rows(path) == 8 and rows(path, "pragma integrity_check") == "ok"
    db = sqlite3.connect(path, timeout=60, isolation_level=None)
    for mode in ("truncate", "persist", "memory"):
        assert db.execute(f"pragma journal_mode={mode}").fetchone() == (mode,)
        db.execute("insert into t values (2)")
    db.execute("vacuum")
    db.close()
    assert rows(path) == 11
    other = t.mount("timeout=60s")
    assert rows(other / "db/x.db") == 11 and rows(other / "db/x.db", "pragma integrity_check") == "ok"


@test(("local",), needs=("keytool",), seconds=600)
def key_store(t):
    "keytool makes a store, adds to it, takes from it and changes its password"
    m = t.mount()
    os.mkdir(m / "ks")
    def keytool(*args, store="store.p12", password="changeit"):
        return t.run("keytool", *args, "-storepass", password, "-keystore", m / f"ks/{store}",
                     timeout=600)[1]
    for alias in "ab":
        keytool("-genkeypair", "-alias", alias, "-keyalg", "EC", "-dname", f"CN={alias}")
    keytool("-exportcert", "-alias", "a", "-file", m / "ks/a.crt")
    keytool("-importcert", "-noprompt", "-alias", "c", "-file", m / "ks/a.crt", store="trust.p12")
    keytool("-storepasswd", "-new", "different")
    keytool("-delete", "-alias", "b", password="different")
    assert b"a, " in keytool("-list", password="different")
    assert sorted(os.listdir(m / "ks")) == ["a.crt", "store.p12", "trust.p12"] == sorted(t.get("ks"))


GIT = """
set -e
export GIT_CONFIG_GLOBAL=$W/config GIT_CONFIG_NOSYSTEM=1
git config --global user.name x; git config --global user.email x@x
git config --global safe.directory '*'; git config --global init.defaultBranch main
git init -q --template= "$W/origin"; cd "$W/origin"
mkdir d; echo 1 > d/f; git add .; git commit -qm 1; echo 2 > d/f; git commit -qam 2
git clone -q --template= . "$M/clone"; cd "$M/clone"
[ "$(cat d/f)" = 2 ]; [ -z "$(git status --porcelain)" ]
echo 3 > d/f; git commit -qam 3
[ "$(git log --format=%s | tr '\\n' ' ')" = '3 2 1 ' ]
git gc -q; git fsck --full --strict
git checkout -q HEAD~1; [ "$(cat d/f)" = 2 ]; git checkout -q main; [ "$(cat d/f)" = 3 ]
git push -q origin main:there; [ "$(git -C "$W/origin" log -1 --format=%s there)" = 3 ]
[ -z "$(git status --porcelain)" ]
"""


@test(SERVERS if long() else ("local",), seconds=600)
def repository(t):
    "git clones, commits, collects its garbage and checks out in a mount"
    m = t.mount("timeout=60s")
    t.run("bash", "-c", GIT, env={**os.environ, "W": t.root, "M": m.path}, timeout=600)
    assert t.get("clone/d") == {"f": "3\n"}
    fresh = t.mount()
    log = t.shell('git -c safe.directory="*" -C "$D" log --format=%s', D=fresh / "clone")[1]
    assert log == b"3\n2\n1\n"


def changed(t, *command):
    """What rsync says it has done."""
    return t.run("rsync", "--itemize-changes", *command)[1].decode().split("\n")[:-1]


@test(needs=("rsync",))
def copied_twice(t):
    "rsync -t out of a mount copies nothing the second time, nor after a remount; in by -c neither"
    t.put("s", {"a": "1", "b": "22"})
    t.put("d/x", {"c": "3"})
    out = f"{t.root}/out"
    m = t.mount("ttl=500ms", "watch=200ms")
    assert len(changed(t, "-rt", m / "", out)) >= 5
    time.sleep(1)  # what was read is not fresh any more
    # A directory has its version's time once somebody has read it, which may be after rsync has looked.
    again = [line for line in changed(t, "-rt", m / "", out) if not line.startswith(".d..t")]
    assert again == [], again
    assert changed(t, "-rt", m / "", out) == []
    m.end()
    m = t.mount()
    assert [line for line in changed(t, "-rt", m / "", out) if line.startswith(">")] == []
    t.put("s", {"a": "1", "b": "changed"})
    m.write("d/x/c", "4")
    fresh = t.mount()
    assert [line[-3:] for line in changed(t, "-rt", fresh / "", out) if line[0] == ">"] == ["x/c", "s/a", "s/b"]
    # A field's time is its version's, so that without -c a copy into the mount is made each time.
    assert len(changed(t, "-rtc", out + "/", m / "in/")) >= 5
    versions = t.version("in/s"), t.version("in/d/x")
    assert [line for line in changed(t, "-rtc", out + "/", m / "in/") if line[0] == ">"] == []
    assert (t.version("in/s"), t.version("in/d/x")) == versions
    assert t.get("in/s") == {"a": "1", "b": "changed"}


COUNT = """
import os, sys, time
for i in range(5):
    while True:
        try:
            os.mkdir(sys.argv[1] + ".lock")
            break
        except FileExistsError:
            time.sleep(0.01)
    with open(sys.argv[1]) as f:
        n = int(f.read())
    with open(sys.argv[1], "w") as f:
        f.write(str(n + 1))
    os.rmdir(sys.argv[1] + ".lock")
"""


@test(seconds=180)
def lock_directories(t):
    "proper-lockfile: a lock is a directory, whose time its holder sets anew, and that is taken over when it is old"
    t.put("s", {"f": "0"})
    m = t.mount("ttl=300ms", "watch=100ms")
    lock = m / "s/f.lock"
    before = os.stat(m / "s").st_mtime_ns
    os.mkdir(lock)
    made = os.stat(m / "s").st_mtime_ns
    assert made > before
    # Whether times have milliseconds or only seconds: it sets one that shows it.
    mine = (time.time_ns() // 10**9 + 1) * 10**9 + 5 * 10**6
    os.utime(lock, ns=(mine, mine))
    for n in range(3):
        assert os.stat(lock).st_mtime_ns == mine, n
        assert m.errno_of(os.mkdir, lock) == "EEXIST"
        m.write("s/f", str(n))
        t.put("s", {"f": str(n), "others": str(n)})
        time.sleep(0.5)  # what was known of the secret is not fresh any more
        assert os.stat(lock).st_mtime_ns == mine and "f.lock" in os.listdir(m / "s"), n
        mine = time.time_ns() // 10**6 * 10**6
        os.utime(lock, ns=(mine, mine))
    os.utime(lock, (1, 1))  # its holder was gone long ago
    assert os.stat(lock).st_mtime == 1
    os.rmdir(lock)
    os.mkdir(lock)
    assert os.stat(lock).st_mtime_ns >= mine
    os.rmdir(lock)
    assert m.errno_of(os.stat, lock) == "ENOENT" and os.stat(m / "s").st_mtime_ns > made
    m.write("s/f", "0")
    counters = [t.spawn(sys.executable, "-c", COUNT, m / "s/f") for _ in range(2)]
    assert [p.wait() for p in counters] == [0, 0] and m.read("s/f") == b"10"


@test()
def archives(t):
    "tar unpacks into a mount, compares, packs and verifies; install puts a file into directories that it makes"
    m = t.mount()
    t.shell("""set -e; cd "$W"; mkdir -p src/d; echo 1 > src/a; echo 2 > src/d/b; tar -C src -cf in.tar a d/b
        mkdir "$M/t"; tar -C "$M/t" -xf in.tar; tar -C "$M/t" -xf in.tar; tar -C "$M" -cWf out.tar t
        mkdir back; tar -C back -xf out.tar; diff -r src back/t
        tar -C "$M" -df out.tar
        install -D -m600 src/a "$M/i/j/f"; install -m600 src/d/b "$M/i/j/f"; cp -rp src "$M/cp" """,
            W=t.root, M=m.path)
    assert t.get("t") == {"a": "1\n"} and t.get("t/d") == {"b": "2\n"} == t.get("cp/d")
    assert t.get("i/j") == {"f": "2\n"}


main(local=True)
