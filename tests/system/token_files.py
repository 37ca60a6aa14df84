#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tokens in files: handed over by a descriptor, replaced while they are in use, kept for the next
start; and revoked at the end."""

import os
import subprocess
import time

from harness import main, test
from login import enable, expect, kill_tokens, refused, save
from mount import VAULTFS, clean_environment, is_mounted


def mount_command(t, *args, **more):
    """A mount as a user makes it, that goes to the background; where it is."""
    d = f"{t.root}/mnt"
    os.makedirs(d, exist_ok=True)
    env = clean_environment(VAULT_ADDR=t.server.address, HOME=t.root)
    done = subprocess.run([VAULTFS, "mount", "-o", ",".join(["log=syslog", *args]),
                           f"secret/{t.folder}", d], env=env, capture_output=True, timeout=60,
                          check=False, **more)
    assert done.returncode == 0, done
    assert is_mounted(d)
    return d


def unmount(d):
    subprocess.run([VAULTFS, "umount", d], check=True, timeout=60)


def read(d, name):
    with open(f"{d}/{name}", "rb") as f:
        return f.read()


def token_of(t, **more):
    token = t.server.make_token(policies=["logins"], **more)
    t.canaries.append(token)
    return token


def approle(t, **role):
    """The options of a login; and where it is at the server."""
    path = enable(t, "approle")
    t.server.api("POST", f"auth/{path}/role/app", {"token_policies": "logins", **role})
    role_id = t.server.api("GET", f"auth/{path}/role/app/role-id")["data"]["role_id"]
    secret_id = t.server.api("POST", f"auth/{path}/role/app/secret-id", {})["data"]["secret_id"]
    t.canaries.append(secret_id)
    return [f"auth_mount={path}", f"role_id_file={save(t, 'role_id', role_id)}",
            f"secret_id_file={save(t, 'secret_id', secret_id)}"], path


def mount(t, *options):
    return t.mount("ttl=0", "negative_ttl=100ms", *options, env={"VAULT_ADDR": t.server.address})


def logins(t, mark, path):
    return [r for r in t.server.requests_since(mark) if r[1] == f"auth/{path}/login"]


@test()
def by_descriptor(t):
    "a token comes by standard input or a descriptor, also to a daemon, and is stronger than the environment"
    t.put("db", {"x": "1"})
    enable(t, "approle")
    token = token_of(t)
    d = mount_command(t, "token_file=-", input=token.encode() + b"\n")
    try:
        assert read(d, "db/x") == b"1"
    finally:
        unmount(d)
    r, w = os.pipe()
    os.write(w, token.encode())
    os.close(w)
    d = mount_command(t, f"token_file=/dev/fd/{r}", pass_fds=(r,), stdin=subprocess.DEVNULL)
    os.close(r)
    try:
        assert read(d, "db/x") == b"1"
        pid = int(t.run("pgrep", "-f", f"mount .*{d}")[1].split()[0])
        held = [os.readlink(f"/proc/{pid}/fd/{n}") for n in os.listdir(f"/proc/{pid}/fd")]
        assert not [h for h in held if h.startswith("pipe:")], held
    finally:
        unmount(d)
    # What is named by an option counts more than the environment.
    env = clean_environment(VAULT_ADDR=t.server.address, VAULT_TOKEN="wrong", HOME=t.root)
    d = f"{t.root}/mnt"
    subprocess.run([VAULTFS, "mount", "-o", "log=syslog,token_file=-", f"secret/{t.folder}", d],
                   env=env, input=token.encode(), check=True, timeout=60)
    unmount(d)
    expect(refused(t, "token_file=-", status=1), "token", "nothing in it")
    expect(refused(t, "token_file=/dev/fd/77", status=1), "/dev/fd/77", "Bad file descriptor")
    expect(refused(t, "token_file=/dev/null", status=2), "/dev/null", "empty")


@test()
def another_in_the_file(t):
    "a token that is put into the file is taken up before the old one dies; one that is refused is not"
    t.put("mine/db", {"x": "1"})
    t.put("theirs/db", {"x": "2"})
    for name in ("mine", "theirs"):
        t.server.policy(f"{name}-{t.name}", {
            f"secret/data/{t.path(name)}/*": ["read"], f"secret/metadata/{t.folder}/*": ["list"]})
    first, second = (t.server.make_token(policies=[f"{n}-{t.name}"]) for n in ("mine", "theirs"))
    t.canaries += [first, second]
    path = save(t, "token", first)
    m = t.mount(f"token_file={path}", "negative_ttl=100ms", env={"VAULT_ADDR": t.server.address})
    m.expect("login failed")
    assert m.read("mine/db/x") == b"1" and m.errno_of(open, m / "theirs/db/x") == "EACCES"
    save(t, "token", "hvs.wrong")
    m.wait_log("login failed")
    assert m.read("mine/db/x") == b"1", "the old one serves on"
    # By a rename, as agents do it.
    os.rename(save(t, "new", second), path)
    m.wait_log("there is another token in the file")
    end = time.monotonic() + 20
    while m.errno_of(open, m / "theirs/db/x") or not m.errno_of(open, m / "mine/db/x"):
        assert time.monotonic() < end, "what was read under the old one is still there"
        time.sleep(0.1)
    assert m.read("theirs/db/x") == b"2"
    assert m.errno_of(open, m / "mine/db/x") == "EACCES"


@test()
def kept_for_the_next_start(t):
    "token_cache: a restart takes up the token while it lives, and logs in when it is over or not ours"
    t.put("db", {"x": "1"})
    options, path = approle(t, token_ttl="1h")
    cache = f"{t.root}/cache"
    kept = [*options, f"token_cache={cache}"]
    key = save(t, "key", os.urandom(20).hex())
    os.chmod(key, 0o600)
    mark = t.server.audit_mark()
    m = mount(t, *kept)
    assert m.read("db/x") == b"1"
    m.end()
    assert len(logins(t, mark, path)) == 1
    assert os.stat(cache).st_mode & 0o777 == 0o600
    with open(cache, "rb") as f:
        sealed = f.read()
    assert sealed.startswith(b"vaultfs1") and b"hvs." not in sealed and b"s." not in sealed[:40]
    m = mount(t, *kept)
    assert m.read("db/x") == b"1" and "token taken up from the cache" in m.log()
    m.end()
    assert len(logins(t, mark, path)) == 1
    # Another login, another key, a changed file, a dead token: each logs in.
    for more, break_it in (
            (["role=other"], lambda: None),
            ([f"offline_key=file:{key}"], lambda: None),
            ([], lambda: open(cache, "wb").write(sealed[:-1])),
            ([], lambda: kill_tokens(t, path))):
        break_it()
        before = len(logins(t, mark, path))
        m = mount(t, *kept, *more)
        assert m.read("db/x") == b"1" and "of no use" in m.log()
        m.end()
        assert len(logins(t, mark, path)) == before + 1, more
    os.chmod(key, 0o644)
    expect(refused(t, *kept, f"offline_key=file:{key}", status=1), "everybody may read")
    expect(refused(t, *kept, "offline_key=magic", status=1), "expected machine, file:PATH")


@test(seconds=120)
def kept_when_renewed(t):
    "token_cache: a token that was renewed is taken up after the end that it had at first"
    t.put("db", {"x": "1"})
    options, path = approle(t, token_ttl="4s", token_max_ttl="1h")
    mark = t.server.audit_mark()
    m = mount(t, *options, f"token_cache={t.root}/cache")
    time.sleep(7)
    m.end()
    m = mount(t, *options, f"token_cache={t.root}/cache")
    assert m.read("db/x") == b"1" and "token taken up" in m.log(), m.log()
    assert len(logins(t, mark, path)) == 1
    m.end()
    time.sleep(5)
    m = mount(t, *options, f"token_cache={t.root}/cache")
    assert m.read("db/x") == b"1" and "it is over" in m.log(), m.log()
    assert len(logins(t, mark, path)) == 2


@test()
def kept_without_default_policy(t):
    "token_cache: a token that may not look itself up is taken up too"
    t.put("db", {"x": "1"})
    options, path = approle(t, token_ttl="1h", token_no_default_policy="true")
    mark = t.server.audit_mark()
    for _ in range(2):
        m = mount(t, *options, f"token_cache={t.root}/cache")
        assert m.read("db/x") == b"1"
        m.end()
    assert len(logins(t, mark, path)) == 1 and "token taken up" in m.log(), m.log()


@test()
def revoked_at_the_end(t):
    "revoke: the token of a login is revoked at unmount, also one from the cache; no other token is"
    t.put("db", {"x": "1"})
    options, path = approle(t, token_ttl="1h")

    def count():
        found = 0
        for accessor in t.server.api("GET", "auth/token/accessors?list=true")["data"]["keys"]:
            data = t.server.api("POST", "auth/token/lookup-accessor", {"accessor": accessor})["data"]
            found += data["path"] == f"auth/{path}/login"
        return found

    m = mount(t, *options)
    m.end()
    assert count() == 1
    kill_tokens(t, path)
    m = mount(t, *options, "revoke")
    assert m.read("db/x") == b"1" and count() == 1
    m.end()
    assert count() == 0 and "token revoked" in m.log()
    cache = f"{t.root}/cache"
    mount(t, *options, f"token_cache={cache}").end()
    m = mount(t, *options, "revoke", f"token_cache={cache}")
    assert "token taken up" in m.log()
    m.end()
    assert count() == 0 and not os.path.exists(cache)
    token = token_of(t)
    mount(t, f"token_file={save(t, 'token', token)}", "revoke").end()
    t.server.api("GET", "auth/token/lookup-self", token=token)


main()
