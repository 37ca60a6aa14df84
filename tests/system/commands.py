#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The commands that need no mount, against the official client on the same secrets, both ways."""

import concurrent.futures
import json
import os
import pty
import re
import subprocess
import time
import urllib.parse

from harness import main, test
from mount import VAULTFS, clean_environment
from proxy import PASS, Proxy
from server import ApiError, free_port


class Shell:
    """vaultfs and the official client, as a user of this test's server runs them."""

    def __init__(self, t, token=None):
        self.t = t
        self.token = token or t.server.token
        self.home = f"{t.root}/home"
        os.makedirs(self.home, exist_ok=True)

    def env(self, **more):
        return clean_environment(VAULT_ADDR=self.t.server.address, VAULT_TOKEN=self.token,
                                 HOME=self.home, **more)

    def run(self, *args, input=None, **env):
        """(status, stdout as bytes, stderr as text); no value that is a canary is in the latter."""
        done = subprocess.run([VAULTFS, *args], capture_output=True, timeout=60, check=False,
                              env=self.env(**env), input=input if input is not None else b"")
        err = done.stderr.decode()
        assert "ERROR: " not in err and "runtime error" not in err, err
        for canary in self.t.canaries:
            assert canary not in err, "a secret is in the errors"
        return done.returncode, done.stdout, err

    def ok(self, *args, **more):
        status, out, err = self.run(*args, **more)
        assert status == 0 and err == "", (args, status, err)
        return out.decode()

    def fails(self, status, sentence, *args, **more):
        got, out, err = self.run(*args, **more)
        assert got == status and sentence in err and err.startswith("vaultfs: "), (args, got, err)
        assert out == b"", out

    def official(self, *args, check=True):
        name = self.t.product.upper()
        done = subprocess.run([self.t.server.binary, "kv", *args], capture_output=True, timeout=60,
                              text=True, check=False,
                              env=clean_environment(HOME=self.home,
                                                    **{f"{name}_ADDR": self.t.server.address,
                                                       f"{name}_TOKEN": self.token}))
        assert not check or done.returncode == 0, done.stderr
        return done.stdout if check else (done.returncode, done.stdout)

    def path(self, name=""):
        return f"secret/{self.t.path(name)}"

    def data(self, name):
        """As the official client sees it."""
        return json.loads(self.official("get", "-format=json", self.path(name)))["data"]["data"]

    def terminal(self, *args, answer=""):
        """The output where stdin, stdout and stderr are a terminal."""
        pid, fd = pty.fork()
        if pid == 0:
            os.execve(VAULTFS, [VAULTFS, *args], self.env())
        if answer:
            os.write(fd, answer.encode())
        out = b""
        try:
            while chunk := os.read(fd, 4096):
                out += chunk
        except OSError:
            pass
        os.close(fd)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), out.decode().replace("\r\n", "\n")


@test()
def get(t):
    "get agrees with the official client, in all its formats and for every version"
    s, value = Shell(t), t.canary("'quote\n")
    s.official("put", s.path("db"), "user=old", "password=x")
    s.official("put", s.path("db"), "user=bob", f"password={value}")
    p = s.path("db")
    assert json.loads(s.ok("get", p)) == s.data("db") == {"user": "bob", "password": value}
    for args in ((p, "-f", "password"), (p, "-field=password"), (f"{p}#password",),
                 (p, "--field", "password", "--format", "raw"), (f"/{p}/#password",)):
        assert s.ok("get", *args) == value == s.official("get", "-field=password", p), args
    assert s.ok("get", "-version=1", f"{p}#user") == "old"
    assert s.ok("get", f"{p}#password", "-format=json") == json.dumps(value) + "\n"
    assert s.ok("get", "--format", "plain", p) == "password\t" + value.replace("\n", "\\n") + \
        "\nuser\tbob\n"
    env = s.ok("get", "--format=env", p)
    out = t.run("sh", "-c", env + '\nprintf %s "$password"')[1].decode()
    assert out == value
    status, out = s.terminal("get", p)
    assert status == 0 and re.search(r"^KEY +VALUE\n", out) and re.search(r"\nuser +bob\n", out), out
    assert s.terminal("get", f"{p}#user") == (0, "bob\n")
    s.fails(1, "say which one", "get", "--format", "raw", p)
    s.fails(1, f"{p} has no field port", "get", f"{p}#port")
    s.fails(1, "no format xml is known", "get", "--format", "xml", p)
    s.fails(1, "is no version's number", "get", "--version", "new", p)
    s.fails(2, f"there is no {s.path('nothing')}", "get", s.path("nothing"))
    s.fails(2, f"there is no version 9 of {p}", "get", p, "--version", "9")
    s.fails(1, "names nothing", "get", "/")
    s.fails(2, "is an engine, and no secret", "get", "secret")


@test()
def types_and_bytes(t):
    "JSON types stay what they are; bytes that are no text go in and out"
    s = Shell(t)
    document = {"n": 42, "b": True, "z": None, "o": {"a": [1, "x"]}, "s": "42", "": "empty name"}
    s.ok("put", s.path("v"), "-", input=json.dumps(document).encode())
    assert s.data("v") == document and json.loads(s.ok("get", s.path("v"))) == document
    assert s.ok("get", s.path("v"), "-f", "o") == '{"a":[1,"x"]}'
    raw = bytes(range(256))
    with open(f"{t.root}/raw", "wb") as f:
        f.write(raw)
    s.ok("put", s.path("v"), f"bytes=@{t.root}/raw", "text=x")
    assert s.run("get", s.path("v") + "#bytes")[1] == raw
    m = t.mount()
    assert m.read("v/bytes") == raw


