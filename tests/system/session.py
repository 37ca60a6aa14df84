#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Who we are to the server: tokens that are renewed, that end, that are replaced."""

import errno
import json
import os
import random
import threading
import time

from harness import main, test
from login import kill_tokens
from mount import sanitized
from proxy import PASS, Proxy

MINUTE = float(os.environ.get("VAULTFS_RENEWAL_SECONDS", "60"))

EVERYTHING = {"secret/*": ["create", "read", "update", "delete", "list"]}


def approle(t, m_options=(), **role):
    """A mount that logs in by AppRole, with ids in files."""
    t.server.policy("session", EVERYTHING)
    role_id, secret_id = t.server.make_approle(t.name, token_policies="session", **role)
    t.canaries.append(secret_id)
    for name, value in (("role_id", role_id), ("secret_id", secret_id)):
        with open(f"{t.root}/{name}", "w") as f:
            f.write(value + "\n")
    return t.mount(f"role_id_file={t.root}/role_id", f"secret_id_file={t.root}/secret_id",
                   "negative_ttl=100ms", *m_options, env={"VAULT_ADDR": t.server.address})


@test(seconds=150)
def renewed_while_it_lives(t):
    "a token of 5 s that is renewable for 20 s serves for 20 s, and then reads are EKEYEXPIRED"
    t.put("db", {"x": "1"})
    t.put("open", {"x": "held"})
    t.server.policy("session", EVERYTHING)
    token = t.server.make_token(policies=["session"], ttl="5s", explicit_max_ttl="20s")
    t.canaries.append(token)
    begun = time.monotonic()
    m = t.mount("ttl=200ms", token=token)
    m.expect("token|renew|login failed|EKEYEXPIRED")
    held = open(m / "open/x", "rb", buffering=0)
    reads = 0
    while time.monotonic() - begun < 18.5:
        assert m.read("db/x") == b"1"
        reads += 1
        time.sleep(0.1)
    assert reads > 10
    m.wait_log("the token is dead")
    assert time.monotonic() - begun > 19
    time.sleep(0.3)
    assert m.errno_of(open, m / "db/x") == "EKEYEXPIRED"
    assert m.errno_of(open, m / "db/x", "w") == "EKEYEXPIRED"
    assert m.errno_of(held.read) == "EKEYEXPIRED", "what was read under it is gone too"
    held.close()
    assert "the token nears the end of its longest life" in m.log()


@test(seconds=120)
def approle_logs_in_anew(t):
    "with AppRole reads go on past the end of the token's life"
    t.put("db", {"x": "1"})
    m = approle(t, ("ttl=200ms",), token_ttl="4s", token_max_ttl="8s")
    m.expect("the token (nears|ends)")
    end = time.monotonic() + 25
    while time.monotonic() < end:
        assert m.read("db/x") == b"1"
        time.sleep(0.1)
    logins = m.log().count("logged in")
    t.note(f"{logins} logins in 25 s")
    assert 3 <= logins <= 6


@test()
def approle_by_environment(t):
    "AppRole's ids are taken from the environment too"
    t.put("db", {"x": "1"})
    t.server.policy("session", EVERYTHING)
    role_id, secret_id = t.server.make_approle(t.name, token_policies="session")
    t.canaries.append(secret_id)
    m = t.mount(env={"VAULT_ADDR": t.server.address, "VAULT_ROLE_ID": role_id,
                     "VAULT_SECRET_ID": secret_id})
    assert m.read("db/x") == b"1" and "method=approle" in m.log()


@test()
def revoked_token_is_replaced(t):
    "a token that is revoked is replaced by a login, unnoticed by readers and writers"
    t.put("db", {"x": "1"})
    m = approle(t, ("ttl=0",), token_ttl="1h")
    assert m.read("db/x") == b"1"
    for action in (lambda: m.read("db/x"), lambda: m.write("db/x", "2"), lambda: os.listdir(m / "db")):
        accessors = t.server.api("GET", "auth/token/accessors?list=true")["data"]["keys"]
        for accessor in accessors:
            data = t.server.api("POST", "auth/token/lookup-accessor", {"accessor": accessor})["data"]
            if data["path"] == "auth/approle/login" and data["meta"].get("role_name") == t.name:
                t.server.api("POST", "auth/token/revoke-accessor", {"accessor": accessor})
        action()
    assert m.log().count("logged in") == 4


