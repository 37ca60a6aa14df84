#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A secret that others rotate as fast as the server takes it, under readers that check what they read.
VAULTFS_ROTATIONS (1000) says how often, in each way of mounting."""

import os

from harness import main, test
from readers import HOLD, judge, spawn, value

ROTATIONS = int(os.environ.get("VAULTFS_ROTATIONS", 1000))
KINDS = ("whole", "size", "map", "seven", "slow")


def rotate(t, options, kinds, hold):
    t.put("s", {"f": value(0), "other": "x"})
    m = t.mount(*options)
    readers = [(how, spawn(t, m / "s/f", how, hold=hold)) for how in kinds]
    for n in range(1, ROTATIONS + 1):
        t.put("s", {"f": value(n), "other": str(n)})
    for _, reader in readers:
        reader.terminate()
    t.note(f"{ROTATIONS} rotations; {judge(readers)}")
    assert m.read("s/f") == value(ROTATIONS).encode()


@test(seconds=3600)
def each_read_asks(t):
    "rotated elsewhere, asked for at each open: no read is torn, none has another's size"
    rotate(t, ["ttl=0"], ("whole", "size", "map"), HOLD)


@test(seconds=3600)
def told_by_time(t):
    "the same, asked for as time passes, by readers of many small parts too"
    rotate(t, ["ttl=20ms"], ("whole", "size", "map", "seven"), HOLD)


@test(seconds=3600)
def each_read_asks_fast(t):
    "the same with fast_open, where even who holds a file for long sees one version"
    rotate(t, ["ttl=0", "ro", "fast_open"], KINDS, 3600)


@test(seconds=3600)
def told_by_time_fast(t):
    "with fast_open, and a short time for which names are known"
    rotate(t, ["ttl=20ms", "ro", "fast_open"], KINDS, 3600)


main()
