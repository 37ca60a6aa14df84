#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A local store against the same on plain SQLite, with the same settings (WAL, synchronous=FULL): reads
and writes a second. Through the store's own calls (tests/lib/local_api, one JSON line each way) and
through a mount. Prints; asserts nothing. `make tests/lib/local_api` before."""

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time

BUILD = os.environ.get("VAULTFS_BUILD", os.getcwd())
COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 2000


def rate(title, action, count=COUNT):
    begin = time.monotonic()
    for i in range(count):
        action(i)
    print(f"{title:48} {count / (time.monotonic() - begin):10.0f} /s", flush=True)


def plain(root):
    db = sqlite3.connect(f"{root}/plain.db", isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("CREATE TABLE s(path TEXT PRIMARY KEY, text TEXT)")
    rate("plain SQLite, write", lambda i: db.execute("INSERT OR REPLACE INTO s VALUES(?, ?)", (f"s{i % 100}", "x" * 100)))
    rate("plain SQLite, read", lambda i: db.execute("SELECT text FROM s WHERE path=?", (f"s{i % 100}",)).fetchone())


def api(root):
    key = f"{root}/key"
    with open(key, "w", opener=lambda p, f: os.open(p, f, 0o600)) as f:
        f.write("0123456789abcdef")
    p = subprocess.Popen([f"{BUILD}/tests/lib/local_api", f"{root}/store.db", f"file:{key}"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(method, tree, i, body):
        p.stdin.write(json.dumps({"method": method, "tree": tree, "path": f"s{i % 100}", "number": 0,
                                  "body": body}).encode() + b"\n")
        p.stdin.flush()
        return p.stdout.readline()
    rate("local store, write", lambda i: ask("POST", "data", i, {"data": {"f": "x" * 100}}))
    rate("local store, read", lambda i: ask("GET", "data", i, {}))
    rate("of which the pipe to it", lambda i: ask("NONE", "none", i, {}))
    p.stdin.close()
    p.wait()
    return key


def mounted(root, key):
    os.makedirs(f"{root}/m")
    program = os.environ.get("VAULTFS", f"{BUILD}/src/vaultfs")
    subprocess.run([program, "mount", "-o", f"key=file:{key},log=stderr,log_level=error", f"local:{root}/store.db", f"{root}/m"],
                   check=True)
    try:
        def write(i):
            with open(f"{root}/m/s{i % 100}/f", "wb", buffering=0) as f:
                f.write(b"y" * 100)

        def read(i):
            with open(f"{root}/m/s{i % 100}/f", "rb", buffering=0) as f:
                f.read()
        rate("local store, write through a mount", write)
        rate("local store, read through a mount (cached)", read)
    finally:
        subprocess.run([program, "umount", f"{root}/m"], check=True)


with tempfile.TemporaryDirectory() as directory:
    plain(directory)
    mounted(directory, api(directory))