@test()
def put(t):
    "put makes one version, with values from words, files and stdin, and obeys --cas"
    s, value = Shell(t), t.canary()
    p = s.path("db")
    with open(f"{t.root}/file", "w") as f:
        f.write("from a file\n")
    assert s.ok("put", p, "-cas=0", "user=bob", f"note=@{t.root}/file", "at=\\@home", "password=-",
                input=value.encode()) == f"{p}: version 1\n"
    assert s.data("db") == {"user": "bob", "note": "from a file\n", "at": "@home",
                            "password": value}
    s.fails(2, "the latest version of", "put", p, "--cas", "0", "x=1")
    s.fails(2, "not 7", "put", p, "--cas", "7", "x=1")
    assert s.ok("put", p, "--merge", "user=eve", "new=1", "--cas=1") == f"{p}: version 2\n"
    assert s.data("db") == {"user": "eve", "note": "from a file\n", "at": "@home", "new": "1",
                            "password": value}
    s.ok("put", p, "a=", "b=x=y")
    assert s.data("db") == {"a": "", "b": "x=y"} and t.version("db") == 3
    s.official("delete", p)
    s.ok("put", f"{p}/", "again=1")
    assert s.data("db") == {"again": "1"} and t.version("db") == 4
    with open(f"{t.root}/doc", "w") as f:
        f.write('{"k": 1,\n "k2": nope}')
    s.fails(1, "doc, line 2, column 8", "put", p, f"@{t.root}/doc")
    s.fails(1, "write NAME=VALUE", "put", p, "word")
    s.fails(1, "cannot read /nowhere: No such file", "put", p, "x=@/nowhere")
    s.fails(1, "something is missing", "put", p)
    assert t.version("db") == 4
    # As the official client: a word with '=' is a field, whatever it begins with; a name has one value.
    s.ok("put", p, "@tw=b")
    assert s.data("db") == {"@tw": "b"}
    with open(f"{t.root}/doc", "w") as f:
        f.write('{"k": 1, "list": ["x", "y"]}')
    for words in (["k=1", "k=2"], ["k=", "x=1", "k="], [f"@{t.root}/doc", "k=2"], ["k=2", f"@{t.root}/doc"]):
        s.fails(1, "k is named twice, and nothing was written", "put", p, *words)
        s.fails(1, "k is named twice", "put", "-m", p, *words)
    s.ok("put", p, f"@{t.root}/doc", "kk=2")
    assert s.data("db") == {"k": 1, "list": ["x", "y"], "kk": "2"} and t.version("db") == 6


@test()
def references(t):
    "ls --format ref prints what resolve reads, whatever the names are, of a folder, of a secret, of a mount"
    s = Shell(t)
    names = ("a", "a/b", "deep/er/x.", "with blank", "ünï✓", "h#sh", "100%", "x.y+z@w=1", "-._~")
    for name in names:
        t.put(name, {"value.": name, "fi/eld#": name})
    want = sorted(f"{t.folder}/{name}" for name in names)
    refs = s.ok("ls", "-R", "--format", "ref", s.path()).split("\n")[:-1]
    assert len(refs) == len(names) and refs[0].startswith("vault://secret/t/"), refs
    assert sorted(urllib.parse.unquote(r[len("vault://secret/"):]) for r in refs) == want, refs
    text = "".join(f"<{r}#value%2E> " for r in refs)
    assert s.ok("resolve", input=text.encode()) == "".join(
        f"<{urllib.parse.unquote(r).split(t.folder + '/')[1]}> " for r in refs)
    fields = s.ok("ls", "--format=ref", s.path("with blank")).split()
    assert s.ok("resolve", input="|".join(fields).encode()) == "with blank|with blank", fields
    assert s.ok("ls", "--format=ref", s.path("deep")) == f"vault://{s.path('deep/er')}/\n"
    m = t.mount()
    assert s.ok("ls", "-R", "--format", "ref", str(m / "a")) == f"vault://{s.path('a/b')}\n"
    assert f"vault://{s.path('a/b')}\n" in s.ok("ls", "-R", "--format", "ref")
    s.fails(1, "without -l", "ls", "-l", "--format", "ref", s.path())
    for command, formats in (("ls", "plain|json|ref"), ("get", "table|plain|json|env|raw"), ("history", "table|plain|json")):
        s.fails(1, f"no format yaml is known: {formats}", command, "--format", "yaml", s.path("a"))


@test()
def ls(t):
    "ls lists what the official client lists; -R all below; of a secret its fields"
    s = Shell(t)
    for name in ("a", "a/b", "a/c/d", "e f", "ü"):
        s.official("put", s.path(name), "x=1")
    names = json.loads(s.official("list", "-format=json", s.path()))
    assert s.ok("ls", s.path()).split("\n")[:-1] == names == ["a", "a/", "e f", "ü"]
    assert json.loads(s.ok("ls", "--format", "json", s.path() + "/")) == names
    assert s.ok("ls", "-R", s.path()) == "a\na/b\na/c/d\ne f\nü\n"
    assert s.ok("ls", s.path("a/b")) == "x\n"
    assert t.folder.split("/")[0] + "/" in s.ok("ls", "secret").split("\n")
    s.fails(2, f"there is nothing at {s.path('none')}", "ls", s.path("none"))
    s.fails(2, "no engine at nowhere", "ls", "nowhere/x")
    s.fails(2, "is an engine of type cubbyhole", "ls", "cubbyhole")


