#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""vaultfs run: programs with secrets in their environment; vaultfs resolve: texts with values in them."""

import json
import os
import signal
import subprocess
import time

from harness import main, test, until
from mount import VAULTFS, clean_environment
from proxy import HANG, Proxy

SHOW = "import json, os, sys; json.dump(dict(os.environ), sys.stdout)"


def env(t, **more):
    return clean_environment(**{"VAULT_ADDR": t.server.address, "VAULT_TOKEN": t.server.token,
                                "HOME": t.root, **more})


def vaultfs(t, *args, input=b"", **more):
    done = subprocess.run([VAULTFS, *args], capture_output=True, timeout=60, check=False,
                          env=env(t, **more), input=input)
    err = done.stderr.decode()
    for canary in t.canaries:
        assert canary not in err, "a secret is in the errors"
    return done.returncode, done.stdout, err


def environment(t, *args, **more):
    status, out, err = vaultfs(t, "run", *args, "--", "python3", "-c", SHOW, **more)
    assert status == 0 and err == "", (status, err)
    return json.loads(out)


@test()
def environment_from_secrets(t):
    "fields are variables, upper-cased, by prefix and by map; whole secrets and single fields"
    value = t.canary(" 'quoted'\n\"twice\" $HOME \\ end")
    t.put("db", {"password": value, "max-conns": 5, "url": ""})
    t.put("api", {"key": "k", "password": "later"})
    db, api = f"secret/{t.path('db')}", f"secret/{t.path('api')}"
    e = environment(t, db, VAULTFS_PROBE="1", AWS_ACCESS_KEY_ID="mine", AWS_SECRET_ACCESS_KEY="too")
    assert e["PASSWORD"] == value and e["MAX_CONNS"] == "5" and e["URL"] == ""
    assert e["VAULTFS_PROBE"] == "1" and e["VAULT_ADDR"] == t.server.address
    assert "VAULT_TOKEN" not in e, "what logs us in is not for the program"
    assert e["AWS_ACCESS_KEY_ID"] == "mine" and e["AWS_SECRET_ACCESS_KEY"] == "too"
    e = environment(t, "--prefix", "DB_", db)
    assert e["DB_PASSWORD"] == value and "PASSWORD" not in e
    e = environment(t, db, api)
    assert e["PASSWORD"] == "later" and e["KEY"] == "k" and e["MAX_CONNS"] == "5"
    e = environment(t, f"{db}#max-conns")
    assert e["MAX_CONNS"] == "5" and "PASSWORD" not in e
    with open(f"{t.root}/map.json", "w") as f:
        json.dump({f"{db}/password": "PGPASSWORD", f"{t.path('api')}/password": "API_PW",
                   "key": "ApiKey"}, f)
    e = environment(t, "--map", f"{t.root}/map.json", db, api)
    assert e["PGPASSWORD"] == value and e["API_PW"] == "later" and e["ApiKey"] == "k"
    assert "PASSWORD" not in e


@test()
def it_is_the_program(t):
    "exit status, signals, standard streams and the process itself are the program's"
    t.put("db", {"x": "1"})
    db = f"secret/{t.path('db')}"
    for code in (0, 1, 3, 255):
        assert vaultfs(t, "run", db, "--", "sh", "-c", f"exit {code}")[0] == code
    assert vaultfs(t, "run", db, "--", "cat", "-", input=b"through")[1] == b"through"
    assert vaultfs(t, "run", db, "--", "sh", "-c", "kill -TERM $$")[0] == -signal.SIGTERM
    assert vaultfs(t, "run", db, "--", "/nowhere/at-all")[0] == 127
    assert vaultfs(t, "run", db, "--", "/etc/passwd")[0] == 126
    p = t.spawn(VAULTFS, "run", db, "--", "sleep", "60", env=env(t))
    end = time.monotonic() + 20
    while b"sleep" not in open(f"/proc/{p.pid}/cmdline", "rb").read():
        assert time.monotonic() < end
        time.sleep(0.02)
    p.send_signal(signal.SIGINT)
    assert p.wait(20) == -signal.SIGINT


