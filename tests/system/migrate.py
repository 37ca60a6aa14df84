#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""vaultfs migrate: .env files and environments become secrets, and can be read back; secrets of a local store
or of a server are copied to another."""

import base64
import hashlib
import json
import os
import pty
import subprocess
import threading

from harness import main, test
from mount import VAULTFS, clean_environment
from server import Server

# Every syntax that there is, with what it means; see src/conf/dotenv.c.
ODD = [
    ("DB_PLAIN=value", "value"), ("DB_EMPTY=", ""), ("DB_SPACED = spaced value ", "spaced value"),
    ("export DB_EXPORTED=yes", "yes"), ("  export   DB_INDENTED  =  x", "x"),
    ("DB_SINGLE='single # \"quoted\" $HOME \\n'", 'single # "quoted" $HOME \\n'),
    ('DB_DOUBLE="double \'quoted\' # no comment"', "double 'quoted' # no comment"),
    ('DB_ESCAPES="a\\nb\\rd\\\\e\\"f\\$g"', 'a\nb\rd\\e"f$g'),
    ("DB_BACKTICK=`both ' and \"`", "both ' and \""),
    ("DB_COMMENT=value # a comment", "value"), ("DB_HASH='va#lue'#", "va#lue"),
    ("DB_MULTI='line one\nline two\n  line three'", "line one\nline two\n  line three"),
    ('DB_KEY="-----BEGIN KEY-----\nMIIB\nAQAB\n-----END KEY-----\n"',
     "-----BEGIN KEY-----\nMIIB\nAQAB\n-----END KEY-----\n"),
    ("DB_PATH='C:\\apps\\new'", "C:\\apps\\new"), ("DB_SHELL='it'\\''s'", "it's"),
    ("DB_COLON: colon value", "colon value"), ("DB_EQUALS=a=b=c==", "a=b=c=="),
    ("DB_UTF8=ünïcödé ✓", "ünïcödé ✓"), ("DB_DOLLAR=pa\\$\\$word", "pa$$word"),
    ("DB_URL=postgres://u:p@host:5432/db?x=1&y=%20", "postgres://u:p@host:5432/db?x=1&y=%20"),
    ('DB_JSON=\'{"a": [1, "b"], "c": null}\'', '{"a": [1, "b"], "c": null}'),
    ("db.dotted-name=dots", "dots"), ("PORT=8080", "8080"), ("_LEADING=1", "1"),
    ("TRAILING_=2", "2"), ("DB_CRLF=windows\r", "windows"), ("DB_BLANKS='  kept  '", "  kept  "),
    ("DB_QUOTED_EMPTY=\"\"", ""), ("DB_NUMBER=007", "007"), ("DB_TRUE=true", "true"),
]


def place(name):
    """Where a variable goes without a mapping."""
    lead = len(name) - len(name.lstrip("_"))
    cut = name.find("_", lead)
    if cut < 0 or cut == len(name) - 1:
        return name.lower(), "value"
    return name[:cut].lower(), name[cut + 1:].lower()


def two_hundred_lines():
    """(text, {variable: value}), with comments and blank lines in between."""
    lines, values = ["# a .env file", ""], {}
    for text, value in ODD:
        lines.append(text)
        name = text.replace("export", "", 1) if text.strip().startswith("export") else text
        values[name.split("=")[0].split(":")[0].strip()] = value
    lines += ["", "   # filler", "DB_TWICE=first"]
    i = 0
    while sum(1 + line.count("\n") for line in lines) < 199:
        lines.append(f'APP{i % 7}_SETTING_{i}="value {i}\\n#{i}"')
        values[f"APP{i % 7}_SETTING_{i}"] = f"value {i}\n#{i}"
        i += 1
    lines.append("DB_TWICE=last")
    values["DB_TWICE"] = "last"
    return "\n".join(lines) + "\n", values


class Migrate:
    def __init__(self, t, **more):
        self.t = t
        self.env = clean_environment(**{"VAULT_ADDR": t.server.address, "HOME": t.root,
                                        "VAULT_TOKEN": t.server.token, **more})

    def __call__(self, *args, status=0, target=True):
        words = [f"secret/{self.t.folder}"] if target else []
        done = subprocess.run([VAULTFS, "migrate", *args, *words], capture_output=True,
                              timeout=120, check=False, env=self.env, stdin=subprocess.DEVNULL)
        out, err = done.stdout.decode(), done.stderr.decode()
        assert done.returncode == status, (done.returncode, out, err)
        for canary in self.t.canaries:
            assert canary not in out + err, "a value was printed"
        return out if status == 0 else (out, err)


def write(t, text, name=".env"):
    path = f"{t.root}/{name}"
    with open(path, "w", newline="") as f:
        f.write(text)
    return path


def all_secrets(t, folder=""):
    """{path: fields} of everything below the test's folder."""
    found = {}
    for key in t.server.list(t.path(folder)):
        name = f"{folder}/{key}".strip("/") if not folder else f"{folder}/{key}"
        if key.endswith("/"):
            found.update(all_secrets(t, name.rstrip("/")))
        else:
            found[name] = t.get(name)
    return found