@test()
def ls_long(t):
    "ls -l tells of each secret what its metadata tells, on OpenBao by a request for hundreds of them"
    s = Shell(t)
    for name in ("a", "a/b", "dead", "gone"):
        t.put(name, {"x": "1"})
    t.put("a", {"x": "2"})
    t.server.delete(t.path("dead"))
    t.server.api("POST", f"secret/destroy/{t.path('gone')}", {"versions": [1]})
    t.server.api("POST", f"secret/metadata/{t.path('bare')}", {"custom_metadata": {"k": "v"}})
    t.server.api("POST", f"secret/metadata/{t.path('short')}", {"delete_version_after": "1h"})
    t.put("short", {"x": "1"})
    states = {"a": (2, "live"), "a/b": (1, "live"), "bare": (0, "empty"), "dead": (1, "deleted"),
              "gone": (1, "destroyed"), "short": (1, "expiring")}
    created = {n: t.server.versions(t.path(n)).get(v, {}).get("created_time", "")[:19]
               for n, (v, _) in states.items()}
    mark = t.server.audit_mark()
    rows = {r["name"]: r for r in json.loads(s.ok("ls", "-lR", "--format=json", s.path()))}
    folder = f"secret/metadata/{t.folder}/"
    asked = [r for r in t.server.requests_since(mark, "secret/") if r[0] == "read"]
    assert len(asked) == (0 if t.product == "bao" else 6), asked
    assert {n: (r["version"], r["state"]) for n, r in rows.items()} == states
    assert {n: r["created_time"][:19] for n, r in rows.items()} == created
    plain = s.ok("ls", "-l", s.path()).split("\n")
    assert plain[0].split("\t")[0::2] == ["2", "live"] and plain[0].endswith("Z\tlive\ta"), plain
    assert "\t\t\ta/" in plain
    assert s.terminal("ls", "-l", s.path())[1].split()[:4] == ["VERSION", "CREATED", "STATE", "NAME"]
    t.server.policy("cmd-ls", {folder + "*": ["list"]})
    lister = Shell(t, t.server.make_token(policies=["cmd-ls"]))
    assert "\t\t\tdead" in lister.ok("ls", "-l", s.path()).split("\n"), "more than is known"
    t.server.policy("cmd-ls", {folder + "*": ["list", "read"]})
    assert "1\t" in lister.ok("ls", "-l", s.path())


@test(seconds=240)
def ls_long_of_many(t):
    "ls -l of a large folder has every secret once, also where a policy allows small pages alone"
    s = Shell(t)
    names = [f"s{i:04}" for i in range(1100)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: t.put(n, {"x": n}), names))
    t.put("s0499/below", {"x": "1"})  # a page ends between the secret and its folder
    expected = sorted(names + ["s0499/"])
    mark = t.server.audit_mark()
    rows = json.loads(s.ok("ls", "-l", "--format=json", s.path()))
    asked = t.server.requests_since(mark, "secret/")
    assert [r["name"] for r in rows] == expected
    assert all(r["version"] == 1 for r in rows if not r["name"].endswith("/"))
    if t.product == "vault":
        return
    assert [r[1].split("/")[1] for r in asked] == ["metadata"] + 3 * ["detailed-metadata"], asked
    t.server.api("PUT", "sys/policies/acl/cmd-page", {"policy":
                 f'path "secret/metadata/{t.folder}/*" {{ capabilities = ["list"] }}\n'
                 f'path "secret/detailed-metadata/{t.folder}/*" {{ capabilities = ["list"] '
                 'pagination_limit = 100 }'})
    lister = Shell(t, t.server.make_token(policies=["cmd-page"]))
    assert json.loads(lister.ok("ls", "-l", "--format=json", s.path())) == rows
def engines(t):
    "ls without a path lists the key-value engines that the token may see, and -R all below them"
    s = Shell(t)
    for path, version in (("ls/one", "1"), ("ls-two", "2")):
        try:
            t.server.api("POST", f"sys/mounts/{path}",
                         {"type": "kv", "options": {"version": version}})
        except ApiError:
            pass
    known = json.loads(subprocess.run(
        [t.server.binary, "secrets", "list", "-format=json"], capture_output=True, timeout=60, check=True,
        env=clean_environment(HOME=s.home, **{f"{t.product.upper()}_ADDR": t.server.address,
                                              f"{t.product.upper()}_TOKEN": s.token})).stdout)
    names = [p for p, m in known.items() if m["type"] in ("kv", "generic")]
    assert sorted(s.ok("ls").splitlines()) == sorted(names) and {"secret/", "ls/one/", "ls-two/"} <= set(names)
    assert sorted(json.loads(s.ok("ls", "--format=json", "/"))) == sorted(names)
    s.official("put", "ls/one/a/b", "x=1")
    s.official("put", "ls-two/c", "x=1")
    assert {"ls/one/a/b", "ls-two/c"} <= set(s.ok("ls", "-R").splitlines())
    t.server.policy("cmd-one", {"ls/one/*": ["read", "list"]})
    assert Shell(t, t.server.make_token(policies=["cmd-one"])).ok("ls") == "ls/one/\n"
    t.put("db", {"a": "1", "b": "2"})
    t.put("db/folder", {"a": "1"})
    assert s.ok("ls", s.path("db")) == "folder\n" and s.ok("ls", s.path("db#")) == "a\nb\n"


