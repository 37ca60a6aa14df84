#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tokens that are not ours: those that an agent or a proxy adds to requests without one, and those that
end by being used."""

import errno
import os
import subprocess
import time
import urllib.error
import urllib.request

from harness import main, test
from login import enable, expect, refused, save
from mount import VAULTFS, clean_environment
from server import free_port

CONFIG = """
pid_file = "{root}/pid"
vault {{ address = "{server}" }}
api_proxy {{ use_auto_auth_token = {auto} }}
listener "tcp" {{ address = "127.0.0.1:{port}" tls_disable = true }}
auto_auth {{
  method "approle" {{
    mount_path = "auth/{path}"
    config = {{
      role_id_file_path = "{root}/role_id"
      secret_id_file_path = "{root}/secret_id"
      remove_secret_id_file_after_reading = false
    }}
  }}
}}
"""


class Proxy:
    """A real proxy (agent of OpenBao or Vault) that logs in by itself."""

    def __init__(self, t, path, auto="true"):
        self.t = t
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        with open(f"{t.root}/proxy.hcl", "w") as f:
            f.write(CONFIG.format(root=t.root, server=t.server.address, auto=auto, port=self.port,
                                  path=path))
        self.log = f"{t.root}/proxy.log"
        self.start()

    def start(self):
        env = clean_environment(HOME=self.t.root)
        self.process = self.t.spawn(self.t.server.binary, "proxy", f"-config={self.t.root}/proxy.hcl",
                                    env=env, stdout=open(self.log, "ab"), stderr=subprocess.STDOUT)
        end = time.monotonic() + 60
        while self.status("auth/token/lookup-self") == 0:
            assert self.process.poll() is None and time.monotonic() < end, open(self.log).read()
            time.sleep(0.05)

    def status(self, path):
        """What it answers to a request without a token; 0 while it does not."""
        request = urllib.request.Request(f"{self.address}/v1/{path}", headers={"X-Vault-Request": "1"})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status
        except urllib.error.HTTPError as e:
            return e.code
        except OSError:
            return 0

    def wait(self, path, status):
        end = time.monotonic() + 60
        while self.status(path) != status:
            assert time.monotonic() < end, open(self.log).read()
            time.sleep(0.1)

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


def make_role(t):
    """AppRole for the proxy; where it is."""
    path = enable(t, "approle")
    t.server.api("POST", f"auth/{path}/role/app", {"token_policies": "logins", "token_ttl": "1h"})
    save(t, "role_id", t.server.api("GET", f"auth/{path}/role/app/role-id")["data"]["role_id"])
    secret_id = t.server.api("POST", f"auth/{path}/role/app/secret-id", {})["data"]["secret_id"]
    t.canaries.append(secret_id)
    save(t, "secret_id", secret_id)
    return path


def run(t, *args, **env):
    """A command: its status, and what it says."""
    done = subprocess.run([VAULTFS, *args], capture_output=True, text=True, timeout=60, check=False,
                          env=clean_environment(**{"VAULT_ADDR": t.server.address, "HOME": t.root,
                                                   **env}))
    return done.returncode, done.stdout, done.stderr


@test(seconds=150)
def auto_auth(t):
    "auth=none: a proxy adds its own token; its end and its return are seen, and nothing of it is revoked"
    path = make_role(t)
    t.put("db", {"x": "1"})
    proxy = Proxy(t, path)
    proxy.wait("auth/token/lookup-self", 200)
    env = {"VAULT_ADDR": proxy.address}
    assert run(t, "get", f"{t.place('db')}#x", "-o", "auth=none", **env) == (0, "1", "")
    assert run(t, "get", f"{t.place('db')}#x", VAULT_AUTH_METHOD="none", VAULT_AGENT_ADDR=proxy.address
               ) == (0, "1", "")
    done = run(t, "doctor", "-o", "auth=none", t.place("db"), **env)
    assert done[0] == 0, done
    done = run(t, "login", "-o", "auth=none", **env)
    assert done[0] == 1 and "there is no token to write" in done[2], done
    m = t.mount("auth=none", "ttl=0", "negative_ttl=0", "revoke", f"token_cache={t.root}/cache", env=env)
    assert m.read("db/x") == b"1"
    m.expect("refuses|refused|no good token|login failed|the token is dead|does not serve|no answer",
             "cannot reach")
    assert b'"none"' in m.read(".vault/status.json").replace(b" ", b""), m.read(".vault/status.json")
    assert m.errno_of(m.write, ".vault/renew", "1") == errno.errorcode[errno.EOPNOTSUPP]
    # The proxy's token is revoked, and it takes a moment to find out: then it has another.
    t.server.api("POST", f"sys/leases/revoke-prefix/auth/{path}/login")
    end = time.monotonic() + 60
    while m.errno_of(m.read, "db/x"):
        if proxy.status("auth/token/lookup-self") != 200:
            proxy.stop()
            proxy.start()
            proxy.wait("auth/token/lookup-self", 200)
        assert time.monotonic() < end, m.log()
        time.sleep(0.1)
    m.end()
    assert not os.path.exists(f"{t.root}/cache") and "token revoked" not in m.log()
    assert proxy.status("auth/token/lookup-self") == 200, "its token is not ours to revoke"
    proxy.stop()


@test()
def nobody_adds_a_token(t):
    "auth=none: where nothing is added the mount is refused, and says what is missing"
    t.put("db", {"x": "1"})
    words = ("auth=none: no good token is added", t.server.address, "auto_auth")
    expect(refused(t, "auth=none"), *words)
    # A token that lies about is not taken.
    expect(refused(t, "auth=none", VAULT_TOKEN=t.server.token), *words)
    done = run(t, "get", f"{t.place('db')}#x", "-o", "auth=none", VAULT_TOKEN=t.server.token)
    assert done[0] == 2 and done[1] == "" and t.server.token not in done[2], done
    t.note(done[2].strip())


@test()
def tokens_of_one_use(t):
    "a command that reads leaves a token of one use to the secret; one that writes takes as many as requests"
    t.put("db", {"x": "1"})
    t.server.policy(f"one-{t.name}", {f"secret/data/{t.folder}/*": ["create", "update", "read"],
                                      f"secret/metadata/{t.folder}/*": ["list", "read"]})

    def few(uses):
        token = t.server.make_token(policies=[f"one-{t.name}"], num_uses=uses)
        t.canaries.append(token)
        return token

    for words in (["get", f"{t.place('db')}#x"], ["get", t.place("db")], ["ls", t.place("")],
                  ["run", t.place("db"), "--", "env"], ["history", t.place("db")]):
        done = run(t, *words, VAULT_TOKEN=few(1))
        assert done[0] == 0, done
    done = run(t, "put", t.place("db"), "x=2", VAULT_TOKEN=few(2))
    assert done[0] == 0, done
    # A dead one is told as such, and not as a policy's refusal.
    token = few(1)
    done = run(t, "get", f"{t.place('db')}#x", VAULT_TOKEN=token)
    assert done[0] == 0, done
    done = run(t, "get", f"{t.place('db')}#x", VAULT_TOKEN=token)
    assert done[0] == 2 and "token is refused" in done[2], done
    done = run(t, "get", f"{t.place('db')}#x", VAULT_TOKEN=f"hvs.{t.canary()}")
    assert done[0] == 2 and "token is refused" in done[2], done
    # A policy's refusal stays one.
    done = run(t, "get", "secret/elsewhere#x", VAULT_TOKEN=few(0))
    assert done[0] == 2 and "token is refused" not in done[2] and "permission denied" in done[2], done


main()
