#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Where secrets must not be: environment, command line, cores, swap, logs, other processes."""

import ctypes
import json
import os
import platform
import re
import shutil
import signal
import struct
import subprocess
import time

from harness import main, skip, test
from mount import VAULTFS, clean_environment, in_namespace, sanitized


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        return list(map(int, f.read().split()))


@test()
def environment_and_command_line(t):
    "credentials are gone from /proc/PID/environ and cmdline, of the daemon and of its helper"
    t.put("db", {"x": t.canary()})
    t.server.policy("session", {"secret/*": ["read", "list"]})
    role_id, secret_id = t.server.make_approle(t.name, token_policies="session")
    t.canaries += [role_id, secret_id]
    token = t.server.make_token()
    t.canaries.append(token)
    m = t.mount(env={"VAULT_ADDR": t.server.address, "VAULT_TOKEN": token,
                     "VAULT_ROLE_ID": role_id, "VAULT_SECRET_ID": secret_id, "HARMLESS": "stays"})
    m.read("db/x")
    for pid in [m.process.pid, *children(m.process.pid)]:
        for name in ("environ", "cmdline"):
            with open(f"/proc/{pid}/{name}", "rb") as f:
                text = f.read()
            for canary in t.canaries:
                assert canary.encode() not in text, (pid, name)
    with open(f"/proc/{m.process.pid}/environ", "rb") as f:
        assert b"HARMLESS=stays" in f.read()


@test(needs=("gcore",))
def forced_core(t):
    "a core that root forces holds no secret, and a crash leaves none"
    value = t.canary()
    t.put("db", {"x": value})
    m = t.mount(env={"VAULT_ADDR": t.server.address, "VAULT_TOKEN": t.server.token})
    assert m.read("db/x") == value.encode()
    written = t.canary()
    m.write("db/y", written)
    m.settle()
    for pid in [m.process.pid, *[p for p in children(m.process.pid)]]:
        done = subprocess.run(["gcore", "-o", f"{t.root}/core", str(pid)], capture_output=True,
                              timeout=60, check=False)
        core = f"{t.root}/core.{pid}"
        if not os.path.exists(core):
            assert b"ptrace" in done.stderr or b"No such process" in done.stderr, done.stderr
            continue
        with open(core, "rb") as f:
            text = f.read()
        for canary in (value, written, t.server.token):
            assert canary.encode() not in text, f"a secret is in the core of {pid}"
        os.unlink(core)
    with open(f"/proc/{m.process.pid}/coredump_filter") as f:
        assert int(f.read(), 16) == 0
    with open(f"/proc/{m.process.pid}/limits") as f:
        assert re.search(r"Max core file size\s+0\s+0", f.read())


@test()
def locked_memory(t):
    "secret memory is locked, left out of dumps and not inherited by the helper"
    t.put("db", {"x": "1"})
    m = t.mount()
    m.read("db/x")
    if sanitized():
        skip("a build with a sanitizer keeps secrets in malloc's memory")
    with open(f"/proc/{m.process.pid}/smaps") as f:
        regions = re.split(r"(?m)^(?=[0-9a-f]+-[0-9a-f]+ )", f.read())
    arenas = [r for r in regions if re.search(r"VmFlags:.*\bdd\b", r) and
              re.search(r"^Size:\s+262144 kB", r, re.M)]
    assert arenas
    flags = re.search(r"VmFlags:(.*)", arenas[0]).group(1).split()
    assert {"lo", "dd", "dc"} <= set(flags), flags
    assert m.memory("VmLck") > 0
    for helper in children(m.process.pid):
        with open(f"/proc/{helper}/comm") as f:
            if f.read().strip() != "vaultfs-notice":
                continue
        with open(f"/proc/{helper}/smaps") as f:
            assert not re.search(r"^Size:\s+262144 kB", f.read(), re.M), "the helper has the arena"


@test(needs=("unshare", "setpriv", "prlimit"))
def limited_lock(t):
    "with little memory that may be locked the cache is smaller; with none the mount is refused"
    if sanitized():
        skip("a build with a sanitizer does not lock memory")
    t.put("db", {"x": "1"})
    for i in range(20):
        t.put(f"s{i}", {"x": "v" * 20000})
    t.put("big", {"x": "v" * 300000})
    os.chmod(t.root, 0o755)
    os.chmod(os.path.dirname(t.root), 0o755)
    script = """
mknod "$ROOT/fuse$LIMIT" c 10 229
chmod 666 "$ROOT/fuse$LIMIT"
mount --bind "$ROOT/fuse$LIMIT" /dev/fuse
user="setpriv --reuid=nobody --regid=nogroup --clear-groups"
prlimit --memlock=$LIMIT:$LIMIT $user "$VAULTFS" mount -f "secret/$FOLDER" "$D" 2>"$ROOT/log$LIMIT" &
for i in $(seq 100); do $user mountpoint -q "$D" && break; kill -0 $! 2>/dev/null || break; sleep 0.05; done
if $user mountpoint -q "$D"; then
    for i in 1 2; do $user sh -c 'cat "$D"/*/x' | wc -c; done
    $user sh -c 'printf 2 > "$D/db/x"'
    $user fusermount3 -u "$D"
fi
wait $!
echo "status $?"
"""
    for limit, works in ((0, False), (65536, True), (8 << 20, True)):
        d = f"{t.root}/mnt{limit}"
        os.mkdir(d)
        shutil.chown(d, "nobody", "nogroup")
        done = subprocess.run(in_namespace(script), capture_output=True, text=True,
                              timeout=60, check=False, env=clean_environment(
                                  VAULT_ADDR=t.server.address, VAULT_TOKEN=t.server.token, HOME="/",
                                  VAULTFS=VAULTFS, ROOT=t.root, D=d, FOLDER=t.folder,
                                  LIMIT=str(limit)))
        with open(f"{t.root}/log{limit}") as f:
            log = f.read()
        assert t.server.token not in log + done.stderr
        if works:
            assert done.stdout == "700001\n700001\nstatus 0\n", (limit, done, log)
            assert log.count("no more memory may be locked") == 1, log
            assert t.get("db") == {"x": "2"}
        else:
            assert done.stdout == "status 1\n", done
            assert "cannot lock" in log and "RLIMIT_MEMLOCK" in log, log


