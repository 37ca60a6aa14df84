#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The control files of the root: what the mount says of itself, and how it is told to forget."""

import json
import os

from harness import main, test


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
    assert s["engine"] == "secret" and s["source"] == f"secret/{t.folder}"
    assert s["mounted_since"].endswith("Z") and s["cache"]["entries"] > 0 < s["cache"]["bytes"]
    assert token not in text and value not in text and "accessor" not in text
    assert m.errno_of(os.stat, m / "db/.vault/status.json") == "ENOENT"
    assert m.errno_of(open, m / ".vault/status.json", "w") == "EROFS"
    assert "status.json" in os.listdir(m / ".vault")


@test()
def status_in_an_outage(t):
    "status.json answers when the server does not, and says why"
    m = t.mount("timeout=3s", "max_retries=0")
    t.server.stop()
    s = json.loads(m.read(".vault/status.json"))
    assert s["server"]["reachable"] is False and s["server"]["error"] and "token" not in s
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


main()