@test(seconds=180)
def two_hundred_odd_lines(t):
    "a .env of 200 lines with every odd syntax is migrated and read back equal through a mount"
    text, values = two_hundred_lines()
    assert text.count("\n") == 200
    file = write(t, text)
    run = Migrate(t)
    mark = t.server.audit_mark()
    out = run("--env-file", file, "--prefix", "development")
    secrets = {place(name)[0] for name in values}
    writes = [r for r in t.server.requests_since(mark, "secret/data/") if r[0] in ("create", "update")]
    assert len(writes) == len(secrets), "one version a secret"
    assert all(t.version(f"development/{s}") == 1 for s in secrets)
    m = t.mount(source="development")
    for name, value in values.items():
        secret, field = place(name)
        assert m.read(f"{secret}/{field}").decode() == value, name
    assert sum(len(f) for f in all_secrets(t).values()) == len(values)
    assert f"{len(values)} written, in {len(secrets)} secrets" in out and "DB_TWICE" in out
    t.note(f"{len(values)} variables of {text.count(chr(10))} lines, {len(secrets)} secrets")
    mark = t.server.audit_mark()
    again = run("--env-file", file, "--prefix", "development")
    assert "0 written" in again and f"{len(values)} there already" in again
    assert not [r for r in t.server.requests_since(mark, "secret/") if r[0] in ("create", "update")]


@test()
def plan_and_overwrite(t):
    "values are hidden, dry-run writes nothing, what differs stays unless --overwrite is given"
    secret = t.canary()
    old = t.canary()
    file = write(t, f"DB_PASSWORD={secret}\nDB_USER=app\n# DB_OLD=1\nDB_HOST=h\n")
    t.put("db", {"user": "app", "password": old, "other": "kept"})
    run = Migrate(t)
    out = run("--env-file", file, "--dry-run")
    rows = [line.split("\t") for line in out.splitlines() if "\t" in line]
    db = f"secret/{t.path('db')}"
    assert rows == [["DB_HOST", db, "host", "********", "create"],
                    ["DB_PASSWORD", db, "password", "********", "differs, stays"],
                    ["DB_USER", db, "user", "********", "is there already"]], rows
    assert t.version("db") == 1
    out, _ = run("--env-file", file, status=1)
    assert "1 written" in out and "1 there already" in out and "1 left" in out
    assert "line 4: DB_HOST" in out and "line 2: DB_USER" in out and "line 1:" not in out
    assert t.get("db") == {"user": "app", "password": old, "other": "kept", "host": "h"}
    run("--env-file", file, "--overwrite")
    assert t.get("db") == {"user": "app", "password": secret, "other": "kept", "host": "h"}
    assert t.version("db") == 3
    run("--env-file", file, "--overwrite")
    assert t.version("db") == 3, "there was nothing to do"
    t.server.delete(t.path("db"))
    run("--env-file", file)
    assert t.get("db") == {"user": "app", "password": secret, "host": "h"}


@test()
def mappings(t):
    "a mapping says where variables go; an exported one is taken back, and by env_map= too"
    file = write(t, "DATABASE_URL=u\nDB=d\nPGPASS=p\nODD=o\nDB_X=x\n")
    mapping = write(t, json.dumps({"database/connection/url": "DATABASE_URL", "pg#pass": "PGPASS",
                                   "odd#a/b": "ODD", "not/there": "NOT_THERE"}), "map.json")
    run = Migrate(t)
    exported = f"{t.root}/exported.json"
    run("--env-file", file, "--mapping-file", mapping, "--export-mapping", exported, "--prefix", "p")
    want = {"p/database/connection": {"url": "u"}, "p/db": {"value": "d", "x": "x"},
            "p/pg": {"pass": "p"}, "p/odd": {"a/b": "o"}}
    assert all_secrets(t) == want
    with open(exported) as f:
        assert json.load(f) == {"database/connection/url": "DATABASE_URL", "db/value": "DB",
                                "db/x": "DB_X", "pg/pass": "PGPASS", "odd#a/b": "ODD"}
    run("--env-file", file, "--mapping-file", exported, "--prefix", "q")
    assert {k.replace("q/", "p/"): v for k, v in all_secrets(t, "q").items()} == want