@test()
def progress(t):
    "long work tells on a terminal how far it has come, and erases that; elsewhere it is silent"
    s, proxy = Shell(t), Proxy(t.server)
    paths = [f"{k}/x" for k in range(14)]
    for name in paths:
        t.put(name, {"x": "1"})

    def slowly(method, path):
        time.sleep(0.1)
        return PASS
    proxy.fate = slowly
    over = ("-o", f"addr={proxy.address}")
    status, out = s.terminal("ls", "-R", *over, s.path())
    assert status == 0 and re.search(r"\r\x1b\[K\d+ folders\.\.\.", out), out
    assert out.split("\x1b[K")[-1].split() == sorted(paths), out
    assert s.ok("ls", "-R", *over, s.path()).split() == sorted(paths)
    for n in range(10):
        t.put("db", {"x": str(n)})
    status, out = s.terminal("history", *over, s.path("db"))
    assert status == 0 and re.search(r"\r\x1b\[K\d+ of 10 versions\.\.\.", out), out
    assert out.split("\x1b[K")[-1].startswith("VERSION ") and "versions..." not in s.ok("history", s.path("db"))
    proxy.close()


@test()
def against_the_official_client(t):
    "what one writes the other reads, and the other way round, with the same exit statuses"
    s = Shell(t)
    values = {"plain": "x", "": "empty name", "sp ace": "two words", "quote'\"": "'\"\\$(x)`", "ü€": "ümläut\n",
              "empty": "", "at": "@home", "long": "y" * 5000, "lines": "a\nb\n", "tab": "\t"}
    document = json.dumps(values).encode()
    with open(f"{t.root}/doc", "wb") as f:
        f.write(document)
    with open(f"{t.root}/value", "w") as f:
        f.write("from a file")
    s.ok("put", s.path("ours"), "-", input=document)
    s.official("put", s.path("theirs"), f"@{t.root}/doc")
    assert s.data("ours") == s.data("theirs") == values
    for name in ("ours", "theirs"):
        assert json.loads(s.ok("get", "-format=json", s.path(name))) == values
        for field in values:
            if field and "#" not in field:
                assert s.ok("get", "-field", field, s.path(name)) == values[field], field
        # The official client's own way with a field's last newline is its own.
        assert s.official("get", f"-field=long", s.path(name)).strip() == values["long"]
    for args in (("a=1", "b=x=y", f"c=@{t.root}/value"), ("a=",), ("only=\\@x",)):
        s.ok("put", s.path("p"), *args)
        s.official("put", s.path("q"), *args)
        assert s.data("p") == s.data("q"), args
    s.official("put", "-cas=3", s.path("p"), "a=2")
    s.ok("put", "-cas=3", s.path("q"), "a=2")
    p = s.path("db")
    for n in range(1, 6):
        (s.official if n % 2 else s.ok)("put", p, f"n={n}", "same=x")
    assert s.ok("get", "-version=2", "-field=n", p) == s.official("get", "-version=2", "-field=n", p).strip() == "2"
    s.ok("rm", p)
    assert s.official("get", p, check=False)[1].count("deletion_time") == 1
    s.official("undelete", "-versions=5", p)
    s.ok("put", "-m", p, "more=1")
    s.official("patch", p, "more=2")
    assert s.data("db") == {"n": "5", "same": "x", "more": "2"} == json.loads(s.ok("get", p))
    s.official("rollback", "-version=1", p)
    s.ok("rollback", "-version=2", p)
    assert s.data("db") == {"n": "2", "same": "x"} and t.version("db") == 9
    s.official("delete", "-versions=3,4", p)
    s.ok("undelete", "-versions=3", p)
    s.ok("destroy", "-y", "-versions=1", p)
    s.official("destroy", "-versions=2", p)
    official = json.loads(s.official("metadata", "get", "-format=json", p))["data"]["versions"]
    rows = {str(r["version"]): r for r in json.loads(s.ok("history", "--format=json", p))}
    assert set(rows) == set(official) == set("123456789")
    for n, row in rows.items():
        state = "destroyed" if official[n]["destroyed"] else "deleted" if official[n]["deletion_time"] else "live"
        assert row["state"] == state, (n, row, official[n])
        assert official[n]["created_time"][:19] + "Z" == row["created_time"], (n, row)
    assert [rows[n]["state"] for n in "1234"] == ["destroyed", "destroyed", "live", "deleted"]
    m = t.mount()
    assert set(os.listdir(m / "db/.vault/versions")) == set(official)
    for n, row in official.items():
        version = m / f"db/.vault/versions/{n}"
        assert os.getxattr(version, "user.vault.state").decode() == rows[n]["state"]
        assert os.getxattr(version, "user.vault.created_time").decode()[:19] == row["created_time"][:19]
        assert os.getxattr(version, "user.vault.version").decode() == n
        theirs = json.loads(s.official("get", "-format=json", f"-version={n}", p))["data"]["data"] or {}
        ours = {f: m.read(f"db/.vault/versions/{n}/{f}").decode() for f in os.listdir(version)}
        assert ours == theirs, (n, ours, theirs)
    assert json.loads(m.read("db/.vault/metadata.json"))["versions"] == official
    assert os.getxattr(m / "db", "user.vault.version") == b"9"
    none = s.path("none")
    for ours, theirs in ((("get", none),) * 2, (("get", "-field=zz", p),) * 2, (("get", "-version=99", p),) * 2,
                         (("get",),) * 2, (("get", "-nope", p),) * 2, (("put", p),) * 2,
                         (("put", "-cas=77", p, "a=1"),) * 2, (("put", p, "a=@/nowhere"),) * 2,
                         (("ls", none), ("list", none)), (("ls", "nowhere/x"), ("list", "nowhere/x")),
                         (("rollback", "-version=99", p),) * 2, (("rollback", p),) * 2,
                         (("history", none), ("metadata", "get", none)), (("undelete", p),) * 2,
                         (("destroy", "-y", p), ("destroy", p)), (("rm",), ("delete",)),
                         (("get", p),) * 2, (("put", p, "z=1"),) * 2, (("ls", s.path()), ("list", s.path()))):
        assert s.run(*ours)[0] == s.official(*theirs, check=False)[0], (ours, theirs)


