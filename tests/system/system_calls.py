#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""System calls at random, by several users at once (tests/fuzz/fs_fuzz.c): the daemon lives, no call hangs,
what is closed is read by nobody, and the mount ends as it should.

VAULTFS_FUZZ_SECONDS is how long each run takes (7), VAULTFS_FUZZ_SEED what its calls follow from."""

import os
import subprocess
import time

from harness import main, test
from mount import BUILD

SECONDS = int(os.environ.get("VAULTFS_FUZZ_SECONDS", "7"))
SEED = int(os.environ.get("VAULTFS_FUZZ_SEED", str(time.time_ns() % 10**9)))

SECTIONS = """
mode = 0644
dir_mode = 0755
uid = 61001
[path "HERE/db/key"]
owner = root
mode = 0400
[path "HERE/closed*"]
owner = root
mode = 0600
dir_mode = 0700
[path "HERE/free"]
mode = 0666
dir_mode = 0777
[path "HERE/new*"]
mode = 0666
dir_mode = 0777
[path "HERE/db"]
mode = 0664
dir_mode = 0777
"""


@test(seconds=SECONDS + 120)
def anything(t):
    "the daemon lives through calls at random, of several users, and tells none what only root may read"
    canary = t.canary()
    for i in range(2):
        t.put("db", {"f0": str(i), "f1": "1", "key": canary})
        t.put("closed/hidden", {"secret": canary, canary[:20]: "name"})
        t.put("free", {"f0": "1", "f1": 2, "f2": {"a": [1, None]}})
        t.put("sub/deep/x", {"x": "1"})
        t.put("sub", {"f0": "1"})
    os.chmod(t.root, 0o755)
    os.chmod(os.path.dirname(t.root), 0o755)
    with open(f"{t.root}/conf", "w", encoding="utf-8") as f:
        f.write(SECTIONS.replace("HERE", t.folder))
    m = t.mount("allow_other", "timeout=5s", "watch=1s", "scratch_max=1M", args=("-c", f"{t.root}/conf"))
    m.expect(".*")
    t.note(f"VAULTFS_FUZZ_SEED={SEED}")
    done = subprocess.run([f"{BUILD}/tests/fuzz/fs_fuzz", m.path, str(SECONDS), str(SEED),
                           "0,61001,61002,61001,0"], env={**os.environ, "CANARY": canary},
                          capture_output=True, text=True, check=False)
    t.note(done.stdout.strip().replace("\n", "; "))
    assert done.returncode == 0, done.stdout + done.stderr
    end = time.monotonic() + 30
    while m.errno_of(os.mkdir, m / "after") not in ("", "EEXIST") and time.monotonic() < end:
        time.sleep(0.2)
    m.write("after/f", "lives")
    assert t.get("after") == {"f": "lives"} and t.get("closed/hidden")["secret"] == canary
    t.note(f"{m.log().count('version written')} versions, {m.log().count('request failed')} lines of failures")
    log = m.log()
    assert "runtime error" not in log and "Sanitizer" not in log


main(local=True)
