#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The control files of the root: what the mount says of itself, and how it is told to forget."""

import json
import os
import re
import threading
import time

from harness import main, skip, test
from mount import VAULTFS, clean_environment


@test()
def status(t):
    "status.json tells server, token, source and cache, and no secret"
    t.server.policy(f"p-{t.name}", {"secret/*": ["read", "list"]})
    token = t.server.make_token(policies=[f"p-{t.name}"], ttl="1h", display_name="probe")
    t.canaries.append(token)
    value = t.canary()
    t.put("db", {"x": value})
    m = t.mount(token=token)
    m.read("db/x")
    text = m.read(".vault/status.json").decode()
    s = json.loads(text)
    assert s["server"]["address"] == t.server.address and s["server"]["reachable"] is True
    assert s["server"]["product"] == {"vault": "vault", "bao": "openbao"}[t.product]
    assert s["server"]["sealed"] is False and s["server"]["version"].split(".")[0].isdigit()
    assert s["token"]["display_name"] == "token-probe" and s["token"]["renewable"] is True
    assert sorted(s["token"]["policies"]) == ["default", f"p-{t.name}"]
    assert 0 < s["token"]["ttl"] <= 3600
    assert s["engine"] == t.server.source("secret") and s["source"] == t.place("")
    assert s["mounted_since"].endswith("Z") and s["cache"]["entries"] > 0 < s["cache"]["bytes"]
    assert token not in text and value not in text and "accessor" not in text
    assert m.errno_of(os.stat, m / "db/.vault/status.json") == "ENOENT"
    assert m.errno_of(open, m / ".vault/status.json", "w") == "EROFS"
    assert "status.json" in os.listdir(m / ".vault")


@test()
def places(t):
    "a control file is listed, and found, where it can be, and nowhere else"
    root = {"status.json", "metrics", "errors", "events", "refresh", "renew"}
    folder = {"fields", "versions", "conflicts"}
    secret = folder | {"data.json", "data.env", "version", "metadata.json"}
    t.put("folder/db", {"x": "1"})
    m = t.mount()
    listed = {d: set(os.listdir(m / f"{d}/.vault")) for d in ("", "folder", "folder/db")}
    assert listed == {"": root | folder, "folder": folder, "folder/db": secret}, listed
    for d, names in listed.items():
        for name in root | secret:
            there = os.path.exists(m / f"{d}/.vault/{name}")
            assert there == (name in names), (d, name)
    m.expect("fetch failed")  # of metadata, where there may be a secret and is none


@test()
def status_in_an_outage(t):
    "status.json answers when the server does not, and says why"
    if t.product == "local":
        skip("there is no server to end")
    m = t.mount("timeout=3s", "max_retries=0")
    t.server.stop()
    s = json.loads(m.read(".vault/status.json"))
    assert s["server"]["reachable"] is False and s["server"]["error"]
    assert s["token"]["method"] == "token" and "policies" not in s["token"]
    m.expect("fetch failed", "request failed", "renew")


@test()
def refresh(t):
    "a write to refresh drops what was read; reading it is empty"
    t.put("s", {"x": "old"})
    m = t.mount("ttl=1h")
    for n, action in enumerate((lambda: m.write(".vault/refresh", "1"),
                                lambda: t.shell('echo > "$P"', P=m / ".vault/refresh"),
                                lambda: t.shell(': > "$P"', P=m / ".vault/refresh"),
                                lambda: t.shell('echo 1 >> "$P"', P=m / ".vault/refresh"),
                                lambda: os.truncate(m / ".vault/refresh", 0))):
        old, new = m.read("s/x"), f"new{'x' * n}{n}"
        t.put("s", {"x": new})
        assert m.read("s/x") == old and m.read(".vault/refresh") == b""
        action()
        m.settle()
        assert m.read("s/x").decode() == new, n
    assert m.errno_of(os.stat, m / "s/.vault/refresh") == "ENOENT"


def renewals(t, mark):
    return [r for r in t.server.requests_since(mark) if r[1] == "auth/token/renew-self"]


def session_of(m):
    return json.loads(m.read(".vault/status.json"))["token"]


def my_token(t, **more):
    t.server.policy(f"p-{t.name}", {"secret/*": ["create", "read", "update", "list"]})
    token = t.server.make_token(policies=[f"p-{t.name}"], **more)
    t.canaries.append(token)
    return token


@test()
def renew(t):
    "a write to renew is one renewal, done when it returns; status.json counts them"
    t.put("s", {"x": "1"})
    m = t.mount(token=my_token(t, period="1h"))
    told = session_of(m)
    assert (told["method"], told["logins"], told["renewals"], told["last_renewal"]) == \
        ("token", 1, 0, None)
    path = m / ".vault/renew"
    assert m.read(".vault/renew") == b"" and "renew" in os.listdir(m / ".vault")
    for n, action in enumerate((lambda: m.write(".vault/renew", "1"),
                                lambda: t.shell('echo > "$P"', P=path),
                                lambda: t.shell(': > "$P"', P=path),
                                lambda: t.shell('echo 1 >> "$P"', P=path),
                                lambda: os.truncate(path, 0),
                                lambda: t.run(VAULTFS, "status", "--renew", m.path)), 1):
        mark = t.server.audit_mark()
        action()
        if n == 3:
            m.settle()  # what is emptied alone is done just after close
        assert len(renewals(t, mark)) == 1, n
        told = session_of(m)
        assert told["renewals"] == n and told["last_renewal"].endswith("Z"), told
        assert told["ttl"] > 3500 and told["renewable"] is True and told["logins"] == 1
    assert m.errno_of(os.stat, m / "s/.vault/renew") == "ENOENT"
    status, out, _ = t.run(VAULTFS, "status", "--renew", check=False, env=clean_environment(
        VAULT_ADDR=t.server.address, VAULT_TOKEN=my_token(t, ttl="2h"), HOME=t.root))
    assert status == 0 and b"renewable" in out, out