@test()
def rm(t):
    "rm deletes the latest version, which can be undeleted, or one field"
    s = Shell(t)
    p = s.path("db")
    s.official("put", p, "a=1", "b=2")
    assert s.ok("rm", f"{p}#a") == "" and s.data("db") == {"b": "2"} and t.version("db") == 2
    s.ok("rm", f"{p}#b")
    assert t.get("db") is None and t.version("db") == 2
    s.fails(2, f"{p} is deleted (vaultfs undelete {p} 2)", "get", p)
    s.ok("undelete", p, "2")
    assert s.data("db") == {"b": "2"}
    s.ok("rm", p)
    assert t.get("db") is None
    s.fails(2, "is deleted", "rm", p)
    s.official("undelete", "-versions=2", p)
    assert json.loads(s.ok("get", p)) == {"b": "2"}
    s.fails(1, f"{p} has no field z", "rm", f"{p}#z")
    s.fails(2, f"there is no {s.path('none')}", "rm", s.path("none"))


@test()
def versions(t):
    "history, diff, rollback, undelete and destroy do what they say, as the official client sees it"
    s, old, new = Shell(t), t.canary(), t.canary()
    p = s.path("db")
    for fields in ({"a": "1", "b": old}, {"a": "1", "b": new, "c": "3"}, {"c": "3", "b": new}):
        s.ok("put", p, "-", input=json.dumps(fields).encode())
    rows = [line.split("\t") for line in s.ok("history", p).splitlines()]
    assert [(r[0], *r[2:]) for r in rows] == [
        ("1", "live", "+a +b"), ("2", "live", "~b +c"), ("3", "live", "-a")], rows
    official = json.loads(s.official("metadata", "get", "-format=json", p))["data"]["versions"]
    for r in rows:
        assert official[r[0]]["created_time"].startswith(r[1].rstrip("Z")), r
    assert s.ok("diff", p, "1", "2") == "~\tb\n+\tc\n"
    assert s.ok("diff", "--show", p, "1", "2") == f"-\tb\t{old}\n+\tb\t{new}\n+\tc\t3\n"
    assert s.ok("diff", p, "1") == "-\ta\n~\tb\n+\tc\n" and s.ok("diff", p, "3", "3") == ""
    assert s.ok("rollback", p, "1") == f"{p}: version 4 has the content of version 1\n"
    assert s.data("db") == {"a": "1", "b": old}
    s.official("delete", "-versions=2,3", p)
    s.ok("undelete", p, "2,3")
    assert s.official("get", "-version=2", "-field=b", p).strip() == new
    s.fails(1, "--yes says that you mean it", "destroy", p, "2")
    s.ok("destroy", "--yes", p, "2", "3")
    s.official("delete", "-versions=1", p)
    states = [r["state"] for r in json.loads(s.ok("history", "--format=json", p))]
    assert states == ["deleted", "destroyed", "destroyed", "live"]
    official = json.loads(s.official("metadata", "get", "-format=json", p))["data"]["versions"]
    assert [official[n]["destroyed"] for n in "1234"] == [False, True, True, False]
    s.fails(2, f"version 2 of {p} is destroyed", "get", p, "--version=2")
    s.fails(2, f"version 1 of {p} is deleted", "rollback", p, "1")
    s.fails(2, f"there is no version 9 of {p}", "undelete", p, "9")
    s.fails(1, "numbers of versions are wanted", "destroy", p, "x", "--yes")
    s.fails(1, "which version?", "undelete", p)
    status, out = s.terminal("destroy", p, "1", answer="n\n")
    assert status == 1 and "Destroy 1 version of" in out
    assert s.terminal("destroy", p, "1", answer="y\n")[0] == 0
    official = json.loads(s.official("metadata", "get", "-format=json", p))["data"]["versions"]
    assert official["1"]["destroyed"]
    status, out = s.terminal("history", p)
    assert status == 0 and out.startswith("VERSION  CREATED "), out


def editor(t, text):
    """A script that edits $1, in Python: `d` is the secret."""
    path = f"{t.root}/editor"
    with open(path, "w") as f:
        f.write(f"""#!/usr/bin/env python3
import json, os, stat, subprocess, sys
path = sys.argv[1]
assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700
assert b"tmpfs" in subprocess.check_output(["stat", "-f", "-c", "%T", path])
open(path + "~", "w").write("a copy")
open({t.root + "/seen"!r}, "a").write(open(path).read() + "---")
open({t.root + "/where"!r}, "w").write(os.path.dirname(path))
d = json.load(open(path))
{text}
json.dump(d, open(path, "w"))
""")
    os.chmod(path, 0o755)
    return path


def edited_in(t):
    with open(f"{t.root}/where") as f:
        return f.read()


@test()
def edit(t):
    "edit writes one version of what the editor leaves, and leaves nothing behind"
    s = Shell(t)
    p = s.path("db")
    t.put("db", {"a": "1", "n": 5})
    assert s.ok("edit", p, EDITOR=editor(t, 'd["b"] = {"x": [1]}; del d["a"]')) == \
        f"{p}: version 2\n"
    assert s.data("db") == {"n": 5, "b": {"x": [1]}}
    assert not os.path.exists(edited_in(t))
    assert s.ok("edit", p, VISUAL="true", EDITOR="false") == f"{p}: nothing was changed\n"
    s.fails(1, "false failed: nothing was written", "edit", p, EDITOR="false")
    script = editor(t, 'open(path, "w").write("{nope"); sys.exit(0)')
    s.fails(1, "line 1, column 2", "edit", p, EDITOR=script)
    assert not os.path.exists(edited_in(t)) and t.version("db") == 2
    s.ok("edit", s.path("new"), EDITOR=editor(t, 'd["first"] = "1"'))
    assert s.data("new") == {"first": "1"}


