# SPDX-License-Identifier: Apache-2.0
"""Shared by the tests of logins."""

import os
import subprocess

from mount import VAULTFS, clean_environment

READ = {"secret/*": ["read", "list"]}


def enable(t, kind, path=None, server=None, **config):
    """A login method of this test's own; its path."""
    server = server or t.server
    path = path or f"{kind}-{t.name}".replace("_", "-")
    server.api("POST", f"sys/auth/{path}", {"type": kind, **config})
    server.policy("logins", READ)
    return path


def save(t, name, text):
    """A credential in a file, as a person would put it there: with a newline at its end."""
    path = f"{t.root}/{name}"
    with open(path, "w") as f:
        f.write(text + "\n")
    return path


def certificate(t, name):
    """One of a client's, signed by itself, in NAME.pem with its key in NAME.key; its text."""
    t.run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
          "-subj", f"/CN={name}", "-addext", "extendedKeyUsage=clientAuth",
          "-keyout", f"{t.root}/{name}.key", "-out", f"{t.root}/{name}.pem")
    with open(f"{t.root}/{name}.pem") as f:
        return f.read()


def mount(t, *options, server=None, **env):
    server = server or t.server
    env = {"VAULT_ADDR": server.address, **env}
    if server.tls:
        env["VAULT_CACERT"] = server.ca_file
    return t.mount("ttl=0", "negative_ttl=100ms", *options, env=env)


def refused(t, *options, status=2, server=None, **env):
    """The one sentence with which a mount fails."""
    server = server or t.server
    d = f"{t.root}/refused"
    os.makedirs(d, exist_ok=True)
    if server.tls:
        env["VAULT_CACERT"] = server.ca_file
    command = [VAULTFS, "mount", "-o", ",".join(options), "secret", d]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False,
                          env=clean_environment(**{"VAULT_ADDR": server.address, "HOME": t.root,
                                                   **env}))
    assert done.returncode == status and done.stdout == "", done
    assert done.stderr.startswith("vaultfs: ") and done.stderr.count("\n") == 1, done.stderr
    for canary in t.canaries:
        assert canary not in done.stderr, "a secret is in the sentence"
    t.note(f"{t.product}: {done.stderr.strip()}")
    return done.stderr


def expect(sentence, *words):
    for word in words:
        assert word in sentence, f"no {word!r} in {sentence!r}"


def kill_tokens(t, prefix, server=None):
    """Revokes every token that was had by a login below that path."""
    (server or t.server).api("POST", f"sys/leases/revoke-prefix/auth/{prefix}/login")


def serves(t, m, method, again=lambda: None, path=None, server=None):
    """It reads, and still does when its token was revoked: by another login, before which `again` is
    called."""
    assert m.read("db/x") == b"1"
    expect(m.log(), f"method={method}", f"auth={method}")
    if path:
        again()
        kill_tokens(t, path, server)
        assert m.read("db/x") == b"1"  # maybe the old value, where the login takes long
        m.wait_log(r"(?s)logged in.*logged in", 60)
        assert m.read("db/x") == b"1"
        assert m.log().count("logged in") == 2, m.log()


def no_such_mount(t, *options, **more):
    """The error if nothing is mounted at the method's path."""
    expect(refused(t, "auth_mount=nowhere", *options, **more), "cannot log in", "nowhere")