@test()
def refusals(t):
    "what is ambiguous or wrong is refused before anything is written, with the line"
    run = Migrate(t)
    for text, sentence in (("DB_X=1\nDb_x=2\n", "are both to be db#x"),
                           ("A=1\nB=${A}\n", "line 2"), ("A='open\n", "line 1"),
                           ("# nothing\n", "no variables"), ("1A=x y\n=z\n", "line")):
        _, err = run("--env-file", write(t, text), status=1)
        assert sentence in err, (text, err)
    good = write(t, "DB_X=1\n")
    for args, sentence in ((["--env-file", good, "--mapping-file", write(t, '["x"]', "m1")], "no JSON object"),
                           (["--env-file", good, "--mapping-file", write(t, '{"x": "DB_X"}', "m2")], "PATH/FIELD"),
                           (["--env-file", good, "--mapping-file", write(t, '{"a/x": "A", "b/x": "A"}', "m3")],
                            "are both A"),
                           (["--env-file", good, "--mapping-file", write(t, '{"a/../x/y": "DB_X"}', "m4")],
                            "the mapping of DB_X is a/../x/y: no path holds a name like .."),
                           (["--env-file", good, "--prefix", "../../other"], "no path holds a name like .."),
                           (["--env-file", write(t, "..=1\n", "dots")], "no path holds a name like .."),
                           (["--env-file", f"{t.root}/none"], "none"), ([], "say where from"),
                           (["--from", "ftp://x"], "env://")):
        _, err = run(*args, status=1)
        assert sentence in err, (args, err)
    assert all_secrets(t) == {}
    _, err = Migrate(t, VAULT_ADDR="http://127.0.0.1:1")("--env-file", good, status=2)


@test()
def failing_midway(t):
    "a secret that cannot be written is named, and what was done before it is told; nothing more is written"
    rules = {f"secret/data/{t.path('*')}": ["read", "create", "update", "patch"],
             f"secret/data/{t.path('b')}": ["read"], f"secret/data/{t.path('to/b')}": ["read"],
             "secret/metadata/*": ["read", "list"]}
    t.server.policy("midway", rules)
    token = t.server.make_token(policies=["midway"])
    out, err = Migrate(t, VAULT_TOKEN=token)("--env-file", write(t, "C_X=1\nB_X=1\nA_X=1\nA_Y=2\n"), status=2)
    assert f"secret/{t.path('b')}: " in err and "403" in err, err
    assert "2 written, in 1 secrets; 0 there already; 0 left, since they differ; 2 not done" in out, out
    assert "line 3: A_X\n  line 4: A_Y\n" in out and "line 1" not in out and "line 2" not in out, out
    assert t.server.list(t.folder) == ["a"]
    c = Copy(t, fill=False)
    for name in "abc":
        t.put(f"from/{name}", {"x": "1"})
    c.env["VAULT_TOKEN"] = token
    out = c("--from", f"vault:{c.at('from')}", c.at("to"), status=2)
    assert f"secret/{t.path('to/b')}: " in out and "403" in out, out
    assert "1 secrets written; 0 there already" in out and "; 2 not done" in out, out
    assert t.server.list(t.path("to")) == ["a"]


@test()
def patch_alone(t):
    "a token that may patch and not update migrates into a secret that is there: variables, and whole secrets"
    t.server.policy("migrate-patch", {f"secret/data/{t.path('*')}": ["read", "patch"],
                                      "secret/metadata/*": ["read", "list"]})
    token = t.server.make_token(policies=["migrate-patch"])
    t.put("db", {"a": "1", "b": "2"})
    Migrate(t, VAULT_TOKEN=token)("--env-file", write(t, "DB_A=new\nDB_C=3\n"), "--overwrite")
    assert t.get("db") == {"a": "new", "b": "2", "c": "3"} and t.version("db") == 2
    t.put("from/db", {"x": "1"})
    t.put("to/db", {"y": "2"})
    c = Copy(t, fill=False)
    c.env["VAULT_TOKEN"] = token
    c("--from", f"vault:{c.at('from')}", "--overwrite", c.at("to"))
    assert t.get("to/db") == {"x": "1"} and t.version("to/db") == 2