@test()
def edit_without_change(t):
    "an edit that says the same in other words makes no version, and no name is lost for how it begins"
    s = Shell(t)
    t.put("db", {"<<< f, in version 1": "1", "g": "2"})
    out = s.ok("edit", s.path("db"), EDITOR=editor(t, "d = dict(reversed(d.items()))"))
    assert out == f"{s.path('db')}: nothing was changed\n" and t.version("db") == 1, out
    s.ok("edit", s.path("db"), EDITOR=editor(t, 'd["g"] = "3"'))
    assert t.get("db") == {"<<< f, in version 1": "1", "g": "3"} and t.version("db") == 2


@test()
def edit_conflicts(t):
    "what others write meanwhile is merged; what both have changed is shown and asked for again"
    s = Shell(t)
    p = s.path("db")
    t.put("db", {"a": "1", "b": "1", "c": "1"})
    url = f"{t.server.address}/v1/secret/data/{t.path('db')}"
    body = '{"data": {"a": "theirs", "b": "1", "new": "theirs"}}'
    theirs = f"""
if not os.path.exists({t.root + "/once"!r}):
    open({t.root + "/once"!r}, "w")
    subprocess.check_call(["curl", "-sSf", "-o", "/dev/null", "-H",
                           "X-Vault-Token: {t.server.token}", "-d", {body!r}, {url!r}])
"""
    assert s.ok("edit", p, EDITOR=editor(t, theirs + 'd["b"] = "mine"')) == f"{p}: version 3\n"
    assert s.data("db") == {"a": "theirs", "b": "mine", "new": "theirs"}
    os.unlink(f"{t.root}/once")
    os.unlink(f"{t.root}/seen")
    body = '{"data": {"a": "again", "b": "theirs"}}'
    theirs = theirs.replace(repr('{"data": {"a": "theirs", "b": "1", "new": "theirs"}}'), repr(body))
    status, out, err = s.run("edit", p, EDITOR=editor(t, theirs + 'd["b"] = d["b"] + "+mine"'))
    assert status == 0 and out.decode() == f"{p}: version 5\n", err
    assert "somebody else has changed 1 of the same fields" in err
    with open(f"{t.root}/seen") as f:
        second = json.loads(f.read().split("---")[1])
    assert second == {"a": "again", "b": "mine+mine", "<<< b, in version 4": "theirs"}
    assert s.data("db") == {"a": "again", "b": "mine+mine+mine"}


@test()
def edit_refused(t):
    "what was edited is not lost when the server refuses it"
    s = Shell(t)
    t.put("db", {"a": "1"})
    t.server.policy("edit-read", {f"secret/data/{t.path('db')}": ["read"]})
    reader = Shell(t, t.server.make_token(policies=["edit-read"]))
    status, _, err = reader.run("edit", s.path("db"), EDITOR=editor(t, 'd["a"] = "2"'))
    assert status == 2 and "permission denied" in err, err
    kept = re.search(r"what you wrote is in (\S+): remove it", err).group(1)
    with open(kept) as f:
        assert json.load(f) == {"a": "2"}
    t.run("rm", "-r", os.path.dirname(kept))


@test()
def paths_of_a_mount(t):
    "a path inside a mount stands for its secret and field, also one that is not there yet"
    s = Shell(t)
    t.put("db", {"user": "bob", "a/b": "odd"})
    m = t.mount()
    assert s.ok("get", m / "db#user") == s.ok("get", m / "db/user") == "bob"
    assert s.ok("get", m / "db/a%2Fb") == "odd"
    assert json.loads(s.ok("get", m / "db/")) == {"user": "bob", "a/b": "odd"}
    assert s.ok("ls", m.path) == "db\n"
    assert s.ok("put", m / "new", "x=1") == f"{s.path('new')}: version 1\n"
    assert t.get("new") == {"x": "1"}
    done = subprocess.run([VAULTFS, "get", "./db/user"], cwd=m.path, env=s.env(), check=True,
                          capture_output=True, timeout=60)
    assert done.stdout == b"bob"
    assert s.ok("get", f"/{s.path('db')}#user") == "bob"
    s.fails(1, "is not in a mount of vaultfs", "get", "./db")
    s.ok("rm", m / "db/user")
    assert t.get("db") == {"a/b": "odd"}
    status, out, _ = s.run("status", m.path)
    assert status == 0 and out
    s.fails(1, "is no mount of vaultfs", "status", t.root)


@test()
def control_paths_of_a_mount(t):
    "what is below .vault is the field, or the old version, that it shows; nothing else there is a secret"
    s = Shell(t)
    t.put("db", {"a": "1", "b": "1"})
    t.put("db", {"a": "2", "b": "2"})
    m = t.mount()
    old = m / "db/.vault/versions/1"
    assert s.ok("get", f"{old}/a") == "1" and json.loads(s.ok("get", old)) == {"a": "1", "b": "1"}
    assert s.ok("get", "--version", "2", f"{old}/a") == "2"
    assert s.ok("get", m / "db/.vault/fields/a") == "2"
    done = subprocess.run([VAULTFS, "get", "./a"], cwd=old, env=s.env(), check=True, timeout=60,
                          capture_output=True)
    assert done.stdout == b"1"
    for command in (("rm", old), ("ls", old), ("edit", old), ("history", old), ("rollback", old, "1"),
                    ("destroy", "-y", old, "1"), ("put", old, "z=1")):
        s.fails(1, "is of an old version: name the secret", *command)
    for name in ("db/.vault", "db/.vault/data.json", "db/.vault/versions", ".vault/status.json"):
        s.fails(1, "is no secret, and no field of one", "get", m / name)
    assert t.get("db") == {"a": "2", "b": "2"} and t.version("db") == 2