@test(seconds=120)
def many_readers_outlive_a_token(t):
    "sixteen readers of eighty secrets notice nothing of a token's end, and make one login"
    t.server.fill(t.folder, 80)
    role_id, secret_id = t.server.make_approle(t.name, token_policies="session", token_ttl="1h")
    t.server.policy("session", EVERYTHING)
    t.canaries.append(secret_id)
    proxy = Proxy(t.server)
    # A server that is far away: many requests are under way when the token dies.
    proxy.fate = lambda method, path: path.startswith("secret/") and time.sleep(0.1) or PASS
    m = t.mount("ttl=500ms", "max_stale=0", "negative_ttl=100ms", env={
        "VAULT_ADDR": proxy.address, "VAULT_ROLE_ID": role_id, "VAULT_SECRET_ID": secret_id})
    failed, reads, stop = [], [0] * 16, threading.Event()

    def read(n):
        while not stop.is_set():
            i = random.randrange(80)
            try:
                assert m.read(f"s{i}/f") == str(i).encode()
                reads[n] += 1
            except (OSError, AssertionError) as e:
                failed.append(f"{e!r}")

    readers = [threading.Thread(target=read, args=(n,), daemon=True) for n in range(len(reads))]
    for r in readers:
        r.start()

    def all_read(times):
        want = [n + times for n in reads]
        while not failed and any(n < w for n, w in zip(reads, want)):
            time.sleep(0.05)

    all_read(5)
    for life in range(1, 4):
        mark = t.server.audit_mark()
        kill_tokens(t, "approle")
        until = time.monotonic() + 2  # four times the ttl, so that each has to ask
        all_read(10)
        time.sleep(max(0, until - time.monotonic()))
        asked = [path for _, path in t.server.requests_since(mark)]
        lookups, logins = (asked.count(p) for p in ("auth/token/lookup-self", "auth/approle/login"))
        t.note(f"{sum(reads)} reads, {len(failed)} failed; {lookups} lookups, {logins} logins")
        assert not failed, (failed[:10], len(failed))
        assert logins == 1 and lookups <= 2, asked
        assert m.log().count("logged in") == life + 1
    stop.set()
    for r in readers:
        r.join()
    m.end()
    proxy.close()
    assert not failed, (failed[:10], len(failed))


@test()
def new_token_in_the_file(t):
    "when the token dies, a new one in its file is taken up"
    t.put("db", {"x": "1"})
    t.server.policy("session", EVERYTHING)
    tokens = [t.server.make_token(policies=["session"]) for _ in range(2)]
    t.canaries += tokens
    path = f"{t.root}/token"
    with open(path, "w") as f:
        f.write(tokens[0])
    m = t.mount(f"token_file={path}", "ttl=0", "negative_ttl=100ms",
                env={"VAULT_ADDR": t.server.address})
    m.expect("login failed|the token is dead|EKEYEXPIRED")
    assert m.read("db/x") == b"1"
    t.server.api("POST", "auth/token/revoke", {"token": tokens[0]})
    assert m.errno_of(open, m / "db/x") == "EKEYEXPIRED"
    with open(path, "w") as f:
        f.write(tokens[1])
    end = time.monotonic() + 20
    while m.errno_of(open, m / "db/x"):
        assert time.monotonic() < end
        time.sleep(0.1)
    assert m.read("db/x") == b"1"


@test()
def refused_login_ends_in_ekeyrejected(t):
    "where the login itself is refused, reads are EKEYREJECTED, and it is not tried in a loop"
    t.put("db", {"x": "1"})
    m = approle(t, ("ttl=0",), token_ttl="1h")
    m.expect("login failed|the token is dead|EKEYREJECTED")
    assert m.read("db/x") == b"1"
    mark = t.server.audit_mark()
    t.server.api("DELETE", f"auth/approle/role/{t.name}")
    accessors = t.server.api("GET", "auth/token/accessors?list=true")["data"]["keys"]
    for accessor in accessors:
        data = t.server.api("POST", "auth/token/lookup-accessor", {"accessor": accessor})["data"]
        if data["path"] == "auth/approle/login" and data["meta"].get("role_name") == t.name:
            t.server.api("POST", "auth/token/revoke-accessor", {"accessor": accessor})
    end = time.monotonic() + 5
    while time.monotonic() < end:
        assert m.errno_of(open, m / "db/x") == "EKEYREJECTED"
        time.sleep(0.02)
    logins = [r for r in t.server.requests_since(mark) if r[1] == "auth/approle/login"]
    assert 1 <= len(logins) <= 5, logins