@test()
def from_the_environment(t):
    "--from env://PREFIX_ takes the process's own variables"
    value = t.canary("\nwith a second line")
    run = Migrate(t, MYAPP_DB_PASSWORD=value, MYAPP_PORT="80", MYAPPX="no")
    out = run("--from", "env://MYAPP_")
    assert all_secrets(t) == {"db": {"password": value}, "port": {"value": "80"}}
    assert "need not be set any more" in out and "MYAPP_PORT" in out


@test(products=("bao",))
def a_file_that_libraries_read_differently(t):
    "lines end with a lone CR too, and what is not the same to all libraries is refused with its line"
    run, canary = Migrate(t), t.canary()
    run("--env-file", write(t, f"SERVER=localhost\rPASSWORD={canary}\rDB=tests\r"))
    assert all_secrets(t) == {"server": {"value": "localhost"}, "password": {"value": canary}, "db": {"value": "tests"}}
    for line in ('A="C:\\apps"', "A='a\\\\b'", "A=C:\\apps", "A=x#y", "A=$5", "A='${B}'"):
        out, err = run("--env-file", write(t, f"X={canary}\r\n\n{line}{canary}"), status=1)
        assert "line 3: A: " in err, (line, err)
    assert len(all_secrets(t)) == 3


@test(products=("bao",))
def sections_of_the_target(t):
    "a migration holds to the sections of the target's configuration, as put does"
    run, canary = Migrate(t), t.canary()
    conf = write(t, f'[path "{t.path("db")}"]\nrequire = user\nmatch.port = ^[0-9]+$\n', "conf")
    for text, sentence in ((f"DB_PORT=1\nDB_URL={canary}\n", "requires a field user"), (f"DB_USER=u\nDB_PORT={canary}\n", "port")):
        out, err = run("-c", conf, "--env-file", write(t, text), status=1)
        assert sentence in err and f"secret/{t.path('db')}" in err, err
    t.put("from/db", {"port": "1"})
    out, err = run("-c", conf, "--from", f"vault:secret/{t.path('from')}", status=1)
    assert "requires a field user" in err, err
    assert t.get("db") is None
    run("-c", conf, "--env-file", write(t, f"DB_USER={canary}\nDB_PORT=1\n"))
    assert t.get("db") == {"user": canary, "port": "1"}


@test(products=("bao",))
def prefixes_that_are_stripped(t):
    "--strip-prefix takes the name of the application off those that have it; mappings keep the whole names"
    run, canary = Migrate(t), t.canary()
    file = write(t, f"APP_DB_URL={canary}\nAPP_PORT=1\nOTHER_X=2\nAPP_=3\nAPP_MAPPED_Y=4\n")
    mapping = write(t, '{"elsewhere/y": "APP_MAPPED_Y"}', "map.json")
    run("--strip-prefix", "APP_", "--env-file", file, "--mapping-file", mapping, "--export-mapping", f"{t.root}/out.json")
    assert all_secrets(t) == {"db": {"url": canary}, "port": {"value": "1"}, "other": {"x": "2"}, "app_": {"value": "3"},
                              "elsewhere": {"y": "4"}}
    with open(f"{t.root}/out.json") as f:
        assert json.load(f) == {"db/url": "APP_DB_URL", "port/value": "APP_PORT", "other/x": "OTHER_X", "app_/value": "APP_",
                                "elsewhere/y": "APP_MAPPED_Y"}
    out, err = run("--strip-prefix", "APP_", "--env-file", write(t, "APP_A_B=1\nA_B=2\n"), status=1)
    assert "are both to be a#b" in err, err
    out, err = run("--strip-prefix", "APP_", "--from", f"vault:secret/{t.folder}", status=1)
    assert "--strip-prefix" in err, err


