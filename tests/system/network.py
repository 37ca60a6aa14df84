#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Ways to the server: sockets, proxies, certificates from the environment and new ones on disk."""

import os
import select
import shutil
import socket
import threading
import time

from fake_vault import FakeVault, reply
from harness import main, test
from tls_files import SECRET, TlsFake, make_certificates, refused


def answer(method, path, body):
    return reply(200, SECRET) if method == "GET" else reply(404, {"errors": []})


class Forward:
    """Takes connections on `listener` and passes them on; what it saw first of each is kept."""

    def __init__(self, listener, upstream):
        self.listener = listener
        self.upstream = upstream
        self.seen = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def target(self, client):
        """Whereto, after what is said to us ourselves."""
        return self.upstream

    def serve(self, client):
        try:
            with client, socket.create_connection(self.target(client)) as server:
                ends = {client: server, server: client}
                while True:
                    for end in select.select(ends, [], [])[0]:
                        data = end.recv(65536)
                        if not data:
                            return
                        if end is client:
                            self.seen.append(data)
                        ends[end].sendall(data)
        except OSError:
            pass

    def close(self):
        self.listener.close()


class HttpProxy(Forward):
    """An HTTP proxy: CONNECT, and requests with a whole URL, for one server whatever its name."""

    def __init__(self, upstream):
        super().__init__(socket.create_server(("127.0.0.1", 0)), upstream)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.connects = []

    def target(self, client):
        head = client.recv(65536, socket.MSG_PEEK)
        if head.startswith(b"CONNECT"):
            self.connects.append(client.recv(65536))
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        return self.upstream


def to_server(t):
    return ("127.0.0.1", t.server.port)


@test()
def unix_socket(t):
    "an agent or a server is reached over a socket, in plain HTTP, and Host is localhost"
    t.put("s", {"x": "1"})
    path = f"{t.root}/agent.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(16)
    agent = Forward(listener, to_server(t))
    proxy = {"HTTP_PROXY": "http://127.0.0.1:1", "http_proxy": "http://127.0.0.1:1"}
    m = t.mount(env={"VAULT_ADDR": f"unix://{path}", "VAULT_TOKEN": t.server.token, **proxy})
    m.expect("EHOSTUNREACH|is spared")
    assert m.read("s/x") == b"1"
    m.write("s/x", "2")
    assert t.get("s") == {"x": "2"}
    assert all(b"\r\nHost: localhost\r\n" in s for s in agent.seen if b"HTTP/1.1" in s)
    agent.close()
    os.unlink(path)
    assert t.server.address not in m.log() and path in m.log()
    for wrong in ("unix://relative", "unix://", "unix:///" + 120 * "x"):
        bad = t.mount(f"addr={wrong}", env={"VAULT_TOKEN": "x"}, wait=False)
        assert bad.wait_end() == 1 and "not an address" in bad.log(), bad.log()


