#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""TLS: whom we trust, whom we name, what we show of ourselves, and what we refuse."""

import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time

from fake_vault import FakeVault, reply
from harness import main, skip, test
from mount import VAULTFS, clean_environment
from server import Server
from tls_files import SECRET, TlsFake, make_certificates, refused

def answer(method, path, body):
    return reply(200, SECRET) if method == "GET" else reply(404, {"errors": []})


def run_command(t, *args, **env):
    """A command: its status, and what it says."""
    done = subprocess.run([VAULTFS, *args], capture_output=True, text=True, timeout=60, check=False,
                          env=clean_environment(HOME=t.root, **env))
    return done.returncode, done.stdout, done.stderr


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
        t.finish()
    finally:
        server.stop()


@test(products=(), needs=("openssl",))
def folder_of_authorities(t):
    "ca_path: a folder of files as they are, at any depth and by links, or one file; read for each connection"
    files = make_certificates(t)
    fake = TlsFake(answer, files)
    base = {"VAULT_ADDR": fake.address, "VAULT_TOKEN": "x"}
    folder = f"{t.root}/ca"
    os.makedirs(f"{folder}/..data/below")
    with open(f"{folder}/README", "w") as f:
        f.write("no certificate\n")
    with open(f"{t.root}/broken.pem", "w") as f:
        f.write("-----BEGIN CERTIFICATE-----\nbm9uZQ==\n-----END CERTIFICATE-----\n")
    for path, words in ((folder, "no certificate (PEM) is in"), (f"{folder}/README", "no certificate"),
                        (f"{t.root}/broken.pem", "broken"), (f"{t.root}/nowhere", "cannot read")):
        done = run_command(t, "get", "secret/s#x", VAULT_CAPATH=path, **base)
        assert done[0] == 1 and words in done[2] and path in done[2], done
    # Kubernetes: a file by a link, through a link to a folder.
    shutil.copy(files["ca.pem"], f"{folder}/..data/below/ca.crt")
    os.symlink("..data/below", f"{folder}/..now")
    os.symlink("..now/ca.crt", f"{folder}/ca.crt")
    os.mkfifo(f"{folder}/fifo")
    single = f"{t.root}/single"
    shutil.copytree(f"{folder}/..data", single)
    for path in (folder, single, files["ca.pem"], f"{folder}/ca.crt", f"{folder}/..now"):
        assert run_command(t, "get", "secret/s#x", VAULT_CAPATH=path, **base) == (0, "1", ""), path
    # Another authority is not trusted, whatever the system trusts; ca_cert goes before ca_path.
    other = f"{t.root}/other.pem"
    t.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
          "-subj", "/CN=other", "-keyout", f"{t.root}/other.key", "-out", other)
    done = run_command(t, "get", "secret/s#x", VAULT_CAPATH=other, **base)
    assert done[0] == 2 and "no secure connection" in done[2], done
    done = run_command(t, "get", "secret/s#x", VAULT_CAPATH=other, VAULT_CACERT=files["ca.pem"], **base)
    assert done == (0, "1", ""), done
    # Who may write there says whom we believe.
    os.chmod(f"{folder}/..data/below/ca.crt", 0o666)
    done = run_command(t, "get", "secret/s#x", VAULT_CAPATH=folder, **base)
    assert done[0] == 1 and "others may write it" in done[2], done
    os.chmod(f"{folder}/..data/below/ca.crt", 0o644)
    # A mount takes what is there when it connects.
    m = t.mount("ttl=0", "negative_ttl=0", source="/secret/s", env={**base, "VAULT_CAPATH": folder})
    assert m.read("x") == b"1"
    m.expect("no secure connection", "does not serve", "failed")
    os.replace(other, f"{folder}/..data/below/ca.crt")
    for connection in fake.connections:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
    errno = m.errno_of(os.stat, m / "y")
    assert errno == "EHOSTUNREACH", errno
    shutil.copy(files["ca.pem"], f"{folder}/..data/below/again.pem")
    end = time.monotonic() + 30
    while m.errno_of(os.stat, m / "y") != "ENOENT":
        assert time.monotonic() < end, "the new authority is not taken up"
        time.sleep(0.1)
    fake.close()


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