@test()
def code_is_not_chosen_by_a_secret(t):
    "a field that would be PATH, BASH_ENV, LD_PRELOAD or their like is refused, by any way, unless allowed"
    names = ["path", "bash_env", "LD_PRELOAD", "ld-audit", "pythonpath", "node_options", "perl5lib",
             "home", "shell", "env", "ps4", "glibc_tunables", "git_ssh_command", "java_tool_options"]
    for name in names:
        variable = name.upper().replace("-", "_")
        value = t.canary()
        t.put("bad", {name: value, "fine": "1"})
        bad = f"secret/{t.path('bad')}"
        for args in ([bad], [f"{bad}#{name}"]):
            status, out, err = vaultfs(t, "run", *args, "--", "/bin/echo", "ran")
            assert status == 1 and out == b"" and f"--allow {variable}" in err, (name, status, err)
        e = environment(t, "--prefix", "X_", bad)
        assert e[f"X_{variable}"] == value and e["X_FINE"] == "1"
    t.put("bad", {"path": "/wanted", "term": "t"})
    status, out, err = vaultfs(t, "run", "--allow", "NONE,PATH,X", bad, "--", "/bin/sh", "-c",
                               "printf '%s %s' $PATH $TERM")
    assert (status, out, err) == (0, b"/wanted t", "")
    # What only begins like one, or is the program's own matter, goes through.
    t.put("good", {"user": "u", "pathology": "p", "ssh_private_key": "k", "git_token": "g",
                   "lang": "l", "http_proxy": "h"})
    e = environment(t, f"secret/{t.path('good')}")
    assert [e[k] for k in ("USER", "PATHOLOGY", "SSH_PRIVATE_KEY", "GIT_TOKEN", "LANG")] == \
        ["u", "p", "k", "g", "l"]
    # By a map too.
    t.put("bad", {"value": "1"})
    with open(f"{t.root}/map.json", "w") as f:
        json.dump({"value": "LD_PRELOAD"}, f)
    status, _, err = vaultfs(t, "run", "--map", f"{t.root}/map.json", f"secret/{t.path('bad')}",
                             "--", "true")
    assert status == 1 and "--allow LD_PRELOAD" in err, err
    # And one that comes later, under --watch.
    t.put("later", {"x": "1"})
    p = subprocess.Popen([VAULTFS, "run", "--watch", "--interval", "100ms",
                          f"secret/{t.path('later')}", "--", "sleep", "60"], env=env(t),
                         stderr=subprocess.PIPE)
    t.processes.append(p)
    time.sleep(0.5)
    t.put("later", {"x": "1", "bash_env": "/tmp/evil"})
    line = p.stderr.readline().decode()
    assert "stays as it is" in line and "--allow BASH_ENV" in line, line
    p.terminate()
    p.wait(20)


@test()
def run_refuses(t):
    "nothing is started when a secret, a field or the server is not there, or names collide"
    t.put("db", {"a-b": "1", "a_b": "2"})
    t.put("ok", {"x": "1"})
    db, ok = f"secret/{t.path('db')}", f"secret/{t.path('ok')}"
    mark = f"{t.root}/started"
    for status, sentence, words in (
            (2, "is not there", [f"secret/{t.path('no')}"]), (2, "has no field y", [f"{ok}#y"]),
            (1, "no path holds a name like ..", [f"{ok}/../ok"]), (1, "are both A_B", [db]), (2, "no engine at", ["nowhere/x"]),
            (1, "cannot read", ["--map", f"{t.root}/none", ok]), (1, "--interval", ["--watch", "--interval", "x", ok]),
            (1, "--on-change", ["--watch", "--on-change", "BANG", ok])):
        got, out, err = vaultfs(t, "run", *words, "--", "touch", mark)
        assert got == status and sentence in err, (words, got, err)
    for words in ([ok], [ok, "--"], ["--", "touch", mark]):
        got, out, err = vaultfs(t, "run", *words)
        assert got == 1 and "Usage" in err, (words, err)
    t.put("mapped", {"user": "1", "db_user": "2"})
    with open(f"{t.root}/map.json", "w") as f:
        json.dump({"user": "DB_USER"}, f)
    got, out, err = vaultfs(t, "run", "--map", f"{t.root}/map.json", f"secret/{t.path('mapped')}", "--", "touch", mark)
    assert got == 1 and "are both DB_USER" in err, err
    got, out, err = vaultfs(t, "run", ok, "--", "touch", mark, VAULT_ADDR="http://127.0.0.1:1")
    assert got == 2, err
    assert not os.path.exists(mark)


