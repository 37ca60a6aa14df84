#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Servers that hang, vanish, refuse, or answer nonsense: what programs see, and that the daemon lives."""

import json
import os
import signal
import subprocess
import threading
import time

from fake_vault import FakeVault, reply
from harness import main, test


def seconds(function, *args):
    begun = time.monotonic()
    function(*args)
    return time.monotonic() - begun


def secret(fields, version=1):
    return {"data": {"data": fields, "metadata": {
        "version": version, "created_time": "2026-01-01T00:00:00Z", "deletion_time": "",
        "destroyed": False, "custom_metadata": None}}}


@test()
def interrupted_while_it_waits(t):
    "a program that waits for a hung server is ended by SIGINT and by SIGKILL at once"
    names = [f"s{i}" for i in range(12)]
    for name in names:
        t.put(name, {"x": "1"})
    m = t.mount()
    os.listdir(m.path)
    t.server.hang()
    try:
        commands = [["cat", m / "s0/x"], ["ls", m / "s1"], ["stat", m / "s2/x"],
                    ["sh", "-c", f"echo x > {m / 's3/x'}"], ["rm", m / "s4/x"],
                    ["getfattr", "-d", m / "s5"]]
        for sig in (signal.SIGINT, signal.SIGKILL):
            for command in commands:
                p = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                     preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
                time.sleep(0.2)
                assert p.poll() is None, command
                p.send_signal(sig)
                took = seconds(p.wait, 5)
                assert p.returncode != 0 and took < 2, (command, took)
    finally:
        t.server.resume()
    assert m.read("s0/x") == b"1"


@test()
def warm_while_it_hangs(t):
    "with 100 readers waiting for a hung server, what is cached is read and listed as before"
    for i in range(100):
        t.put(f"cold/s{i}", {"x": str(i)})
    t.put("warm", {"x": "1"})
    m = t.mount("timeout=60s")
    os.listdir(m / "cold")
    read_all = lambda: [m.read("warm/x") for _ in range(2000)]
    list_all = lambda: [os.listdir(m / "cold") for _ in range(20)]
    read_all()
    idle = seconds(read_all), seconds(list_all)
    t.server.hang()
    readers = [t.spawn("cat", m / f"cold/s{i}/x", stdout=subprocess.PIPE) for i in range(100)]
    time.sleep(1)
    busy = seconds(read_all), seconds(list_all)
    t.server.resume()
    assert [r.communicate()[0] for r in readers] == [str(i).encode() for i in range(100)]
    t.note(f"2000 warm reads: {idle[0]:.2f} s idle, {busy[0]:.2f} s with 100 waiting; "
           f"20 listings: {idle[1]:.2f} s, {busy[1]:.2f} s")


@test()
def deadline(t):
    "no program waits longer than the timeout: ETIMEDOUT"
    for i in range(40):
        t.put(f"s{i}", {"x": "1"})
    m = t.mount("timeout=2s", "max_retries=0")
    m.expect("ETIMEDOUT")
    os.listdir(m.path)
    t.server.hang()
    results = []

    def read(i):
        took = time.monotonic()
        error = m.errno_of(open, m / f"s{i}/x", "w" if i % 4 == 0 else "r")
        results.append((error, time.monotonic() - took))

    threads = [threading.Thread(target=read, args=(i,)) for i in range(40)]
    for th in threads:
        th.start()
    for th in threads:
        th.join()
    t.server.resume()
    assert {e for e, _ in results} == {"ETIMEDOUT"}, results
    t.note(f"the longest waited {max(s for _, s in results):.2f} s of 2 s")
    assert m.read("s1/x") == b"1"


@test()
def stopped_while_writing(t):
    "a server that stops in the middle of a write: an error, nothing half-written, then it works again"
    t.put("s", {"x": "1"})
    m = t.mount("timeout=3s")
    m.expect("EHOSTUNREACH|ETIMEDOUT|fetch failed|renew|token")
    f = open(m / "s/x", "wb")
    f.write(b"new")
    t.server.hang()
    closing = threading.Thread(target=lambda: results.append(m.errno_of(f.close)))
    results = []
    closing.start()
    time.sleep(0.5)
    t.server.process.kill()
    t.server.process.wait()
    closing.join()
    assert results[0] in ("EHOSTUNREACH", "ETIMEDOUT"), results
    assert m.errno_of(open, m / "s/x", "w") == "EHOSTUNREACH"
    assert m.process.poll() is None
    # Another one takes its place, with the same token: the old one's memory is gone.
    t.server.start()
    t.put("s", {"x": "after"})
    end = time.monotonic() + 30
    while True:
        try:
            m.write("s/x", "again")
            break
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.2)
    assert t.get("s") == {"x": "again"}


