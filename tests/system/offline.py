#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The copy for offline use: what is read while no server answers, at the start too, from where and how
old; whose it is; what is dropped from it; and what can be seen in the file."""

import functools
import glob
import os
import signal
import time

from harness import main, test, until
from proxy import Proxy

QUIET = ("fetch failed", "is spared", "no server answers", "request failed", "nothing has answered",
         "the server does not say", "login failed")


class Place:
    """A server behind a proxy that can be taken away, and a copy with a key."""

    def __init__(self, t, product_token=None):
        self.t = t
        self.proxy = Proxy(t.server)
        self.file = f"{t.root}/copy"
        self.key = f"{t.root}/key"
        with open(self.key, "w") as f:
            f.write(os.urandom(32).hex())
        os.chmod(self.key, 0o600)

    def mount(self, *options, token=None, **more):
        env = {"VAULT_ADDR": self.proxy.address, "VAULT_TOKEN": token or self.t.server.token}
        m = self.t.mount(f"offline={self.file}", f"offline_key=file:{self.key}", "max_retries=0",
                         *options, env=more.pop("env", env), **more)
        m.expect(*QUIET)
        return m

    def off(self):
        self.proxy.refuse()

    def on(self):
        self.proxy.listen()


def source(m, path):
    return os.getxattr(m / path, "user.vault.source").decode()


def age(m, path):
    return int(os.getxattr(m / path, "user.vault.age"))


eventually = functools.partial(until, seconds=40)


def contents(place):
    found = b""
    for name in glob.glob(place.file + "*"):
        with open(name, "rb") as f:
            found += f.read()
    return found


@test(seconds=180)
def off_on_off(t):
    "the server off at mount, on later, off again: what is read, its source and age, at each step"
    p = Place(t)
    value = t.canary()
    t.put("db", {"password": value, "number": 5})
    t.put("db/inner", {"x": "1"})
    m = p.mount()
    assert m.read("db/password") == value.encode()
    assert sorted(os.listdir(m / "db")) == ["inner", "number", "password"]
    assert m.read("db/inner/x") == b"1" and os.listdir(m.path) == ["db"]
    m.read("db/.vault/metadata.json")
    began = time.time()
    t.note(f"on:  {source(m, 'db/password')}, {age(m, 'db/password')} s")
    m.end()
    time.sleep(2)

    p.off()
    m = p.mount()
    assert m.read("db/password") == value.encode() and m.read("db/number") == b"5"
    assert source(m, "db/password") == "offline"
    assert 2 <= age(m, "db/password") <= time.time() - began + 5
    assert os.getxattr(m / "db", "user.vault.version") == b"1"
    assert os.getxattr(m / "db/number", "user.vault.type") == b"number"
    assert sorted(os.listdir(m / "db")) == ["inner", "number", "password"]
    assert m.read("db/inner/x") == b"1" and os.listdir(m.path) == ["db"]
    assert b"current_version" in m.read("db/.vault/metadata.json")
    assert m.errno_of(os.stat, m / "db/nothing") == "EHOSTUNREACH"
    assert m.errno_of(m.write, "db/password", "x") == "EHOSTUNREACH"
    assert m.errno_of(m.write, "db/new", "x") == "EHOSTUNREACH"
    assert m.errno_of(os.unlink, m / "db/password") == "EHOSTUNREACH"
    t.note(f"off: {source(m, 'db/password')}, {age(m, 'db/password')} s")

    t.put("db", {"password": value + "2"})
    p.on()
    m.wait_log("the server is taken up")
    eventually(lambda: m.read("db/password") == (value + "2").encode())
    eventually(lambda: source(m, "db/password") in ("server", "cache"))
    assert age(m, "db/password") <= 60
    eventually(lambda: m.errno_of(m.write, "db/new", "made") == "")
    assert t.get("db") == {"password": value + "2", "new": "made"}
    assert m.errno_of(os.stat, m / "db/nothing") == "ENOENT"
    t.note(f"on:  {source(m, 'db/password')}, {age(m, 'db/password')} s")

    p.off()
    assert m.read("db/password") == (value + "2").encode()
    assert source(m, "db/password") == "cache"
    t.note(f"off: {source(m, 'db/password')}, {age(m, 'db/password')} s")
    m.end()
    m = p.mount()
    assert m.read("db/password") == (value + "2").encode() and m.read("db/new") == b"made"
    assert source(m, "db/new") == "offline"
    m.end()
    p.proxy.close()
    seen = contents(p)
    assert value.encode() not in seen and b"password" not in seen and b"inner" not in seen


@test()
def max_stale_holds(t):
    "what is older than max_stale is not served, however it is kept"
    p = Place(t)
    t.put("db", {"x": "1"})
    m = p.mount()
    assert m.read("db/x") == b"1"
    m.end()
    p.off()
    m = p.mount("ttl=0", "max_stale=1h")
    assert m.read("db/x") == b"1"
    m.end()
    time.sleep(1.1)
    m = p.mount("ttl=0", "max_stale=1s")
    assert m.errno_of(m.read, "db/x") == "EHOSTUNREACH"
    p.proxy.close()


@test()
def refused_and_deleted_are_dropped(t):
    "what the server has refused or deleted is not read from the copy"
    p = Place(t)
    for name in ("refused", "deleted", "purged", "kept", "removed"):
        t.put(name, {"x": t.canary(), "y": "1"})
    rules = {f"secret/data/{t.path('')}*": ["read", "delete", "create", "update"],
             f"secret/metadata/{t.path('')}*": ["read", "list"]}
    t.server.policy("offline-all", rules)
    token = t.server.make_token(policies=["offline-all"])
    m = p.mount("ttl=0", "negative_ttl=0", token=token)
    for name in ("refused", "deleted", "purged", "kept", "removed"):
        assert m.read(f"{name}/y") == b"1"
    os.unlink(m / "removed/x")
    t.server.policy("offline-all", {**rules, f"secret/data/{t.path('refused')}": ["deny"]})
    t.server.delete(t.path("deleted"))
    t.server.purge(t.path("purged"))
    eventually(lambda: m.errno_of(m.read, "refused/y") == "EACCES")
    assert m.errno_of(m.read, "deleted/y") == "ENOENT"
    assert m.errno_of(m.read, "purged/y") == "ENOENT"
    m.end()
    p.off()
    m = p.mount(token=token)
    assert m.read("kept/y") == b"1" and source(m, "kept/y") == "offline"
    assert m.errno_of(m.read, "refused/y") == "EACCES"
    for name in ("deleted/y", "purged/y", "removed/x"):
        assert m.errno_of(m.read, name) in ("ENOENT", "EHOSTUNREACH"), name
    assert m.read("removed/y") == b"1"
    p.proxy.close()


@test()
def a_token_that_may_not_list(t):
    "a token with rights on one deep path finds it offline too"
    p = Place(t)
    t.put("a/b/deep", {"x": "1"})
    t.server.policy("offline-deep", {f"secret/data/{t.path('a/b/deep')}": ["read"]})
    token = t.server.make_token(policies=["offline-deep"])
    m = p.mount(token=token)
    assert m.read("a/b/deep/x") == b"1"
    m.end()
    p.off()
    m = p.mount(token=token)
    assert m.read("a/b/deep/x") == b"1" and source(m, "a/b/deep/x") == "offline"
    p.proxy.close()


@test()
def of_nobody_else(t):
    "another token or role is not served what was kept for the first"
    p = Place(t)
    t.put("db", {"x": t.canary()})
    role, secret = t.server.make_approle("offline", token_policies=["offline-any"])
    role2, secret2 = t.server.make_approle("offline2", token_policies=["offline-any"])
    t.server.policy("offline-any", {"secret/*": ["read", "list"]})
    approle = lambda r, s: {"VAULT_ADDR": p.proxy.address, "VAULT_ROLE_ID": r,
                            "VAULT_SECRET_ID": s}
    token = t.server.make_token(policies=["offline-any"])
    for more in ({"token": token}, {"env": approle(role, secret)}):
        m = p.mount(**more)
        assert m.read("db/x")
        m.end()
    p.off()
    for more in ({"token": token}, {"env": approle(role, secret)}):
        m = p.mount(**more)
        assert m.read("db/x") and source(m, "db/x") == "offline"
        m.end()
    other = t.server.make_token(policies=["offline-any"])
    for more in ({"token": other}, {"env": approle(role2, secret2)}):
        m = p.mount(wait=False, **more)
        assert m.wait_end() == 2
        assert "knows nothing of" in m.log(), m.log()
    p.proxy.close()


@test()
def a_dead_token_leaves_nothing(t):
    "when the server says that the token is dead, all that was kept for it goes"
    p = Place(t)
    t.put("db", {"x": t.canary()})
    t.server.policy("offline-any", {"secret/*": ["read", "list"]})
    token = t.server.make_token(policies=["offline-any"])
    m = p.mount("ttl=0", token=token)
    m.expect("token is dead")
    assert m.read("db/x")
    t.server.api("POST", "auth/token/revoke", {"token": token})
    eventually(lambda: m.errno_of(m.read, "db/x") == "EKEYEXPIRED")
    m.end()
    p.off()
    m = p.mount(token=token)
    assert m.errno_of(m.read, "db/x") == "EHOSTUNREACH"
    p.proxy.close()


@test(seconds=120)
def a_token_that_is_rotated(t):
    "what another token in the file reads is kept for it alone, and found again after a restart"
    p = Place(t)
    path = f"{t.root}/token"
    for name in ("both", "new"):
        t.put(name, {"x": t.canary()})
    rules = {f"secret/data/{t.path('both')}": ["read"]}
    t.server.policy("offline-both", rules)
    t.server.policy("offline-new", {f"secret/data/{t.path('new')}": ["read"]})
    env = {"VAULT_ADDR": p.proxy.address}

    def put_token(token):
        with open(f"{path}.new", "w", opener=lambda n, f: os.open(n, f, 0o600)) as f:
            f.write(token)
        os.rename(f"{path}.new", path)
    for how in ("watch", "SIGHUP"):
        old = t.server.make_token(policies=["offline-both"])
        new = t.server.make_token(policies=["offline-both", "offline-new"])
        put_token(old)
        m = p.mount(f"token_file={path}", env=env)
        assert m.read("both/x") and m.errno_of(m.read, "new/x") == "EACCES", how
        put_token(new)
        if how == "SIGHUP":
            m.process.send_signal(signal.SIGHUP)
            m.wait_log("reloaded")
        else:
            m.wait_log("there is another token in the file")
        eventually(lambda: not m.errno_of(m.read, "new/x"))
        m.end()
        p.off()
        m = p.mount(f"token_file={path}", env=env)
        assert m.read("new/x") and source(m, "new/x") == "offline", how
        m.end()
        m = p.mount(token=old)
        assert m.read("both/x") and source(m, "both/x") == "offline", how
        assert m.errno_of(m.read, "new/x") in ("EACCES", "EHOSTUNREACH"), how
        m.end()
        p.on()
    p.proxy.close()


@test()
def a_damaged_copy(t):
    "a copy that is damaged, or of another key, is made anew with a warning; else the mount fails"
    p = Place(t)
    t.put("db", {"x": "1"})
    m = p.mount()
    assert m.read("db/x") == b"1"
    m.end()
    for damage in ("bytes", "key"):
        if damage == "bytes":
            size = os.path.getsize(p.file)
            with open(p.file, "r+b") as f:
                for at in range(0, size, 512):
                    f.seek(at)
                    f.write(os.urandom(256))
        else:
            with open(p.key, "w") as f:
                f.write(os.urandom(32).hex())
        m = p.mount()
        m.expect("is of no use")
        m.wait_log("is of no use")
        assert m.read("db/x") == b"1"
        m.end()
        p.off()
        m = p.mount()
        assert m.read("db/x") == b"1" and source(m, "db/x") == "offline"
        m.end()
        p.on()
    with open(p.file, "wb") as f:
        f.write(b"x" * 10000)
    p.off()
    m = p.mount(wait=False)
    m.expect("is of no use")
    assert m.wait_end() == 2
    assert "knows nothing of" in m.log()
    p.proxy.close()


@test()
def it_is_bounded(t):
    "the copy does not outgrow offline_size; what was kept last is there"
    p = Place(t)
    for i in range(40):
        t.put(f"s{i}", {"x": os.urandom(10000).hex()})
    m = p.mount("offline_size=100K")
    for i in range(40):
        assert len(m.read(f"s{i}/x")) == 20000
        time.sleep(0.03)
    m.end()
    assert os.path.getsize(p.file) < 600_000
    p.off()
    m = p.mount("offline_size=100K")
    assert len(m.read("s39/x")) == 20000
    assert m.errno_of(m.read, "s0/x") == "EHOSTUNREACH"
    p.proxy.close()


@test()
def before_the_environment(t):
    "with env=fallback the copy comes before the environment; what neither has is the server's error"
    p = Place(t)
    t.put("db", {"x": "server"})
    env = {"VAULT_ADDR": p.proxy.address, "VAULT_TOKEN": t.server.token, "DB_X": "env",
           "DB_Y": "env"}
    m = p.mount("env=fallback", env=env)
    assert m.read("db/x") == b"server"
    m.end()
    p.off()
    m = p.mount("env=fallback", env=env)
    assert m.read("db/x") == b"server" and source(m, "db/x") == "offline"
    assert m.read("db/y") == b"env" and source(m, "db/y") == "env"
    assert m.errno_of(m.read, "db/z") == "EHOSTUNREACH"
    m.end()
    # and without a copy at all
    m = t.mount("env=fallback", "max_retries=0", env=env)
    m.expect(*QUIET)
    assert m.read("db/x") == b"env"
    p.on()
    m.wait_log("the server is taken up")
    eventually(lambda: m.read("db/x") == b"server")
    p.proxy.close()


@test()
def a_login_comes_later(t):
    "a role logs in when the server is back, and its token is renewed and used"
    p = Place(t)
    t.put("db", {"x": "1"})
    t.server.policy("offline-any", {"secret/*": ["read", "list", "create", "update"]})
    role, secret = t.server.make_approle("offline-late", token_policies=["offline-any"])
    env = {"VAULT_ADDR": p.proxy.address, "VAULT_ROLE_ID": role, "VAULT_SECRET_ID": secret}
    m = p.mount(env=env)
    assert m.read("db/x") == b"1"
    m.end()
    p.off()
    m = p.mount("ttl=1s", env=env)
    assert m.read("db/x") == b"1" and source(m, "db/x") == "offline"
    t.put("db", {"x": "2"})
    p.on()
    eventually(lambda: m.read("db/x") == b"2")
    assert source(m, "db/x") in ("server", "cache")
    p.proxy.close()


@test()
def an_engine_of_version_1(t):
    "an engine of version 1, deeper than one name, is known from the copy; two mounts share one file"
    p = Place(t)
    engine = "offline/flat"
    t.server.api("POST", f"sys/mounts/{engine}", {"type": "kv", "options": {"version": "1"}})
    t.server.api("POST", f"{engine}/app/db", {"x": "1"})
    t.put("db", {"y": "2"})
    one = p.mount("ttl=1s", source=f"/{engine}/app")
    two = p.mount()
    assert one.read("db/x") == b"1" and two.read("db/y") == b"2" and os.listdir(one.path) == ["db"]
    one.end()
    two.end()
    p.off()
    one = p.mount("ttl=1s", source=f"/{engine}/app")
    two = p.mount()
    assert one.read("db/x") == b"1" and os.listdir(one.path) == ["db"]
    assert two.read("db/y") == b"2" and source(two, "db/y") == "offline"
    t.server.api("POST", f"{engine}/app/db", {"x": "3"})
    p.on()
    eventually(lambda: one.read("db/x") == b"3")
    p.proxy.close()


@test(products=("bao",))
def without_a_copy_nothing_changes(t):
    "without offline= and env= a mount with no server fails, at once and with its reason"
    p = Proxy(t.server)
    p.refuse()
    m = t.mount("max_retries=0", env={"VAULT_ADDR": p.address, "VAULT_TOKEN": "x"}, wait=False)
    m.expect("login failed")
    assert m.wait_end() == 2 and "cannot reach" in m.log()
    p.close()


main()
