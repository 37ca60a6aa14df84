# SPDX-License-Identifier: Apache-2.0
"""Readers that know whether what they read is whole: of values that tell their own length and checksum."""

import subprocess
import zlib

HOLD = 0.9  # a file held for longer may change: a second, less some time for the way

READER = r"""
import json, mmap, os, signal, sys, time, zlib
path, how, count, hold = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
# Taken between two reads: mmap has no size of a file when a signal has ended its fstat.
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
last = reads = held = 0

def parts(fd, size, pause=0):
    text = b""
    while part := os.read(fd, size):
        text += part
        time.sleep(pause)
    return text

while reads < count and signal.SIGTERM not in signal.sigpending():
    begun = time.monotonic()
    fd = os.open(path, os.O_RDONLY)
    try:
        if how == "whole":
            text = os.read(fd, 1 << 16)
        elif how == "size":
            text = os.read(fd, os.fstat(fd).st_size)
        elif how == "map":
            with mmap.mmap(fd, 0, mmap.MAP_PRIVATE, mmap.PROT_READ) as pages:
                text = pages[:]
        elif how == "seven":
            text = parts(fd, 7)
        elif how == "slow":
            text = parts(fd, 97, 0.001)
        elif how == "document":
            fields = json.loads(parts(fd, 4096))
            text = fields["a"].encode()
            if fields["a"] != fields["b"]:
                sys.exit(f"two versions in one document: {fields}")
    finally:
        os.close(fd)
    reads += 1
    if time.monotonic() - begun > hold:
        held += 1
        continue
    head, _, digits = text.partition(b" ")
    number, length, checksum = map(int, head.split(b":")) if head.count(b":") == 2 else (-1, 0, 0)
    if number < last or len(digits) != length or zlib.crc32(digits) != checksum:
        sys.exit(f"bad after {reads}, {how}, {len(text)} bytes, {number} after {last}: {text[:60]!r}")
    last = number
print(reads, held)
"""


def value(n):
    """A digit again and again, with its length and checksum before it."""
    digits = str(n % 10) * (1 + n * 379 % 3000)
    return f"{n}:{len(digits)}:{zlib.crc32(digits.encode())} {digits}"


def spawn(t, path, how, count=1 << 60, hold=HOLD):
    """Reads in that way until it has had `count`, or is terminated. A read that took longer than
    `hold` seconds is not judged."""
    return t.spawn("python3", "-c", READER, path, how, str(count), str(hold),
                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def judge(readers):
    """Of [(how, process)], that have ended or been told to: what they say, or what was wrong."""
    said = [(how, p.communicate(), p.returncode) for how, p in readers]
    wrong = [f"{how}: {status} {out[1].decode()}" for how, out, status in said if status]
    assert not wrong, "\n".join(wrong)
    return "reads, and those that took too long to be judged: " + ", ".join(
        f"{how} {out[0].decode().strip()}" for how, out, _ in said)
