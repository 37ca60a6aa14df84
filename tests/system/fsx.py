#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random operations on one file against a shadow of it, in the manner of fsx: reads, writes, cuts, appends
and opens, each checked; and random edits of a whole secret against the server's copy.

VAULTFS_FSX_OPS (3000) and VAULTFS_FSX_EDITS (300) say how many, VAULTFS_FSX_SEED repeats a run."""

import json
import mmap
import os
import random
import time

from harness import main, test

OPERATIONS = int(os.environ.get("VAULTFS_FSX_OPS", 3000))
EDITS = int(os.environ.get("VAULTFS_FSX_EDITS", 300))
SEED = int(os.environ.get("VAULTFS_FSX_SEED", 0)) or random.SystemRandom().randrange(1, 1 << 30)
LIMIT = 20000


class File:
    """The field `s/f`, what it should hold, and what an open descriptor of it should."""

    def __init__(self, t, m, rng, text):
        self.t, self.m, self.rng, self.text = t, m, rng, text
        self.path = m / "s/f"
        self.held = b""          # what is committed
        self.draft = None        # what the descriptor sees
        self.fd = None
        self.append = False
        self.dirty = False
        self.versions = 1
        self.trail = []

    def bytes(self, longest=600):
        n = self.rng.choice((0, 1, 7, self.rng.randrange(longest)))
        if self.text:
            return bytes(self.rng.choices(range(32, 127), k=n))
        return self.rng.randbytes(n)

    def committed(self):
        if self.dirty:
            self.held = bytes(self.draft)
            self.versions += 1
        self.dirty = False

    def open(self):
        flags = self.rng.choice((os.O_RDWR, os.O_RDWR, os.O_WRONLY, os.O_WRONLY | os.O_APPEND,
                                 os.O_RDWR | os.O_APPEND, os.O_RDWR | os.O_TRUNC,
                                 os.O_WRONLY | os.O_TRUNC))
        self.fd = os.open(self.path, flags | self.rng.choice((0, os.O_CREAT)))
        self.readable = flags & os.O_ACCMODE == os.O_RDWR
        self.append = bool(flags & os.O_APPEND)
        self.draft = bytearray(b"" if flags & os.O_TRUNC else self.held)
        self.cut = bool(flags & os.O_TRUNC)
        return oct(flags)

    def close(self):
        os.close(self.fd)
        if self.cut and not self.dirty and self.held != self.draft:
            self.dirty = True
            end = time.monotonic() + 10  # it is committed by the release, after close
            while self.m.read("s/f") and time.monotonic() < end:
                time.sleep(0.002)
        elif self.cut and not self.dirty:
            self.m.settle()
            self.versions = self.t.version("s")  # nothing was cut off: a version, or none
        self.committed()
        self.fd = self.draft = None
        return len(self.held)

    def write(self):
        data = self.bytes()
        end = len(self.draft)
        if self.append:
            at = end
            os.write(self.fd, data)
        else:
            at = self.rng.randrange(end + 1 if self.text else end + 200)
            if at + len(data) > LIMIT:
                return "none"
            os.pwrite(self.fd, data, at)
        if data:
            self.draft.extend(bytes(max(0, at - end)))
            self.draft[at:at + len(data)] = data
            self.dirty, self.cut = True, False
        return f"{len(data)} at {at}"

    def truncate(self):
        n = self.rng.randrange(len(self.draft) + (1 if self.text else 300))
        os.ftruncate(self.fd, n)
        self.draft = self.draft[:n].ljust(n, b"\0")
        self.dirty, self.cut = True, False
        return n

    def fsync(self):
        os.fsync(self.fd)
        if self.cut and self.held == self.draft:
            self.versions = self.t.version("s")
        elif self.cut:
            self.dirty = True
        self.cut = False
        self.committed()
        return ""

    def read(self):
        if not self.readable:
            return "none"
        at, n = self.rng.randrange(len(self.draft) + 10), self.rng.randrange(1000)
        assert os.pread(self.fd, n, at) == self.draft[at:at + n]
        return f"{n} at {at}"

    def fstat(self):
        assert os.fstat(self.fd).st_size == len(self.draft)
        return ""

    # Without a descriptor, or beside it: the committed value is seen.

    def read_whole(self):
        assert self.m.read("s/f") == self.held
        return len(self.held)

    def read_parts(self):
        with open(self.path, "rb", buffering=0) as f:
            for _ in range(5):
                at, n = self.rng.randrange(len(self.held) + 10), self.rng.randrange(1000)
                f.seek(at)
                assert f.read(n) == self.held[at:at + n]
        return ""

    def map(self):
        if not self.held:
            return "none"
        with open(self.path, "rb") as f, mmap.mmap(f.fileno(), 0, mmap.MAP_PRIVATE,
                                                   mmap.PROT_READ) as pages:
            assert pages[:] == self.held
        return ""

    def truncate_path(self):
        n = self.rng.randrange(len(self.held) + 1)
        os.truncate(self.path, n)
        self.draft, self.dirty = self.held[:n], True
        self.committed()
        self.draft = None
        self.versions = self.t.version("s")  # cut to its own length: a version, or none
        return n

    def stat(self):
        if self.fd is None:
            assert os.stat(self.path).st_size == len(self.held)
        return ""

    def others(self):
        """Somebody changes another field."""
        self.t.put("s", {**self.t.get("s"), "other": str(self.rng.random())})
        self.versions += 1
        return ""

    def server(self):
        if self.text:
            assert self.t.get("s")["f"].encode() == self.held
        assert self.t.version("s") == self.versions
        return self.versions

    def step(self):
        if self.fd is None:
            choice = self.rng.choices(
                (self.open, self.read_whole, self.read_parts, self.map, self.truncate_path, self.stat,
                 self.server, self.others), (30, 10, 10, 5, 4, 5, 3, 1))[0]
        else:
            choice = self.rng.choices(
                (self.write, self.close, self.truncate, self.read, self.fstat, self.fsync,
                 self.read_whole, self.others), (35, 20, 8, 12, 8, 4, 6, 1))[0]
        self.trail.append(choice.__name__)
        self.trail[-1] += f" {choice()}"

    def run(self, count):
        try:
            for _ in range(count):
                self.step()
        except BaseException:
            print(f"# after {len(self.trail)} operations: " + "; ".join(self.trail[-30:]), flush=True)
            raise
        finally:
            if self.fd is not None:
                self.m.errno_of(os.close, self.fd)


def one_file(t, text):
    t.note(f"VAULTFS_FSX_SEED={SEED}")
    t.put("s", {"f": "", "other": "1"})
    m = t.mount()
    f = File(t, m, random.Random(SEED), text)
    f.run(OPERATIONS)
    t.note(f"{OPERATIONS} operations, {t.version('s')} versions")


@test(seconds=3600)
def text(t):
    "a file behaves as its shadow under random reads, writes, cuts, appends and opens"
    one_file(t, True)


@test(seconds=3600)
def any_bytes(t):
    "so it does with bytes that are no text, and holes"
    one_file(t, False)


class Secret:
    """The secret `s` as an object, changed by fields and as a whole."""

    def __init__(self, t, m, rng):
        self.t, self.m, self.rng = t, m, rng
        self.shadow = {"a": "1"}

    def value(self, depth=2):
        rng = self.rng
        scalars = ["".join(rng.choices("abc äö€\n\"\\{}[]:,1", k=rng.randrange(20))),
                   rng.randrange(-999, 1 << 40), rng.random() < 0.5, None, rng.randrange(1000) / 8]
        if depth and rng.random() < 0.3:
            return rng.choice(([self.value(depth - 1) for _ in range(rng.randrange(4))],
                               {k: self.value(depth - 1) for k in rng.sample("xyz", rng.randrange(4))}))
        return rng.choice(scalars)

    def lost(self, value):
        """Whether the server would give it back spelt otherwise: 85.0 as 85."""
        if isinstance(value, (dict, list)):
            return any(map(self.lost, value.values() if isinstance(value, dict) else value))
        return self.t.product != "local" and isinstance(value, float) and value.is_integer()

    def name(self):
        return self.rng.choice("abcdefgh")

    def whole(self):
        new = dict(self.shadow)
        for _ in range(self.rng.randrange(1, 5)):
            if self.rng.random() < 0.3:
                new.pop(self.name(), None)
            else:
                new[self.name()] = self.value()
        self.write(new)

    def write(self, new):
        text = json.dumps(new, ensure_ascii=self.rng.random() < 0.5, indent=self.rng.choice((None, 1)))
        if self.lost(new):
            assert self.m.errno_of(self.m.write, "s/.vault/data.json", text) == "EINVAL", text
            return
        self.m.write("s/.vault/data.json", text)
        self.shadow = new

    def field(self):
        name = self.name()
        old = self.shadow.get(name, "")
        if isinstance(old, str):
            self.shadow[name] = "".join(self.rng.choices("abc äö€\n\"{}", k=self.rng.randrange(1, 30)))
            self.m.write(f"s/{name}", self.shadow[name])
            return
        new = self.value()
        while type(new) is not type(old) or isinstance(new, str):
            new = self.value()
        self.m.write(f"s/{name}", json.dumps(new))
        self.shadow[name] = json.dumps(new) if self.lost(new) else new

    def remove(self):
        name = self.name()
        if name in self.shadow and len(self.shadow) > 1:
            os.unlink(self.m / f"s/{name}")
            del self.shadow[name]

    def rename(self):
        old, new = self.name(), self.name()
        if old in self.shadow and old != new:
            os.rename(self.m / f"s/{old}", self.m / f"s/{new}")
            self.shadow[new] = self.shadow.pop(old)

    def others(self):
        new = {**self.shadow, self.name(): self.value()}
        if self.rng.random() < 0.2 and not self.lost(new):
            self.t.put("s", new)
            self.shadow = new
        else:
            self.whole()

    def check(self):
        assert json.loads(self.m.read("s/.vault/data.json")) == self.shadow
        assert sorted(os.listdir(self.m / "s")) == sorted(self.shadow)
        assert (self.t.get("s") or {}) == self.shadow


@test(seconds=3600)
def whole_secrets(t):
    "a secret is what random edits of data.json and of its fields make of it, here and at the server"
    t.note(f"VAULTFS_FSX_SEED={SEED}")
    t.put("s", {"a": "1"})
    m = t.mount("ttl=0")  # what others put is seen at once
    s = Secret(t, m, random.Random(SEED))
    for n in range(EDITS):
        before = dict(s.shadow)
        edit = s.rng.choices((s.whole, s.field, s.remove, s.rename, s.others), (4, 5, 2, 2, 1))[0]
        try:
            edit()
            s.check()
        except BaseException:
            print(f"# edit {n}, {edit.__name__}: {before} should be {s.shadow}", flush=True)
            raise
    t.note(f"{EDITS} edits, {t.version('s')} versions")


main(local=True)