def refuse_mlock():
    """In the child: a seccomp filter like that of a container, by which mlock2(2) and its like fail."""
    libc = ctypes.CDLL(None, use_errno=True)
    code = [(0x20, 0, 0, 0)]  # the number of the call
    for number in (149, 151, 325):  # mlock, mlockall, mlock2 on x86_64
        code += [(0x15, 0, 1, number), (0x06, 0, 0, 0x00050001)]  # EPERM
    code += [(0x06, 0, 0, 0x7fff0000)]
    rows = b"".join(struct.pack("HBBI", *row) for row in code)
    program = struct.pack("HxxxxxxP", len(code), ctypes.cast(keep := ctypes.create_string_buffer(rows),
                                                             ctypes.c_void_p).value)
    if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, program):
        os._exit(9)
    del keep


@test(products=("bao",))
def locking_refused(t):
    "where a filter refuses mlock(2), no mount has a token or a key, and the message says what helps"
    if sanitized() or platform.machine() != "x86_64":
        skip("a sanitizer keeps secrets elsewhere" if sanitized() else "the filter is of another machine")
    spot = f"{t.root}/spot"
    os.mkdir(spot)
    token = f"{t.root}/token"
    with open(os.open(token, os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
        f.write(t.server.token)
    env = clean_environment(VAULT_ADDR=t.server.address, HOME=t.root)
    for options in ([], ["-o", f"offline={t.root}/copy"]):
        done = subprocess.run([VAULTFS, "mount", "-f", "-o", f"token_file={token}", *options, "secret", spot],
                              capture_output=True, text=True, timeout=60, check=False, env=env,
                              preexec_fn=refuse_mlock)
        assert done.returncode == 1 and "cannot lock" in done.stderr, done
        assert "seccomp" in done.stderr and "raise RLIMIT_MEMLOCK" not in done.stderr, done


def other_memory(pid):
    """The memory of a process but for what it keeps secrets in, which is locked and left out of dumps:
    (region, bytes). Where the limit does not hold all else is locked too, which is no matter here."""
    with open(f"/proc/{pid}/smaps") as f:
        regions = re.split(r"(?m)^(?=[0-9a-f]+-[0-9a-f]+ )", f.read())[1:]
    with open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for region in regions:
            head = region.split("\n", 1)[0]
            flags = re.search(r"VmFlags:(.*)", region).group(1).split()
            first, last = (int(x, 16) for x in head.split()[0].split("-"))
            if {"lo", "dd"} <= set(flags) or head.split()[1][:2] != "rw":
                continue
            try:
                mem.seek(first)
                yield head, mem.read(last - first)
            except (OSError, ValueError):
                continue


def assert_nowhere(pid, canaries, when):
    found = [(name, head, data.count(canary.encode())) for head, data in other_memory(pid)
             for name, canary in canaries.items() if canary.encode() in data]
    assert not found, f"{when}: {found}"


@test(("vault", "bao", "local"), seconds=120)
def nothing_left_in_memory(t):
    "what was written or read stays in no memory of the daemon but its secret memory"
    if os.geteuid() != 0 or sanitized():
        skip("only root may look into the daemon, and a sanitizer keeps what was freed")
    canaries = {}

    def value(name, size=0):
        canaries[name] = t.canary()
        return canaries[name] + "." * size

    t.put("s", {"old": "1", "n": "1"})
    t.put("r", {"x": value("read", 3000)})
    m = t.mount("watch=1s")
    pid = m.process.pid
    m.write("s/made", value("made"))
    m.write("s/old", value("replaced"))
    with open(m / "s/old", "a") as f:
        f.write(value("appended"))
    with open(m / "s/part", "w") as f:
        f.write(value("first part", 70000))
        f.flush()
        f.write(value("second part", 200000))
    with open(m / "s/.made.new", "w") as f:
        f.write(value("renamed"))
    os.rename(m / "s/.made.new", m / "s/made")
    m.write("s/.vault/data.json", json.dumps({"a": value("in JSON"), "big": value("large JSON", 90000)}))
    fd = os.open(m / "s/dropped", os.O_WRONLY | os.O_CREAT)
    os.write(fd, value("kept open").encode())
    os.close(fd)
    assert_nowhere(pid, canaries, "at once")
    time.sleep(1)
    for name in ("a", "big", "dropped"):
        m.read(f"s/{name}")
    assert m.read("r/x").decode().startswith(canaries["read"])
    assert_nowhere(pid, canaries, "after a while")


main()
