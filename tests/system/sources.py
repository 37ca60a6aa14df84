#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a command reads is what a mount of SOURCE shows: get, run, resolve and migrate find engines by the same
options, read local stores and the paths of mounts, and have the same layers."""

import json
import os
import subprocess
import time

from harness import main, test
from mount import VAULTFS, clean_environment
from proxy import DENY, PASS, Proxy

SHOW = "import json, os, sys; json.dump(dict(os.environ), sys.stdout)"


class Commands:
    """vaultfs with the options and the environment that reach the test's server, or its store."""

    def __init__(self, t, *options, **env):
        self.t = t
        local = t.product == "local"
        self.options = [w for o in (*options, *([f"key=file:{t.server.key}"] if local else [])) for w in ("-o", o)]
        access = {} if local or t.server is None else {"VAULT_ADDR": t.server.address, "VAULT_TOKEN": t.server.token}
        self.env = clean_environment(**{"HOME": t.root, **access, **env})

    def __call__(self, name, *args, status=0, input="", says="", **env):
        done = subprocess.run([VAULTFS, name, *self.options, *args], capture_output=True, timeout=60, check=False,
                              input=input.encode(), env={**self.env, **env})
        err = done.stderr.decode()
        assert done.returncode == status, (name, args, done.returncode, done.stdout, err)
        assert says in err, (name, args, err)
        assert not any(c in err for c in self.t.canaries), "a secret is in the errors"
        return done.stdout.decode()

    def read(self, path, field, **env):
        """The field by each of the three that read."""
        ref = f"{path}#{field}"
        got = [self("get", ref, **env), self("run", ref, "--", "sh", "-c", 'printf %s "$' + field.upper() + '"', **env),
               self("resolve", input=f"vault://{ref}", **env)]
        assert got[0] == got[1] == got[2], got
        return got[0]

    def fail(self, path, field, status, says, **env):
        ref = f"{path}#{field}"
        self("get", ref, status=status, says=says, **env)
        self("run", ref, "--", "touch", f"{self.t.root}/ran", status=status, says=says, **env)
        self("resolve", input=f"vault://{ref}", status=status, says=says, **env)
        assert not os.path.exists(f"{self.t.root}/ran")