@test()
def policy_refusal_is_not_death(t):
    "a refusal by policy does not cost the token"
    t.put("mine/db", {"x": "1"})
    t.put("theirs/db", {"x": "1"})
    name = f"part-{t.name}"
    t.server.policy(name, {f"secret/data/{t.path('mine')}/*": ["read"],
                           f"secret/metadata/{t.folder}/*": ["list"]})
    m = t.mount("ttl=0", token=t.server.make_token(policies=[name]))
    for _ in range(5):
        assert m.errno_of(open, m / "theirs/db/x") == "EACCES"
        assert m.read("mine/db/x") == b"1"
    assert m.log().count("logged in") == 1


@test()
def token_without_default_policy(t):
    "a token that may not look itself up serves all the same"
    t.put("db", {"x": "1"})
    t.server.policy("session", EVERYTHING)
    m = t.mount(token=t.server.make_token(policies=["session"], no_default_policy=True))
    assert m.read("db/x") == b"1"
    m.write("db/x", "2")
    assert t.get("db") == {"x": "2"}


def resident(m):
    """The least of a few looks, in KiB: pages come and go."""
    looks = []
    for _ in range(5):
        looks.append(m.memory())
        time.sleep(0.1)
    return min(looks)


@test(seconds=240)
def a_minute_of_renewals(t):
    """a token of 2 s is kept alive for a minute by renewals at its rhythm, with memory flat"""
    # What runs is the real thing, clock, threads, sockets and server; of a minute. That the rhythm and
    # memory hold for three days is shown in virtual time: tests/unit/test_endurance.c.
    period = 2.0
    earliest = period * 2 / 3 * 0.9
    t.put("db", {"x": "1"})
    t.server.policy("session", EVERYTHING)
    token = t.server.make_token(policies=["session"], period="2s")
    t.canaries.append(token)
    m = t.mount("ttl=200ms", token=token)
    m.expect("renewal failed")
    mark, begun = t.server.audit_mark(), time.monotonic()
    sizes = []
    while time.monotonic() - begun < MINUTE:
        assert m.read("db/x") == b"1"
        if not sizes and time.monotonic() - begun > MINUTE / 4:
            sizes.append(resident(m))
        time.sleep(0.05)
    took = time.monotonic() - begun
    sizes.append(resident(m))
    renewals = len([r for r in t.server.requests_since(mark) if r[1] == "auth/token/renew-self"])
    told = json.loads(m.read(".vault/status.json"))["token"]
    t.note(f"{renewals} renewals in {took:.1f} s, {took / (earliest * 31 / 30):.0f} to "
           f"{took / earliest:.0f} expected on an idle machine; resident {sizes} KiB")
    assert m.log().count("logged in") == 1 and told["logins"] == 1
    assert abs(told["renewals"] - renewals) <= 2
    # Not before their time; and none so late that the token would have died.
    assert took / period <= renewals <= took / earliest + 1
    if not sanitized():
        assert sizes[1] <= sizes[0] * 1.01 + 16, sizes


