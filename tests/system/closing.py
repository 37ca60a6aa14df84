#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The commit at close: a new file that could not be written is gone, and nothing empties a good value."""

import os
import subprocess
import sys

from harness import main, test
from proxy import LOSE_REQUEST, Proxy


def refuse_writes(proxy):
    """The server answers, but no change of a secret reaches it."""
    proxy.fate = lambda method, path: LOSE_REQUEST if (
        method != "GET" and path.split("/")[1] in ("data", "delete")) else "pass"


@test(products=("vault", "bao"))
def a_new_file_that_failed_is_gone(t):
    "a new file whose commit failed is gone, mv of it fails, and what was written is in .vault/conflicts"
    t.put("s", {"f": "good"})
    proxy = Proxy(t.server)
    try:
        m = t.mount("timeout=4s", "max_retries=0",
                    env={"VAULT_ADDR": proxy.address, "VAULT_TOKEN": t.server.token})
        m.expect("")
        refuse_writes(proxy)
        t.shell('echo NEW > "$D/f.new"', D=m / "s")  # a shell does not look at what close says
        m.settle()
        assert os.listdir(m / "s") == ["f"]
        for use in (lambda: m.read("s/f.new"), lambda: os.stat(m / "s/f.new"),
                    lambda: os.unlink(m / "s/f.new"), lambda: os.truncate(m / "s/f.new", 0),
                    lambda: os.rename(m / "s/f.new", m / "s/f")):
            assert m.errno_of(use) == "ENOENT"
        proxy.release()
        assert t.shell('mv "$D/f.new" "$D/f"', check=False, D=m / "s")[0] != 0
        assert t.get("s") == {"f": "good"} and t.version("s") == 1
        assert m.read("s/f") == b"good"
        assert m.read("s/.vault/conflicts/f.new.1") == b"NEW\n"
        t.run("mv", m / "s/.vault/conflicts/f.new.1", m / "s/f.new")
        t.run("mv", m / "s/f.new", m / "s/f")
        assert t.get("s") == {"f": "NEW\n"}
    finally:
        proxy.close()


@test()
def a_new_file_that_was_refused_is_gone(t):
    "so it is where the value is refused, too large, or its writer was killed"
    t.put("s", {"f": "good"})
    m = t.mount("binary=reject", "max_size=1000")
    m.expect("EILSEQ", "EFBIG", "scratch file goes with the mount path=/s/.vault/conflicts/new.1")
    f = open(m / "s/new", "wb")
    f.write(b"\xff")
    assert m.errno_of(f.close) == "EILSEQ"
    assert m.errno_of(os.rename, m / "s/new", m / "s/f") == "ENOENT"
    assert m.read("s/.vault/conflicts/new.1") == b"\xff"
    f = open(m / "s/new", "wb", buffering=0)
    assert m.errno_of(f.write, b"x" * 1001) == "EFBIG"
    assert m.errno_of(os.rename, m / "s/new", m / "s/f") == "EFBIG"
    assert m.errno_of(f.close) == "EFBIG"
    m.settle()
    assert m.errno_of(os.rename, m / "s/new", m / "s/f") == "ENOENT"
    p = subprocess.Popen([sys.executable, "-c", "import os,sys,time\nf=open(sys.argv[1],'wb',0)\n"
                          "f.write(b'half')\nprint(flush=True)\ntime.sleep(60)", m / "s/new"],
                         stdout=subprocess.PIPE)
    p.stdout.readline()
    p.kill()
    p.wait()
    m.settle()
    assert m.errno_of(os.rename, m / "s/new", m / "s/f") == "ENOENT"
    assert os.listdir(m / "s") == ["f"]
    assert t.get("s") == {"f": "good"} and t.version("s") == 1
    m.write("s/new", "better")  # the name can be used again
    os.rename(m / "s/new", m / "s/f")
    assert t.get("s") == {"f": "better"}


@test()
def two_writers_of_a_new_file(t):
    "where one of two writers of a new file fails, the other's file stays"
    t.put("s", {"f": "good"})
    m = t.mount("binary=reject")
    m.expect("EILSEQ", "scratch file goes with the mount path=/s/.vault/conflicts/(new|again)")
    a, b = open(m / "s/new", "wb", 0), open(m / "s/new", "ab", 0)
    a.write(b"\xff")
    assert m.errno_of(a.close) == "EILSEQ"
    assert m.errno_of(os.rename, m / "s/new", m / "s/f") == "EILSEQ"
    b.write(b"text")
    b.close()
    assert t.get("s") == {"f": "good", "new": "text"}
    a, b = open(m / "s/again", "wb", 0), open(m / "s/again", "ab", 0)
    a.write(b"\xff")
    assert m.errno_of(a.close) == "EILSEQ"
    b.close()
    m.settle()
    assert not os.path.exists(m / "s/again")


@test()
def renamed_before_it_is_closed(t):
    "a new file that is renamed over a good one while it is open is written first"
    t.put("s", {"f": "good", "g": "good"})
    m = t.mount("binary=reject")
    m.expect("EILSEQ", "scratch file goes with the mount path=/s/.vault/conflicts/new")
    f = open(m / "s/new", "wb", 0)
    f.write(b"better")
    os.rename(m / "s/new", m / "s/f")
    assert t.get("s") == {"f": "better", "g": "good"} and m.read("s/f") == b"better"
    f.write(b", and more")
    f.close()
    assert t.get("s") == {"f": "better, and more", "g": "good"}
    f = open(m / "s/new", "wb", 0)
    f.write(b"\xff")
    assert m.errno_of(os.rename, m / "s/new", m / "s/g") == "EILSEQ"
    assert m.errno_of(f.close) == "EILSEQ"
    assert t.get("s") == {"f": "better, and more", "g": "good"}
    f = open(m / "s/new", "wb", 0)  # a free name: one version, at close
    f.write(b"x")
    version = t.version("s")
    os.rename(m / "s/new", m / "s/h")
    f.close()
    assert t.get("s")["h"] == "x" and t.version("s") == version + 1


main(local=True)
