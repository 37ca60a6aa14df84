#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""All key-value engines under one mount of /, and how an engine is found where the server does not
tell."""

import contextlib
import json
import os
import signal
import subprocess
import time

from harness import main, test, until
from inotify import Watcher
from mount import VAULTFS, clean_environment
from proxy import DENY, PASS, Proxy
from server import ApiError


def engines(t):
    """Two engines of version 2 and one of version 1 below a name of the test's own, with a secret in each,
    and one that keeps no secrets."""
    base = f"e-{t.name}"
    for path, version in ((f"{base}/a/kv", 2), (f"{base}/a/old", 1), (f"{base}/b", 2)):
        t.server.enable(path, version)
    t.server.api("POST", f"sys/mounts/{base}/keys", {"type": "transit"})
    t.server.put("app/db", {"user": "kv", "n": 7}, mount=f"{base}/a/kv")
    t.server.put("app/db", {"user": "b"}, mount=f"{base}/b")
    t.server.api("POST", f"{base}/a/old/app/db", {"user": "old"})
    return base


def old(t, path):
    return t.server.api("GET", path)["data"]


def vaultfs(t, *args, address=None, token=None, status=0):
    """(stdout, stderr) of a command."""
    done = subprocess.run([VAULTFS, *args], capture_output=True, timeout=60, text=True, check=False,
                          env=clean_environment(VAULT_ADDR=address or t.server.address, HOME=t.root,
                                                VAULT_TOKEN=token or t.server.token))
    assert done.returncode == status, (args, done.returncode, done.stderr)
    return done.stdout, done.stderr


@test()
def all_engines(t):
    "a mount of / shows key-value engines of both versions, by names with slashes, and nothing else"
    base = engines(t)
    m = t.mount(source="/")
    root = os.listdir(m.path)
    assert {"secret", base} <= set(root) and not {"sys", "identity", "cubbyhole"} & set(root), root
    assert sorted(os.listdir(m / base)) == ["a", "b"], "an engine of keys is no key-value engine"
    assert sorted(os.listdir(m / f"{base}/a")) == ["kv", "old"]
    for engine, value in (("a/kv", b"kv"), ("a/old", b"old"), ("b", b"b")):
        assert os.listdir(m / f"{base}/{engine}") == ["app"]
        assert m.read(f"{base}/{engine}/app/db/user") == value
        path = os.getxattr(m / f"{base}/{engine}/app/db", "user.vault.path")
        assert path.decode() == f"{base}/{engine}/app/db"
    assert os.getxattr(m.path, "user.vault.path") == b"/"
    assert os.getxattr(m / f"{base}/a", "user.vault.path").decode() == f"{base}/a"
    assert m.read(f"{base}/a/kv/app/db/n") == b"7"
    for name in ("nothing", "sys", f"{base}/keys", f"{base}/a/k", f"{base}/a/kvx", f"{base}/a/kv/x"):
        assert m.errno_of(os.stat, m / name) == "ENOENT", name
    status = json.loads(m.read(".vault/status.json"))
    assert (status["engine"], status["source"]) == ("/", "/")
    source = t.run("findmnt", "-n", "-o", "SOURCE", m.path)[1]
    assert source.strip() == b"/", source


@test()
def part_of_all_engines(t):
    "a name above engines can be mounted too, and a name above none cannot"
    base = engines(t)
    m = t.mount(source=f"/{base}/a")
    assert sorted(os.listdir(m.path)) == ["kv", "old"]
    assert m.read("old/app/db/user") == b"old"
    m.write("kv/app/db/user", "new")
    assert t.server.get("app/db", mount=f"{base}/a/kv")["user"] == "new"
    assert os.getxattr(m / "kv/app/db", "user.vault.path").decode() == f"{base}/a/kv/app/db"
    spot = f"{t.root}/spot"
    os.mkdir(spot)
    _, err = vaultfs(t, "mount", f"{base}/x", spot, status=2)
    assert f"no engine at {base}/x" in err, err


@test()
def written_and_remembered(t):
    "what is written under / lands in its engine; version 2 has a history, and version 1 has none"
    base = engines(t)
    m = t.mount(source="/")
    kv, flat = f"{base}/a/kv/app/db", f"{base}/a/old/app/db"
    m.write(f"{kv}/user", "second")
    m.write(f"{flat}/user", "second")
    m.write(f"{flat}/more", "x")
    assert t.server.get("app/db", mount=f"{base}/a/kv") == {"user": "second", "n": 7}
    assert old(t, flat) == {"user": "second", "more": "x"}
    assert os.getxattr(m / kv, "user.vault.version") == b"2"
    assert os.listdir(m / f"{kv}/.vault/versions") == ["1", "2"]
    assert m.read(f"{kv}/.vault/versions/1/user") == b"kv"
    m.write(f"{kv}/.vault/version", "1")
    assert t.server.get("app/db", mount=f"{base}/a/kv") == {"user": "kv", "n": 7}
    os.setxattr(m / kv, "user.vault.meta.owner", b"me")
    meta = t.server.api("GET", f"{base}/a/kv/metadata/app/db")["data"]
    assert meta["custom_metadata"] == {"owner": "me"} and meta["current_version"] == 3
    errnos = [m.errno_of(*a) for a in (
        (os.getxattr, m / flat, "user.vault.version"),
        (os.setxattr, m / flat, "user.vault.meta.owner", b"me"),
        (os.setxattr, m / flat, "user.vault.cas", b"1"),
        (os.listdir, m / f"{flat}/.vault/versions"),
        (m.read, f"{flat}/.vault/metadata.json"), (m.read, f"{flat}/.vault/version"))]
    assert errnos == 6 * ["ENOTSUP"], errnos
    assert "user.vault.version" in os.listxattr(m / kv)
    assert os.listxattr(m / flat) == ["user.vault.path"], os.listxattr(m / flat)
    m.write(f"{kv}/binary", b"\0\xff")
    assert m.read(f"{kv}/binary") == b"\0\xff"
    assert m.errno_of(m.write, f"{flat}/binary", b"\0\xff") == "EILSEQ"
    os.rename(m / f"{kv}/user", m / f"{flat}/moved")
    assert old(t, flat)["moved"] == "kv"
    assert "user" not in t.server.get("app/db", mount=f"{base}/a/kv")
    os.makedirs(m / f"{base}/b/new/secret")
    m.write(f"{base}/b/new/secret/x", "1")
    assert t.server.get("new/secret", mount=f"{base}/b") == {"x": "1"}


@test()
def nothing_above_engines(t):
    "above the engines nothing can be made, removed or renamed, and access(2) says so before"
    base = engines(t)
    m = t.mount(source="/")
    for folder in ("", f"{base}/", f"{base}/a/"):
        for action in (lambda: os.mkdir(m / f"{folder}new"), lambda: m.write(f"{folder}new", "x"),
                       lambda: os.rename(m / f"{base}/b", m / f"{folder}new"),
                       lambda: os.open(m / f"{folder}new", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)):
            assert m.errno_of(action) == "EROFS", folder
        assert not os.access(m / folder, os.W_OK) and os.access(m / folder, os.R_OK | os.X_OK)
        assert os.stat(m / folder).st_mode & 0o777 == 0o500
    for name in (f"{base}/b", f"{base}/a/old", f"{base}/a", base):
        assert m.errno_of(os.rmdir, m / name) == "EROFS", name
    assert os.access(m / f"{base}/b", os.W_OK)
    assert m.errno_of(m.write, f"{base}/b/field", "x") == "EINVAL", "an engine is no secret"
    assert m.errno_of(m.write, f"{base}/b/.vault/data.json", "{}") == "EINVAL"
    assert m.errno_of(m.write, f"{base}/.vault/data.json", "{}") in ("EINVAL", "EROFS")
    assert m.errno_of(os.setxattr, m / f"{base}/b", "user.vault.meta.x", b"1") != ""
    assert "EROFS there are engines here" in m.read(".vault/errors").decode()
    assert sorted(os.listdir(m / base)) == ["a", "b"]
    assert t.server.list(f"../../{base}") == []


@test(needs=("find", "grep", "tar"))
def walked(t):
    "find, grep -r, cp -a and tar walk all engines from the root"
    base = engines(t)
    value = t.canary()
    t.server.put("deep/er/x", {"f": value}, mount=f"{base}/b")
    m = t.mount(source="/")
    found = t.shell('cd "$M" && find . -path "./$B*" -type f | sort', M=m.path, B=base)[1]
    assert found.decode().split() == [f"./{base}/{p}" for p in (
        "a/kv/app/db/n", "a/kv/app/db/user", "a/old/app/db/user", "b/app/db/user", "b/deep/er/x/f")]
    hits = t.shell('cd "$M" && grep -rl "$V" .', M=m.path, V=value)[1]
    assert hits.decode() == f"./{base}/b/deep/er/x/f\n"
    t.shell('cp -a "$M/$B/a/kv/app" "$M/$B/a/old/copy"', M=m.path, B=base)
    assert old(t, f"{base}/a/old/copy/db") == {"user": "kv", "n": 7}, "types too"
    out = t.shell('tar -C "$M" -cf - "$B" | tar -tf - | grep -c "/user$"', M=m.path, B=base)[1]
    assert out == b"4\n", out


@test()
def come_and_go(t):
    "an engine that is enabled appears, one that is disabled vanishes, one made anew is what it is now"
    base = engines(t)
    m = t.mount("ttl=1", "negative_ttl=1", source="/")
    patient = t.mount(source="/")
    for mount in (m, patient):
        mount.expect("the engine has become another", "the engine is not where it was")
    assert sorted(os.listdir(m / base)) == sorted(os.listdir(patient / base)) == ["a", "b"]
    t.server.enable(f"{base}/c/kv", 2)
    t.server.put("x", {"f": "1"}, mount=f"{base}/c/kv")
    until(lambda: sorted(os.listdir(m / base)) == ["a", "b", "c"])
    until(lambda: os.path.exists(m / f"{base}/c/kv/x/f"))
    assert m.read(f"{base}/c/kv/x/f") == b"1"
    assert sorted(os.listdir(patient / base)) == ["a", "b"], "its time has not come"
    patient.write(".vault/refresh", "1")
    assert sorted(os.listdir(patient / base)) == ["a", "b", "c"]
    assert patient.read(f"{base}/c/kv/x/f") == b"1"
    with open(patient / f"{base}/c/kv/x/f", "rb") as held:
        t.server.disable(f"{base}/c/kv")
        assert patient.errno_of(patient.write, f"{base}/c/kv/x/f", "2") in ("ENOENT", "EIO")
        patient.expect("no handler for route")
        until(lambda: sorted(os.listdir(m / base)) == ["a", "b"])
        patient.write(".vault/refresh", "1")
        assert sorted(os.listdir(patient / base)) == ["a", "b"]
        assert patient.errno_of(patient.read, f"{base}/c/kv/x/f") == "ENOENT"
        assert patient.errno_of(held.read) in ("", "ENOENT")
    until(lambda: m.errno_of(os.stat, m / f"{base}/c/kv/x/f") == "ENOENT")
    t.server.enable(f"{base}/c/kv", 1)
    t.server.api("POST", f"{base}/c/kv/x", {"f": "flat"})
    for mount in (m, patient):
        mount.write(".vault/refresh", "1")
        until(lambda m=mount: os.path.exists(m / f"{base}/c/kv/x/f"))
        assert mount.read(f"{base}/c/kv/x/f") == b"flat"
        assert mount.errno_of(os.getxattr, mount / f"{base}/c/kv/x", "user.vault.version") == \
            "ENOTSUP"
        mount.write(f"{base}/c/kv/x/g", "2")
    assert old(t, f"{base}/c/kv/x") == {"f": "flat", "g": "2"}


@test()
def what_a_token_sees(t):
    "a token sees the engines in which it may do something, and uses what it may"
    base = engines(t)
    t.server.policy(f"{base}-some", {f"{base}/a/kv/data/app/*": ["read"], f"{base}/b/*": ["list"]})
    token = t.server.make_token(policies=[f"{base}-some"])
    m = t.mount(source="/", token=token)
    assert os.listdir(m.path) == [base] and sorted(os.listdir(m / base)) == ["a", "b"]
    assert os.listdir(m / f"{base}/a") == ["kv"]
    assert os.listdir(m / f"{base}/a/kv") == ["app"], "what may not be listed, the policy names"
    assert m.read(f"{base}/a/kv/app/db/user") == b"kv", "a name that may not be listed can be used"
    assert m.errno_of(m.write, f"{base}/a/kv/app/db/user", "x") == "EACCES"
    assert os.listdir(m / f"{base}/b") == ["app"]
    assert m.errno_of(m.read, f"{base}/b/app/db/user") == "EACCES"
    for name in ("secret", f"{base}/a/old", f"{base}/a/old/app/db/user"):
        assert m.errno_of(os.stat, m / name) == "ENOENT", name
    nobody = t.mount(source="/", token=t.server.make_token(policies=["default"]))
    assert os.listdir(nobody.path) == []


@test()
def asked_little(t):
    "names above engines cost one request a folder, and paths in an engine what they cost without"
    base = engines(t)
    m = t.mount(source="/")
    mark = t.server.audit_mark()
    assert m.read(f"{base}/a/kv/app/db/user") == b"kv"
    asked = t.server.requests_since(mark)
    assert [r for r in asked if r[1].startswith(base)] == [
        ("list", f"{base}/a/kv/metadata/"), ("list", f"{base}/a/kv/metadata/app/"),
        ("read", f"{base}/a/kv/data/app/db")], asked
    assert len([r for r in asked if r[1].startswith("sys/internal/ui/mounts")]) <= 3, asked
    mark = t.server.audit_mark()
    for _ in range(20):
        assert m.read(f"{base}/a/kv/app/db/user") == b"kv"
        os.listdir(m / base)
    assert t.server.requests_since(mark) == []


@test()
def commands(t):
    "commands list all engines, and take paths of a mount of all"
    base = engines(t)
    out, _ = vaultfs(t, "ls", "/")
    assert {f"{base}/a/kv/", f"{base}/a/old/", f"{base}/b/"} <= set(out.split())
    assert not {"sys/", f"{base}/keys/"} & set(out.split())
    assert vaultfs(t, "ls", base)[0] == "a/\nb/\n"
    assert vaultfs(t, "ls", "-R", f"{base}/a/")[0] == "kv/app/db\nold/app/db\n"
    rows = json.loads(vaultfs(t, "ls", "-lR", "--format=json", base)[0])
    assert [(r["name"], r.get("version")) for r in rows] == [
        ("a/kv/app/db", 1), ("a/old/app/db", None), ("b/app/db", 1)]
    m = t.mount(source="/")
    db, flat = m / f"{base}/a/kv/app/db", m / f"{base}/a/old/app/db"
    assert vaultfs(t, "put", db, "user=2", "n=8")[0] == f"{base}/a/kv/app/db: version 2\n"
    assert vaultfs(t, "put", flat, "user=2")[0] == ""
    assert json.loads(vaultfs(t, "get", db)[0]) == {"user": "2", "n": "8"}
    assert vaultfs(t, "get", f"{flat}/user")[0] == "2"
    assert len(vaultfs(t, "history", db)[0].splitlines()) == 2
    assert "+" not in vaultfs(t, "diff", db, "1", "2")[0]
    vaultfs(t, "rollback", db, "1")
    assert t.server.get("app/db", mount=f"{base}/a/kv") == {"user": "kv", "n": 7}
    assert f"{base}/" in vaultfs(t, "ls", m.path)[0].split()
    assert vaultfs(t, "ls", m / base)[0] == "a/\nb/\n"
    vaultfs(t, "rm", m / f"{base}/b/app/db")
    assert t.server.get("app/db", mount=f"{base}/b") is None
    assert "all key-value engines" in vaultfs(t, "doctor", "/")[0]
    for args in (("get", "/"), ("get", base), ("put", base, "x=1"), ("history", db + "/..")):
        done = subprocess.run([VAULTFS, *args], capture_output=True, timeout=60, check=False,
                              env=clean_environment(VAULT_ADDR=t.server.address, HOME=t.root,
                                                    VAULT_TOKEN=t.server.token))
        assert done.returncode in (1, 2) and done.stderr.startswith(b"vaultfs: "), (args, done)


@test()
def not_told(t):
    "where the server may not be asked for engines, kv_version= and engine= say it, and errors say that"
    base = engines(t)
    proxy = Proxy(t.server)
    proxy.fate = lambda method, path: DENY if path.startswith("sys/internal/ui/mounts") else PASS
    env = {"VAULT_ADDR": proxy.address, "VAULT_TOKEN": t.server.token}
    try:
        spot = f"{t.root}/spot"
        os.mkdir(spot)
        for source in ("secret", f"{base}/a/kv", "/"):
            _, err = vaultfs(t, "mount", source, spot, address=proxy.address, status=2)
            assert "set kv_version= to 1 or 2" in err and "engine=" in err, err
        _, err = vaultfs(t, "mount", "-o", "kv_version=2", "/", spot, status=2)
        assert "/ is all of them" in err, err
        _, err = vaultfs(t, "mount", "-o", f"kv_version=2,engine={base}/b", "secret", spot, status=2)
        assert f"secret is not in engine={base}/b" in err, err
        _, err = vaultfs(t, "mount", "-o", f"engine={base}/b", f"{base}/b", spot, status=2)
        assert "needs kv_version" in err, err
        t.put("db", {"x": "1"})
        m = t.mount("kv_version=2", env=env)
        assert m.read("db/x") == b"1"
        m.write("db/x", "2")
        assert t.get("db") == {"x": "2"} and t.version("db") == 2
        m = t.mount("kv_version=2", f"engine={base}/a/kv", source=f"/{base}/a/kv/app", env=env)
        assert m.read("db/user") == b"kv" and m.read("db/.vault/versions/1/user") == b"kv"
        m = t.mount("kv_version=1", f"engine={base}/a/old", source=f"/{base}/a/old", env=env)
        m.write("app/db/user", "new")
        assert old(t, f"{base}/a/old/app/db") == {"user": "new"}
        got, _ = vaultfs(t, "get", "-o", f"kv_version=1,engine={base}/a/old",
                         f"{base}/a/old/app/db#user", address=proxy.address)
        assert got == "new"
        _, err = vaultfs(t, "get", "secret/x", address=proxy.address, status=2)
        assert "kv_version=" in err, err
    finally:
        proxy.close()
    assert not [r for r in proxy.requests if r[1].startswith("sys/internal/ui/mounts") and
                r[0] != "GET"]


@test(products=("bao",))
def namespaces(t):
    "in a namespace a mount of / shows the engines of that namespace"
    inside = {"X-Vault-Namespace": "engines"}
    t.server.api("POST", "sys/namespaces/engines", {})
    t.server.enable("in/side", 2, headers=inside)
    t.server.api("POST", "in/side/data/db", {"data": {"x": "1"}}, headers=inside)
    m = t.mount("namespace=engines", source="/")
    assert os.listdir(m.path) == ["in"] and os.listdir(m / "in") == ["side"]
    assert m.read("in/side/db/x") == b"1"
    m.write("in/side/db/x", "2")
    assert t.server.api("GET", "in/side/data/db", headers=inside)["data"]["data"] == {"x": "2"}
    outside = t.mount(source="/")
    assert m.errno_of(os.stat, outside / "in/side") == "ENOENT"


@contextlib.contextmanager
def unseen(m):
    """Several steps at the server, of which the mount sees the outcome alone: between them secrets are missing."""
    m.process.send_signal(signal.SIGSTOP)
    yield
    m.process.send_signal(signal.SIGCONT)


def replaced(t, engine, before, after, *options):
    """A mount of an engine of which the version changes under it, with what it holds and a file in which
    hooks write what they are told."""
    t.server.enable(engine, before)
    write = (lambda p, f: t.server.put(p, f, mount=engine)) if before == 2 else (
        lambda p, f: t.server.api("POST", f"{engine}/{p}", f))
    write("s", {"f": "old"})
    write("unread", {"f": "old"})
    hooks = f"{t.root}/hooks"
    conf = f"{t.root}/hooks.conf"
    with open(conf, "w", encoding="utf-8") as f:
        f.write(f'[on_change "*"]\nshell = yes\nrun = echo $VAULTFS_KIND $VAULTFS_PATH >> {hooks}\n')
    m = t.mount("watch=300ms", "ttl=1s", "negative_ttl=500ms", *options, source=f"/{engine}",
                args=("-c", conf))
    m.expect("the engine", "fetch failed", "the hook", "request failed")
    assert m.read("s/f") == b"old"
    os.listdir(m.path)
    events = os.open(m / ".vault/events", os.O_RDONLY | os.O_NONBLOCK)
    time.sleep(2.5)
    with unseen(m):
        after()
    return m, events, hooks


def told(events, hooks):
    """What was told by either way, and that file of events closed."""
    try:
        text = os.read(events, 1 << 16).decode()
    except BlockingIOError:
        text = ""
    os.close(events)
    if os.path.exists(hooks):
        with open(hooks, encoding="utf-8") as f:
            text += f.read()
    return text


@test(products=("vault", "bao"))
def upgraded_under_a_mount(t):
    "an engine that is upgraded to version 2 under a mount is one of version 2 there within seconds, and nothing is told"
    engine = "up-" + t.name
    m, events, hooks = replaced(t, engine, 1, lambda: t.server.api(
        "POST", f"sys/mounts/{engine}/tune", {"options": {"version": "2"}}))
    opened = [] # EIO for as long as nobody has asked what the engine is now
    until(lambda: m.errno_of(lambda p: opened.append(os.open(p, os.O_RDWR)), m / "s/f") == "")
    held = opened[0]
    end = time.monotonic() + 30
    while "user.vault.version" not in os.listxattr(m / "s"):
        assert m.errno_of(m.read, "s/f") in ("", "EIO"), "cached, an outage, or found again"
        assert time.monotonic() < end, "it is never found again"
        time.sleep(0.1)
    until(lambda: m.errno_of(m.read, "unread/f") == "")
    assert sorted(n for n in os.listdir(m.path) if n != ".vault") == ["s", "unread"]
    assert m.read("unread/f") == m.read("s/f") == b"old"
    time.sleep(1)
    assert told(events, hooks) == "", "nothing has changed"
    os.pwrite(held, b"new", 0)
    os.close(held)
    m.write("s/g", "more")
    assert t.server.get("s", mount=engine) == {"f": "new", "g": "more"}
    assert os.listdir(m / "s/.vault/versions") == ["1", "2", "3"]
    assert m.read("s/.vault/versions/1/f") == b"old"
    os.mkdir(m / "made")
    m.write("made/x", "1")
    assert t.server.get("made", mount=engine) == {"x": "1"}
    os.setxattr(m / "s", "user.vault.meta.owner", b"me")


@test(products=("vault", "bao"))
def others_in_a_mount_of_all(t):
    "in a mount of / an engine that has become another version is found again long before the ttl is over"
    up, down = "all-up-" + t.name, "all-down-" + t.name
    t.server.enable(up, 1)
    t.server.enable(down, 2)
    for name in ("s", "unread"):
        t.server.api("POST", f"{up}/{name}", {"f": "old"})
        t.server.put(name, {"f": "old"}, mount=down)
    m = t.mount("watch=300ms", source="/")
    m.expect("the engine", "fetch failed", "request failed")
    assert m.read(f"{up}/s/f") == m.read(f"{down}/s/f") == b"old"
    t.server.api("POST", f"sys/mounts/{up}/tune", {"options": {"version": "2"}})
    t.server.disable(down)
    t.server.enable(down, 1)
    for name in ("s", "unread"):
        t.server.api("POST", f"{down}/{name}", {"f": "other"})
    until(lambda: m.errno_of(m.read, f"{up}/unread/f") == "")
    assert m.read(f"{up}/unread/f") == m.read(f"{up}/s/f") == b"old"
    assert "user.vault.version" in os.listxattr(m / f"{up}/s")
    m.write(f"{up}/s/f", "new")
    assert t.server.get("s", mount=up) == {"f": "new"}
    until(lambda: m.errno_of(m.read, f"{down}/unread/f") == "" and m.read(f"{down}/unread/f") == b"other")
    until(lambda: m.read(f"{down}/s/f") == b"other")
    m.write(f"{down}/s/f", "new")
    assert old(t, f"{down}/s") == {"f": "new"}


@test(products=("vault", "bao"))
def a_write_is_the_first_to_find_out(t):
    "a change after an upgrade that nobody has seen yet is made in the engine as it is now, or is none"
    engine = "first-" + t.name
    t.server.enable(engine, 1)
    t.server.api("POST", f"{engine}/s", {"f": "old", "kept": "1"})
    m = t.mount(source=f"/{engine}")
    m.expect("the engine", "fetch failed", "request failed")
    assert m.read("s/f") == b"old"
    t.server.api("POST", f"sys/mounts/{engine}/tune", {"options": {"version": "2"}})
    until(lambda: t.server.get("s", mount=engine) is not None)
    until(lambda: m.errno_of(m.write, "s/f", b"new") == "")
    assert t.server.get("s", mount=engine) == {"f": "new", "kept": "1"}
    assert t.server.api("LIST", f"{engine}/metadata")["data"]["keys"] == ["s"], "nothing elsewhere"


@test(products=("vault", "bao"))
def version_1_in_the_place_of_2(t):
    "an engine of version 1 in the place of one of version 2 is found within seconds, and nothing goes to a wrong path"
    engine = "down-" + t.name

    def swap():
        t.server.disable(engine)
        t.server.enable(engine, 1)
        t.server.api("POST", f"{engine}/s", {"f": "old"})
        t.server.api("POST", f"{engine}/unread", {"f": "old"})

    m, events, hooks = replaced(t, engine, 2, swap)
    until(lambda: "user.vault.version" not in os.listxattr(m / "s"))
    until(lambda: m.errno_of(m.read, "unread/f") == "")
    assert m.read("unread/f") == m.read("s/f") == b"old"
    m.write("s/f", "new")
    assert old(t, f"{engine}/s") == {"f": "new"}
    os.mkdir(m / "made")
    m.write("made/x", "1")
    assert old(t, f"{engine}/made") == {"x": "1"}
    assert "deleted" not in told(events, hooks)
    assert sorted(t.server.api("LIST", engine)["data"]["keys"]) == ["made", "s", "unread"]


@test(products=("vault", "bao"))
def names_that_nobody_has_read(t):
    "names in a folder are not told as deleted when version 1 comes in the place of 2 a moment after it was asked"
    engine = "names-" + t.name
    t.server.enable(engine, 2)
    for name in ("dir/a", "dir/b", "cold"):
        t.server.put(name, {"f": "old"}, mount=engine)
    m = t.mount("watch=200ms", "ttl=1h", source=f"/{engine}")
    m.expect("the engine", "fetch failed")
    assert sorted(os.listdir(m / "dir")) == ["a", "b"]
    events = os.open(m / ".vault/events", os.O_RDONLY | os.O_NONBLOCK)
    with Watcher() as w:
        w.add(m / "dir")
        assert m.read("cold/f") == b"old", "the engine is of version 2, which is known for two seconds"
        with unseen(m):
            t.server.disable(engine)
            t.server.enable(engine, 1)
            for name in ("dir/a", "dir/b", "cold"):
                t.server.api("POST", f"{engine}/{name}", {"f": "old"})
        until(lambda: "the engine has become another" in m.log())
        until(lambda: sorted(os.listdir(m / "dir")) == ["a", "b"])
        time.sleep(1)
        assert "deleted" not in told(events, f"{t.root}/hooks")


@test(products=("vault", "bao"))
def no_change_goes_to_a_wrong_path(t):
    "changes from what is in memory after version 1 has come in the place of 2 write nothing to the old paths"
    engine = "astray-" + t.name
    t.server.enable(engine, 2)
    for name in ("post", "patch", "gone"):
        t.server.put(name, {"f": "old", "kept": "1"}, mount=engine)
    t.server.policy(engine, {f"{engine}/*": ["create", "read", "update", "delete", "list"],
                             f"{engine}/data/patch": ["read", "update", "patch"]})
    m = t.mount(source=f"/{engine}", token=t.server.make_token(policies=[engine]))
    m.expect("the engine", "fetch failed", "request failed", "removal")
    for name in ("post", "patch", "gone"):
        assert m.read(f"{name}/f") == b"old"
    time.sleep(2.5)
    t.server.disable(engine)
    t.server.enable(engine, 1)
    results = [m.errno_of(m.write, "post/f", b"new"), m.errno_of(m.write, "patch/f", b"new"),
               m.errno_of(os.unlink, m / "gone/f"), m.errno_of(os.unlink, m / "gone/kept")]
    time.sleep(1)
    try:
        made = t.server.api("LIST", engine)["data"]["keys"]
    except ApiError:
        made = []
    assert not {"data/", "delete/", "metadata/", "destroy/"} & set(made), (made, results)


@test(products=("vault", "bao"))
def the_version_is_given(t):
    "with kv_version= the engine is not asked for again: what it was stays served, all else is EIO, nothing is written"
    engine = "given-" + t.name
    m, events, hooks = replaced(t, engine, 1, lambda: t.server.api(
        "POST", f"sys/mounts/{engine}/tune", {"options": {"version": "2"}}), "kv_version=1")
    time.sleep(3)
    assert m.errno_of(m.read, "s/f") in ("", "EIO")
    assert m.errno_of(m.write, "s/f", b"new") == "EIO"
    assert told(events, hooks) == ""
    assert t.server.get("s", mount=engine) == {"f": "old"}


@test(products=("vault", "bao"))
def moved_away(t):
    "an engine that is moved is an outage, of which the log says what to do; moved back it serves"
    engine = "moved-" + t.name
    move = lambda a, b: t.server.api("POST", "sys/remount", {"from": a, "to": b})
    m, events, hooks = replaced(t, engine, 2, lambda: move(engine, engine + "-away"))
    until(lambda: "the engine is not where it was" in str(m.log()))
    assert m.read("s/f") == b"old", "from memory"
    assert m.errno_of(m.write, "s/f", b"lost") == "EIO"
    move(engine + "-away", engine)
    until(lambda: m.errno_of(m.write, "s/f", b"new") == "")
    assert t.server.get("s", mount=engine) == {"f": "new"}
    assert "deleted" not in told(events, hooks)


@test()
def in_an_outage(t):
    "what was seen of the engines goes on to be seen while the server does not answer"
    base = engines(t)
    proxy = Proxy(t.server)
    try:
        m = t.mount("ttl=1", "negative_ttl=1", "timeout=2", source="/",
                    env={"VAULT_ADDR": proxy.address, "VAULT_TOKEN": t.server.token})
        m.expect("server", "engines cannot be listed", "outage")
        assert m.read(f"{base}/a/kv/app/db/user") == b"kv"
        before = sorted(os.listdir(m / base))
        proxy.refuse()
        time.sleep(1.5)  # so that nothing is fresh any more
        assert sorted(os.listdir(m / base)) == before
        assert m.read(f"{base}/a/kv/app/db/user") == b"kv"
        assert m.errno_of(m.write, f"{base}/b/app/db/user", "x") in ("EHOSTUNREACH", "ETIMEDOUT")
        proxy.listen()
        until(lambda: m.errno_of(m.write, f"{base}/b/app/db/user", "back") == "")
        assert t.server.get("app/db", mount=f"{base}/b") == {"user": "back"}
    finally:
        proxy.close()


main()
