#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""vaultfs migrate: .env files and environments become secrets, and can be read back."""

import json
import os
import pty
import subprocess
import threading

from harness import main, test
from mount import VAULTFS, clean_environment

# Every syntax that there is, with what it means; see src/conf/dotenv.c.
ODD = [
    ("DB_PLAIN=value", "value"), ("DB_EMPTY=", ""), ("DB_SPACED = spaced value ", "spaced value"),
    ("export DB_EXPORTED=yes", "yes"), ("  export   DB_INDENTED  =  x", "x"),
    ("DB_SINGLE='single # \"quoted\" $HOME \\n'", 'single # "quoted" $HOME \\n'),
    ('DB_DOUBLE="double \'quoted\' # no comment"', "double 'quoted' # no comment"),
    ('DB_ESCAPES="a\\nb\\tc\\rd\\\\e\\"f\\$g"', 'a\nb\tc\rd\\e"f$g'),
    ("DB_BACKTICK=`both ' and \"`", "both ' and \""),
    ("DB_COMMENT=value # a comment", "value"), ("DB_HASH=va#lue", "va#lue"),
    ("DB_MULTI='line one\nline two\n  line three'", "line one\nline two\n  line three"),
    ('DB_KEY="-----BEGIN KEY-----\nMIIB\nAQAB\n-----END KEY-----\n"',
     "-----BEGIN KEY-----\nMIIB\nAQAB\n-----END KEY-----\n"),
    ('DB_JOINED="one \\\ntwo"', "one two"), ("DB_SHELL='it'\\''s'", "it's"),
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
        lines.append(f'APP{i % 7}_SETTING_{i}="value {i}\\t#{i}"')
        values[f"APP{i % 7}_SETTING_{i}"] = f"value {i}\t#{i}"
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
                           (["--env-file", f"{t.root}/none"], "none"), ([], "say where from"),
                           (["--from", "ftp://x"], "env://")):
        _, err = run(*args, status=1)
        assert sentence in err, (args, err)
    assert all_secrets(t) == {}
    _, err = Migrate(t, VAULT_ADDR="http://127.0.0.1:1")("--env-file", good, status=2)


@test()
def from_the_environment(t):
    "--from env://PREFIX_ takes the process's own variables"
    value = t.canary("\nwith a second line")
    run = Migrate(t, MYAPP_DB_PASSWORD=value, MYAPP_PORT="80", MYAPPX="no")
    out = run("--from", "env://MYAPP_")
    assert all_secrets(t) == {"db": {"password": value}, "port": {"value": "80"}}
    assert "need not be set any more" in out and "MYAPP_PORT" in out


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


main()
