#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Readers beside writers at full speed: every read is exactly one version that was committed, and versions
never go back. VAULTFS_TORN_READS (1600; with VAULTFS_LONG=1 40000) says how many reads in all."""

import json
import os
import threading
import time

from harness import long, main, test
from readers import HOLD, judge, spawn, value

READS = int(os.environ.get("VAULTFS_TORN_READS", 40000 if long() else 1600))


def race(t, m, path, kinds, write, pause=0.0):
    """Readers of these kinds until they have had enough, while `write(n)` makes version after version."""
    each = max(1, READS // 20)
    count = {kind: each // 4 + 1 if kind == "slow" else each for kind in kinds}
    readers = [(kind, spawn(t, m / path, kind, count[kind])) for kind in kinds]
    n = 0
    while any(r.poll() is None for _, r in readers):
        n += 1
        write(n)
        time.sleep(pause)
    t.note(f"{n} versions; {judge(readers)}")


FIELD = ("whole", "size", "map", "seven", "slow")


@test(seconds=3600)
def written_here(t):
    "readers of a field that is written here, replaced and renamed over"
    t.put("s", {"f": value(0), "other": "x"})
    m = t.mount()
    # Of a map the pages beyond the end are a SIGBUS while the file is cut, as on any file system.
    race(t, m, "s/f", [kind for kind in FIELD if kind != "map"], lambda n: m.write("s/f", value(n)))


@test(seconds=3600)
def renamed_here(t):
    "readers of a field that scratch files are renamed over"
    t.put("s", {"f": value(0), "other": "x"})
    m = t.mount()

    def write(n):
        fd = os.open(m / "s/tmp", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(fd, value(n).encode())
        os.close(fd)
        os.rename(m / "s/tmp", m / "s/f")

    race(t, m, "s/f", FIELD, write)


@test(seconds=3600)
def written_elsewhere(t):
    "readers of a field that others write, noticed by time or by a sibling's being written here"
    t.put("s", {"f": value(0), "other": "x"})
    m = t.mount("ttl=0")

    def write(n):
        t.put("s", {"f": value(n), "other": str(n)})
        if n % 5 == 0:
            m.write("s/here", str(n))

    race(t, m, "s/f", FIELD, write, pause=0.002)


@test(seconds=3600)
def whole_documents(t):
    "readers of data.json, that is replaced as a whole: its fields are of one version"
    t.put("s", {"a": value(0), "b": value(0)})
    m = t.mount()

    def write(n):
        m.write("s/.vault/data.json", json.dumps({"a": value(n), "b": value(n)}))

    race(t, m, "s/.vault/data.json", ("document",) * 2, write)


@test()
def read_on_a_busy_machine(t):
    "a reader that pauses between two reads has one version; one that has held the file for a second, the next"
    m = t.mount("ttl=0")
    long, written = [], 0
    for attempt in range(20):
        written += 1
        t.put("s", {"f": value(written)})
        begun = time.monotonic()
        with open(m / "s/f", "rb", buffering=0) as f:
            text = f.read(1)
            t.put("s", {"f": value(written + 1)})
            later = threading.Thread(target=lambda: long.append(m.read("s/f")))
            later.start()
            time.sleep(0.5)
            text += f.read(1 << 16)
        took = time.monotonic() - begun
        later.join()
        if took < HOLD:
            break
        written += 1
    assert took < HOLD and text == value(written).encode(), text[:60]
    assert long[-1] == value(written + 1).encode()
    # One that has been open for longer reads what is there.
    with open(m / "s/f", "rb", buffering=0) as held:
        time.sleep(1.1)
        t.put("s", {"f": value(written + 2)})
        assert m.read("s/f") == value(written + 2).encode()
        assert held.read(1 << 16) == value(written + 2).encode()


@test(seconds=3600)
def two_fields_of_one_version(t):
    "two fields that change together are read together, whichever is opened first"
    t.put("s", {"a": value(0), "b": value(0)})
    m = t.mount()
    end = threading.Event()

    def write():
        n = 0
        while not end.is_set():
            n += 1
            m.write("s/.vault/data.json", json.dumps({"a": value(n), "b": value(n)}))

    writer = threading.Thread(target=write)
    writer.start()
    pairs = skipped = 0
    try:
        for i in range(max(1, READS // 10)):
            begun = time.monotonic()
            paths = [m / f"s/{name}" for name in ("ab", "ba")[i % 2]]
            with open(paths[0], "rb") as first, open(paths[1], "rb") as second:
                number = [int(f.read().split(b":")[0]) for f in (first, second)]
            if time.monotonic() - begun > HOLD:
                skipped += 1
                continue
            pairs += 1
            # The second is opened later: it may be newer, and never older.
            assert number[0] <= number[1], number
    finally:
        end.set()
        writer.join()
    t.note(f"{pairs} pairs, {skipped} took too long to be judged")


main(local=True)
