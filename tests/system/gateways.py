#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Somebody in between who answers in the server's place: gateways without a route, firewalls, pages for
maintenance. None of it is the server's word."""

import os
import time

from fake_vault import reply
from harness import main, test
from proxy import PASS, Proxy

PAGE = b"<html><h1>Not Found</h1></html>"
PAGES = {
    "404 of a gateway": reply(404, PAGE),
    "404 in plain text": reply(404, b"default backend - 404"),
    "404 in another JSON": reply(404, {"message": "no Route matched"}),
    "404 with nothing": reply(404, b""),
    "403 of a firewall": reply(403, b"<html>Request blocked</html>"),
    "403 with nothing": reply(403, b""),
    "400": reply(400, b"<html>Bad Request</html>"),
    "405": reply(405, b"Method Not Allowed"),
    "413": reply(413, b"<html>Too Large</html>"),
    "200": reply(200, PAGE),
    "302 to a page": reply(302, b"", ["Location: /login"]),
}
LONG = os.environ.get("VAULTFS_LONG")
if not LONG:
    PAGES = {what: PAGES[what] for what in ("404 of a gateway", "404 in another JSON", "404 with nothing",
                                            "403 of a firewall", "200", "302 to a page")}


@test(products=("vault", "bao") if LONG else ("bao",), seconds=120)
def pages(t):
    "no page of a gateway takes away what is cached, nor the copy for offline use; what is cold is EIO"
    t.put("s", {"x": "1"})
    t.put("cold", {"x": "1"})
    for number, (what, page) in enumerate(PAGES.items()):
        proxy = Proxy(t.server)
        env = {"VAULT_ADDR": proxy.address, "VAULT_TOKEN": t.server.token}
        copy = f"offline={t.root}/copy{number}"
        m = t.mount(copy, "ttl=0", "watch=200ms", "timeout=3s", env=dict(env))
        m.expect("EIO|EAGAIN|is spared|login failed|no server")
        assert m.read("s/x") == b"1"
        time.sleep(0.3)
        proxy.fate = lambda method, path: page
        for _ in range(3):
            assert m.read("s/x") == b"1", what
            time.sleep(0.1)
        assert m.errno_of(open, m / "cold/x") in ("EIO", "EAGAIN"), what
        m.unmount()
        assert m.wait_end() == 0
        again = t.mount(copy, "timeout=3s", env=dict(env))
        again.expect("EIO|EAGAIN|is spared|login failed|no server")
        assert again.read("s/x") == b"1", what
        proxy.fate = lambda method, path: PASS
        proxy.close()


@test(products=("bao",), seconds=60)
def writes(t):
    "a page in answer to a write is an error, and the write is made when the gateway is well"
    t.put("s", {"x": "1"})
    proxy = Proxy(t.server)
    m = t.mount("timeout=3s", env={"VAULT_ADDR": proxy.address, "VAULT_TOKEN": t.server.token})
    m.expect("EIO|is spared")
    changes = lambda method, path: path.startswith("secret/data") and method != "GET"
    for page in (PAGES["404 of a gateway"], PAGES["403 of a firewall"], PAGES["200"]):
        proxy.fate = lambda method, path: page if changes(method, path) else PASS
        f = open(m / "s/x", "wb")
        f.write(b"lost")
        assert m.errno_of(f.close) == "EIO"
        assert m.read("s/x") == b"1"
    proxy.fate = lambda method, path: PASS
    end = time.monotonic() + 20
    while m.errno_of(m.write, "s/x", "2"):
        assert time.monotonic() < end
        time.sleep(0.1)
    assert t.get("s") == {"x": "2"} and t.version("s") == 2
    proxy.close()


main()