def wait(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def key_file(t):
    name = f"{t.root}/key"
    with open(name, "w", opener=lambda p, f: os.open(p, f, 0o600)) as f:
        f.write("0123456789abcdef0123")
    return name


@test(products=("vault", "bao"))
def engines_that_may_not_be_asked(t):
    "kv_version= and engine= stand for the question that somebody in between refuses"
    value = t.canary()
    t.put("db", {"password": value})
    t.server.api("POST", "sys/mounts/team/kv", {"type": "kv", "options": {"version": "1"}})
    t.server.api("POST", "team/kv/db", {"password": value})
    proxy = Proxy(t.server)
    proxy.fate = lambda method, path: DENY if path.startswith("sys/internal") else PASS
    path = f"secret/{t.path('db')}"
    Commands(t, VAULT_ADDR=proxy.address).fail(path, "password", 2, "set kv_version=")
    x = Commands(t, "kv_version=2", VAULT_ADDR=proxy.address)
    assert x.read(path, "password") == value
    one = Commands(t, "kv_version=1,engine=team/kv", VAULT_ADDR=proxy.address)
    assert one.read("team/kv/db", "password") == value
    one.fail(path, "password", 2, "is not in engine=team/kv")
    with open(f"{t.root}/.env", "w") as f:
        f.write(f"NEW_URL='{value}'\n")
    x("migrate", "--env-file", f"{t.root}/.env", f"secret/{t.path('')}")
    assert t.get("new") == {"url": value}
    one("migrate", "--env-file", f"{t.root}/.env", "team/kv/below")
    assert t.server.api("GET", "team/kv/below/new")["data"] == {"url": value}
    x("migrate", "--from", f"vault:secret/{t.path('new')}", f"secret/{t.path('copied')}")
    assert t.get("copied") == {"url": value}
    proxy.close()


@test(products=())
def local_stores(t):
    "a local store is read, run with and migrated to by its name and as VAULT_MOUNT, with no server configured"
    value, store = t.canary(), f"{t.root}/dev.db"
    x = Commands(t, f"key=file:{key_file(t)}")
    with open(f"{t.root}/.env", "w") as f:
        f.write(f"DB_PASSWORD='{value}'\nTOKEN={value}\n")
    x("migrate", "--env-file", f"{t.root}/.env", VAULT_MOUNT=f"local:{store}/app")
    assert x.read(f"local:{store}/app/db", "password") == value
    # The short form is below SOURCE, and so is what a mount shows.
    assert x("resolve", input="<vault://token> vault://local:5432", VAULT_MOUNT=f"local:{store}/app",
             status=2, says="stdin:1:17") == ""
    assert x("resolve", input="<vault://token>", VAULT_MOUNT=f"local:{store}/app") == f"<{value}>"
    e = json.loads(x("run", f"local:{store}/app/db", f"local:{store}/app/token", "--", "python3", "-c", SHOW))
    assert e["PASSWORD"] == value and e["VALUE"] == value
    # USE_VAULT=no means no server, and a store is none.
    assert x.read(f"local:{store}/app/db", "password", USE_VAULT="no", VAULT_MOUNT=f"local:{store}") == value
    x.fail(f"local:{store}/app/none", "password", 2, "none")
    x.fail(f"local:{t.root}/other.db/app", "password", 1, "other.db")
    x.fail("secret/app/db", "password", 1, "no server")
    x("migrate", "--from", f"local:{store}/app", f"local:{t.root}/copy.db")
    assert x.read(f"local:{t.root}/copy.db/db", "password") == value


@test()
def paths_of_mounts(t):
    "a path in a mount is what it is at the server, or in the store, for run and migrate as for get"
    value = t.canary()
    t.put("app/db", {"password": value})
    m = t.mount(source="app")
    x = Commands(t)
    for name in (m / "db#password", m / "db/password"):
        assert x("get", name) == value
        assert x("run", name, "--", "sh", "-c", 'printf %s "$PASSWORD"') == value
    with open(f"{t.root}/.env", "w") as f:
        f.write(f"API_KEY='{value}'\n")
    x("migrate", "--env-file", f"{t.root}/.env", m / "new")
    assert t.get("app/new/api") == {"key": value}
    x("migrate", "--from", f"vault:{m / 'new'}", t.place("copied"))
    assert t.get("copied/api") == {"key": value}


@test()
def layers(t):
    "the environment and defaults come before and after the server's values, as in a mount"
    t.put("app/db", {"user": "server", "port": "5432"})
    top, where = t.place("app"), t.place("app/db")
    with open(f"{t.root}/defaults.json", "w") as f:
        json.dump({"db": {"pool": "7"}}, f)
    env = {"DB_USER": "environment", "DB_HOST": "here", "VAULT_MOUNT": top}
    x = Commands(t, f"defaults={t.root}/defaults.json", "env=fallback", **env)
    for field, value in (("user", "server"), ("port", "5432"), ("host", "here"), ("pool", "7")):
        assert x.read(where, field) == value, field
    x.fail(where, "none", 2, "there is no variable DB_NONE")
    e = json.loads(x("run", where, "--", "python3", "-c", SHOW))
    assert (e["USER"], e["PORT"], e["POOL"], e["DB_HOST"]) == ("server", "5432", "7", "here")
    x = Commands(t, "env=override", **env)
    assert x.read(where, "user") == "environment" and x.read(where, "port") == "5432"
    assert json.loads(x("get", "--format=json", where))["user"] == "environment"
    # What is not below SOURCE has no layers.
    t.put("other", {"user": "server"})
    assert x.read(t.place("other"), "user") == "server"
    # A mount of the same shows the same.
    access = t.server.environment(None, env) if t.product == "local" else dict(Commands(t, **env).env)
    m = t.mount("env=override", source="app", env=access)
    assert m.read("db/user") == b"environment" and m.read("db/port") == b"5432"


@test(products=("vault", "bao"))
def a_server_that_is_gone(t):
    "a variable stands in for a server that does not answer, not for one that refuses"
    t.put("app/db", {"user": "server"})
    env = {"DB_USER": "environment", "VAULT_MOUNT": t.place("app")}
    where = t.place("app/db")
    gone = Commands(t, "env=fallback,timeout=2s,max_retries=0", **{**env, "VAULT_ADDR": "http://127.0.0.1:9"})
    assert gone.read(where, "user") == "environment"
    gone.fail(where, "none", 2, "DB_NONE")
    Commands(t, "env=fallback", **{**env, "VAULT_TOKEN": "wrong"}).fail(where, "user", 2, "")
    assert Commands(t, "env=fallback", **env).read(where, "user") == "server"


@test(products=())
def without_a_server(t):
    "USE_VAULT=no and SECRET_MANAGER_TYPE=env: the environment alone, and nothing is written"
    value = t.canary()
    base = {"VAULT_MOUNT": "secret/app", "DB_PASSWORD": value, "PASSWORD": "own"}
    for say in ({"USE_VAULT": "no"}, {"SECRET_MANAGER_TYPE": "env"}, {"USE_VAULT": "0", "SECRET_MANAGER_TYPE": "vault"}):
        x = Commands(t, **base, **say)
        assert x.read("secret/app/db", "password") == value
        assert x("resolve", input="vault://db.password", DB_PASSWORD_VALUE="short") == "short"
        x.fail("secret/app/db", "none", 1, "there is no variable DB_NONE")
        x.fail("secret/other/db", "password", 1, "not below SOURCE")
        # A program that knows the variable by the name that run would give has it already.
        e = json.loads(x("run", "secret/app/db", "secret/app/x#password", "--", "python3", "-c", SHOW))
        assert e["PASSWORD"] == "own" and e["DB_PASSWORD"] == value
        x("get", "secret/app/db", status=1, says="no layer")
        with open(f"{t.root}/.env", "w") as f:
            f.write("A_B=c\n")
        for command in (["put", "secret/app/db", "a=b"], ["ls", "secret/app"], ["ls"], ["rm", "secret/app/db"],
                        ["migrate", "--env-file", f"{t.root}/.env", "secret/app"]):
            x(*command, status=1, says="env=only (USE_VAULT=no)")
        x("get", "secret/app/db#password", "-o", "env=off", status=1, says="no server")
    for say in ({"SECRET_MANAGER_TYPE": "vault"}, {"USE_VAULT": "yes", "SECRET_MANAGER_TYPE": "env"}, {"SECRET_MANAGER_TYPE": ""}):
        Commands(t, **base, **say)("get", "secret/app/db#password", status=1, says="no server")
    Commands(t, **base, SECRET_MANAGER_TYPE="aws")("get", "secret/app/db", status=1, says="SECRET_MANAGER_TYPE=aws: expected one of vault env")
    m = t.mount(source="/secret/app", env={"SECRET_MANAGER_TYPE": "env", "DB_PASSWORD": value})
    assert m.read("db/password") == value.encode()


@test(products=("bao",), seconds=120)
def watched_through_layers(t):
    "run --watch starts its program anew for the server's changes, and not for a server that goes"
    t.put("app/db", {"user": "one"})
    proxy = Proxy(t.server)
    out, where = f"{t.root}/out", t.place("app/db")
    x = Commands(t, "env=fallback,timeout=2s,max_retries=0", VAULT_ADDR=proxy.address, VAULT_MOUNT=t.place("app"),
                 DB_USER="environment", DB_MORE="more")
    with open(f"{t.root}/said", "wb") as said:
        p = t.spawn(VAULTFS, "run", "--watch", "--interval", "100ms", *x.options, f"{where}#user", f"{where}#more", "--", "sh", "-c",
                    f'echo "$USER $MORE" >> {out}; exec sleep 60', env=x.env, stderr=said)
    lines = lambda: open(out).read().split("\n")[:-1] if os.path.exists(out) else []
    wait(lambda: lines() == ["one more"])
    proxy.refuse()
    wait(lambda: b"stays as it is" in open(f"{t.root}/said", "rb").read())
    t.put("app/db", {"user": "two"})
    proxy.listen()
    wait(lambda: len(lines()) == 2)
    assert lines() == ["one more", "two more"], lines()
    p.terminate()
    p.wait(20)
    proxy.close()


main(local=True)
