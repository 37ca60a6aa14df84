#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Names: of fields and of paths, as they are, escaped, too long, or none that the server can hold."""

import os
import random

from harness import main, test


@test()
def odd_fields(t):
    "fields named with nothing, dots, slashes, percent signs and .vault are reached by their escapes"
    fields = {"": "empty", ".": "dot", "..": "dots", "a/b": "slash", "%2F": "percent",
              ".vault": "vault", "a\0b": "nul", "%": "sign", " ": "blank", "\n": "line",
              "äöü": "umlauts", ".env": "dotfile", "-rf": "dash"}
    names = {"": "%", ".": "%2E", "..": "%2E%2E", "a/b": "a%2Fb", "%2F": "%252F",
             ".vault": "%2Evault", "a\0b": "a%00b", "%": "%25"}
    t.put("s", fields)
    m = t.mount()
    assert sorted(os.listdir(m / "s")) == sorted(names.get(f, f) for f in fields)
    for field, value in fields.items():
        assert m.read(f"s/{names.get(field, field)}") == value.encode(), field
    for field in fields:
        m.write(f"s/{names.get(field, field)}", "new")
    assert t.get("s") == {field: "new" for field in fields}


@test()
def escapes_that_stand_for_nothing(t):
    "an escape that is not canonical is ENOENT to look up and EINVAL to make"
    t.put("s", {"x": "1"})
    m = t.mount()
    for name in ("%41", "a%", "%2f", "%2e", "%2Ex", "%%", "%2E%2E%2E"):
        assert m.errno_of(os.stat, m / f"s/{name}") == "ENOENT", name
        assert m.errno_of(open, m / f"s/{name}", "w") == "EINVAL", name
        assert m.errno_of(os.mkdir, m / name) == "EINVAL", name
    for name in ("%00", "a%00", "%", "%2E", "%2E%2E", "%2Evault", "a%2Fb", "a\nb"):
        assert m.errno_of(os.mkdir, m / name) == "EINVAL", name
    assert m.errno_of(os.mkdir, os.fsencode(m.path) + b"/\xff") == "EILSEQ"
    assert m.errno_of(open, os.fsencode(m.path) + b"/s/\xff", "w") == "EILSEQ"
    assert m.errno_of(open, m / "s/4913", "w") == "EPERM"
    # A field needs a secret to be in.
    n = t.mount(source="/secret")
    assert n.errno_of(open, n / "field", "w") == "EINVAL"


@test()
def percent_in_paths(t):
    "paths with percent signs, blanks and letters beyond ASCII are told apart from their escapes"
    paths = ["100%", "a b", "ü/ä", "a%2Fb", "..a", "a..b", "%25"]
    for i, path in enumerate(paths):
        t.put(path, {"x": str(i)})
    m = t.mount()
    for i, path in enumerate(paths):
        assert m.read(path.replace("%", "%25") + "/x") == str(i).encode(), path
    os.mkdir(m / "50%25")
    m.write("50%25/x", "y")
    assert t.get("50%") == {"x": "y"}


@test()
def lengths(t):
    "names of 255 bytes work, longer ones are ENAMETOOLONG, or left out of the listing"
    name = "n" * 255
    t.put("s", {name: "1", "m" * 256: "2", "/" * 86: "3"})
    m = t.mount()
    assert os.listdir(m / "s") == [name]
    assert m.read(f"s/{name}") == b"1"
    m.write(f"s/{'o' * 255}", "4")
    assert t.get("s")["o" * 255] == "4" and t.get("s")["m" * 256] == "2"
    for action, *args in ((open, m / ("s/" + "m" * 256)), (open, m / ("s/" + "m" * 256), "w"),
                          (os.mkdir, m / ("d" * 256)),
                          (os.rename, m / f"s/{name}", m / ("s/" + "r" * 256))):
        assert m.errno_of(action, *args) == "ENAMETOOLONG", action


@test()
def one_byte_names(t):
    "every name of one byte can be written and read back, or is refused"
    m = t.mount("scratch=")  # "~" is one of a scratch file else
    os.mkdir(m / "s")
    refused = []
    for byte in range(1, 256):
        name = bytes([byte])
        if name in b"./":
            continue
        path = os.fsencode(m.path) + b"/s/" + name
        error = m.errno_of(lambda: open(path, "wb").write(b"v"))
        if error:
            refused.append((name, error))
        else:
            assert open(path, "rb").read() == b"v"
    # "%" alone is what an empty name is written as.
    assert refused == [(bytes([b]), "EILSEQ") for b in range(128, 256)]
    assert sorted(t.get("s")) == sorted([""] + [chr(b) for b in range(1, 128)
                                                if chr(b) not in "./%"])


@test(seconds=300)
def random_names(t):
    "two thousand random names are written by one side and read by the other"
    rng = random.Random(1)
    alphabet = "abc %/.\0\n\t\"\\'$&<>äß€\U0001f511*?[]{}~#;-" + "xyz"
    names = {"".join(rng.choices(alphabet, k=rng.randint(1, 12))) for _ in range(2000)}
    escape = lambda n: {"": "%", ".": "%2E", "..": "%2E%2E"}.get(
        n, n.replace("%", "%25").replace("/", "%2F").replace("\0", "%00"))
    chunks = [sorted(names)[i::5] for i in range(5)]
    for i, chunk in enumerate(chunks):
        t.put(f"theirs{i}", {n: f"v{n}" for n in chunk})
    m = t.mount("scratch=")
    for i, chunk in enumerate(chunks):
        assert sorted(os.listdir(m / f"theirs{i}")) == sorted(map(escape, chunk))
        for n in chunk:
            assert m.read(f"theirs{i}/{escape(n)}") == f"v{n}".encode()
    os.mkdir(m / "ours")
    for n in chunks[0][::4]:
        m.write(f"ours/{escape(n)}", escape(n))
    assert t.get("ours") == {n: escape(n) for n in chunks[0][::4]}


main(local=True)
