#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What owner, group and mode allow, beside a tmpfs with equal ones."""

import itertools
import os

from harness import main, test
from people import GROUP, OWNER, PEOPLE, Tmpfs, Worker, open_the_way, remote, result_of

ACCESS = {"r": os.O_RDONLY, "w": os.O_WRONLY, "rw": os.O_RDWR, "3": os.O_ACCMODE}
EXTRA = {"TRUNC": os.O_TRUNC, "APPEND": os.O_APPEND, "CREAT": os.O_CREAT, "EXCL": os.O_EXCL,
         "DIRECTORY": os.O_DIRECTORY, "NOFOLLOW": os.O_NOFOLLOW, "SYNC": os.O_SYNC}
MOST = ("TRUNC", "CREAT", "EXCL")

# Kinds of nodes, and whether one can be changed.
FILES = {"s/f": True, "s/.vault/data.json": True, "s/.vault/data.env": False,
         "s/.vault/metadata.json": True, "s/.vault/version": True, "s/.vault/fields/f": True,
         "old/.vault/versions/1/f": False, ".vault/status.json": False, ".vault/errors": False,
         ".vault/metrics": False, ".vault/events": False, ".vault/refresh": True,
         ".vault/renew": True}


def flag_sets(names):
    """Name and number of each combination."""
    for access in ACCESS:
        for n in range(len(names) + 1):
            for chosen in itertools.combinations(names, n):
                flags = ACCESS[access]
                for name in chosen:
                    flags |= EXTRA[name]
                yield " ".join((access, *chosen)), flags


@remote
def open_each(path, flag_list):
    def attempt(flags):
        fd = os.open(path, flags | os.O_NONBLOCK, 0o600)
        result_of(os.close, fd)  # what is emptied may be no JSON, and no number
        return ""
    return [result_of(attempt, flags) for flags in flag_list]


def expected(answer, flags, changeable, read_only):
    """What we answer where tmpfs gives `answer`: EROFS for what nobody can change, where owner and mode
    would let."""
    writes = flags & os.O_ACCMODE or flags & os.O_TRUNC
    if answer == "" and writes and (read_only or not changeable):
        return "EROFS"
    return answer


def compare_opens(t, m, people, names, mode, read_only=False):
    sets = list(flag_sets(names))
    wrong = []
    with Tmpfs(f"{t.root}/tmpfs{len(t.mounts)}") as oracle:
        for path in FILES:
            directory = os.path.dirname(path)
            while directory:
                oracle.make(directory, 0o755)
                directory = os.path.dirname(directory)
            oracle.make(path, mode, "x")
        for person in people:
            worker = Worker(person)
            for path, changeable in FILES.items():
                flags = [f for _, f in sets]
                want = worker.ask("open_each", f"{oracle.path}/{path}", flags)
                got = worker.ask("open_each", m / path, flags)
                wrong += [f"{person} {path} {name}: {g or 'success'}, not {e or 'success'}"
                          for (name, f), w, g in zip(sets, want, got)
                          for e in [expected(w, f, changeable, read_only)]
                          if g != e]
            worker.end()
    assert not wrong, f"{len(wrong)} differ:\n" + "\n".join(wrong[:40])


def prepare(t, *options):
    return t.mount("allow_other", f"uid={OWNER}", f"gid={GROUP}", "dir_mode=0755", *options)


@test()
def open_flags(t):
    "open needs what its flags need, of each kind of file, for everybody; O_TRUNC needs w"
    open_the_way(t)
    t.put("s", {"f": "value", "g": "other"})
    t.put("old", {"f": "value"})  # what is written loses its first versions
    names = MOST if t.product != "local" else list(EXTRA)
    compare_opens(t, prepare(t, "mode=0444"), PEOPLE[1:], names, 0o444)
    compare_opens(t, prepare(t, "mode=0640", "ro"), PEOPLE, names, 0o640, read_only=True)
    assert t.get("s") == {"f": "value", "g": "other"} and t.version("s") == 1
    m = prepare(t, "mode=0640")
    m.expect("close", "renew")  # an empty data.json is no JSON
    compare_opens(t, m, PEOPLE, names, 0o640)


main(local=True)
