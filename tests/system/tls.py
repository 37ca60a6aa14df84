#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""TLS: whom we trust, whom we name, what we show of ourselves, and what we refuse."""

import os
import ssl
import threading

from fake_vault import FakeVault, reply
from harness import main, skip, test
from server import Server
from tls_files import SECRET, TlsFake, make_certificates, refused

def answer(method, path, body):
    return reply(200, SECRET) if method == "GET" else reply(404, {"errors": []})


@test(seconds=120)
def a_real_server(t):
    "HTTPS to a real server: its CA is trusted when it is named, by one connection for many requests"
    server = Server(t.product, f"{t.root}/tls-server", tls=True)
    try:
        t.canaries.append(server.token)
        for i in range(40):
            server.put(f"app/s{i}", {"x": str(i)})
        base = {"VAULT_ADDR": server.address, "VAULT_TOKEN": server.token}
        sentence = refused(t, server.address)
        assert "no secure connection to" in sentence and "certificate" in sentence, sentence
        m = t.mount(source="/secret/app", env={**base, "VAULT_CACERT": server.ca_file})
        os.listdir(m.path)
        got = {}
        threads = [threading.Thread(target=lambda i=i: got.update({i: m.read(f"s{i}/x")}))
                   for i in range(40)]
        for th in threads:
            th.start()
        for th in threads:
            th.join()
        assert got == {i: str(i).encode() for i in range(40)}
        m.write("s1/x", "new")
        assert server.get("app/s1") == {"x": "new"}
        # HTTP/2: many requests at the same time share a connection.
        connections = t.run("ss", "-Htn", "state", "established", f"( dport = :{server.port} )",
                            check=False)[1].splitlines()
        assert len(connections) <= 2, connections
        t.note(f"{len(connections)} connection(s) after 40 requests at once")
        skipped = t.mount("tls_skip_verify", source="/secret/app", env=dict(base))
        skipped.expect("certificate is not checked")
        assert skipped.read("s2/x") == b"2" and "certificate is not checked" in skipped.log()
        named = t.mount("tls_server_name=localhost", f"ca_cert={server.ca_file}",
                        source="/secret/app", env=dict(base))
        assert named.read("s3/x") == b"3"
        sentence = refused(t, server.address, "tls_server_name=other.example",
                           VAULT_CACERT=server.ca_file)
        assert "no secure connection" in sentence and "other.example" in sentence, sentence
        plain = server.address.replace("https", "http")
        sentence = refused(t, plain)
        assert "vaultfs: " in sentence and plain in sentence, sentence
    finally:
        server.stop()


@test(products=(), needs=("openssl",))
def client_certificates(t):
    "a client certificate is shown where one is set, and its server's name is the one that was named"
    files = make_certificates(t)
    fake = TlsFake(answer, files, demand=True)
    env = {"VAULT_ADDR": fake.address, "VAULT_TOKEN": "x", "VAULT_CACERT": files["ca.pem"]}
    sentence = refused(t, fake.address, VAULT_CACERT=files["ca.pem"])
    assert fake.address in sentence, sentence
    m = t.mount(f"client_cert={files['client.pem']}", f"client_key={files['client.key']}",
                "tls_server_name=vault.test", source="/secret/s", env=dict(env))
    assert m.read("x") == b"1"
    assert ((("commonName", "client"),),) in fake.peers
    assert "vault.test" in fake.names
    hosts = {r[2]["host"] for r in fake.requests}
    assert hosts == {fake.address.split("//")[1]}, hosts
    fake.close()


@test(products=(), needs=("openssl",))
def old_protocols(t):
    "TLS below 1.2 is not spoken"
    files = make_certificates(t)
    with_old = TlsFake(answer, files, oldest=ssl.TLSVersion.TLSv1_1)
    try:
        probe = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        probe.set_ciphers("ALL:@SECLEVEL=0")
        probe.minimum_version = ssl.TLSVersion.TLSv1_1
        probe.check_hostname = False
        probe.verify_mode = ssl.CERT_NONE
        import socket
        with socket.create_connection(("127.0.0.1", int(with_old.address.rsplit(":")[-1]))) as s:
            probe.wrap_socket(s).close()
    except (ssl.SSLError, OSError):
        skip("this machine's OpenSSL has no TLS 1.1 to be refused")
    sentence = refused(t, with_old.address, VAULT_CACERT=files["ca.pem"])
    assert "no secure connection to" in sentence, sentence
    with_old.close()


@test(products=(), needs=("openssl",))
def no_downgrade(t):
    "a redirect from HTTPS to plain HTTP is not followed, and the token not sent"
    files = make_certificates(t)
    plain = FakeVault(answer)
    secure = TlsFake(lambda method, path, body: reply(
        307, b"", [f"Location: {plain.address}{path}"]), files)
    m = t.mount("max_retries=0", source="/secret/s",
                env={"VAULT_ADDR": secure.address, "VAULT_TOKEN": "x",
                     "VAULT_CACERT": files["ca.pem"]})
    m.expect("not followed")
    assert m.errno_of(os.stat, m / "x") == "EIO"
    assert plain.requests == [] and "not followed, since not encrypted" in m.log()
    plain.close()
    secure.close()


main()
