# SPDX-License-Identifier: Apache-2.0
"""Real servers for the tests: Vault and OpenBao in dev mode, each on a free port of loopback, and what
a test asks of them behind vaultfs's back."""

import concurrent.futures
import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def free_port_pair():
    """A port of which the next one is free too: a dev server takes that for its cluster."""
    for _ in range(100):
        port = free_port()
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port + 1))
                return port
            except OSError:
                continue
    raise RuntimeError("no two free ports side by side")


_vault = None


def find_vault():
    """The Vault that tests/server builds."""
    global _vault
    if _vault is None:
        _vault = subprocess.run([f"{TOP}/tests/server/build"], check=True, text=True,
                                stdout=subprocess.PIPE).stdout.strip()
    return _vault


def find_bao():
    """OpenBao's binary, or None."""
    return os.environ.get("BAO") or shutil.which("bao")


class Skip(Exception):
    """A test that cannot be run here; why."""


class ApiError(Exception):
    def __init__(self, status, body):
        super().__init__(f"{status} {body}")
        self.status = status


class Server:
    """One dev server. `product` is "vault" or "bao"; `root` a directory of its own. `audit`: whether it
    keeps a log of requests, for requests_since(); that of OpenBao makes it ten times as slow."""

    def __init__(self, product, root, tls=False, audit=True):
        self.product = product
        self.audit = audit
        self.binary = find_vault() if product == "vault" else find_bao()
        self.root = root
        self.tls = tls
        self.port = free_port_pair()
        self.token = "root-" + os.urandom(12).hex()
        self.address = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self.audit_path = f"{root}/audit.log"
        self.process = None
        self.start()

    def source(self, path):
        """The source to mount for a path of the engine "secret"."""
        return path

    def start(self):
        os.makedirs(self.root, exist_ok=True)
        command = [self.binary, "server", "-dev", f"-dev-root-token-id={self.token}",
                   "-dev-no-store-token", f"-dev-listen-address=127.0.0.1:{self.port}"]
        if self.tls:
            command += ["-dev-tls", f"-dev-tls-cert-dir={self.root}"]
        if self.product == "bao" and self.audit:
            # OpenBao takes audit devices from its configuration alone.
            config = f"{self.root}/audit.hcl"
            with open(config, "w") as f:
                f.write('audit "file" "tests" { options { file_path = "%s" mode = "0600" } }\n'
                        % self.audit_path)
            command += [f"-config={config}"]
        self.log = open(f"{self.root}/server.log", "ab")
        environment = {k: v for k, v in os.environ.items()
                       if not k.startswith(("VAULT_", "BAO_"))}
        environment["HOME"] = self.root
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log,
                                        env=environment, stdin=subprocess.DEVNULL)
        self.wait_ready()
        if self.product == "vault" and self.audit:
            self.api("PUT", "sys/audit/tests",
                     {"type": "file", "options": {"file_path": self.audit_path, "mode": "0600"}})

    def wait_ready(self):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            try:
                self.api("GET", "secret/config")
                return
            except (OSError, ApiError):
                time.sleep(0.05)
        with open(f"{self.root}/server.log", errors="replace") as f:
            raise RuntimeError(f"{self.product} does not start:\n" + f.read()[-3000:])

    def stop(self):
        """Ends it; what was in it is gone."""
        if self.process:
            self.resume()
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None
            self.log.close()

    def hang(self):
        """It goes on to accept connections and answers none."""
        self.process.send_signal(signal.SIGSTOP)
        # Its threads stop one by one, and one may still be answering.
        tasks = f"/proc/{self.process.pid}/task"
        while any(self.state(f"{tasks}/{t}/stat") != "T" for t in os.listdir(tasks)):
            time.sleep(0.001)

    @staticmethod
    def state(path):
        with open(path) as f:
            return f.read().rpartition(")")[2].split()[0]

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def unseal_key(self):
        end = time.monotonic() + 20
        while time.monotonic() < end:
            with open(f"{self.root}/server.log", errors="replace") as f:
                found = re.findall(r"Unseal Key: (\S+)", f.read())
            if found:
                return found[-1]
            time.sleep(0.05)
        raise RuntimeError("the server does not tell its unseal key")

    @property
    def ca_file(self):
        return f"{self.root}/vault-ca.pem"

    def api(self, method, path, body=None, token=None, headers=None, timeout=30):
        """The "data" and all of an answer, None for an empty one. ApiError for a refusal."""
        request = urllib.request.Request(
            f"{self.address}/v1/" + urllib.parse.quote(path, safe="/?=&"), method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"X-Vault-Token": token or self.token, "X-Vault-Request": "true",
                     "Content-Type": "application/json", **(headers or {})})
        context = ssl._create_unverified_context() if self.tls else None
        try:
            with urllib.request.urlopen(request, timeout=timeout, context=context) as answer:
                text = answer.read()
                return json.loads(text) if text else None
        except urllib.error.HTTPError as e:
            raise ApiError(e.code, e.read().decode(errors="replace")) from None

    # Secrets of the engine "secret", by path.

    def put(self, path, fields, cas=None, mount="secret"):
        body = {"data": fields}
        if cas is not None:
            body["options"] = {"cas": cas}
        return self.api("POST", f"{mount}/data/{path}", body)["data"]["version"]

    def fill(self, folder, count, fields=None):
        """Secrets s0, s1, ... in a folder, over four connections that are kept."""
        def put_every_fourth(begin):
            connection = http.client.HTTPConnection("127.0.0.1", self.port)
            for n in range(begin, count, 4):
                body = json.dumps({"data": fields or {"f": str(n)}})
                connection.request("POST", f"/v1/secret/data/{folder}/s{n}", body,
                                   {"X-Vault-Token": self.token, "Content-Type": "application/json"})
                answer = connection.getresponse()
                text = answer.read()
                if answer.status != 200:
                    raise ApiError(answer.status, text.decode(errors="replace"))
            connection.close()

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(put_every_fourth, range(4)))

    def get(self, path, version=None, mount="secret"):
        """The fields, or None where there is no such version."""
        query = f"?version={version}" if version else ""
        try:
            return self.api("GET", f"{mount}/data/{path}{query}")["data"]["data"]
        except ApiError as e:
            if e.status == 404:
                return None
            raise

    def version(self, path, mount="secret"):
        """The latest version's number, 0 where there is none."""
        try:
            return self.api("GET", f"{mount}/metadata/{path}")["data"]["current_version"]
        except ApiError as e:
            if e.status == 404:
                return 0
            raise

    def versions(self, path):
        """All that is known of each version, by number."""
        data = self.api("GET", f"secret/metadata/{path}")["data"]["versions"]
        return {int(n): v for n, v in data.items()}

    def delete(self, path):
        self.api("DELETE", f"secret/data/{path}")

    def purge(self, path):
        self.api("DELETE", f"secret/metadata/{path}")

    def list(self, path):
        try:
            return self.api("GET", f"secret/metadata/{path}?list=true")["data"]["keys"]
        except ApiError as e:
            if e.status == 404:
                return []
            raise

    # Engines.

    def enable(self, path, version, headers=None):
        """A key-value engine, once it answers."""
        self.api("POST", f"sys/mounts/{path}", {"type": "kv", "options": {"version": str(version)}},
                 headers=headers)
        end = time.monotonic() + 30
        while version == 2:
            try:
                self.api("GET", f"{path}/config", headers=headers)
                break
            except ApiError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)

    def disable(self, path):
        self.api("DELETE", f"sys/mounts/{path}")

    # Tokens and roles.

    def policy(self, name, rules):
        """`rules` are {path: [capability, ...]}."""
        text = "".join(f'path "{p}" {{ capabilities = {json.dumps(c)} }}\n'
                       for p, c in rules.items())
        self.api("PUT", f"sys/policies/acl/{name}", {"policy": text})

    def make_token(self, **options):
        return self.api("POST", "auth/token/create", options)["auth"]["client_token"]

    def make_approle(self, name, **options):
        """A role's id and a secret id."""
        try:
            self.api("POST", "sys/auth/approle", {"type": "approle"})
        except ApiError:
            pass  # it is there already
        self.api("POST", f"auth/approle/role/{name}", options)
        role = self.api("GET", f"auth/approle/role/{name}/role-id")["data"]["role_id"]
        secret = self.api("POST", f"auth/approle/role/{name}/secret-id", {})["data"]["secret_id"]
        return role, secret

    # The requests that it got.

    def audit_mark(self):
        """A point in the audit log, for requests_since()."""
        return os.path.getsize(self.audit_path)

    def requests_since(self, mark, prefix=""):
        """[(operation, path), ...] of the requests since then, below a path."""
        found = []
        with open(self.audit_path, "rb") as f:
            f.seek(mark)
            for line in f:
                entry = json.loads(line)
                if entry.get("type") == "request":
                    request = entry["request"]
                    if request.get("path", "").startswith(prefix):
                        found.append((request["operation"], request["path"]))
        return found