@test()
def renew_at_once_by_many(t):
    "twenty who write to renew at the same time share a few renewals, and all succeed"
    m = t.mount(token=my_token(t, period="1h"))
    mark = t.server.audit_mark()
    threads = [threading.Thread(target=m.write, args=(".vault/renew", "1")) for _ in range(20)]
    failed = []
    threading.excepthook = lambda args: failed.append(args.exc_value)
    t.server.hang()
    for th in threads:
        th.start()
    time.sleep(1)
    t.server.resume()
    for th in threads:
        th.join()
    assert not failed, failed
    t.note(f"{len(renewals(t, mark))} renewals for 20 writers")
    assert 1 <= len(renewals(t, mark)) < 10
    assert session_of(m)["renewals"] == len(renewals(t, mark))


@test()
def renew_refused(t):
    "what the server refuses is the errno, with its words in errors; a thousand refusals make few requests"
    m = t.mount(token=my_token(t, ttl="1h", no_default_policy=True))
    m.expect("renew|EAGAIN|EACCES")
    write = lambda: m.write(".vault/renew", "1")
    assert m.errno_of(write) == "EACCES"
    errors = m.read(".vault/errors").decode()
    assert "/.vault/renew" in errors and "EACCES" in errors and "permission denied" in errors, errors
    mark, begun, outcomes = t.server.audit_mark(), time.monotonic(), set()
    for _ in range(1000):
        outcomes.add(m.errno_of(write))
    took = time.monotonic() - begun
    asked = len(renewals(t, mark))
    t.note(f"1000 refused renewals in {took:.1f} s: {asked} requests, {sorted(outcomes)}")
    assert outcomes <= {"EACCES", "EAGAIN"} and asked <= 10 * (took + 2), asked
    status, _, err = t.run(VAULTFS, "status", "--renew", m.path, check=False)
    assert status == 2 and b"not renewed" in err, err


@test()
def renew_what_cannot_be(t):
    "a token that is not renewable is EINVAL, a dead one EKEYEXPIRED, a server that is away EHOSTUNREACH"
    write = lambda: m.write(".vault/renew", "1")
    m = t.mount(token=my_token(t, ttl="1h", renewable=False))
    m.expect("renew|EINVAL")
    assert m.errno_of(write) == "EINVAL", m.errno_of(write)
    token = my_token(t, ttl="1h")
    m = t.mount("timeout=3s", "max_retries=0", token=token)
    m.expect("renew|EKEYEXPIRED|EHOSTUNREACH|login failed|token is dead")
    t.server.api("POST", "auth/token/revoke", {"token": token})
    assert m.errno_of(write) == "EKEYEXPIRED"
    m = t.mount("timeout=3s", "max_retries=0", token=my_token(t, ttl="1h"))
    m.expect("renew|EHOSTUNREACH")
    t.server.stop()
    assert m.errno_of(write) == "EHOSTUNREACH"
    told = json.loads(m.read(".vault/status.json"))["token"]
    assert told["method"] == "token" and 3000 < told["ttl"] <= 3600 and told["renewable"] is True


@test()
def renew_logs_in_anew(t):
    "where the token is dead and there is a login, renew replaces it"
    t.server.policy("renew", {"secret/*": ["read", "list"]})
    role_id, secret_id = t.server.make_approle(t.name, token_policies="renew", token_ttl="1h")
    t.canaries.append(secret_id)
    m = t.mount(env={"VAULT_ADDR": t.server.address, "VAULT_ROLE_ID": role_id,
                     "VAULT_SECRET_ID": secret_id})
    accessors = t.server.api("GET", "auth/token/accessors?list=true")["data"]["keys"]
    for accessor in accessors:
        data = t.server.api("POST", "auth/token/lookup-accessor", {"accessor": accessor})["data"]
        if data["meta"] and data["meta"].get("role_name") == t.name:
            t.server.api("POST", "auth/token/revoke-accessor", {"accessor": accessor})
    m.write(".vault/renew", "1")
    told = session_of(m)
    assert told["logins"] == 2 and told["method"] == "approle", told


@test()
def manual(t):
    "the manual has the files of .vault and the metrics that a mount has, and no others"
    page = {}
    for name in ("files", "events"):
        with open(os.path.join(os.path.dirname(__file__), f"../../man/vaultfs-{name}.7"), encoding="utf-8") as f:
            page[name] = f.read()
    t.put("s", {"f": "1"})
    m = t.mount()
    files = re.findall(r"^\.It Pa ([a-z.]+)/?$", page["files"] + page["events"], re.M)
    there = set(os.listdir(m / ".vault")) | set(os.listdir(m / "s/.vault"))
    assert sorted(files) == sorted(there), sorted(set(files) ^ there)
    items = re.findall(r"^\.It Li (.*)$", page["events"].split("\n.Sh METRICS\n")[1], re.M)
    metrics = [f"vaultfs_{name}" for item in items for name in item.split(" , ")]
    there = set(re.findall(r"^# TYPE (\S+)", m.read(".vault/metrics").decode(), re.M))
    assert sorted(metrics) == sorted(there), sorted(set(metrics) ^ there)


main(local=True)