@test()
def watch_restarts(t):
    "--watch starts the program anew when a secret has changed, and passes signals and status on"
    t.put("db", {"x": "one"})
    db, log = f"secret/{t.path('db')}", f"{t.root}/log"
    lines = lambda: open(log).read().split() if os.path.exists(log) else []
    p = t.spawn(VAULTFS, "run", "--watch", "--interval", "200ms", db, "--", "sh", "-c",
                f'trap "exit 7" USR1; echo $X >> {log}; while :; do sleep 0.1; done', env=env(t))
    until(lambda: lines() == ["one"])
    time.sleep(1)
    assert lines() == ["one"], "nothing has changed"
    t.put("db", {"x": "two"})
    until(lambda: lines() == ["one", "two"])
    t.put("db", {"x": "two"})  # a version more, and nothing new
    time.sleep(1)
    assert lines() == ["one", "two"]
    t.server.delete(t.path("db"))
    time.sleep(1)
    assert p.poll() is None and lines() == ["one", "two"], "what is gone does not end it"
    p.send_signal(signal.SIGUSR1)
    assert p.wait(20) == 7


@test()
def watch_signals(t):
    "--on-change HUP sends a signal, and the program stays"
    t.put("db", {"x": "one"})
    db, log = f"secret/{t.path('db')}", f"{t.root}/log"
    p = t.spawn(VAULTFS, "run", "--watch", "--interval", "200ms", "--on-change", "HUP", db, "--",
                "sh", "-c", f'trap "echo hup >> {log}" HUP; echo $X $$ >> {log}; '
                "while :; do sleep 0.1; done", env=env(t))
    lines = lambda: open(log).read().splitlines() if os.path.exists(log) else []
    until(lambda: len(lines()) == 1)
    t.put("db", {"x": "two"})
    until(lambda: lines()[1:] == ["hup"])
    p.send_signal(signal.SIGTERM)
    assert p.wait(20) == -signal.SIGTERM


@test()
def watch_ends(t):
    "a signal that is to end the program does so while it is started anew, and is not started again"
    t.put("db", {"x": "one"})
    db, log = f"secret/{t.path('db')}", f"{t.root}/log"
    lines = lambda: open(log).read().split() if os.path.exists(log) else []
    script = 'trap "echo $X-ends >> $LOG; sleep 2; exit 5" TERM; trap : HUP INT QUIT; echo $X >> $LOG; ' \
        "while :; do sleep 0.1; done"
    for n, s in enumerate((signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)):
        p = t.spawn(VAULTFS, "run", "--watch", "--interval", "200ms", db, "--", "sh", "-c", script,
                    env=env(t, LOG=log))
        until(lambda: len(lines()) == 1)
        t.put("db", {"x": f"two{n}"})
        until(lambda: len(lines()) == 2)
        p.send_signal(s)
        assert p.wait(20) == 5, s
        time.sleep(0.5)
        assert f"two{n}" not in lines(), (s, lines())
        os.unlink(log)


