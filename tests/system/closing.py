#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The commit at close: a new file that could not be written is gone, and nothing empties a good value; and
whatever comes after close finds the commit made, whichever process it was left to."""

import os
import shutil
import subprocess
import sys

from harness import main, skip, test
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
    m.expect("EILSEQ", "EFBIG")
    f = open(m / "s/new", "wb")
    f.write(b"\xff")
    assert m.errno_of(f.close) == "EILSEQ"
    assert m.errno_of(os.rename, m / "s/new", m / "s/f") == "ENOENT"
    assert os.listdir(m / "s/.vault/conflicts") == []  # it would be refused again
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
    m.expect("EILSEQ")
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
    m.expect("EILSEQ")
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


# What is run in a secret whose field f holds "old", what f then holds, and how many versions that makes.
AFTER_CLOSE = (
    ("echo x > f", "x\n", 1),
    (": > f", "", 1),
    (": > f; echo x >> f", "x\n", 2),
    ("> f || exit; for i in 1 2 3; do echo $i >> f; done", "1\n2\n3\n", 4),
    (": > f; sed -i '$a x' f", "", 2),
    (": > f; mv f g; mv g f", "", 3),
    (": > f; cat f > g; mv g f", "", None),
    (": > f; test ! -s f && echo empty > f", "empty\n", 2),
    ("true > f; echo x >> f", "x\n", 2),
    ("cat /dev/null > f; echo x >> f", "x\n", 2),
    ("/bin/echo x > f", "x\n", 1),
    ("{ /bin/true; /bin/echo a; /bin/echo b; } > f; echo c >> f", "a\nb\nc\n", 2),
    ("(sleep 0.1; /bin/echo late) > f; echo x >> f", "late\nx\n", 2),
    ("exec 3> f; sleep 0.1; echo x >&3; exec 3>&-; echo y >> f", "x\ny\n", 2),
    ("cp /dev/null f; echo x >> f", "x\n", 2),
    ("dd if=/dev/null of=f; echo x >> f", "x\n", 2),
    ("echo abc | dd of=f", "abc\n", 1),
    ("tee f < /dev/null; echo x >> f", "x\n", 2),
    ("rm -f g; : > f; echo x >> g; mv g f", "x\n", None),
)
PROGRAM_AFTER_CLOSE = (
    ("open('f', 'w').close(); open('f', 'a').write('x')", "x", 2),
    ("open('f', 'w').close(); assert os.stat('f').st_size == 0", "", 1),
    ("open('f', 'w').close(); assert open('f').read() == ''", "", 1),
    ("open('f', 'w').write('x'); open('f', 'a').write('y')", "xy", 2),
    ("f = open('f', 'w'); p = run(['sh', '-c', 'sleep 0.1; echo x'], stdout=f); f.close(); p.wait(); "
     "assert open('f').read() == 'x\\n'; open('f', 'a').write('y')", "x\ny", 2),
    ("f = open('f', 'w'); p = run(['sh', '-c', 'sleep 0.1; /bin/echo a; /bin/echo b'], stdout=f); "
     "f.close(); p.wait(); open('f', 'a').write('y')", "a\nb\ny", 2),
    ("f = open('f', 'w'); p = run(['sleep', '0.1'], stdout=f); f.close(); p.wait(); "
     "open('f', 'a').write('y')", "y", 2),
)


def after_close(t, m, command, value, versions):
    t.server.put(t.path("s"), {"f": "old", "other": "1"})
    m.read("s/f")
    m.write("s/f", "old")  # what others have written is seen by now
    before = t.version("s")
    t.run(*command)
    assert t.get("s")["f"] == value, (command, t.get("s"))
    assert m.read("s/f").decode() == value, command
    made = t.version("s") - before
    assert versions in (None, made), (command, made)


@test(seconds=240)
def the_next_command_finds_it(t):
    "what is done after a truncation finds it done, in every shell and by every program, in one version each"
    t.put("s", {"f": "old", "other": "1"})
    m = t.mount("ttl=0")
    for n, (script, value, versions) in enumerate(AFTER_CLOSE):
        for shell in ("bash", "dash", "zsh", "busybox") if n < 4 else ("bash", "dash")[n % 2:][:1]:
            if not shutil.which(shell):
                continue
            command = [shell, *(["sh"] if shell == "busybox" else []), "-c",
                       f"cd {m.path}/s || exit 9; {script}"]
            after_close(t, m, command, value, versions)
    for script, value, versions in PROGRAM_AFTER_CLOSE:
        script = f"import os; from subprocess import Popen as run; os.chdir('{m.path}/s'); {script}"
        after_close(t, m, [sys.executable, "-c", script], value, versions)


def expect_wait(m):
    """What must hold whether or not we can see who has the file open."""
    os.mkdir(m / "s")
    for i in range(10):
        m.write("s/f", "old")
        subprocess.run(["bash", "-c", ': > "$0"; echo x >> "$0"', m / "s/f"], check=True)
        assert m.read("s/f") == b"x\n"
        open(m / "s/f", "w").close()
        assert os.stat(m / "s/f").st_size == 0
        open(m / "s/f", "w").close()
        os.rename(m / "s/f", m / "s/g")
        assert m.read("s/g") == b""
        os.unlink(m / "s/g")
    held = open(m / "s/f", "w")  # nobody waits for long for what is not closed
    held.write("x")
    held.flush()
    copy = os.dup(held.fileno())
    os.close(copy)
    m.write("s/other", "1")
    held.close()
    assert m.read("s/f") == b"x"


@test(products=("bao", "local"))
def callers_of_other_namespaces(t):
    "so it is where the daemon cannot see its callers, and so cannot tell who has the file open"
    if os.getuid():
        skip("needs root")
    m = t.mount(wrapper=("unshare", "--pid", "--fork", "--kill-child"))
    expect_wait(m)


@test()
def a_killed_writer_empties_nothing(t):
    "a process that is killed after it has truncated a file leaves the old value"
    t.put("s", {"f": "whole"})
    m = t.mount()
    script = "import sys,time\nf=open(sys.argv[1],'w')\nprint(flush=True)\ntime.sleep(60)"
    for n in range(3):
        p = subprocess.Popen([sys.executable, "-c", script, m / "s/f"], stdout=subprocess.PIPE)
        p.stdout.readline()
        p.kill()
        p.wait()
        m.settle()
        assert m.read("s/f") == b"whole" and t.version("s") == 1
    # A child that is killed costs nothing of what its parent writes.
    t.shell('{ echo a; timeout 0.1 sleep 5; echo b; } > "$F"', F=m / "s/f")
    assert t.get("s")["f"] == "a\nb\n" and t.version("s") == 2


main(local=True)