@test(seconds=240)
def away_for_longer_than_the_token_lives(t):
    "a server that is away for longer than the token lives: stale reads that show their age, then a login"
    t.put("db", {"x": "1", "y": "2"})
    proxy = Proxy(t.server)
    t.server.policy("session", EVERYTHING)
    role_id, secret_id = t.server.make_approle(t.name, token_policies="session", token_ttl="4s")
    t.canaries.append(secret_id)
    m = t.mount("ttl=500ms", "max_stale=8s", "timeout=3s", "max_retries=0", "negative_ttl=100ms",
                env={"VAULT_ADDR": proxy.address, "VAULT_ROLE_ID": role_id,
                     "VAULT_SECRET_ID": secret_id})
    m.expect("does not serve|fetch failed|request failed|renewal failed|login failed|the token|left out")
    name = m / "db/x"
    tell = lambda what: os.getxattr(name, f"user.vault.{what}").decode()
    assert m.read("db/x") == b"1" and tell("source") in ("server", "cache")
    proxy.refuse()
    begun, ages = time.monotonic(), []
    while True:  # served stale, with an age that grows, until max_stale is over
        try:
            assert m.read("db/x") == b"1"
            ages.append(int(tell("age")))
        except OSError as e:
            assert e.errno in (errno.EHOSTUNREACH, errno.ETIMEDOUT), e
            break
        assert time.monotonic() < begun + 60
        time.sleep(0.2)
    t.note(f"served stale up to an age of {max(ages)} s")
    assert ages == sorted(ages) and ages[-1] >= 5 and ages[-1] <= 10, ages
    while time.monotonic() < begun + 12:  # three lives of the token
        assert m.errno_of(open, name) in ("EHOSTUNREACH", "ETIMEDOUT")
        time.sleep(0.2)
    assert m.log().count("logged in") == 1
    t.put("db", {"x": "new", "y": "2"})
    proxy.listen()
    back = time.monotonic()
    while m.errno_of(open, name):
        assert time.monotonic() < back + 60, "it never recovers"
        time.sleep(0.02)
    recovered = time.monotonic() - back
    assert m.read("db/x") == b"new" and tell("source") in ("server", "cache")
    assert int(tell("age")) <= 2
    print(f"# seconds_until_reads_recover_after_the_token_has_died: {recovered:.2f}", flush=True)
    assert 2 <= m.log().count("logged in") <= 4
    m.write("db/x", "again")
    proxy.close()


@test(seconds=120)
def tokens_that_are_refused_at_once(t):
    "logins whose tokens are bound to other addresses are made less and less often, and that is told once"
    t.put("db", {"x": "1"})
    m = approle(t, ("ttl=0",), token_ttl="1h")
    m.expect("the token is dead", "EKEYREJECTED")
    assert m.read("db/x") == b"1"
    t.server.api("POST", f"auth/approle/role/{t.name}", {"token_bound_cidrs": "192.0.2.0/24",
                                                         "token_policies": "session"})
    mark = t.server.audit_mark()
    kill_tokens(t, "approle")
    end = time.monotonic() + 8
    while time.monotonic() < end:
        assert m.errno_of(open, m / "db/x")
        time.sleep(0.02)
    logins = [r for r in t.server.requests_since(mark) if r[1] == "auth/approle/login"]
    assert 1 <= len(logins) <= 9, len(logins)
    assert m.log().count("warning the token is dead") == 1 and "token_bound_cidrs" in m.log(), m.log()


@test(seconds=120)
def refused_while_it_waits_for_its_server(t):
    "a mount that began without its server and whose login is refused then, says so and tries less often"
    t.put("db", {"x": "1"})
    t.server.policy("session", EVERYTHING)
    proxy = Proxy(t.server)
    role_id, secret_id = t.server.make_approle(t.name, token_policies="session")
    t.canaries.append(secret_id)
    with open(f"{t.root}/key", "w", opener=lambda p, f: os.open(p, f, 0o600)) as f:
        f.write(os.urandom(16).hex())
    more = {"env": {"VAULT_ADDR": proxy.address, "VAULT_ROLE_ID": role_id, "VAULT_SECRET_ID": secret_id}}
    options = (f"offline={t.root}/copy", f"offline_key=file:{t.root}/key", "timeout=1s", "max_retries=0")
    m = t.mount(*options, **more)
    assert m.read("db/x") == b"1"
    m.end()
    t.server.api("DELETE", f"auth/approle/role/{t.name}")
    proxy.refuse()
    m = t.mount(*options, **more)
    m.expect("no server answers", "login failed", "EHOSTUNREACH|EKEYREJECTED|EAGAIN", "offline")
    time.sleep(5)
    assert m.log().count("warning login failed") == 1, "an outage is told once"
    mark = t.server.audit_mark()
    proxy.listen()
    m.wait_log("warning login failed.*EKEYREJECTED")
    time.sleep(15)
    logins = [r for r in t.server.requests_since(mark) if r[1] == "auth/approle/login"]
    assert 1 <= len(logins) <= 4, len(logins)
    proxy.close()


main()