class LocalStore(Server):
    """A local store with a server's face: what is asked of it is done by another process than the mount,
    tests/lib/local_api.c. Tests that need what only a server has are skipped, and say what."""

    def __init__(self, product, root):
        self.product = product
        self.root = root
        self.tls = False
        self.token = "none-" + os.urandom(12).hex()
        self.file = f"{root}/store.db"
        self.key = f"{root}/key"
        self.lock = threading.Lock()
        self.process = None
        os.makedirs(root)
        with open(self.key, "w", opener=lambda p, f: os.open(p, f, 0o600)) as f:
            f.write(os.urandom(16).hex())
        self.start()

    def start(self):
        build = os.environ.get("VAULTFS_BUILD", os.getcwd())
        self.process = subprocess.Popen([f"{build}/tests/lib/local_api", self.file, f"file:{self.key}"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.api("GET", "secret/metadata/?list=true")

    def stop(self):
        if self.process:
            self.process.stdin.close()
            self.process.stdout.close()
            self.process.wait()
            self.process = None

    def source(self, path):
        if path.startswith("local:"):
            return path
        engine, _, rest = path.partition("/")
        if engine != "secret":
            raise Skip("it has one engine")
        return f"local:{self.file}/{rest}" if rest else f"local:{self.file}"

    def environment(self, token, env):
        if token:
            raise Skip("it knows no tokens")
        return {k: v for k, v in (env or {}).items() if not k.startswith(("VAULT_ADDR", "VAULT_TOKEN"))}

    def api(self, method, path, body=None, token=None, headers=None, timeout=30):
        if token:
            raise Skip("it knows no tokens")
        path, _, query = path.partition("?")
        engine, _, rest = path.partition("/")
        if engine != "secret":
            raise Skip("it has one engine, and is no server")
        tree, _, rest = rest.partition("/")
        number = int(query.partition("version=")[2] or 0)
        request = {"method": "LIST" if query == "list=true" else method, "tree": tree,
                   "path": rest.rstrip("/"), "number": number, "body": body or {}}
        with self.lock:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
            answer = json.loads(self.process.stdout.readline())
        if answer["status"] >= 400:
            raise ApiError(answer["status"], answer.get("error", ""))
        return {"data": answer["data"]} if "data" in answer else None

    def fill(self, folder, count, fields=None):
        for n in range(count):
            self.put(f"{folder}/s{n}", fields or {"f": str(n)})

    @property
    def address(self):
        raise Skip("it is no server")

    port = address

    def policy(self, name, rules):
        raise Skip("it knows no policies")

    def make_token(self, **options):
        raise Skip("it knows no tokens")

    def make_approle(self, name, **options):
        raise Skip("it knows no logins")

    def audit_mark(self):
        raise Skip("there are no requests to count")

    def hang(self):
        raise Skip("there is no server to hang")

    def unseal_key(self):
        raise Skip("there is no seal to break")