@test()
def proxies(t):
    "a proxy is taken from its variables, the strongest first, and never for what is on this machine"
    t.put("s", {"x": "1"})
    away = "http://vault.invalid:8200"  # only the proxy knows where that is
    token = {"VAULT_TOKEN": t.server.token}
    nowhere = "http://127.0.0.1:1"
    weaker = []
    for name in ("VAULT_PROXY_ADDR", "BAO_PROXY_ADDR", "VAULT_HTTP_PROXY", "BAO_HTTP_PROXY",
                 "HTTP_PROXY", "http_proxy"):
        proxy = HttpProxy(to_server(t))
        m = t.mount(env={"VAULT_ADDR": away, name: proxy.url, **token})
        assert m.read("s/x") == b"1", name
        assert any(s.startswith(b"GET http://vault.invalid:8200/v1/") for s in proxy.seen), name
        proxy.close()
    order = ["BAO_PROXY_ADDR", "VAULT_PROXY_ADDR", "BAO_HTTP_PROXY", "VAULT_HTTP_PROXY",
             "HTTP_PROXY"]
    proxy = HttpProxy(to_server(t))
    for name in reversed(order):
        m = t.mount(env={"VAULT_ADDR": away, **{w: nowhere for w in weaker}, name: proxy.url, **token})
        assert m.read("s/x") == b"1", name
        weaker.append(name)
    m = t.mount(f"proxy={proxy.url}", env={"VAULT_ADDR": away, **{w: nowhere for w in weaker}, **token})
    assert m.read("s/x") == b"1"
    # What is set for all is used for all, also for this machine; what the system has, is not.
    proxy.seen.clear()
    m = t.mount(f"proxy={proxy.url}", env={"VAULT_ADDR": t.server.address, "NO_PROXY": "*", **token})
    assert m.read("s/x") == b"1" and proxy.seen
    m = t.mount(env={"VAULT_ADDR": t.server.address, "HTTP_PROXY": nowhere, "http_proxy": nowhere,
                     **token})
    assert m.read("s/x") == b"1"
    sentence = refused(t, away, HTTP_PROXY=proxy.url, NO_PROXY="vault.invalid")
    assert "vault.invalid" in sentence and "resolve" in sentence, sentence
    sentence = refused(t, away, "proxy=" + nowhere)
    assert "cannot reach http://vault.invalid" in sentence, sentence
    bad = t.mount("proxy=user:hidden@nothing", env={"VAULT_ADDR": away, **token}, wait=False)
    assert bad.wait_end() == 1 and "the proxy is no URL" in bad.log() and "hidden" not in bad.log()
    proxy.close()


@test(products=(), needs=("openssl",))
def proxy_and_tls(t):
    "HTTPS goes through a proxy by CONNECT, which sees neither the token nor the secret"
    files = make_certificates(t)
    fake = TlsFake(answer, files)
    proxy = HttpProxy(("127.0.0.1", int(fake.address.rsplit(":", 1)[1])))
    m = t.mount(source="/secret/s", env={
        "VAULT_ADDR": "https://vault.test:8200", "VAULT_TOKEN": "the-token",
        "VAULT_CACERT": files["ca.pem"], "HTTPS_PROXY": proxy.url})
    assert m.read("x") == b"1"
    said = b"".join(proxy.connects)
    assert b"CONNECT vault.test:8200 " in said and b"the-token" not in said
    assert b"the-token" not in b"".join(proxy.seen)
    proxy.close()
    fake.close()


@test(products=(), needs=("openssl",))
def certificates_in_variables(t):
    "VAULT_CACERT_BYTES holds the CA itself, after VAULT_CACERT and before VAULT_CAPATH; so do a client's"
    files = make_certificates(t)
    text = {name: open(path).read() for name, path in files.items()}
    other = make_certificates(t, "other")
    fake = TlsFake(answer, files, demand=True)
    show = {"BAO_CLIENT_CERT_BYTES": text["client.pem"],
            "VAULT_CLIENT_KEY_BYTES": text["client.key"]}
    t.canaries.append(text["client.key"].splitlines()[1])
    good = {"VAULT_ADDR": fake.address, "VAULT_TOKEN": "x", **show}
    for more in ({"VAULT_CACERT_BYTES": text["ca.pem"]}, {"BAO_CACERT_BYTES": text["ca.pem"]},
                 {"VAULT_CACERT": files["ca.pem"], "VAULT_CACERT_BYTES": open(other["ca.pem"]).read()},
                 {"VAULT_CACERT_BYTES": text["ca.pem"], "VAULT_CAPATH": "/etc"}):
        m = t.mount(source="/secret/s", env={**good, **more})
        assert m.read("x") == b"1", more
        with open(f"/proc/{m.process.pid}/environ") as f:
            assert t.canaries[-1] not in f.read(), "the key is in the environment"
    for more in ({"VAULT_CACERT_BYTES": open(other["ca.pem"]).read()}, {"VAULT_CACERT_BYTES": "no PEM"},
                 {"VAULT_CACERT": other["ca.pem"], "VAULT_CACERT_BYTES": text["ca.pem"]}):
        sentence = refused(t, fake.address, **show, **more)
        assert "no secure connection to" in sentence, (more, sentence)
    half = t.mount(source="/secret/s", wait=False, env={
        **good, "VAULT_CLIENT_KEY_BYTES": None, "VAULT_CACERT": files["ca.pem"]})
    assert half.wait_end() == 1 and "needs both" in half.log()
    fake.close()


