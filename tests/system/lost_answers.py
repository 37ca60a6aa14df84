#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Connections that break around a write: an answer that was lost is settled by reading back, so that who
wrote is told the truth, and no value is ever written twice."""

import contextlib
import json
import os
import random
import signal
import subprocess
import threading
import time

from harness import main, test
from proxy import HANG, HOLD_ANSWER, LOSE_ANSWER, LOSE_REQUEST, PASS, Proxy


@contextlib.contextmanager
def proxied(t, *options, token=None):
    """A mount whose connections can be broken; all warnings are expected."""
    proxy = Proxy(t.server)
    try:
        m = t.mount("timeout=4s", *options,
                    env={"VAULT_ADDR": proxy.address, "VAULT_TOKEN": token or t.server.token})
        m.expect("")
        yield proxy, m
        proxy.release()
        m.end()
    finally:
        proxy.close()


def append(m, name, text):
    with open(m / name, "ab") as f:
        f.write(text)


# What changes a secret, whose version 1 is {"f": "1", "g": "1"}, and what it is then.
CHANGES = {
    "write": (lambda m, s: m.write(f"{s}/f", "2"), {"f": "2", "g": "1"}),
    "same": (lambda m, s: m.write(f"{s}/f", "1"), {"f": "1", "g": "1"}),
    "new": (lambda m, s: m.write(f"{s}/h", "2"), {"f": "1", "g": "1", "h": "2"}),
    "append": (lambda m, s: append(m, f"{s}/f", b"2"), {"f": "12", "g": "1"}),
    "truncate": (lambda m, s: os.truncate(m / f"{s}/f", 0), {"f": "", "g": "1"}),
    "unlink": (lambda m, s: os.unlink(m / f"{s}/f"), {"g": "1"}),
    "rename": (lambda m, s: os.rename(m / f"{s}/f", m / f"{s}/g"), {"g": "1"}),
    "data": (lambda m, s: m.write(f"{s}/.vault/data.json", '{"x": 1}'), {"x": 1}),
}


def changes(t, fate, *options):
    """Each of CHANGES with its first request lost: its name, what it was told, what is wrong."""
    folder = "again" if options else "once"
    for name in CHANGES:
        t.put(f"{folder}/{name}", {"f": "1", "g": "1"})
    with proxied(t, *options) as (proxy, m):
        for name, (change, after) in CHANGES.items():
            path = f"{folder}/{name}"
            m.read(f"{path}/g")
            proxy.lose_once(fate)
            error = m.errno_of(change, m, path)
            m.settle()
            shown = json.loads(m.read(f"{path}/.vault/data.json"))
            yield name, error, after, t.get(path), t.version(path), shown


@test()
def answer_lost(t):
    "an answer that is lost after the commit: success is told, and there is exactly one version"
    for options in ((), ("max_retries=0",)):
        for name, error, after, held, version, shown in changes(t, LOSE_ANSWER, *options):
            assert (error, held, version, shown) == ("", after, 2, after), (name, options)


@test()
def answer_of_a_new_secret_lost(t):
    "so it is for a secret's first version, and for its deletion"
    with proxied(t) as (proxy, m):
        os.mkdir(m / "s")
        proxy.lose_once(LOSE_ANSWER)
        m.write("s/f", "1")
        assert t.get("s") == {"f": "1"} and t.version("s") == 1
        proxy.lose_once(LOSE_ANSWER)
        os.unlink(m / "s/f")
        assert t.get("s") is None and t.version("s") == 1
        assert os.listdir(m / "s") == []
        proxy.lose_once(LOSE_ANSWER)
        m.write("s/f", "2")
        assert t.get("s") == {"f": "2"} and t.version("s") == 2


@test()
def answer_of_a_patch_lost(t):
    "so it is for a token that patches"
    policy = f"patch-{t.name}"
    t.server.policy(policy, {f"secret/data/{t.folder}/*": ["create", "read", "update", "patch"],
                             f"secret/metadata/{t.folder}/*": ["list", "read"]})
    t.put("s", {"f": "1", "g": "1"})
    with proxied(t, token=t.server.make_token(policies=[policy])) as (proxy, m):
        for n, fate in enumerate((LOSE_ANSWER, PASS, LOSE_ANSWER), 2):
            proxy.lose_once(fate)
            m.write("s/f", f"v{n}")
            assert t.get("s") == {"f": f"v{n}", "g": "1"} and t.version("s") == n


@test()
def request_lost(t):
    "a request that the server never saw: an error and nothing changed, or one version by a retry"
    told = {}
    for options in ((), ("max_retries=0",)):
        for name, error, after, held, version, shown in changes(t, LOSE_REQUEST, *options):
            if error:
                assert (held, version) == ({"f": "1", "g": "1"}, 1), (name, error)
            else:
                assert (held, version, shown) == (after, 2, after), name
            told.setdefault(error or "success", []).append(name)
    t.note("; ".join(f"{error}: {len(names)}" for error, names in told.items()))
    assert set(told) <= {"success", "EHOSTUNREACH", "EIO", "ETIMEDOUT"}, told


@test()
def server_gone_after_the_commit(t):
    "where reading back is impossible too it is an error, and nothing is written a second time later"
    t.put("s", {"f": "1"})
    with proxied(t, "max_retries=0") as (proxy, m):
        m.read("s/f")
        f = open(m / "s/f", "wb")
        f.write(b"2")
        proxy.lost = proxy.refuse
        proxy.lose_once(LOSE_ANSWER)
        error = m.errno_of(f.close)
        assert error in ("EHOSTUNREACH", "ETIMEDOUT", "EIO"), error
        assert t.version("s") == 2
        proxy.lost = lambda: None
        proxy.listen()
        end = time.monotonic() + 30
        while m.errno_of(open, m / "s/f", "ab"):  # the circuit closes again
            assert time.monotonic() < end
            time.sleep(0.1)
        m.settle()
        assert t.get("s") == {"f": "2"} and t.version("s") == 2
        assert m.read("s/f") == b"2", "it shows what the server has, not what it thinks"


@test()
def others_write_at_that_moment(t):
    "when others write before we can read back, our version is found in the history"
    t.put("s", {"f": "1", "g": "1"})
    with proxied(t) as (proxy, m):
        for n, theirs in enumerate(({"g": "theirs"}, {"f": "theirs"})):
            version, value = t.version("s"), f"mine {n}"
            f = open(m / "s/f", "wb")
            f.write(value.encode())
            proxy.lost = lambda theirs=theirs, value=value: t.put("s", {"f": value, "g": "1", **theirs})
            proxy.lose_once(LOSE_ANSWER)
            assert m.errno_of(f.close) == "", theirs
            proxy.lost = lambda: None
            made = t.version("s") - version
            assert t.get("s", version + 1)["f"] == value
            assert t.get("s") == {"f": value, "g": "1", **theirs}, "theirs is overwritten"
            assert made == 2, f"{made} versions, not ours and theirs"


@test()
def others_write_instead(t):
    "when our request is lost and others write meanwhile, theirs is not taken for ours"
    t.put("s", {"f": "1", "g": "1"})
    with proxied(t, "conflict=strict") as (proxy, m):
        m.read("s/f")
        f = open(m / "s/f", "wb")
        f.write(b"mine")
        proxy.lost = lambda: t.put("s", {"f": "theirs", "g": "1"})
        proxy.lose_once(LOSE_REQUEST)
        error = m.errno_of(f.close)
        proxy.lost = lambda: None
        assert error in ("EBUSY", "EHOSTUNREACH", "EIO"), error
        m.settle()
        assert t.get("s") == {"f": "theirs", "g": "1"} and t.version("s") == 2


@test()
def hangs_before_the_server(t):
    "a request that hangs ends in ETIMEDOUT, and is not written later"
    t.put("s", {"f": "1"})
    with proxied(t, "max_retries=0") as (proxy, m):
        f = open(m / "s/f", "wb")
        f.write(b"2")
        proxy.lose_once(HANG)
        assert m.errno_of(f.close) == "ETIMEDOUT"
        proxy.release()
        m.settle()
        assert t.get("s") == {"f": "1"} and t.version("s") == 1
        m.write("s/f", "3")
        assert t.get("s") == {"f": "3"} and t.version("s") == 2


@test()
def answer_hangs(t):
    "an answer that does not come: success by reading back, or ETIMEDOUT; one version either way"
    t.put("s", {"f": "1"})
    with proxied(t) as (proxy, m):
        f = open(m / "s/f", "wb")
        f.write(b"2")
        proxy.lose_once(HOLD_ANSWER)
        error = m.errno_of(f.close)
        t.note(f"it was told {error or 'success'}")
        assert error in ("", "ETIMEDOUT")
        proxy.release()
        m.settle()
        assert t.get("s") == {"f": "2"} and t.version("s") == 2
        append(m, "s/f", b"3")
        assert t.get("s") == {"f": "23"} and t.version("s") == 3


@test()
def signal_after_it_was_sent(t):
    "a writer that is interrupted while its write is under way is told how it ended"
    t.put("s", {"f": "1"})
    script = """
