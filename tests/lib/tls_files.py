# SPDX-License-Identifier: Apache-2.0
"""Certificates for the tests, and servers that show them."""

import os
import ssl
import subprocess

from fake_vault import FakeVault
from mount import VAULTFS, clean_environment

SECRET = {"data": {"data": {"x": "1"}, "metadata": {
    "version": 1, "created_time": "2026-01-01T00:00:00Z", "deletion_time": "", "destroyed": False}}}


def refused(t, address, *options, **env):
    """The sentence with which a mount fails."""
    d = f"{t.root}/refused"
    os.makedirs(d, exist_ok=True)
    command = [VAULTFS, "mount", *(["-o", ",".join(options)] if options else []), "secret", d]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False,
                          env=clean_environment(VAULT_ADDR=address, VAULT_TOKEN="x", HOME=t.root,
                                                **env))
    assert done.returncode == 2, done
    return done.stderr.strip()


def make_certificates(t, folder="certificates"):
    """A CA, a server's certificate for localhost and 127.0.0.1, and a client's; paths by name."""
    root = f"{t.root}/{folder}"
    os.makedirs(root)
    script = """
set -e
cd "$D"
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test-ca -keyout ca.key -out ca.pem
for who in server client; do
    openssl req -newkey rsa:2048 -nodes -subj /CN=$who -keyout $who.key -out $who.csr
    printf 'subjectAltName=DNS:vault.test,DNS:localhost,IP:127.0.0.1' > ext
    openssl x509 -req -days 2 -in $who.csr -CA ca.pem -CAkey ca.key -CAcreateserial \\
        -extfile ext -out $who.pem
done
"""
    t.shell(script, D=root)
    return {name: f"{root}/{name}" for name in
            ("ca.pem", "server.pem", "server.key", "client.pem", "client.key")}


class TlsFake(FakeVault):
    """A fake with a certificate; `demand` asks for the client's, and keeps whose it was."""

    def __init__(self, answer, files, demand=False, oldest=None, port=0):
        super().__init__(answer, port)
        self.address = self.address.replace("http:", "https:")
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(files["server.pem"], files["server.key"])
        if demand:
            self.context.verify_mode = ssl.CERT_REQUIRED
            self.context.load_verify_locations(files["ca.pem"])
        if oldest:
            self.context.set_ciphers("ALL:@SECLEVEL=0")
            self.context.minimum_version = oldest
            self.context.maximum_version = oldest
        self.peers = []
        self.names = []
        self.context.sni_callback = lambda sock, name, context: self.names.append(name)

    def serve(self, connection):
        try:
            connection = self.context.wrap_socket(connection, server_side=True)
            self.connections.append(connection)
            self.peers.append((connection.getpeercert() or {}).get("subject"))
        except OSError:
            return
        super().serve(connection)