@test()
def new_paths_of_a_mount(t):
    "a path of which more than the last name is not there yet is the mount's all the same"
    s = Shell(t)
    t.put("db", {"a": "1"})
    m = t.mount()
    assert s.ok("put", m / "no/such/folder", "x=1") == f"{s.path('no/such/folder')}: version 1\n"
    assert t.get("no/such/folder") == {"x": "1"}
    s.fails(1, "no secret can be called ..", "put", m / "absent/../db", "x=1")
    s.fails(1, "no secret can be called %2f", "put", m / "absent/%2f", "x=1")
    s.fails(1, "is no directory for secrets", "put", m / "db/a/x", "x=1")
    assert t.get("db") == {"a": "1"}


@test()
def whole_secrets(t):
    "what is done to a whole secret is not done where a field is named"
    s = Shell(t)
    t.put("db", {"a": "1", "b": "1"})
    t.put("db", {"a": "2", "b": "2"})
    field = s.path("db") + "#a"
    for command in (("rollback", field, "1"), ("destroy", "-y", field, "1"), ("undelete", field, "1"),
                    ("history", field), ("diff", field, "1")):
        s.fails(1, "takes a whole secret", *command)
    s.fails(1, "whole secret", "edit", field)
    assert t.get("db") == {"a": "2", "b": "2"} and t.get("db", 1) == {"a": "1", "b": "1"}
    assert s.ok("ls", field) == "a\n"
    s.fails(2, "has no field c", "ls", s.path("db") + "#c")
    s.ok("destroy", "-y", s.path("db"), "1")
    s.fails(2, f"version 1 of {s.path('db')} is destroyed, for good", "undelete", s.path("db"), "1")


@test()
def paths_that_none_has(t):
    "a path that would not come back as it was written is refused before anything is asked"
    s = Shell(t)
    for name in ("a/../b", "./b", "a/.", "..", "a\nb", ".vault/x"):
        s.fails(1, "no path holds a name like", "put", s.path(name), "x=1")
    s.fails(1, "not UTF-8", "put", s.path("").encode() + b"/\xff", "x=1")
    s.fails(2, "is an engine, and no secret", "put", "secret", "x=1")
    s.fails(1, "standard input is one value", "put", s.path("x"), "a=-", "b=-")


@test()
def sections(t):
    "put, edit, rm and rollback hold to the sections of their configuration"
    s = Shell(t)
    t.put("db", {"port": "1"})
    t.put("db", {"user": "bob", "port": "5432"})
    conf = f"{t.root}/conf"
    with open(conf, "w") as f:
        f.write(f'[path "{t.path("db")}"]\nrequire = user\nmatch.port = ^[0-9]+$\n')
    s.fails(1, "requires a field user", "put", "-c", conf, s.path("db"), "port=1")
    s.fails(1, "port", "put", "-c", conf, "-m", s.path("db"), "port=none")
    s.fails(1, "requires a field user", "rm", "-c", conf, s.path("db") + "#user")
    s.fails(1, "requires a field user", "rollback", "-c", conf, s.path("db"), "1")
    status, _, err = s.run("edit", "-c", conf, s.path("db"), EDITOR=editor(t, 'del d["user"]'))
    assert status == 1 and "requires a field user" in err, err
    t.run("rm", "-r", re.search(r"what you wrote is in (\S+)/[^/]+: ", err).group(1))
    assert t.get("db") == {"user": "bob", "port": "5432"} and t.version("db") == 2
    s.ok("put", "-c", conf, "-m", s.path("db"), "port=1")
    assert t.get("db") == {"user": "bob", "port": "1"}


@test()
def put_beside_others(t):
    "many who put with --merge at the same time lose nothing"
    s = Shell(t)
    t.put("db", {"a": "1"})
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: s.ok("put", "-m", s.path("db"), f"f{n}={n}"), range(16)))
    assert t.get("db") == {"a": "1", **{f"f{n}": str(n) for n in range(16)}}


@test()
def rollback_beside_others(t):
    "a rollback that others write beside is made on top of what they wrote"
    s = Shell(t)
    t.put("db", {"a": "1"})
    t.put("db", {"a": "2"})
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda n: s.ok("rollback", s.path("db"), "1"), range(8)))
    assert t.get("db") == {"a": "1"} and t.version("db") == 10
    assert len(set(done)) == 8, done


@test()
def patch_alone(t):
    "a token that may patch and not update writes as in a mount: put, rm of a field, edit and rollback"
    t.put("db", {"a": "1", "b": "2"})
    t.server.policy("cmd-patch", {f"secret/data/{t.path('db')}": ["read", "patch"]})
    s = Shell(t, t.server.make_token(policies=["cmd-patch"]))
    p = s.path("db")
    assert s.ok("put", "-m", p, "a=new", "c=3") == f"{p}: version 2\n"
    assert t.get("db") == {"a": "new", "b": "2", "c": "3"}
    s.ok("rm", f"{p}#b")
    assert t.get("db") == {"a": "new", "c": "3"} and t.version("db") == 3
    assert s.ok("edit", p, EDITOR=editor(t, 'd["d"] = "4"; del d["c"]')) == f"{p}: version 4\n"
    assert t.get("db") == {"a": "new", "d": "4"}
    assert s.ok("put", p, "d=5") == f"{p}: version 5\n" and t.get("db") == {"d": "5"}
    s.ok("rollback", p, "1")
    assert t.get("db") == {"a": "1", "b": "2"} and t.version("db") == 6
    s.fails(2, "permission denied", "put", "-m", s.path("other"), "x=1")


