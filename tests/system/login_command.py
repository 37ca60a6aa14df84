#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""vaultfs login: the token in ~/.vault-token, what is said about it, OIDC with a browser, and what a
person is asked for at a terminal."""

import os
import pty
import re
import select
import subprocess
import time
import urllib.error
import urllib.request

from fake_oidc import FakeOidc
from harness import main, test
from login import enable, expect, mount, save
from mount import VAULTFS, clean_environment
from server import free_port
from signer import Signer


def environment(t, **more):
    return clean_environment(**{"VAULT_ADDR": t.server.address, "HOME": t.root, **more})


def login(t, *args, status=0, stdin=None, **env):
    """What it says, on stdout or, where it fails, on stderr; no token may be in it."""
    done = subprocess.run([VAULTFS, "login", *args], capture_output=True, text=True, timeout=60,
                          check=False, env=environment(t, **env), input=stdin)
    assert done.returncode == status, done
    for canary in t.canaries:
        assert canary not in done.stdout + done.stderr, "a secret is in what it says"
    said = done.stderr if status else done.stdout
    if status:
        assert done.stdout == "" and said.startswith("vaultfs: "), done
        assert said.count("\n") == 1 or "Usage:" in said, done
    else:
        assert done.stderr == "", done
    t.note(f"{t.product}: {said.splitlines()[0]}")
    return said


def written(t, name=".vault-token"):
    """The token that it left, which is its owner's alone."""
    path = f"{t.root}/{name}"
    assert os.stat(path).st_mode & 0o777 == 0o600
    with open(path) as f:
        token = f.read()
    assert token == token.strip() and token
    assert [n for n in os.listdir(t.root) if n.startswith(name)] == [name], "something is left"
    t.canaries.append(token)
    return token


def userpass(t, **more):
    path = enable(t, "userpass")
    password = t.canary()
    t.server.api("POST", f"auth/{path}/users/bob",
                 {"password": password, "token_policies": "logins", "token_ttl": "1h", **more})
    return path, password


@test()
def writes_the_token(t):
    "login writes ~/.vault-token, says who we are and for how long, and a mount takes it from there"
    t.put("db", {"x": "1"})
    path, password = userpass(t)
    save(t, ".vault-token", "old")
    file = save(t, "password", password)
    said = login(t, "-o", f"auth_mount={path},username=bob", "-o", f"password_file={file}", "userpass")
    expect(said, "Logged in as", "bob by userpass, for 1h, renewable", "default, logins",
           f"The token is in {t.root}/.vault-token.")
    token = written(t)
    data = t.server.api("GET", "auth/token/lookup-self", token=token)["data"]
    assert "logins" in data["policies"] and data["ttl"] > 3500
    m = mount(t, HOME=t.root)
    assert m.read("db/x") == b"1" and "auth=token" in m.log()
    # By the configuration, to another place.
    conf = save(t, "conf", f"auth = userpass\nauth_mount = {path}\nusername = bob")
    said = login(t, "-c", conf, VAULT_PASSWORD=password, BAO_TOKEN_PATH=f"{t.root}/elsewhere")
    expect(said, f"The token is in {t.root}/elsewhere.")
    assert written(t, "elsewhere") != token
    # A token is checked, not believed; where none is named, the old file does not count.
    given = t.server.make_token(policies=["logins"], ttl="2h")
    t.canaries.append(given)
    expect(login(t, "-o", "token_file=-", "token", stdin=given), "by token, for ")
    assert written(t) == given
    expect(login(t, VAULT_TOKEN=t.server.token), "by token, for ever; policies: root")


@test()
def failures(t):
    "login that fails says so in a sentence, with status 1 or 2, and leaves the old token alone"
    path, password = userpass(t)
    save(t, ".vault-token", "old")
    base = ("-o", f"auth_mount={path},username=bob")
    expect(login(t, *base, "userpass", status=2, VAULT_PASSWORD="wrong"),
           "user bob or the password refused by", "(400 invalid username or password)")
    expect(login(t, *base, "userpass", status=1), "VAULT_PASSWORD", "password_file=")
    expect(login(t, *base, "magic", status=1), "auth=magic", "there are", "oidc")
    expect(login(t, *base, "-o", "password_file=/nowhere", "userpass", status=1), "/nowhere")
    expect(login(t, "a", "b", status=1), "one method")
    expect(login(t, status=1), "no credentials")
    expect(login(t, "token", status=1), "VAULT_TOKEN", "token_file=")
    expect(login(t, "token", status=2, VAULT_TOKEN="hvs.wrong"), "the token is refused")
    expect(login(t, *base, "userpass", status=2, VAULT_PASSWORD=password,
                 VAULT_ADDR=f"http://127.0.0.1:{free_port()}"), "cannot reach")
    with open(f"{t.root}/.vault-token") as f:
        assert f.read() == "old\n"
    expect(login(t, *base, "userpass", status=1, VAULT_PASSWORD=password,
                 BAO_TOKEN_PATH=f"{t.root}/no/folder"), "cannot write", "/no/folder")