@test()
def stale_while_it_is_away(t):
    "what was read goes on being served while the server is away, until max_stale; writes fail at open"
    t.put("s", {"x": "1"})
    m = t.mount("ttl=500ms", "max_stale=4s", "max_retries=0", "timeout=2s")
    m.expect("fetch failed|EHOSTUNREACH|ETIMEDOUT|renew")
    assert m.read("s/x") == b"1"
    t.server.process.kill()
    t.server.process.wait()
    time.sleep(0.7)
    assert m.read("s/x") == b"1"
    status, _, err = t.shell('echo y > "$F"', check=False, F=m / "s/x")
    assert status == 1 and b"No route to host" in err
    time.sleep(5)
    assert m.errno_of(open, m / "s/x") == "EHOSTUNREACH"


@test()
def sealed(t):
    "a sealed server is EIO, and when it is unsealed all goes on"
    t.put("s", {"x": "1"})
    m = t.mount("ttl=0", "max_stale=0", "max_retries=0")
    m.expect("sealed")
    assert m.read("s/x") == b"1"
    key = t.server.unseal_key()
    t.server.api("PUT", "sys/seal")
    assert m.errno_of(open, m / "s/x") == "EIO"
    assert m.errno_of(open, m / "s/x", "w") == "EIO"
    assert "is sealed" in m.log()
    t.server.api("PUT", "sys/unseal", {"key": key})
    end = time.monotonic() + 20
    while m.errno_of(open, m / "s/x"):
        assert time.monotonic() < end
        time.sleep(0.1)
    m.write("s/x", "2")


@test()
def rate_limited(t):
    "a server that limits the rate is waited for, and is EAGAIN past the deadline"
    for i in range(8):
        t.put(f"s{i}", {"x": "1"})
    m = t.mount("timeout=3s")
    m.expect("EAGAIN|ETIMEDOUT")
    os.listdir(m.path)
    t.server.api("POST", "sys/quotas/rate-limit/tight",
                 {"rate": 0.001, "interval": "60s", "path": "secret/", "burst": 1})
    try:
        errors = {m.errno_of(open, m / f"s{i}/x") for i in range(3)}
    finally:
        t.server.api("DELETE", "sys/quotas/rate-limit/tight")
    assert "EAGAIN" in errors and errors <= {"EAGAIN", ""}, errors
    assert m.read("s7/x") == b"1"


@test(products=(), seconds=180)
def nonsense(t):
    "answers that are cut, huge, deep, of the wrong type or no JSON are EIO, and the daemon lives"
    deep = b'{"data":{"data":{"x":' + b"[" * 100000 + b"]" * 100000 + b'},"metadata":{"version":1}}}'
    answers = {
        "cut": [reply(200, secret({"x": "1"}))[:-10]],
        "empty": reply(200, b""),
        "html": reply(200, b"<html>"),
        "half": reply(200, b'{"data":'),
        "list": reply(200, []),
        "null": reply(200, b"null"),
        "nodata": reply(200, {"data": None}),
        "nofields": reply(200, {"data": {"data": None, "metadata": {"version": 1}}}),
        "string": reply(200, {"data": {"data": "x", "metadata": {"version": 1}}}),
        "array": reply(200, {"data": {"data": [1], "metadata": {"version": 1}}}),
        "noversion": reply(200, {"data": {"data": {"x": "1"}, "metadata": {}}}),
        "badversion": reply(200, {"data": {"data": {"x": "1"}, "metadata": {"version": "two"}}}),
        "bignumber": reply(200, b'{"data":{"data":{"x":"1"},"metadata":{"version":1e999}}}'),
        "twice": reply(200, b'{"data":{"data":{"x":"1","x":"2"},"metadata":{"version":1}}}'),
        "utf8": reply(200, b'{"data":{"data":{"x":"\xff"},"metadata":{"version":1}}}'),
        "surrogate": reply(200, b'{"data":{"data":{"x":"\\ud800"},"metadata":{"version":1}}}'),
        "deep": reply(200, deep),
        "huge": reply(200, b'{"data":"' + b"x" * (65 << 20) + b'"}'),
        "nothttp": [b"HELLO\r\n\r\n"],
        "closed": None,
        "redirect": reply(307, b"", ["Location: ftp://127.0.0.1/v1/x"]),
        "loop": reply(307, b"", ["Location: /v1/secret/data/loop"]),
        "teapot": reply(418, b""),
        "wrap": reply(200, {"data": None, "wrap_info": {"token": "x"}}),
    }
    listing = reply(200, {"data": {"keys": list(answers) + ["good", 7]}})
    keys = reply(200, {"data": {"keys": list(answers) + ["good", "a/b", "", ".", "..", "/", "x//"]}})
    bad_list = [True]

    def answer(method, path, body):
        name = path.split("?")[0].rsplit("/", 1)[-1]
        if method == "LIST":
            return listing if bad_list[0] else keys
        if name == "good":
            return reply(200, secret({"x": "fine", "n": 1}))
        return answers.get(name, reply(404, {"errors": []}))

    fake = FakeVault(answer)
    m = t.mount("max_retries=0", source="/secret", env={"VAULT_ADDR": fake.address,
                                                        "VAULT_TOKEN": "x"})
    m.expect("fetch failed|request failed|is spared")
    assert m.errno_of(os.listdir, m.path) == "EIO"
    bad_list[0] = False
    time.sleep(1.2)
    assert sorted(os.listdir(m.path)) == sorted(list(answers) + ["good"])
    for name in answers:
        for action in ((open, m / f"{name}/x"), (os.listdir, m / name), (open, m / f"{name}/x", "w")):
            # It is held to the budget of failures, and this is more.
            while (error := m.errno_of(*action)) == "EAGAIN":
                time.sleep(0.1)
            assert error in ("EIO", "EHOSTUNREACH"), (name, error)
        assert m.read("good/x") == b"fine"
    fake.close()


