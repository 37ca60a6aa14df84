#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tokens that a command prints: in a mount, in commands, in the configuration; run again before their end
and after it; and commands that fail, hang, print too much or nothing."""

import json
import os
import subprocess
import time

from harness import main, test
from login import READ, expect, refused
from mount import VAULTFS, clean_environment
from proxy import Proxy


LIFE = "logged in method=command ttl=276"  # 768 hours, which tokens of a dev server have


def script(t, text, name="give"):
    """A program that notes each time that it runs; where it is."""
    path = f"{t.root}/{name}"
    with open(f"{path}.new", "w") as f:
        f.write(f"#!/bin/sh\necho run >> {path}.runs\n{text}\n")
    os.chmod(f"{path}.new", 0o755)
    os.rename(f"{path}.new", path)
    return path


def runs(path):
    try:
        with open(f"{path}.runs") as f:
            return len(f.readlines())
    except FileNotFoundError:
        return 0


def wait(condition, what, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def token_of(t, **more):
    t.server.policy("logins", READ)
    token = t.server.make_token(policies=["logins"], **more)
    t.canaries.append(token)
    return token


def put_token(t, token, **more):
    """What the program prints from now on: it is in a file of its own."""
    with open(f"{t.root}/given.new", "w") as f:
        f.write(json.dumps({"token": token, **more}) if more else token + "\n")
    os.rename(f"{t.root}/given.new", f"{t.root}/given")


def mount(t, *options, **env):
    return t.mount("timeout=1m", "ttl=0", "negative_ttl=0", *options, env={"VAULT_ADDR": t.server.address, **env})


def run(t, *args, **env):
    """A command: its status, and what it says."""
    done = subprocess.run([VAULTFS, *args], capture_output=True, text=True, timeout=60, check=False,
                          env=clean_environment(**{"VAULT_ADDR": t.server.address, "HOME": t.root,
                                                   **env}))
    return done.returncode, done.stdout, done.stderr


@test()
def everywhere(t):
    "token_command: in a mount, in commands, in the configuration, and for vaultfs login"
    t.put("db", {"x": "1"})
    token = token_of(t)
    put_token(t, token)
    give = script(t, f"cat {t.root}/given")
    place = f"{t.place('db')}#x"
    m = mount(t, f"token_command={give}")
    assert m.read("db/x") == b"1"
    expect(m.log(), "method=command", "auth=command")
    assert run(t, "get", place, "-o", f"token_command={give}") == (0, "1", "")
    # In the configuration; auth=token means it too; the environment is stronger than the file.
    conf = f"{t.root}/conf"
    with open(conf, "w") as f:
        f.write(f"auth = token\ntoken_command = {give} \"a b\" | cat\n")
    os.chmod(conf, 0o600)
    assert run(t, "get", "-c", conf, place) == (0, "1", "")
    before = runs(give)
    assert run(t, "get", "-c", conf, place, VAULT_TOKEN=token) == (0, "1", "")
    assert runs(give) == before, "the token of the environment is stronger than the file"
    assert run(t, "get", "-o", f"token_command={give}", place, VAULT_TOKEN="wrong") == (0, "1", "")
    done = run(t, "get", "-o", "auth=command", place)
    assert done[0] == 1 and "set token_command=CMD" in done[2], done
    done = run(t, "doctor", "-o", f"token_command={give}", t.place("db"))
    assert done[0] == 0 and "login by command" in done[1], done
    put_token(t, f"hvs.{t.canary()}")
    done = run(t, "get", "-o", f"token_command={give}", place)
    assert done[0] == 2 and "that token_command printed is refused" in done[2], done
    # As JSON, with its life as a number and as a text.
    for ttl in (3600, "1h", None, 0):
        put_token(t, token, ttl=ttl)
        assert run(t, "get", "-o", f"token_command={give}", place) == (0, "1", ""), ttl
    done = run(t, "login", "-o", f"token_command={give}")
    assert done[0] == 0 and token not in done[1], done
    with open(f"{t.root}/.vault-token") as f:
        assert f.read().strip() == token
    # It is the command's: nobody revokes it.
    m.end()
    t.server.api("GET", "auth/token/lookup-self", token=token)


@test(products=("vault",))
def its_surroundings(t):
    "token_command: it has no descriptor, no secret and no terminal of ours, and a child that it leaves is no hang"
    t.put("db", {"x": "1"})
    token, secret = token_of(t), t.canary()
    put_token(t, token)
    give = script(t, f"""