@test()
def asks_at_a_terminal(t):
    "a password is asked for at a terminal, and not shown"
    path, password = userpass(t)
    pid, fd = pty.fork()
    if pid == 0:
        os.execve(VAULTFS, [VAULTFS, "login", "-o", f"auth_mount={path},username=bob", "userpass"],
                  environment(t))
    said, sent = "", False
    try:
        while select.select([fd], [], [], 30)[0]:
            text = os.read(fd, 4096).decode()
            said += text
            if not sent and "Password (not shown): " in said:
                # The question comes before the echo is off.
                time.sleep(0.3)
                os.write(fd, password.encode() + b"\n")
                sent = True
    except OSError:
        pass  # the terminal's end
    os.close(fd)
    assert os.waitpid(pid, 0)[1] == 0, said
    expect(said, "bob by userpass")
    assert password not in said, "the password is shown"
    written(t)


class Login:
    """A login by OIDC under way, up to where a browser is needed."""

    def __init__(self, t, port, *options):
        self.t = t
        self.port = port
        self.process = subprocess.Popen(
            [VAULTFS, "login", "-o", ",".join([f"oidc_port={port}", *options]), "oidc"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(t))
        t.processes.append(self.process)

    def url(self):
        for line in self.process.stdout:
            if line.strip().startswith("http"):
                return line.strip()
        raise AssertionError(self.process.stderr.read())

    def end(self, status=0):
        out, err = self.process.communicate(timeout=60)
        assert self.process.returncode == status, (out, err)
        for canary in self.t.canaries:
            assert canary not in out + err
        self.t.note(f"{self.t.product}: {(out + err).strip().splitlines()[0]}")
        return out + err


def browse(url):
    """Status and text of what a browser gets."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()


@test(needs=("openssl",))
def oidc(t):
    "oidc: the browser comes back to us, whatever else comes meanwhile; and its refusals"
    provider = FakeOidc(Signer(t.root))
    path = enable(t, "oidc")
    t.server.api("POST", f"auth/{path}/config", {
        "oidc_discovery_url": provider.address, "oidc_client_id": provider.CLIENT[0],
        "oidc_client_secret": provider.CLIENT[1], "default_role": "app"})

    def role(name, port, **more):
        t.server.api("POST", f"auth/{path}/role/{name}", {
            "role_type": "oidc", "user_claim": "sub", "token_policies": "logins", "token_ttl": "1h",
            "allowed_redirect_uris": [f"http://localhost:{port}/oidc/callback"], "bound_claims": {},
            **more})

    def start(*more, name="app", **conditions):
        port = free_port()
        role(name, port, **conditions)
        return Login(t, port, f"auth_mount={path}", *more)

    for more in ((), ("role=app",)):
        one = start(*more)
        back, code = provider.authorize(one.url(), "ann")
        t.canaries.append(code)
        here = f"http://127.0.0.1:{one.port}"
        for other in ("/", "/oidc/callback", "/oidc/callback?code=x&state=y",
                      "/oidc/callback?" + "x" * 40000):
            try:
                assert browse(here + other)[0] == 404, other
            except OSError:
                assert len(other) > 30000, other
        status, text = browse(back)
        assert status == 200 and "can be closed" in text, text
        expect(one.end(), "ann by oidc, for 1h, renewable; policies: default, logins")
        data = t.server.api("GET", "auth/token/lookup-self", token=written(t))["data"]
        assert data["meta"]["role"] == "app", data

    # The provider says no; the server does.
    one = start()
    state = re.search(r"state=([^&]+)", one.url()).group(1)
    browse(f"http://127.0.0.1:{one.port}/oidc/callback?state={state}&error=access_denied")
    expect(one.end(2), "the identity provider says access_denied")
    one = start("role=bound", name="bound", bound_claims={"sub": ["nobody"]})
    browse(provider.authorize(one.url(), "ann")[0])
    expect(one.end(2), "role bound or the login at the identity provider refused by")
    one = start()
    back, code = provider.authorize(one.url(), "ann")
    browse(back.replace(code, "code-wrong"))
    expect(one.end(2), "refused by", "invalid_grant")
    one = start("role=wrong")
    expect(one.end(2), "cannot log in", "wrong")
    one = start("oidc_port=%d" % t.server.port)
    expect(one.end(1), "cannot listen on 127.0.0.1", "in use")
    one = start(allowed_redirect_uris=["https://elsewhere.example/oidc/callback"])
    expect(one.end(2), "cannot log in", "redirect_uri", f"http://localhost:{one.port}/oidc/callback")
    done = subprocess.run([VAULTFS, "mount", "-o", "auth=oidc", "secret", t.root], text=True,
                          capture_output=True, check=False, env=environment(t))
    assert done.returncode == 1
    expect(done.stderr, "vaultfs login oidc")
    provider.close()


main()
