#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Layers: the environment and defaults beside the server, before it and without it; which of them
answers, what is listed, what can be written, and what is left of a variable in the process."""

import json
import os
import time

from harness import main, test
from proxy import Proxy

# Which layers have the field: s(erver), e(nvironment), d(efaults).
FIELDS = ["sed", "se", "sd", "s", "ed", "e", "d", "none"]

# Who answers for each of these fields: S, E, D, "-" for ENOENT, "!" for EHOSTUNREACH.
TABLE = {
    # the server answers
    ("off", "reachable"): "S S S S D - D -",
    ("fallback", "reachable"): "S S S S E E D -",
    ("override", "reachable"): "E E S S E E D -",
    ("only", "reachable"): "E E D - E E D -",
    # it does not, and nothing was read before
    ("off", "unreachable"): "D ! D ! D ! D !",
    ("fallback", "unreachable"): "E E D ! E E D !",
    ("override", "unreachable"): "E E D ! E E D !",
    ("only", "unreachable"): "E E D - E E D -",
    # it does not, and the cache still has what it said
    ("off", "stale"): "S S S S D ! D !",
    ("fallback", "stale"): "S S S S E E D !",
    ("override", "stale"): "E E S S E E D !",
}


class Set:
    """The three layers, with a value of its own in each place."""

    def __init__(self, t):
        self.t = t
        self.values = {(f, k): t.canary(k) for f in FIELDS for k in f if f != "none" and k in "sed"}
        t.put("db", {f: v for (f, k), v in self.values.items() if k == "s"} | {"other": "x"})
        self.env = {f"DB_{f.upper()}": v for (f, k), v in self.values.items() if k == "e"}
        self.defaults = f"{t.root}/defaults.json"
        with open(self.defaults, "w") as out:
            json.dump({"db": {f: v for (f, k), v in self.values.items() if k == "d"}}, out)

    def mount(self, mode, address, *options, **more):
        env = {"VAULT_ADDR": address, "VAULT_TOKEN": self.t.server.token, **self.env, **more}
        m = self.t.mount(f"env={mode}", f"defaults={self.defaults}", "max_retries=0", *options,
                         env=env)
        m.expect("fetch failed", "nothing has answered", "is spared", "serves again")
        return m


def answer(m, path):
    try:
        value = m.read(path).decode()
        return value, os.getxattr(m / path, "user.vault.source").decode()
    except OSError as e:
        return None, os.strerror(e.errno)


def check_rows(t, layers, m, mode, state):
    for field, who in zip(FIELDS, TABLE[(mode, state)].split()):
        value, source = answer(m, f"db/{field}")
        t.note(f"{mode:9} {state:12} {field:5} -> {source}")
        if who in "-!":
            assert source == os.strerror({"-": 2, "!": 113}[who]), (field, source)
            assert value is None
            continue
        assert value == layers.values[(field, who.lower())], (field, who, source)
        assert source in {"S": ("server", "cache"), "E": ("env",), "D": ("default",)}[who], field


def priority(mode, state):
    def run(t):
        proxy = Proxy(t.server)
        layers = Set(t)
        m = layers.mount(mode, proxy.address, *(["ttl=0", "negative_ttl=0"] if state == "stale"
                                                else []))
        if state == "stale":
            m.read("db/other")
            os.listdir(m.path)
        if state != "reachable":
            proxy.refuse()
        check_rows(t, layers, m, mode, state)
        proxy.close()
    run.__name__ = f"priority_{mode}_{state}"
    run.__doc__ = f"env={mode}, the server {state}: who answers for each field"
    return run


for key in TABLE:
    test()(priority(*key))


@test()
def a_refusal_never_falls_through(t):
    "what the server refuses is refused, whatever the environment and defaults hold"
    t.put("db", {"x": t.canary()})
    t.put("open", {"y": "1"})
    t.server.policy("layers-open", {f"secret/data/{t.path('open')}": ["read"],
                                    f"secret/metadata/{t.path('')}": ["list"]})
    token = t.server.make_token(policies=["layers-open"])
    defaults = f"{t.root}/defaults.json"
    with open(defaults, "w") as f:
        json.dump({"db": {"x": t.canary(), "z": t.canary()}}, f)
    m = t.mount("env=fallback", f"defaults={defaults}",
                env={"VAULT_ADDR": t.server.address, "VAULT_TOKEN": token, "DB_X": t.canary(),
                     "DB_W": t.canary()})
    for name in ("x", "z", "w"):
        assert m.errno_of(m.read, f"db/{name}") == "EACCES", name
    assert m.read("open/y") == b"1"


@test()
def listings(t):
    "a merged directory lists each name once; of the environment what the map names"
    t.put("db", {"url": "server", "user": "server"})
    t.put("db/inner", {"a": "1"})
    t.put("app", {"a": "1"})
    files = {"map": {"db/url": "URL_OF_DB", "db/port": "PORT_OF_DB", "db/gone": "NOT_SET",
                     "far/away/field": "FAR", "top": "TOP"},
             "defaults": {"db": {"user": "default", "pool": 5}, "far/other": {"x": None},
                          "deep/er/still": True}}
    for name, rows in files.items():
        with open(f"{t.root}/{name}", "w") as f:
            json.dump(rows, f)
    env = {"VAULT_ADDR": t.server.address, "VAULT_TOKEN": t.server.token, "URL_OF_DB": "env",
           "PORT_OF_DB": "5432", "FAR": "env", "TOP": "env", "DB_UNLISTED": "env",
           "ELSE_WHERE": "env"}
    m = t.mount("env=fallback", f"env_map={t.root}/map", f"defaults={t.root}/defaults", env=env)
    assert sorted(os.listdir(m.path)) == ["app", "db", "deep", "far", "top"]
    assert sorted(os.listdir(m / "db")) == ["inner", "pool", "port", "url", "user"]
    assert sorted(os.listdir(m / "far")) == ["away", "other"]
    assert os.listdir(m / "far/away") == ["field"] and os.listdir(m / "deep/er") == ["still"]
    assert m.read("db/url") == b"server" and m.read("db/user") == b"server"
    assert m.read("db/port") == b"5432" and m.read("db/pool") == b"5"
    assert m.read("top") == b"env" and m.read("far/away/field") == b"env"
    assert m.read("far/other/x") == b"null" and m.read("deep/er/still") == b"true"
    assert os.getxattr(m / "db/pool", "user.vault.type") == b"number"
    assert m.errno_of(os.stat, m / "db/gone") == "ENOENT"
    assert m.read("db/unlisted") == b"env" and "unlisted" not in os.listdir(m / "db")
    assert os.path.isdir(m / "else") and os.listdir(m / "else") == []
    assert m.read("else/where") == b"env"
    assert json.loads(m.read("db/.vault/data.json")) == {
        "url": "server", "user": "server", "port": "5432", "pool": 5}
    assert b"port='5432'\n" in m.read("db/.vault/data.env")
    t.run("find", m.path)
    t.run("sh", "-c", f"ls -laR {m.path} && cp -r {m.path}/db {t.root}/copy")
    assert sorted(os.listdir(f"{t.root}/copy")) == ["inner", "pool", "port", "url", "user"]
    m.end()
    m = t.mount("env=override", f"env_map={t.root}/map", f"defaults={t.root}/defaults", env=env)
    assert sorted(os.listdir(m / "db")) == ["inner", "pool", "port", "url", "user"]
    assert m.read("db/url") == b"env" and m.read("db/user") == b"server"
    assert json.loads(m.read("db/.vault/data.json"))["url"] == "env"


@test()
def names_of_variables(t):
    "without a row a name is the path in capitals, with _ for what is neither letter nor digit"
    t.put("s", {"a": "1"})
    env = {"VAULT_ADDR": t.server.address, "VAULT_TOKEN": t.server.token,
           "DATABASE_CONNECTION_URL": "1", "A_B_C_D": "2", "PASSWORD": "3", "X_": "4",
           "DATABASE_EMPTY": "", "USER": "me", "VAULT_CUSTOM": "5", "lower_case": "6"}
    m = t.mount("env=fallback", env=env)
    assert m.read("database/connection/url") == b"1"
    assert m.read("Database/Connection/URL") == b"1"
    assert m.read("a-b/c.d") == b"2" and m.read("password") == b"3"
    assert m.read("x\u00e4") == b"4"
    assert m.read("database/empty") == b"" and os.path.isfile(m / "database/empty")
    assert m.read("vault/custom") == b"5"
    assert os.stat(m / "database/connection/url").st_size == 1
    for name in ("user", "home", "path", "vault/addr", "vault/token", "database/connection/ur",
                 "lower/case", "datab"):
        assert m.errno_of(os.stat, m / name) == "ENOENT", name


@test()
def writing_in_fallback(t):
    "a field that the environment holds is written to the server, and the rest of it is not"
    env = {"VAULT_ADDR": t.server.address, "VAULT_TOKEN": t.server.token, "DB_URL": "env-url",
           "DB_USER": "env-user", "NEW_FIELD": "env-new", "DB_LOG": "env-log\n"}
    with open(f"{t.root}/map", "w") as f:
        json.dump({"db/url": "DB_URL", "db/user": "DB_USER", "new/field": "NEW_FIELD"}, f)
    t.put("db", {"other": "1"})
    m = t.mount("env=fallback", f"env_map={t.root}/map", env=env)
    assert m.read("db/url") == b"env-url"
    t.run("sh", "-c", f"printf mine > {m / 'db/url'}")
    assert t.get("db") == {"other": "1", "url": "mine"} and m.read("db/url") == b"mine"
    assert os.getxattr(m / "db/url", "user.vault.source") in (b"server", b"cache")
    m.write("db/more", "2")
    assert t.get("db") == {"other": "1", "url": "mine", "more": "2"}
    t.run("sh", "-c", f"printf mine > {m / 'new/field'}")
    assert t.get("new") == {"field": "mine"}
    t.run("sh", "-c", f"echo more >> {m / 'db/log'}")
    assert t.get("db")["log"] == "env-log\nmore\n"  # what was seen, and more
    os.truncate(m / "db/user", 3)
    assert t.get("db")["user"] == "env"
    os.unlink(m / "db/url")
    assert "url" not in t.get("db") and m.read("db/url") == b"env-url"
    before = t.get("db")
    assert m.errno_of(os.unlink, m / "db/url") == "EROFS"
    assert m.errno_of(os.rename, m / "db/url", m / "db/else") == "EROFS"
    assert m.errno_of(m.write, "db/.vault/data.json", "{}") == "EROFS"
    assert m.errno_of(os.rmdir, m / "db") == "ENOTEMPTY"
    assert t.get("db") == before


@test()
def writing_in_override(t):
    "a field that the environment holds cannot be written, removed or moved; others can"
    env = {"VAULT_ADDR": t.server.address, "VAULT_TOKEN": t.server.token, "DB_URL": "env"}
    t.put("db", {"url": "server", "other": "1"})
    m = t.mount("env=override", env=env)
    assert m.read("db/url") == b"env"
    assert m.errno_of(m.write, "db/url", "x") == "EROFS"
    assert m.errno_of(os.truncate, m / "db/url", 0) == "EROFS"
    assert m.errno_of(os.unlink, m / "db/url") == "EROFS"
    assert m.errno_of(os.rename, m / "db/url", m / "db/new") == "EROFS"
    assert m.errno_of(os.rename, m / "db/other", m / "db/url") == "EROFS"
    assert t.run("sed", "-i", "s/e/x/", m / "db/url", check=False)[0] != 0
    assert m.errno_of(m.write, "db/.vault/data.json", '{"url": "x"}') == "EROFS"
    assert t.get("db") == {"url": "server", "other": "1"} and t.version("db") == 1
    m.write("db/other", "2")
    assert t.get("db") == {"url": "server", "other": "2"}


@test()
def errors_name_what_was_looked_for(t):
    "when nothing answers, the error has the path, the variable and the server's failure"
    proxy = Proxy(t.server)
    t.put("db", {"x": "1"})
    with open(f"{t.root}/map", "w") as f:
        json.dump({"db/mapped": "SOME_VARIABLE"}, f)
    m = t.mount("env=fallback", f"env_map={t.root}/map", "max_retries=0",
                env={"VAULT_ADDR": proxy.address, "VAULT_TOKEN": t.server.token, "DB_Y": "1"})
    m.expect("fetch failed", "nothing has answered", "is spared")
    proxy.refuse()
    for name, variable in (("url", "DB_URL"), ("mapped", "SOME_VARIABLE")):
        assert m.errno_of(m.read, f"db/{name}") == "EHOSTUNREACH"
        for text in (m.read(".vault/errors").decode(), m.log()):
            line = [l for l in text.splitlines() if f"db/{name}" in l and variable in l][-1]
            assert "EHOSTUNREACH" in line and str(proxy.port) in line, line
    proxy.close()


@test(products=())
def without_a_server(t):
    "USE_VAULT=false needs no server, no address and no login, and nothing can be written"
    value = t.canary()
    with open(f"{t.root}/.env", "w") as f:
        f.write(f"export DATABASE_URL='{value}' # comment\nSHARED=file\nKEY=\"two\\nlines\"\n")
    m = t.mount(f"env_file={t.root}/.env", source="/secret/app",
                env={"USE_VAULT": "false", "DATABASE_USER": "me", "SHARED": "environment"})
    assert m.read("database/url") == value.encode()
    assert m.read("database/user") == b"me" and m.read("shared") == b"environment"
    assert m.read("key") == b"two\nlines"
    assert os.getxattr(m / "database/url", "user.vault.source") == b"env"
    assert m.errno_of(os.stat, m / "nothing") == "ENOENT"
    assert m.errno_of(m.write, "database/url", "x") == "EROFS"
    assert m.errno_of(m.write, "database/new", "x") == "EROFS"
    assert m.errno_of(os.mkdir, m / "made") == "EROFS"
    assert json.loads(m.read(".vault/status.json"))["engine"] == "secret"


@test()
def use_vault_is_of_the_environment(t):
    "what -o says of env goes before USE_VAULT, and a value that is none is named"
    t.put("app/db", {"user": "server"})
    env = {"VAULT_ADDR": t.server.address, "VAULT_TOKEN": t.server.token, "USE_VAULT": "false"}
    m = t.mount("env=off", source="app", env=env)
    assert m.read("db/user") == b"server"
    m = t.mount(source="app", env={**env, "USE_VAULT": "perhaps"}, wait=False)
    assert m.process.wait(20) == 1 and "USE_VAULT=perhaps: expected" in m.log(), m.log()
    m.ended = True


@test()
def opens_within_the_kernel(t):
    "with fast_open layers answer as without, and the server's value takes their place when it comes"
    env = {"VAULT_ADDR": t.server.address, "VAULT_TOKEN": t.server.token, "DB_URL": "env"}
    t.put("db", {"other": "server"})
    m = t.mount("env=fallback", "ro", "fast_open", "negative_ttl=1s", "ttl=1s", env=env)
    assert m.read("db/url") == b"env" and m.read("db/other") == b"server"
    assert m.read("db/url") == b"env"
    t.put("db", {"other": "server", "url": "new"})
    end = time.monotonic() + 30
    while m.read("db/url") != b"new":
        assert time.monotonic() < end
        time.sleep(0.1)


@test(products=())
def variables_leave_the_process(t):
    "/proc/PID/environ does not hold what was taken over, and still holds what the process needs"
    value = t.canary()
    m = t.mount("env=only", source="/secret", env={"APP_TOKEN": value, "LANG": "C.UTF-8"})
    assert m.read("app/token") == value.encode()
    with open(f"/proc/{m.process.pid}/environ", "rb") as f:
        block = f.read()
    assert value.encode() not in block and b"LANG=C.UTF-8" in block and b"PATH=/" in block


@test(products=())
def files_with_mistakes(t):
    "a .env, a map or defaults with a mistake in it end the mount with a sentence"
    def fails(word, *options):
        m = t.mount(*options, source="/secret", env={"USE_VAULT": "no"}, wait=False)
        assert m.wait_end() == 1
        assert word in m.log(), m.log()
    def file(text):
        path = f"{t.root}/f{len(os.listdir(t.root))}"
        with open(path, "w") as f:
            f.write(text)
        return path
    secret = t.canary()
    fails("line 2: B: ", "env_file=" + file(f"A={secret}\nB=$A\n"))
    fails("No such file", "env_file=/no/such")
    fails("PATH/FIELD", "env_map=" + file('{"/x": "A"}'))
    fails("name of a variable", "env_map=" + file('{"x": 1}'))
    fails("line 1, column", "env_map=" + file('{"x": '))
    fails("there twice", "env_map=" + file('{"x": "A", "x": "B"}'))
    fails("not a JSON object", "defaults=" + file("[]"))
    fails("no path", "defaults=" + file('{"a//b": {"x": "%s"}}' % secret))
    fails("there twice", "defaults=" + file('{"a": {"x": 1}, "a/x": 2}'))


main()
