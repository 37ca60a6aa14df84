#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The commands: mounting and what keeps it from happening, detaching, unmounting, signals, the log."""

import functools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time

from harness import main, test, until
from mount import VAULTFS, clean_environment, in_namespace, is_mounted
from server import free_port


def run(t, *args, **env):
    """vaultfs with these arguments: (status, stdout, stderr as text)."""
    env.setdefault("HOME", t.root)
    done = subprocess.run([VAULTFS, *args], capture_output=True, timeout=60, text=True,
                          env=clean_environment(**env), stdin=subprocess.DEVNULL, check=False)
    return done.returncode, done.stdout, done.stderr


def new_dir(t, name="mnt"):
    path = f"{t.root}/{name}"
    os.makedirs(path, exist_ok=True)
    return path


def gone(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


wait_for = functools.partial(until, seconds=15)


def daemons(path):
    """The pids of daemons that serve a directory."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                if path.encode() in f.read().split(b"\0"):
                    found.append(int(pid))
        except OSError:
            pass
    return found


@test(products=())
def help_and_version(t):
    "--help, --version and wrong usage answer with the right status"
    assert run(t, "--version") == (0, run(t, "--version")[1], "")
    assert re.fullmatch(r"vaultfs \d+\.\d+\.\d+\n", run(t, "--version")[1])
    status, out, _ = run(t, "--help")
    assert status == 0 and "mount" in out and "umount" in out
    status, out, _ = run(t, "mount", "--help")
    assert status == 0 and "negative_ttl=TIME" in out and "VAULT_ADDR" in out
    assert run(t, "help", "umount")[0] == 0
    assert run(t)[0] == 1
    status, _, err = run(t, "frobnicate")
    assert status == 1 and err == "vaultfs: there is no command frobnicate (vaultfs --help)\n"
    assert run(t, "mount")[0] == 1 and "Usage: vaultfs mount" in run(t, "mount")[2]
    assert run(t, "mount", "a", "b", "c")[0] == 1
    assert run(t, "mount", "-x", "b")[0] == 1
    assert run(t, "umount")[0] == 1


@test(products=())
def configuration_errors(t):
    "each error of the configuration has its own sentence, that says what to set, and status 1"
    d = new_dir(t)
    addr, token = {"VAULT_ADDR": "http://127.0.0.1:1"}, {"VAULT_TOKEN": "x"}
    conf = f"{t.root}/conf"
    open(f"{t.root}/file", "w").close()
    os.makedirs(f"{t.root}/full/x")
    open(f"{t.root}/empty-token", "w").close()
    cases = [
        (["mount", d], token, "no server: set VAULT_ADDR, or addr= after -o"),
        (["mount", d], addr, "no credentials: set VAULT_TOKEN, or token_file=FILE"),
        (["mount", "-o", "auth=approle", d], {**addr, **token}, "set VAULT_ROLE_ID or role_id_file"),
        (["mount", "-o", "auth=magic", d], {**addr, **token}, "auth=magic: no such login method"),
        (["mount", "-o", "ttl=soon", d], addr, "ttl=soon: expected a time"),
        (["mount", "-o", "rmdir=maybe", d], addr, "rmdir=maybe: expected one of hide purge"),
        (["mount", "-o", "colour=red", d], addr, "no option colour is known"),
        (["mount", "-o", "mode=0999", d], addr, "mode=0999: expected permissions"),
        (["mount", "-o", "uid=nobody-here", d], addr, "uid=nobody-here: expected a user"),
        (["mount", "-o", "parallel=0", d], addr, "parallel=0 is out of bounds"),
        (["mount", "-o", "ttl", d], addr, "ttl needs a value: ttl=TIME"),
        (["mount", "-o", "log_level=loud", d], {**addr, **token}, "log_level=loud: expected error"),
        (["mount", "-o", "log=printer", d], {**addr, **token}, "log=printer"),
        (["mount", d], {**addr, "VAULT_CLIENT_TIMEOUT": "x"},
         "VAULT_CLIENT_TIMEOUT in the environment: timeout=x"),
        (["mount", "-c", "/nowhere", d], addr, "cannot read the configuration /nowhere"),
        (["mount", f"{t.root}/missing/deep"], {**addr, **token}, "missing/deep does not exist: make it first"),
        (["mount", f"{t.root}/file"], {**addr, **token}, "file is no directory"),
        (["mount", f"{t.root}/full"], {**addr, **token}, "full is not empty"),
    ]
    for args, env, sentence in cases:
        status, out, err = run(t, *args, **env)
        assert status == 1 and out == "" and err.startswith("vaultfs: ") and sentence in err, \
            (args, status, err)
        assert err.count("\n") == 1, err
    for text, sentence in (("ttl = soon\n", conf + ", line 1: ttl=soon: expected a time"),
                           ("\nnonsense\n", "line 2: not NAME = VALUE"),
                           ("[what]\nttl = 1s\n", "no section [what] is known"),
                           ("colour = red\n", "no option colour is known")):
        with open(conf, "w") as f:
            f.write(text)
        status, _, err = run(t, "mount", "-c", conf, d, **addr, **token)
        assert status == 1 and sentence in err, err
    for address in ("vault.example", "ftp://x", "http://"):
        status, _, err = run(t, "mount", d, VAULT_ADDR=address, **token)
        assert status == 1 and "is not an address: write https://HOST:PORT" in err, err
    for option, what in (("ca_cert", "CA certificate"), ("client_cert", "needs both")):
        status, _, err = run(t, "mount", "-o", f"{option}=/nowhere", d, **addr, **token)
        assert status == 1 and what in err, err
    for name in ("nowhere", "empty-token"):
        status, _, err = run(t, "mount", "-o", f"token_file={t.root}/{name}", d, **addr)
        assert status == 2 and f"cannot read the token from {t.root}/{name}" in err, err
    assert not is_mounted(d)
    status, _, err = run(t, "mount", f"{t.root}/missing", **{**addr, **token})
    assert status == 2 and not os.path.exists(f"{t.root}/missing"), err


@test(products=())
def credentials_not_on_the_command_line(t):
    "a credential on the command line is refused, and not repeated"
    d = new_dir(t)
    for name in ("token", "role_id", "secret_id"):
        status, _, err = run(t, "mount", "-o", f"{name}=hvs.canary", d, VAULT_ADDR="http://x")
        assert status == 1 and "is not taken from the command line" in err
        assert "canary" not in err


@test(products=())
def unreachable(t):
    "a server that is not there is told of with status 2, at once"
    d = new_dir(t)
    port = free_port()
    begun = time.monotonic()
    status, _, err = run(t, "mount", d, VAULT_ADDR=f"http://127.0.0.1:{port}", VAULT_TOKEN="x")
    assert status == 2 and f"cannot reach http://127.0.0.1:{port}: " in err, err
    status, _, err = run(t, "mount", d, VAULT_ADDR="http://no.such.host.invalid", VAULT_TOKEN="x")
    assert status == 2 and "cannot reach http://no.such.host.invalid: " in err, err
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        status, _, err = run(t, "mount", "-o", "timeout=1s", d, VAULT_ADDR=address, VAULT_TOKEN="x")
        assert status == 2 and f"no answer in time from {address}: " in err, err
    assert not is_mounted(d)
    t.note(f"all three in {time.monotonic() - begun:.1f} s")


@test()
def refused(t):
    "a dead token, an unknown engine and one that is not key-value are each told of, with status 2"
    d = new_dir(t)
    env = {"VAULT_ADDR": t.server.address, "VAULT_TOKEN": t.server.token}
    status, _, err = run(t, "mount", d, **{**env, "VAULT_TOKEN": "hvs.nonsense"})
    assert status == 2 and "the token is refused" in err and "403" in err, err
    assert "nonsense" not in err
    status, _, err = run(t, "mount", "-o", "auth=token", d, **{**env, "VAULT_TOKEN": "a b"})
    assert status == 2 and "blanks" in err, err
    status, _, err = run(t, "mount", "nowhere/app", d, **env)
    assert status == 2 and "no engine at nowhere/app" in err, err
    status, _, err = run(t, "mount", "cubbyhole", d, **env)
    assert status == 2 and "cubbyhole is an engine of type cubbyhole" in err, err
    status, _, err = run(t, "mount", d, **env, VAULT_NAMESPACE="team")
    if t.product == "vault":
        assert status == 2 and "namespace=team" in err and "has no namespaces" in err, err
    else:
        assert status == 2 and "namespace not found" in err, err
    role, _ = t.server.make_approle("refused")
    status, _, err = run(t, "mount", d, VAULT_ADDR=t.server.address, VAULT_ROLE_ID=role,
                         VAULT_SECRET_ID="wrong-secret")
    assert status == 2 and re.search(
        r"^vaultfs: cannot log in: role_id or secret_id refused by http://127.0.0.1:\d+ "
        r"\(400 invalid role or secret ID\)$", err.strip()), err
    assert not is_mounted(d)


@test(products=("vault", "local"))
def a_missing_directory(t):
    "a directory that is missing is made for the mount, and stays; after a mount that fails it is missing again"
    t.put("db", {"x": "1"})
    missing = f"{t.root}/made"
    env = {} if t.product == "local" else {"VAULT_ADDR": t.server.address, "VAULT_TOKEN": t.server.token}
    options = ["-o", f"key=file:{t.server.key}"] if t.product == "local" else []
    source = t.server.source(f"secret/{t.path('db')}")
    if os.geteuid() == 0:  # and can hide /dev/fuse
        without = subprocess.run(
            in_namespace('mount --bind /dev/null /dev/fuse && exec "$0" "$@"', VAULTFS, "mount", *options, source,
                         missing), capture_output=True, timeout=60, text=True,
            env=clean_environment(HOME=t.root, **env), stdin=subprocess.DEVNULL, check=False)
        assert without.returncode != 0 and "cannot mount on" in without.stderr, without
        assert not os.path.exists(missing)
    for _ in range(2):
        assert run(t, "mount", *options, source, missing + "/", **env) == (0, "", "")
        with open(f"{missing}/x") as f:
            assert f.read() == "1"
        assert run(t, "umount", missing)[0] == 0
        assert os.listdir(missing) == [] and os.stat(missing).st_mode & 0o777 == 0o755
        wait_for(lambda: not daemons(missing))


@test()
def detached(t):
    "mount returns when the tree answers, the daemon stays, umount ends it, nothing is left"
    t.put("db", {"x": "1"})
    d = new_dir(t)
    env = {"VAULT_ADDR": t.server.address, "VAULT_TOKEN": t.server.token}
    ours = lambda: {n for n in os.listdir("/tmp") if "vaultfs" in n
                    and not n.startswith(("vaultfs-test-", "vaultfs-unit-"))}
    before = ours()
    status, out, err = run(t, "mount", f"secret/{t.folder}", d, **env)
    assert (status, out, err) == (0, "", "")
    try:
        with open(f"{d}/db/x") as f:
            assert f.read() == "1"
        pids = daemons(d)
        assert pids
        assert re.search(rf"secret/{t.folder} on {d} type fuse.vaultfs", t.run("mount")[1].decode())
        status, _, err = run(t, "mount", "secret", d, **env)
        assert status == 1 and "is mounted already" in err, err
        with open(f"{d}/db/x"):
            status, _, err = run(t, "umount", d)
            assert status == 1 and "is in use" in err, err
    finally:
        status, _, err = run(t, "umount", d)
    assert status == 0, err
    wait_for(lambda: all(map(gone, pids)))
    assert not is_mounted(d) and daemons(d) == []
    assert ours() <= before
    status, _, err = run(t, "umount", d)
    assert status == 1 and "is no mount of vaultfs" in err


@test()
def umount_by_others(t):
    "umount(8) and fusermount3 end it with status 0 too"
    for command in (["umount"], ["fusermount3", "-u"]):
        m = t.mount()
        t.run(*command, m.path)
        assert m.wait_end() == 0


@test()
def terminated(t):
    "SIGTERM and SIGINT end it with status 0, also with files open and requests waiting"
    t.put("db", {"x": "1"})
    t.put("cold", {"x": "1"})
    for sig in (signal.SIGTERM, signal.SIGINT):
        m = t.mount()
        os.listdir(m.path)
        with open(m / "db/x") as f:
            t.server.hang()
            waiting = t.spawn("cat", m / "cold/x", stderr=subprocess.DEVNULL)
            time.sleep(0.3)
            begun = time.monotonic()
            m.process.send_signal(sig)
            status = m.wait_end()
            t.note(f"ended after {time.monotonic() - begun:.2f} s")
            t.server.resume()
            assert status == 0
        assert waiting.wait() != 0


@test()
def killed(t):
    "auto_unmount: a daemon that is killed leaves no dead mount"
    t.put("db", {"x": "1"})
    # fusermount3 looks once whether the mount is dead, and may look before the kernel has ended it.
    for attempt in range(3):
        m = t.mount("auto_unmount")
        assert m.read("db/x") == b"1"
        m.process.kill()
        m.wait_end()
        try:
            wait_for(lambda m=m: not is_mounted(m.path))
            return
        except AssertionError:
            assert attempt < 2, "it is mounted still"
            t.note("fusermount3 has looked too early")
            subprocess.run(["umount", "-l", m.path], check=True)


@test()
def dead_mount_is_cleared(t):
    "a daemon that is killed leaves a dead mount, which keeps root's writes off the disk; the next clears it"
    t.put("db", {"x": "1"})
    m = t.mount()
    assert m.read("db/x") == b"1"
    m.process.kill()
    m.wait_end()
    assert is_mounted(m.path)
    assert m.errno_of(os.statvfs, m.path) == "ENOTCONN"
    assert m.errno_of(m.write, "new", "plain text") == "ENOTCONN"
    assert m.errno_of(os.mkdir, m / "new") == "ENOTCONN"
    env = {"VAULT_ADDR": t.server.address, "VAULT_TOKEN": t.server.token}
    status, _, err = run(t, "mount", f"secret/{t.folder}", m.path, **env)
    assert status == 0, err
    assert m.read("db/x") == b"1"
    assert run(t, "umount", m.path)[0] == 0
    wait_for(lambda: not daemons(m.path))
    assert os.listdir(m.path) == []


@test()
def reloaded(t):
    "SIGHUP drops what was read, and reads the log level and the token file anew"
    t.put("db", {"x": "1"})
    conf, token = f"{t.root}/conf", f"{t.root}/token"
    with open(conf, "w") as f:
        f.write("log_level = info\nttl = 1h\n")
    with open(token, "w") as f:
        f.write(t.server.token + "\n")
    m = t.mount(f"token_file={token}", args=("-c", conf), env={"VAULT_ADDR": t.server.address})
    assert m.read("db/x") == b"1"
    t.put("db", {"x": "2"})
    second = t.server.make_token()
    t.canaries.append(second)
    with open(token, "w") as f:
        f.write(second)
    with open(conf, "w") as f:
        f.write("log_level = debug\nttl = 1h\n")
    assert m.read("db/x") == b"1" and " debug " not in m.log()
    m.process.send_signal(signal.SIGHUP)
    m.wait_log("reloaded")
    wait_for(lambda: m.read("db/x") == b"2")
    assert " debug " in m.log()
    t.server.api("POST", "auth/token/revoke", {"token": second})


@test()
def logs(t):
    "the log is a line an event, as text or JSON, with path, version, uid, pid and time"
    t.put("db", {"x": "1"})
    m = t.mount("log_format=json", "log_level=debug")
    m.write("db/x", "2")
    m.settle()
    events = [json.loads(line) for line in m.log().splitlines()]
    written = [e for e in events if e["event"] == "version written"][0]
    assert written["path"] == t.path("db") and written["version"] == 2
    assert written["uid"] == os.getuid() and written["pid"] == os.getpid() and written["us"] > 0
    assert written["level"] == "info" and re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z$", written["time"])
    n = t.mount(env={"VAULT_ADDR": t.server.address, "VAULT_TOKEN": t.server.token,
                     "VAULT_LOG_LEVEL": "debug"})
    assert n.read("db/x") == b"2"
    assert re.search(r"^\S+Z debug request method=GET path=secret/data/\S+ status=200 ", n.log(), re.M)


@test()
def layers(t):
    "options override the environment, which overrides the file; aliases have their order"
    t.put("db", {"x": "1"})
    conf = f"{t.root}/conf"
    with open(conf, "w") as f:
        f.write(f"addr = http://127.0.0.1:1\nmode = 0444\n")
    good, bad, token = t.server.address, "http://127.0.0.1:1", t.server.token
    envs = [{"VAULT_ADDR": good}, {"VAULT_URL": good}, {"VAULT_ADDR": bad, "BAO_ADDR": good},
            {"VAULT_AGENT_ADDR": good, "VAULT_ADDR": bad}, {"VAULT_URL": bad, "VAULT_ADDR": good}]
    for env in envs:
        m = t.mount(args=("-c", conf), env={**env, "VAULT_TOKEN": token})
        assert m.read("db/x") == b"1"
        assert os.stat(m / "db/x").st_mode & 0o777 == 0o444
        m.end()
    m = t.mount(f"addr={good}", "mode=0400", args=("-c", conf), source=None,
                env={"VAULT_ADDR": bad, "VAULT_TOKEN": token, "VAULT_MOUNT": f"secret/{t.folder}"})
    assert os.stat(m / "db/x").st_mode & 0o777 == 0o400


@test()
def token_from_home(t):
    "~/.vault-token is taken where nothing else is set"
    t.put("db", {"x": "1"})
    home = new_dir(t, "home")
    with open(f"{home}/.vault-token", "w") as f:
        f.write(f"  {t.server.token}\n\n")
    m = t.mount(env={"VAULT_ADDR": t.server.address, "HOME": home})
    assert m.read("db/x") == b"1"


@test(needs=("setpriv", "unshare", "fusermount3"))
def unprivileged(t):
    "a user without rights can mount, by fusermount3"
    t.put("db", {"x": "1"})
    d = new_dir(t)
    shutil.chown(d, "nobody", "nogroup")
    os.chmod(t.root, 0o755)
    os.chmod(os.path.dirname(t.root), 0o755)
    # In a mount namespace of its own, where /dev/fuse is for everybody, as it is on most machines.
    script = """
set -e
mknod "$ROOT/fuse" c 10 229
chmod 666 "$ROOT/fuse"
mount --bind "$ROOT/fuse" /dev/fuse
user="setpriv --reuid=nobody --regid=nogroup --clear-groups"
$user "$VAULTFS" mount "secret/$FOLDER" "$D"
$user cat "$D/db/x"
$user sh -c 'printf 2 > "$D/db/x"'
ls "$D" 2>&1 || true
$user "$VAULTFS" umount "$D"
"""
    done = subprocess.run(in_namespace(script), capture_output=True, text=True,
                          check=False, timeout=60, stdin=subprocess.DEVNULL, env=clean_environment(
                              VAULT_ADDR=t.server.address, VAULT_TOKEN=t.server.token, HOME="/",
                              VAULTFS=VAULTFS, ROOT=t.root, D=d, FOLDER=t.folder))
    assert done.returncode == 0, done.stderr
    # Root is none of those who may look, without allow_other.
    assert done.stdout.startswith("1") and "Permission denied" in done.stdout, done.stdout
    assert t.get("db") == {"x": "2"}
    wait_for(lambda: not daemons(d))


main()