@test(products=(), seconds=120, needs=("openssl",))
def certificates_replaced(t):
    "a CA or a client certificate that is replaced on disk is used from the next connection on"
    files = make_certificates(t)
    other = make_certificates(t, "other")
    fake = TlsFake(answer, files, demand=True)
    m = t.mount(f"ca_cert={files['ca.pem']}", f"client_cert={files['client.pem']}",
                f"client_key={files['client.key']}", "ttl=0", "max_stale=0", "max_retries=0",
                source="/secret/s",
                env={"VAULT_ADDR": fake.address, "VAULT_TOKEN": "x"})
    m.expect("EHOSTUNREACH|is spared|ETIMEDOUT")
    assert m.read("x") == b"1"
    port = int(fake.address.rsplit(":", 1)[1])
    fake.close()
    # The server has a new CA's certificate by now, and asks for a client's of it.
    with open(files["ca.pem"]) as f:
        old = f.read()
    fake = TlsFake(answer, other, demand=True, port=port)
    assert m.errno_of(open, m / "x") == "EHOSTUNREACH"
    assert "certificate" in m.log()
    for name in ("client.key", "client.pem", "ca.pem"):
        shutil.copy(other[name], files[name] + ".new")
        os.rename(files[name] + ".new", files[name])
    begun = time.monotonic()
    while m.errno_of(open, m / "x"):
        assert time.monotonic() < begun + 30
        time.sleep(0.05)
    t.note(f"taken up after {time.monotonic() - begun:.2f} s")
    assert m.read("x") == b"1" and open(files["ca.pem"]).read() != old
    fake.close()


@test(products=())
def redirects_can_be_refused(t):
    "with VAULT_DISABLE_REDIRECTS a redirect is an answer that makes no sense, and goes nowhere"
    other = FakeVault(answer)
    first = FakeVault(lambda method, path, body: reply(307, b"", [f"Location: {other.address}{path}"]))
    env = {"VAULT_ADDR": first.address, "VAULT_TOKEN": "x"}
    m = t.mount(source="/secret/s", env=dict(env))
    assert m.read("x") == b"1" and other.requests
    other.requests.clear()
    m = t.mount("max_retries=0", source="/secret/s", env={**env, "VAULT_DISABLE_REDIRECTS": "true"})
    m.expect("307")
    assert m.errno_of(os.stat, m / "x") == "EIO" and not other.requests
    first.close()
    other.close()


@test()
def other_variables(t):
    "VAULT_RATE_LIMIT is the rate; VAULT_WRAP_TTL, VAULT_MFA, VAULT_FORMAT change nothing"
    t.put("s", {"x": "1"})
    env = {"VAULT_ADDR": t.server.address, "VAULT_TOKEN": t.server.token}
    m = t.mount("ttl=0", env={**env, "VAULT_WRAP_TTL": "60", "VAULT_MFA": "x:1",
                              "VAULT_FORMAT": "yaml", "VAULT_RATE_LIMIT": "20:40"})
    begun = time.monotonic()
    for _ in range(15):
        assert m.read("s/x") == b"1"
    assert time.monotonic() - begun > 0.5, "the rate was not held to"
    with open(f"{t.root}/token", "w") as f:
        f.write(t.server.token)
    m = t.mount(env={"BAO_ADDR": t.server.address, "BAO_TOKEN_PATH": f"{t.root}/token"})
    assert m.read("s/x") == b"1"


main()