@test(products=("bao",))
def watch_with_a_server_that_hangs(t):
    "signals are passed on at once, and the end is seen, while the server hangs"
    t.put("db", {"x": "one"})
    db, log = f"secret/{t.path('db')}", f"{t.root}/log"
    proxy = Proxy(t.server)
    p = t.spawn(VAULTFS, "run", "--watch", "--interval", "200ms", db, "--", "sh", "-c",
                f'trap "echo usr1 >> {log}" USR1; echo $X >> {log}; while :; do sleep 0.1; done',
                env=env(t, VAULT_ADDR=proxy.address))
    lines = lambda: open(log).read().split() if os.path.exists(log) else []
    until(lambda: lines() == ["one"])
    seen = len(proxy.requests)
    proxy.fate = lambda method, path: HANG
    until(lambda: len(proxy.requests) > seen)
    time.sleep(0.3)
    p.send_signal(signal.SIGUSR1)
    until(lambda: lines() == ["one", "usr1"], 3)
    p.send_signal(signal.SIGTERM)
    assert p.wait(5) == -signal.SIGTERM
    proxy.close()


@test()
def resolve(t):
    "references are replaced by values, byte for byte, in files and in what is piped"
    value = t.canary("\nsecond line & 100% \\1")
    t.put("db", {"password": value, "n": 5, "a b": "blank", "o": {"k": [1]}})
    t.server.put("github/token/user", {"value": "short"})
    t.server.put("plain", {"value": "one"})
    db = f"secret/{t.path('db')}"
    text = (f"url: postgres://u:vault://{db}#password@host/name\nn=vault://{db}#n.\n"
            f"'vault://{db}#a%20b' [vault://{db}#o],vault:///{db}//#n;\n"
            "t=vault://github_token.user t=vault://plain\n# vault and vault:/ are no references\n")
    want = (f'url: postgres://u:{value}@host/name\nn=5.\n\'blank\' [{{"k":[1]}}],5;\n'
            "t=short t=one\n# vault and vault:/ are no references\n")
    with open(f"{t.root}/text", "w") as f:
        f.write(text)
    status, out, err = vaultfs(t, "resolve", f"{t.root}/text")
    assert (status, out.decode(), err) == (0, want, ""), (out, err)
    assert vaultfs(t, "resolve", input=text.encode()) == (0, want.encode(), "")
    assert vaultfs(t, "resolve", "-", input=b"\x00\xff no reference\x00") == \
        (0, b"\x00\xff no reference\x00", "")
    assert vaultfs(t, "resolve", input=b"") == (0, b"", "")
    mark = t.server.audit_mark()
    many = f"vault://{db}#n " * 1000
    assert vaultfs(t, "resolve", input=many.encode())[1] == b"5 " * 1000
    assert len(t.server.requests_since(mark, "secret/data/")) == 1, "a secret is asked for once"


@test()
def resolve_refuses(t):
    "a reference to nothing fails with its line and column, and nothing is written"
    t.put("db", {"x": "1"})
    db = f"secret/{t.path('db')}"
    for text, where, sentence, status in (
            (f"a\n  b vault://{db}#x vault://{db}#y\n", "stdin:2:%d: " % (len(f"  b vault://{db}#x ") + 1),
             "has no field y", 2),
            (f"vault://{db}no#x", "stdin:1:1: ", "is not there", 2),
            ("é vault://nowhere/x#y", "stdin:1:4: ", "no engine at", 2),
            ("\n\nvault://secret/x", "stdin:3:1: ", "the field is missing", 1),
            (f"vault://secret/x/../{t.path('db')}#x", "stdin:1:1: ", "no path holds a name like ..", 1),
            ("vault://", "stdin:1:1: ", "a reference is", 1),
            ("vault://secret/%zz#x", "stdin:1:1: ", "an escape is", 1)):
        got, out, err = vaultfs(t, "resolve", input=text.encode())
        assert got == status and out == b"" and where in err and sentence in err, (text, got, out, err)
    got, out, err = vaultfs(t, "resolve", f"{t.root}/none")
    assert got == 1 and "cannot read" in err and out == b""


main()