import os, signal, sys
signal.signal(signal.SIGINT, lambda *_: None)
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_TRUNC)
os.write(fd, b"2")
try:
    os.fsync(fd)
    print("success")
except OSError as e:
    print(e.strerror)
"""
    with proxied(t, "timeout=20s") as (proxy, m):
        proxy.lose_once(HOLD_ANSWER)
        p = subprocess.Popen(["python3", "-c", script, m / "s/f"], stdout=subprocess.PIPE)
        t.processes.append(p)
        end = time.monotonic() + 20
        while t.version("s") == 1:
            assert time.monotonic() < end
            time.sleep(0.02)
        p.send_signal(signal.SIGINT)
        time.sleep(0.3)
        proxy.release()
        assert p.communicate(timeout=30)[0] == b"success\n"
        assert t.get("s") == {"f": "2"} and t.version("s") == 2


@test(seconds=240)
def many_losses(t):
    "of 120 writes with losses at random each one told to be made is one version, and none is two"
    t.server.api("POST", f"secret/metadata/{t.path('s')}", {"max_versions": 500})
    t.put("s", {"f": "start", "g": "start"})
    rng = random.Random(1)
    told = {"": [], "error": []}
    with proxied(t, "timeout=10s") as (proxy, m):
        lock = threading.Lock()

        def fate(method, path):
            if method == "GET" or path.split("/")[1] != "data":
                return PASS
            with lock:
                return rng.choices((PASS, LOSE_ANSWER, LOSE_REQUEST), (6, 3, 1))[0]

        def write(field):
            for i in range(60):
                value = f"{field}{i}"
                error = m.errno_of(m.write, f"s/{field}", value)
                with lock:
                    told["error" if error else ""].append(value)

        proxy.fate = fate
        threads = [threading.Thread(target=write, args=(f,)) for f in "fg"]
        for th in threads:
            th.start()
        for th in threads:
            th.join()
        proxy.release()
        history = [t.get("s", n) for n in range(1, t.version("s") + 1)]
        made = [v[f] for u, v in zip(history, history[1:]) for f in "fg" if u[f] != v[f]]
        t.note(f"{len(told[''])} told to be made, {len(told['error'])} not, {len(made)} versions")
        twice = sorted({v for v in made if made.count(v) > 1})
        same = [n for n, (u, v) in enumerate(zip(history, history[1:]), 2) if u == v]
        assert not twice and not same, f"written twice: {twice}; versions that change nothing: {same}"
        assert set(told[""]) <= set(made), set(told[""]) - set(made)
        assert not set(made) - set(told[""]) - set(told["error"])


main()