@test()
def bytes_that_are_no_text(t):
    "bytes that are no UTF-8 are stored marked, and read back as they were"
    path = f"{t.root}/.env"
    with open(path, "wb") as f:
        f.write(b"DB_RAW='\xff\xfe\x80'\n")
    Migrate(t)("--env-file", path)
    assert t.mount().read("db/raw") == b"\xff\xfe\x80"


@test()
def beside_other_writers(t):
    "what others write to the same secret meanwhile is not lost, and a run that was ended goes on"
    file = write(t, "".join(f"DB_K{i}={i}\n" for i in range(20)) +
                 "".join(f"S{i}_K=1\n" for i in range(30)))
    stop = threading.Event()
    written = []

    def others():
        while not stop.is_set():
            now = t.get("db") or {}
            try:
                t.put("db", {**now, f"o{len(written)}": "x"}, cas=t.version("db"))
                written.append(len(written))
            except Exception:
                pass  # beaten to it

    run = Migrate(t)
    words = [VAULTFS, "migrate", "--env-file", file, f"secret/{t.folder}"]
    p = subprocess.Popen(words, env=run.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not t.server.list(t.folder):
        assert p.poll() is None or t.server.list(t.folder)
    p.kill()
    p.wait()
    th = threading.Thread(target=others)
    th.start()
    try:
        done = subprocess.run(words, env=run.env, capture_output=True, timeout=60, check=False)
    finally:
        stop.set()
        th.join()
    if done.returncode == 2 and b"check-and-set" in done.stderr:
        run("--env-file", file)  # beaten five times in a row
    db = t.get("db")
    assert all(db[f"k{i}"] == str(i) for i in range(20))
    assert all(f"o{n}" in db for n in written)
    assert all(t.version(f"s{i}") == 1 for i in range(30))


@test()
def on_a_terminal(t):
    "on a terminal there is a table with a head and a line of progress, and no value"
    value = t.canary()
    file = write(t, f"DB_PASSWORD={value}\n")
    master, slave = pty.openpty()
    p = subprocess.Popen([VAULTFS, "migrate", "--env-file", file, f"secret/{t.folder}"],
                         env=Migrate(t).env, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    out = b""
    try:
        while True:
            chunk = os.read(master, 4096)
            if not chunk:
                break
            out += chunk
    except OSError:
        pass
    assert p.wait(30) == 0
    text = out.decode()
    assert "VARIABLE" in text and "1 of 1 variables" in text and value not in text, text


class Copy:
    """Secrets of every kind at the test's server, below its folder "from", and a way to copy them."""

    KINDS = {"n": 4503599627370497, "f": 1.25, "m": -7, "b": False, "t": True, "z": None, "o": {"b": [1, {"y": 1, "a": "<&>"}], "a": {}},
             "l": [], "s": "text", "e": "", "num": "7", "lines": "a\nb\n", "ünï cödé/#": "✓"}
    NAMES = ["db", "deep/er/than/that", "with blank", "ünï✓", "a#b", "%2F", "both", "both/below", "x.y+z@w=1"]

    def __init__(self, t, fill=True):
        self.t = t
        self.secret = t.canary()
        self.raw = b"\xff\x00\xfe" + os.urandom(40)
        self.want = {}
        self.key = f"{t.root}/key"
        with open(self.key, "w") as f:
            f.write("0123456789abcdef")
        os.chmod(self.key, 0o600)
        self.env = clean_environment(VAULT_ADDR=t.server.address, VAULT_TOKEN=t.server.token, HOME=t.root)
        for i, name in enumerate(self.NAMES if fill else []):
            self.put(f"from/{name}", {**self.KINDS, "i": i, "password": self.secret})
        if fill:
            self.put("from/raw", {"key": base64.b64encode(self.raw).decode()})
            mark = "vaultfs.b64." + hashlib.sha256(b"key").hexdigest()[:32]
            self.meta = {"custom_metadata": {mark: "1", "expires_at": "2030-01-01", "owner": "ops"},
                         "max_versions": 7, "cas_required": True, "delete_version_after": "3000h0m0s"}
            t.server.api("POST", "secret/metadata/" + t.path("from/raw"), self.meta)
            self.put("from/gone", {"x": "1"})
            t.server.delete(t.path("from/gone"))
            del self.want["gone"]

    def put(self, path, fields):
        self.t.put(path, fields)
        self.want[path.split("/", 1)[1]] = fields

    def __call__(self, *args, status=0, key=True):
        more = ["-o", f"key=file:{self.key}"] if key else []
        done = subprocess.run([VAULTFS, "migrate", *more, *args], capture_output=True, timeout=120,
                              check=False, env=self.env, stdin=subprocess.DEVNULL)
        out, err = done.stdout.decode(), done.stderr.decode()
        assert done.returncode == status, (done.returncode, out, err)
        assert self.secret not in out + err, "a value was printed"
        return out if status == 0 else out + err

    def at(self, path=""):
        return f"secret/{self.t.path(path)}"

    def conf(self, server, token=None, **more):
        """A file for --from-conf."""
        name = f"{self.t.root}/from.conf"
        with open(f"{self.t.root}/from.token", "w", opener=lambda p, f: os.open(p, f, 0o600)) as f:
            f.write(token or server.token)
        rows = {"addr": server.address, "auth": "token", "token_file": f"{self.t.root}/from.token", **more}
        write(self.t, "".join(f"{k} = {v}\n" for k, v in rows.items()), "from.conf")
        return name

    def stored(self, file):
        """{path: export} of a local store."""
        done = subprocess.run([VAULTFS, "local", "export", "-o", f"key=file:{self.key}", file],
                              capture_output=True, check=True, env=self.env)
        return json.loads(done.stdout)["secrets"]

    def check(self, server, top, mount="secret"):
        """All of it is at a server, once, and nothing else."""
        for name, fields in self.want.items():
            path = f"{top}/{name}"
            assert server.get(path, mount=mount) == fields, (name, server.get(path, mount=mount))
            assert server.version(path, mount=mount) == 1, name
        assert server.get(f"{top}/gone", mount=mount) is None


def metadata(server, path):
    return server.api("GET", f"secret/metadata/{path}")["data"]


def writes_since(server, mark):
    return [r for r in server.requests_since(mark, "secret/") if r[0] in ("create", "update", "patch", "delete")]


@test(seconds=180)
def server_to_store_and_back(t):
    "secrets go to a local store and back: types, bytes, names and metadata are kept, and again writes nothing"
    c = Copy(t)
    store = f"local:{t.root}/copy.db"
    out = c("--from", f"vault:{c.at('from')}", "--dry-run", f"{store}/kept")
    assert not os.path.exists(f"{t.root}/copy.db") and out.count("\tcreate\n") == len(c.want), out
    assert "********" in out and "\tis deleted, left out\n" in out
    out = c("--from", f"vault:{c.at('from')}", f"{store}/kept")
    assert f"{len(c.want)} secrets written; 0 there already; 0 left, since they differ; 1 left out" in out, out
    found = c.stored(f"{t.root}/copy.db")
    assert {p: list(s["versions"].values()) for p, s in found.items()} == \
        {f"kept/{n}": [f] for n, f in c.want.items()}
    kept = found["kept/raw"]["metadata"]
    assert all(kept[k] == v for k, v in c.meta.items()), kept
    again = c("--from", f"vault:{c.at('from')}", f"{store}/kept")
    assert f"0 secrets written; {len(c.want)} there already" in again, again
    assert c.stored(f"{t.root}/copy.db") == found
    c("--from", f"{store}/kept", c.at(), "--prefix", "back")
    c.check(t.server, t.path("back"))
    back = metadata(t.server, t.path("back/raw"))
    assert all(back[k] == v for k, v in c.meta.items()), back
    assert t.mount(source="back").read("raw/key") == c.raw
    mark = t.server.audit_mark()
    again = c("--from", f"{store}/kept", c.at("back"))
    assert "0 secrets written" in again and "0 left," in again, again
    assert not writes_since(t.server, mark)
    c("--from", f"{store}/kept", f"local:{t.root}/other.db")
    assert set(c.stored(f"{t.root}/other.db")) == set(c.want)
    c("--from", f"{store}/kept", f"{store}/kept/in", status=1)


@test(seconds=120)
def numbers_as_servers_keep_them(t):
    "numbers that a server would keep in another spelling are not copied; to a store they go as they are"
    c = Copy(t, fill=False)
    t.put("from/a", {"n": 1})
    first, file = f"{t.root}/first.db", f"{t.root}/numbers.db"
    key = ("-o", f"key=file:{c.key}")
    c("--from", f"vault:{c.at('from')}", f"local:{first}")
    text = subprocess.run([VAULTFS, "local", "export", *key, first], capture_output=True, check=True,
                          env=c.env).stdout.decode()
    odd = '"n":12345678901234567890,"e":1E3,"one":1.0,"o":{"z":[1.10,{"q":-0.5e-1}],"a":1}'
    data = json.loads(text)
    data["secrets"]["a"]["versions"]["1"] = "HERE"
    text = json.dumps(data).replace('"HERE"', "{" + odd + "}")
    subprocess.run([VAULTFS, "local", "import", *key, file], input=text.encode(), check=True, env=c.env,
                   stdout=subprocess.DEVNULL)
    conf = write(t, f"key = file:{c.key}\n", "store.conf")
    run = ("--from", f"local:{file}", "--from-conf", conf, c.at("to"))
    mark = t.server.audit_mark()
    out = c(*run, key=False, status=2)
    assert "to/a: a number in the field" in out and not writes_since(t.server, mark), out
    t.put("to/a", json.loads("{" + odd + "}"))  # by a client that does not mind
    assert "0 secrets written; 1 there already" in c(*run, key=False) and t.version("to/a") == 1
    c("--from", f"local:{file}", f"local:{t.root}/third.db")
    kept = subprocess.run([VAULTFS, "local", "export", *key, f"{t.root}/third.db"], capture_output=True,
                          check=True, env=c.env).stdout.decode()
    for number in ("12345678901234567890", "1E3", "1.0", "1.10", "-0.5e-1"):
        assert number in kept, (number, kept)
    out = c("--from", f"vault:{c.at('to')}", f"local:{t.root}/third.db", status=1)
    assert "1 left, since they differ" in out, out


@test(seconds=180)
def server_to_server(t):
    "secrets of another server, that a file describes, are copied with a token for that one alone"
    c = Copy(t)
    other = Server(t.product, f"{t.root}/other")
    try:
        other.policy("reads", {f"secret/{k}/{t.folder}/*": ["read", "list"] for k in ("data", "metadata")})
        source = t.server
        source.policy(f"reads-{t.folder}", {f"secret/{k}/{t.folder}/*": ["read", "list"] for k in ("data", "metadata")})
        token = source.make_token(policies=[f"reads-{t.folder}"])
        conf = c.conf(source, token)
        c.env = clean_environment(VAULT_ADDR=other.address, VAULT_TOKEN=other.token, HOME=t.root)
        run = ("--from", f"vault:{c.at('from')}", "--from-conf", conf, "secret/moved/here")
        mark = source.audit_mark()
        c(*run, key=False)
        c.check(other, "moved/here")
        got = metadata(other, "moved/here/raw")
        assert all(got[k] == v for k, v in c.meta.items()), got
        assert not writes_since(source, mark), "the source was written to"
        mark = other.audit_mark()
        assert "0 secrets written" in c(*run, key=False)
        assert not writes_since(other, mark)
        # What nobody may list is no empty folder; and what lies about is not tried on the source.
        assert "cannot list" in c("--from", "vault:secret/elsewhere", *run[2:], key=False, status=2)
        with open(f"{t.root}/.vault-token", "w") as f:
            f.write(source.token)
        bare = write(t, f"addr = {source.address}\n", "bare.conf")
        c(*run[:3], bare, run[4], key=False, status=1)
        assert "addr is missing" in c(*run[:3], write(t, "ttl = 1m\n", "none.conf"), run[4], key=False, status=1)
    finally:
        other.stop()


@test(seconds=120)
def copies_that_differ(t):
    "what differs stays without --overwrite; a missing mark or word of metadata is added; others' versions count"
    c = Copy(t)
    run = ("--from", f"vault:{c.at('from')}", c.at("to"))
    t.put("to/db", {"mine": "1"})
    t.put("to/raw", c.want["raw"])
    t.server.api("POST", f"secret/metadata/{t.path('to/raw')}", {"custom_metadata": {"owner": "us"}})
    out = c(*run, status=1)
    assert "2 left, since they differ (--overwrite" in out, out
    assert t.get("to/db") == {"mine": "1"}
    assert metadata(t.server, t.path("to/raw"))["custom_metadata"] == {"owner": "us"}
    c(*run, "--overwrite")
    assert t.get("to/db") == c.want["db"], t.get("to/db")
    assert t.version("to/db") == 2, t.version("to/db")
    assert t.server.get(t.path("to/db"), version=1) == {"mine": "1"}
    got = metadata(t.server, t.path("to/raw"))
    assert got["custom_metadata"] == c.meta["custom_metadata"]
    assert got["max_versions"] == 0, "settings are for secrets that are new"
    assert t.mount(source="to").read("raw/key") == c.raw
    t.server.api("POST", f"secret/metadata/{t.path('to/raw')}", {"custom_metadata": {"more": "x"}})
    before = t.version("to/raw")
    c(*run, status=1)  # without its mark it is other text
    c(*run, "--overwrite")
    got = metadata(t.server, t.path("to/raw"))["custom_metadata"]
    assert got == {**c.meta["custom_metadata"], "more": "x"} and t.version("to/raw") == before + 1
    t.server.api("POST", f"secret/metadata/{t.path('from/db')}", {"custom_metadata": {"team": "a"}})
    assert "\tadd metadata\n" in c(*run)
    assert metadata(t.server, t.path("to/db"))["custom_metadata"] == {"team": "a"} and t.version("to/db") == 2
    assert t.server.list(t.path("to")) and "0 secrets written" in c(*run)


@test(seconds=120)
def copies_of_version_one(t):
    "an engine of version 1 is a source, and a target of what it can hold"
    c = Copy(t)
    engine = f"one-{t.folder}".lower()
    t.server.enable(engine, 1)
    t.server.api("POST", f"{engine}/a/b", c.KINDS)
    c("--from", f"vault:{engine}/a", c.at("v1"))
    assert t.get("v1/b") == c.KINDS, t.get("v1/b")
    c("--from", f"vault:{c.at('v1')}", f"{engine}/again")
    assert t.server.api("GET", f"{engine}/again/b")["data"] == c.KINDS
    assert "0 secrets written" in c("--from", f"vault:{c.at('v1')}", f"{engine}/again")
    out = c("--from", f"vault:{c.at('from')}", f"{engine}/no", status=2)
    assert "cannot mark" in out, out
    t.server.disable(engine)


@test(seconds=180)
def copy_that_is_killed(t):
    "a copy that is killed half-way is ended by another run, with one version a secret"
    c = Copy(t, fill=False)
    t.server.fill(t.path("from"), 150, {"f": "x", "password": c.secret})
    words = [VAULTFS, "migrate", "--from", f"vault:{c.at('from')}", c.at("to")]
    p = subprocess.Popen(words, env=c.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while len(t.server.list(t.path("to"))) < 10:
        assert p.poll() is None or len(t.server.list(t.path("to"))) >= 10
    p.kill()
    p.wait()
    before = len(t.server.list(t.path("to")))
    out = c("--from", f"vault:{c.at('from')}", c.at("to"))
    assert f"{150 - before} secrets written; {before} there already" in out, out
    for n in range(150):
        assert t.get(f"to/s{n}") == {"f": "x", "password": c.secret} and t.version(f"to/s{n}") == 1
    t.note(f"killed after {before} of 150")


@test()
def wrong_origins(t):
    "an origin that is wrong, empty or within itself is refused, and nothing is written"
    c = Copy(t, fill=False)
    t.put("from/a", {"x": "1"})
    good = ("--from", f"vault:{c.at('from')}")
    for args, sentence in (((*good, c.at("from")), "cannot be copied into itself"),
                           ((*good, c.at("from/deeper")), "cannot be copied into itself"),
                           (("--from", f"vault:{c.at('none')}", c.at("to")), "there are no secrets"),
                           (("--from", f"vault:{c.at('from/a')}#x", c.at("to")), "is a field"),
                           ((*good, "--env-file", "x", c.at("to")), "are for variables"),
                           (("--from", "env://X", "--from-conf", "x", c.at("to")), "--from-conf is for"),
                           ((*good, "--from-conf", f"{t.root}/none", c.at("to")), "cannot read"),
                           (("--from", f"local:{t.root}/none.db", c.at("to")), "none.db")):
        out = c(*args, status=1)
        assert sentence in out, (args, out)
    assert t.server.list(t.folder) == ["from/"] and not os.path.exists(f"{t.root}/none.db")
    c("--from", f"vault:{c.at('from/a')}", c.at("single"))
    assert t.get("single") == {"x": "1"}
    c("--env-file", write(t, "DB_X=1\n"), f"local:{t.root}/env.db/app")
    assert c.stored(f"{t.root}/env.db")["app/db"]["versions"] == {"1": {"x": "1"}}


main()