ls -l /proc/self/fd > {t.root}/fds
env > {t.root}/env
readlink /proc/self/cwd > {t.root}/cwd
cat > {t.root}/stdin
sleep 300 &
echo $! > {t.root}/left
cat {t.root}/given""")
    m = mount(t, f"token_command={give}", VAULT_PASSWORD=secret, VAULT_SECRET_ID=secret, KEPT="yes")
    try:
        assert m.read("db/x") == b"1"
        with open(f"{t.root}/env") as f:
            environment = f.read()
        assert secret not in environment and token not in environment and "KEPT=yes" in environment
        with open(f"{t.root}/cwd") as f:
            assert f.read() == "/\n"
        assert os.path.getsize(f"{t.root}/stdin") == 0
        with open(f"{t.root}/fds") as f:
            fds = [line.split("->")[0].split()[-1] for line in f if "->" in line]
        # That of ls itself is the folder's.
        assert set(fds) <= {"0", "1", "2", "3"}, fds
        # The process that starts it has nothing of the token in its memory.
        helper = [int(p) for p in os.listdir("/proc") if p.isdigit() and is_helper(p, m.process.pid)]
        assert len(helper) == 1, helper
        assert token.encode() not in memory_of(helper[0])
    finally:
        with open(f"{t.root}/left") as f:
            os.kill(int(f.read()), 9)


def is_helper(pid, parent):
    try:
        with open(f"/proc/{pid}/stat") as f:
            name, rest = f.read().rsplit(")", 1)
        return "vaultfs-program" in name and int(rest.split()[1]) == parent
    except (OSError, IndexError):
        return False


def memory_of(pid):
    """All that can be read of it."""
    out = b""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            first, last = (int(x, 16) for x in line.split()[0].split("-"))
            if "rw" not in line.split()[1] or last - first > 64 << 20:
                continue
            try:
                mem.seek(first)
                out += mem.read(last - first)
            except (OSError, OverflowError, ValueError):
                pass
    return out


@test(products=("vault",), seconds=120)
def failures(t):
    "token_command: failing, hanging, printing too much, nothing or no token is a login's failure, with its words"
    t.put("db", {"x": "1"})
    secret = t.canary()
    command = f"token_command={t.root}/give"

    def fails(text, *words, status=2, options=()):
        script(t, text)
        sentence = refused(t, command, *options, status=status)
        expect(sentence, "cannot log in", *words)
        return sentence

    fails("echo 'no ticket, run kinit' >&2; exit 3", "status 3", "no ticket, run kinit")
    fails(f"echo {secret}; exit 1", "status 1")
    fails(f"set -x; echo {secret}; exit 1", "status 1", "holds the token")
    fails(f"echo '{{\"token\": \"{secret}\"}}'; echo 'got {secret[4:]} from there' >&2; exit 1",
          "status 1", "holds the token")
    fails("printf '\\033[31mred\\n\\tline two' >&2; exit 1", "red line two")
    expect(refused(t, "token_command=kill -9 $$"), "signal 9 has ended token_command")
    fails("true", "printed nothing")
    fails("echo 'nobody is logged in' >&2; echo", "printed nothing", "nobody is logged in")
    fails("yes", "more than 65536 bytes")
    fails("yes >&2", "has not ended in time", options=("timeout=300ms",))
    fails("echo two words", "blanks or control characters")
    fails(f"echo '{{\"token\": \"{secret}\", \"ttl\": \"soon\"}}'", "not JSON")
    fails("echo '{\"ttl\": 3}'", "not JSON")
    fails(f"echo hvs.{secret}", "token_command printed is refused")
    script(t, "")
    expect(refused(t, f"token_command={t.root}/missing"), "status 127", "not found")
    # It ignores what would end it, and so does what it has started.
    begun = time.monotonic()
    sentence = fails(f"trap '' TERM; sleep 301 & echo $! > {t.root}/child; echo waiting >&2; sleep 301",
                     "has not ended in time", "waiting", options=("timeout=1s",))
    assert time.monotonic() - begun < 45
    with open(f"{t.root}/child") as f:
        child = int(f.read())
    wait(lambda: not os.path.exists(f"/proc/{child}"), "what it started still runs")
    done = run(t, "get", "-o", f"{command},timeout=300ms", f"{t.place('db')}#x")
    assert done[0] == 2 and "has not ended in time" in done[2], done


@test(seconds=120)
def again(t):
    "token_command: run again before the end of its token, after an early death, and not in a hurry"
    t.put("db", {"x": "1"})
    first, second, third, fourth = (token_of(t) for _ in range(4))
    give = script(t, f"cat {t.root}/given")
    # Its own word of the end is earlier than the server's.
    put_token(t, first, ttl=2)
    m = mount(t, f"token_command={give}")
    m.expect("login failed", "the token is dead", "ends soon", "is refused")
    assert m.read("db/x") == b"1"
    put_token(t, second)
    wait(lambda: m.log().count("logged in") == 2, "it is not run again before the end")
    t.server.api("POST", "auth/token/revoke", {"token": first})
    assert m.read("db/x") == b"1"
    # A token that dies early: the next request runs it again, and does not fail.
    put_token(t, third)
    t.server.api("POST", "auth/token/revoke", {"token": second})
    assert m.read("db/x") == b"1"
    assert m.log().count("logged in") == 3, m.log()
    # The same one again, with a longer life: it is renewed where it comes from.
    put_token(t, third, ttl=2)
    os.kill(m.process.pid, 1)
    wait(lambda: "ttl=2\n" in m.log(), "SIGHUP does not run it")
    put_token(t, third, ttl=900)
    wait(lambda: "ttl=900\n" in m.log(), "the same one is no new one")
    # SIGHUP: at once.
    put_token(t, fourth)
    os.kill(m.process.pid, 1)
    wait(lambda: LIFE in m.log().rsplit("ttl=900\n", 1)[1], "SIGHUP does not run it")
    # One that gives the same dead token is not run for each request.
    before = runs(give)
    t.server.api("POST", "auth/token/revoke", {"token": fourth})
    begun = time.monotonic()
    for _ in range(100):
        assert m.errno_of(m.read, "db/x") in ("EKEYREJECTED", "EKEYEXPIRED")
    # The pause after a failure doubles, from one second.
    assert runs(give) - before <= 5 + time.monotonic() - begun, runs(give) - before
    put_token(t, token_of(t))
    wait(lambda: m.errno_of(m.read, "db/x") == "", "the new token is not taken")


@test(seconds=120)
def while_it_fails(t):
    "token_command: a token outlives a command that fails, which is run again until it does not; a hang ends with us"
    t.put("db", {"x": "1"})
    first, second = token_of(t), token_of(t)
    put_token(t, first, ttl=2)
    give = script(t, f"cat {t.root}/given; exec cat {t.root}/gone")
    refused(t, f"token_command={give}")
    give = script(t, f"cat {t.root}/given")
    m = mount(t, f"token_command={give}")
    m.expect("login failed", "ends soon")
    script(t, "echo 'not now' >&2; exit 1")
    wait(lambda: "not now" in m.log(), "its failure is not told")
    before = runs(give)
    assert m.read("db/x") == b"1", "the token lives"
    put_token(t, second)
    wait(lambda: runs(give) > before, "it is not run again after its token's end")
    assert m.read("db/x") == b"1", "the server takes it still"
    script(t, f"cat {t.root}/given")
    wait(lambda: LIFE in m.log(), "it is not run again")
    # A hang holds nobody up for longer than `timeout`, and ends with the mount.
    script(t, f"echo $$ > {t.root}/pid; exec sleep 300")
    t.server.api("POST", "auth/token/revoke", {"token": second})
    p = t.spawn("cat", m / "db/x", stderr=subprocess.DEVNULL)
    wait(lambda: os.path.exists(f"{t.root}/pid"), "it is not run")
    m.expect("the token is dead", "login failed", "fetch failed")
    os.kill(m.process.pid, 15)
    assert m.wait_end() == 0
    p.wait(30)
    with open(f"{t.root}/pid") as f:
        pid = int(f.read())
    wait(lambda: not os.path.exists(f"/proc/{pid}"), "it outlives the mount")


@test(products=("vault",))
def without_a_server(t):
    "token_command: where it fails and the server is away too, a mount begins with what it has kept"
    t.put("db", {"x": "1"})
    put_token(t, token_of(t))
    give = script(t, f"cat {t.root}/given")
    options = (f"token_command={give}", f"offline={t.root}/copy", "max_retries=0")
    proxy = Proxy(t.server)
    m = t.mount(*options, env={"VAULT_ADDR": proxy.address})
    assert m.read("db/x") == b"1"
    m.end()
    proxy.close()
    script(t, "echo 'no network' >&2; exit 1")
    m = t.mount(*options, env={"VAULT_ADDR": proxy.address})
    m.expect("no network", "no server answers", "is spared", "cannot reach", "failed")
    assert m.read("db/x") == b"1" and "no network" in m.log()
    # With the server there it is the command's failure, and the mount is refused.
    expect(refused(t, *options, status=2), "no network")


@test(products=("vault",))
def a_daemon_that_dies(t):
    "token_command: what runs ends with the daemon, however it ends"
    give = script(t, f"echo $$ > {t.root}/pid.new; mv {t.root}/pid.new {t.root}/pid; exec sleep 300")
    os.makedirs(f"{t.root}/d")
    for command in ([VAULTFS, "mount", "-f", "-o", f"token_command={give},timeout=60s", "secret", f"{t.root}/d"],
                    [VAULTFS, "get", "-o", f"token_command={give},timeout=60s", "secret/x"]):
        p = t.spawn(*command, env=clean_environment(VAULT_ADDR=t.server.address, HOME=t.root),
                    stderr=subprocess.DEVNULL)
        wait(lambda: os.path.exists(f"{t.root}/pid"), "it is not run")
        with open(f"{t.root}/pid") as f:
            pid = int(f.read())
        p.kill()
        wait(lambda: not os.path.exists(f"/proc/{pid}"), "it runs on")
        os.remove(f"{t.root}/pid")


main()