@test()
def no_room_for_the_output(t):
    "what cannot be printed is an error, of every command"
    s = Shell(t)
    t.put("db", {"a": "1"})
    for command in (("status",), ("ls", s.path()), ("get", s.path("db")), ("history", s.path("db")),
                    ("doctor", s.path("db")), ("--help",), ("--version",)):
        with open("/dev/full", "w") as full:
            done = subprocess.run([VAULTFS, *command], stdout=full, stderr=subprocess.PIPE, env=s.env(),
                                  check=False, timeout=60)
        assert done.returncode == 1 and b"cannot write the output" in done.stderr, (command, done)


@test()
def status_and_doctor(t):
    "status and doctor tell of the server, the token and the machine, and what to do"
    s = Shell(t)
    out = s.ok("status")
    product = "Vault" if t.product == "vault" else "OpenBao"
    assert re.search(rf"^server +{t.server.address}$", out, re.M), out
    assert re.search(rf"^product +{product} \d", out, re.M) and re.search(r"state +active", out)
    assert re.search(r"^policies +root$", out, re.M) and re.search(r"lives +for ever", out), out
    t.put("db", {"x": "1"})
    out = s.ok("doctor", s.path("db"))
    for line in ("options", "address", "tls", "login", "engine", "policy", "fuse", "kernel"):
        assert re.search(rf"^ok +{line} ", out, re.M), out
    assert "secret is a key-value engine of version 2" in out and "may create read" in out
    status, out, _ = s.run("doctor", "nowhere")
    assert status == 2 and b"FAIL  engine   no engine at nowhere" in out, out
    dead = {"VAULT_ADDR": f"http://127.0.0.1:{free_port()}"}
    status, out, err = Shell(t).run("doctor", "-o", f"addr={dead['VAULT_ADDR']},max_retries=0")
    assert status == 2 and b"FAIL  address  cannot reach" in out and b"-> is the server" in out, out
    status, out, _ = s.run("doctor", "-o", f"addr=https{t.server.address[4:]},max_retries=0")
    assert status == 2 and b"it speaks http, not https" in out, out
    bad = Shell(t, "hvs.nonsense")
    status, out, _ = bad.run("doctor")
    assert status == 2 and b"FAIL  login" in out and b"vaultfs login" in out, out
    bad.fails(2, "the token is refused", "get", s.path("db"))
    done = subprocess.run([VAULTFS, "doctor"], capture_output=True, timeout=60, check=False,
                          env=clean_environment(HOME=s.home))
    assert done.returncode == 1 and b"FAIL  options  no server" in done.stdout


@test()
def policies(t):
    "each command that a policy refuses ends with status 2 and the server's words"
    s = Shell(t)
    t.put("db", {"x": "1"})
    p = s.path("db")
    t.server.policy("cmd-list", {f"secret/metadata/{t.folder}/*": ["list"]})
    lister = Shell(t, t.server.make_token(policies=["cmd-list"]))
    assert lister.ok("ls", s.path()) == "db\n"
    for args in (("get", p), ("put", p, "x=2"), ("rm", p), ("history", p), ("rollback", p, "1"),
                 ("undelete", p, "1"), ("destroy", "--yes", p, "1")):
        lister.fails(2, "permission denied", *args)
    t.server.policy("cmd-write", {f"secret/data/{t.path('db')}": ["create", "update"]})
    writer = Shell(t, t.server.make_token(policies=["cmd-write"]))
    assert writer.ok("put", p, "x=2") == f"{p}: version 2\n"
    assert t.get("db") == {"x": "2"}
    role, secret = t.server.make_approle("commands", policies=["cmd-list"])
    done = subprocess.run([VAULTFS, "ls", s.path()], capture_output=True, timeout=60, check=False,
                          env=clean_environment(HOME=s.home, VAULT_ADDR=t.server.address,
                                                VAULT_ROLE_ID=role, VAULT_SECRET_ID=secret))
    assert done.stdout == b"db\n" and done.returncode == 0, done.stderr


@test()
def version_1(t):
    "an engine of version 1 is read, written and listed; what it has not is told"
    s = Shell(t)
    try:
        t.server.api("POST", "sys/mounts/cmd1", {"type": "kv", "options": {"version": "1"}})
    except ApiError:
        pass
    p = f"cmd1/{t.folder}/db"
    assert s.ok("put", p, "a=1", "b=2") == ""
    assert json.loads(s.official("get", "-format=json", p))["data"] == {"a": "1", "b": "2"}
    assert s.ok("get", f"{p}#a") == "1" and s.ok("ls", f"cmd1/{t.folder}") == "db\n"
    s.ok("rm", f"{p}#a")
    assert json.loads(s.ok("get", p)) == {"b": "2"}
    assert s.ok("edit", p, EDITOR=editor(t, 'd["c"] = "3"')) == f"{p}: written\n"
    for args in (("history", p), ("get", p, "--version=1"), ("rollback", p, "1"),
                 ("undelete", p, "1"), ("put", p, "--cas=1", "a=1")):
        got, _, err = s.run(*args)
        assert got == 2 and "engine" in err, (args, err)
    s.ok("rm", p)
    s.fails(2, f"there is no {p}", "get", p)


main()