@test(products=())
def nonsense_after_a_write(t):
    "a write whose answer makes no sense is settled by reading back, or fails"
    state = {"version": 1, "fields": {"x": "1"}, "answer": None}

    def answer(method, path, body):
        if method == "POST":
            request = json.loads(body)
            if state["answer"] == "not applied":
                return None
            if request["options"]["cas"] != state["version"]:
                return reply(400, {"errors": ["check-and-set parameter did not match the current "
                                              "version"]})
            state["version"] += 1
            state["fields"] = request["data"]
            return state["answer"]
        if method == "GET":
            return reply(200, secret(state["fields"], state["version"]))
        return reply(404, {"errors": []})

    fake = FakeVault(answer)
    m = t.mount(source="/secret/s", env={"VAULT_ADDR": fake.address, "VAULT_TOKEN": "x"})
    m.expect("EHOSTUNREACH")
    # Applied, and the answer was lost: success, one version.
    for lost in (None, reply(200, b"{}"), reply(200, b"{"), reply(500, b"")):
        state["answer"] = lost
        before = state["version"]
        m.write("x", f"v{before}")
        assert state["version"] == before + 1 and state["fields"] == {"x": f"v{before}"}
        assert m.read("x") == f"v{before}".encode()
    # Not applied: an error, and nothing changed.
    state["answer"] = "not applied"
    before = dict(state)
    f = open(m / "x", "wb")
    f.write(b"never")
    assert m.errno_of(f.close) == "EHOSTUNREACH"
    assert state == before
    fake.close()


@test(products=())
def redirects(t):
    "one redirect is followed, with the token and the body, and not a second"
    seen = []

    def second(method, path, body):
        seen.append((method, path, body))
        return reply(307, b"", [f"Location: {first_server.address}{path}"]) \
            if "loop" in path else (reply(200, secret({"x": "there"})) if method == "GET"
                                    else reply(404, {"errors": []}))

    other = FakeVault(second)
    first_server = FakeVault(lambda method, path, body: reply(
        307, b"", [f"Location: {other.address}{path}"]))
    m = t.mount(source="/secret/app", env={"VAULT_ADDR": first_server.address,
                                           "VAULT_TOKEN": "the-token"})
    m.expect("fetch failed")
    assert m.read("x") == b"there"
    get = [r for r in other.requests if r[0] == "GET" and "/sys/" not in r[1]][0]
    assert get[1] == "/v1/secret/data/app" and get[2]["x-vault-token"] == "the-token"
    assert get[2]["x-vault-request"] == "true"
    n = t.mount("max_retries=0", source="/secret/loop", env={"VAULT_ADDR": first_server.address,
                                                             "VAULT_TOKEN": "x"})
    n.expect("fetch failed")
    asked = lambda: len([s for s in seen if "loop" in s[1]])
    before = asked()
    assert n.errno_of(os.stat, n / "x") == "EIO"
    assert asked() - before <= 2
    other.close()
    first_server.close()


@test(products=())
def retries(t):
    "busy servers are asked again, with the pause that they name, and permanent refusals are not"
    counts = {}

    def answer(method, path, body):
        name = path.rsplit("/", 1)[-1]
        counts[name] = counts.get(name, 0) + 1
        if name == "busy" and counts[name] == 1:
            return reply(503, {"errors": ["node is not active"]})
        if name == "limited" and counts[name] == 1:
            return reply(429, {"errors": ["limited"]}, ["Retry-After: 1"])
        if name == "never":
            return reply(500, {"errors": ["JSON string value exceeds allowed length"]})
        if name == "old":
            return reply(412, {"errors": ["required index state not present"]})
        return reply(200, secret({"x": name})) if method == "GET" else reply(404, {"errors": []})

    fake = FakeVault(answer)
    env = {"VAULT_ADDR": fake.address, "VAULT_TOKEN": "x"}
    for name in ("busy", "limited"):
        m = t.mount(source=f"/secret/{name}", env=dict(env))
        assert m.read("x") == name.encode() and counts[name] == 2
    for name, times, error in (("never", 1, "EFBIG"), ("old", 3, "EIO")):
        m = t.mount(source=f"/secret/{name}", env=dict(env))
        m.expect("fetch failed")
        assert m.errno_of(os.stat, m / "x") == error
        assert counts[name] == times, counts
    fake.close()


main()
