#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Programs that vaultfs starts: they get the descriptors that it was started with, and none of its own; and
the files that it makes for them are in nobody else's hands."""

import os
import shutil
import subprocess
import tempfile
import time

from harness import main, test
from mount import VAULTFS, clean_environment

# Writes what it has open to a file, which is there when it is whole.
SHOW = r"""#!/usr/bin/env python3
import os, sys
out = []
for fd in range(3, 1024):
    try:
        out.append(f"{fd} {os.readlink(f'/proc/self/fd/{fd}')}\n")
    except OSError:
        pass
with open("OUT.new", "w") as f:
    f.write("".join(out))
os.rename("OUT.new", "OUT")
"""


def show(t, more=""):
    path = f"{t.root}/show"
    with open(path, "w") as f:
        f.write(SHOW.replace("OUT", f"{t.root}/out") + more)
    os.chmod(path, 0o755)
    return path


def shown(t, seconds=40):
    end = time.monotonic() + seconds
    while not os.path.exists(f"{t.root}/out"):
        assert time.monotonic() < end, "nothing was started"
        time.sleep(0.02)
    with open(f"{t.root}/out") as f:
        lines = f.read().splitlines()
    os.remove(f"{t.root}/out")
    return lines


def env(t, **more):
    return clean_environment(VAULT_ADDR=t.server.address, VAULT_TOKEN=t.server.token, HOME=t.root, **more)


@test()
def run_inherits_nothing(t):
    "CMD of run, at first and started anew, has no descriptor of ours, and all that we were given"
    t.put("db", {"f": "1"})
    program, given = show(t, "import time; time.sleep(600)\n"), os.open("/dev/null", os.O_RDONLY)
    os.dup2(given, 9)
    p = t.spawn(VAULTFS, "run", "--watch", "--interval", "100ms", f"secret/{t.path('db')}", "--", program,
                env=env(t), pass_fds=(9,))
    assert shown(t) == ["9 /dev/null"]
    t.put("db", {"f": "2"})
    assert shown(t) == ["9 /dev/null"]
    p.terminate()
    p.wait(30)
    subprocess.run([VAULTFS, "run", f"secret/{t.path('db')}", "--", show(t)], env=env(t), pass_fds=(9,),
                   check=True, timeout=60)
    assert shown(t) == ["9 /dev/null"]
    os.close(9)
    os.close(given)


@test()
def others_inherit_nothing(t):
    "the editor and a hook have no descriptor of ours, nor has what libfuse starts"
    t.put("db", {"f": "1"})
    subprocess.run([VAULTFS, "edit", f"secret/{t.path('db')}"], env=env(t, EDITOR=show(t)), check=True,
                   timeout=60, stdout=subprocess.DEVNULL)
    assert shown(t) == []
    with open(f"{t.root}/conf", "w") as f:
        f.write(f'[on_change "*/db"]\nrun = {show(t)}\n')
    m = t.mount("watch=200ms", args=("-c", f"{t.root}/conf"))
    assert m.read("db/f") == b"1"
    t.put("db", {"f": "2"})
    assert shown(t) == []
    with open(f"/proc/{m.process.pid}/task/{m.process.pid}/children") as f:
        children = f.read().split()
    for pid in children:
        with open(f"/proc/{pid}/comm") as f:
            name = f.read().strip()
        open_ = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        # One to us, and what it may have been given.
        assert sum(path.startswith("socket:") for path in open_) <= 1, (name, open_)


def in_memory(uid):
    path = tempfile.mkdtemp(prefix="vaultfs-test-", dir="/dev/shm")
    os.chown(path, uid, uid)
    return path


def edit(t, body, **more):
    """Edits with a shell script, in which $1 is the file, and that changes a field of it."""
    path = f"{t.root}/editor"
    with open(path, "w") as f:
        f.write(f"#!/bin/sh\nsed -i s/old/new/ \"$1\"\n{body}\n")
    os.chmod(path, 0o755)
    return subprocess.run([VAULTFS, "edit", f"secret/{t.path('db')}"], env=env(t, EDITOR=path, **more),
                          capture_output=True, text=True, check=False, timeout=60)


@test()
def edits_in_nobody_elses(t):
    "edit makes its file in a directory of root's or the user's alone, and removes nothing through a link"
    t.put("db", {"f": "old"})
    theirs, below, ours = in_memory(65534), in_memory(65534), in_memory(os.geteuid())
    os.mkdir(f"{below}/mine", 0o700)
    os.mkdir(f"{ours}/victim")
    try:
        for where in (theirs, f"{below}/mine"):
            done = edit(t, f"echo $1 > {t.root}/where", XDG_RUNTIME_DIR=where)
            assert done.returncode == 0, done
            with open(f"{t.root}/where") as f:
                assert not f.read().startswith(where)
            t.put("db", {"f": "old"})
        with open(f"{ours}/victim/secret.json", "w") as f:
            f.write("theirs")
        done = edit(t, f'd=$(dirname $1); echo $1 > {t.root}/where; mv $d {ours}/aside\n'
                       f'ln -s {ours}/victim $d', XDG_RUNTIME_DIR=ours)
        with open(f"{t.root}/where") as f:
            assert f.read().startswith(ours)
        assert done.returncode == 0 and t.get("db") == {"f": "new"}, done
        assert os.listdir(f"{ours}/victim") == ["secret.json"], "it was removed through a link"
        assert os.listdir(f"{ours}/aside") == [], "what was edited is left"
    finally:
        for path in (theirs, below, ours):
            shutil.rmtree(path)


main()
