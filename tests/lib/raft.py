# SPDX-License-Identifier: Apache-2.0
"""A cluster of three OpenBao servers with raft storage, each its own process, for what becomes of a
mount when a node is killed or sealed. The audit devices must be the same on all, or no other can lead:
their file is below each one's working directory."""

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request

from server import ApiError, find_bao, free_port


class Node:
    def __init__(self, cluster, number):
        self.cluster = cluster
        self.root = f"{cluster.root}/node{number}"
        self.name = f"n{number}"
        self.port, self.raft_port = free_port(), free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.audit_path = f"{self.root}/audit.log"
        self.process = None

    def configure(self):
        os.makedirs(f"{self.root}/data")
        others = [n for n in self.cluster.nodes if n is not self]
        joins = "".join(f'  retry_join {{ leader_api_addr = "{n.address}" }}\n' for n in others)
        with open(f"{self.root}/node.hcl", "w") as f:
            f.write(f'''
disable_mlock = true
api_addr = "{self.address}"
cluster_addr = "https://127.0.0.1:{self.raft_port}"
listener "tcp" {{
  address = "127.0.0.1:{self.port}"
  cluster_address = "127.0.0.1:{self.raft_port}"
  tls_disable = true
}}
storage "raft" {{
  path = "{self.root}/data"
  node_id = "{self.name}"
  performance_multiplier = 1
{joins}}}
audit "file" "tests" {{
  options {{
    file_path = "audit.log"
    mode = "0600"
  }}
}}
''')

    def start(self):
        log = open(f"{self.root}/log", "ab")
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("VAULT_", "BAO_"))}
        self.process = subprocess.Popen(
            [os.path.abspath(find_bao()), "server", f"-config={self.root}/node.hcl"], stdout=log, stderr=log,
            stdin=subprocess.DEVNULL, cwd=self.root, env={**environment, "HOME": self.root})
        log.close()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def api(self, method, path, body=None, timeout=10):
        request = urllib.request.Request(
            f"{self.address}/v1/{path}", method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"X-Vault-Token": self.cluster.token, "X-Vault-Request": "true"})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                text = answer.read()
                return json.loads(text) if text else None
        except urllib.error.HTTPError as e:
            raise ApiError(e.code, e.read().decode(errors="replace")) from None

    def unseal(self):
        wait(lambda: not self.api("PUT", "sys/unseal", {"key": self.cluster.key})["sealed"])

    def is_leader(self):
        return self.api("GET", "sys/leader", timeout=2).get("is_self", False)

    def requests(self):
        """How many it has had, of those that it audits: what it forwards is its leader's."""
        try:
            with open(self.audit_path, "rb") as f:
                return sum(b'"type":"request"' in line for line in f)
        except FileNotFoundError:
            return 0


def wait(condition, seconds=90):
    """Until it is true; what it raises meanwhile is no answer."""
    end = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
        except (OSError, ApiError, ValueError):
            pass
        if time.monotonic() > end:
            raise RuntimeError("the cluster does not come about")
        time.sleep(0.1)


class Cluster:
    """Ready for its leader to be killed, with a KV engine at "secret"."""

    def __init__(self, root):
        self.root = root
        self.token = ""
        self.nodes = []
        self.nodes += [Node(self, i) for i in (1, 2, 3)]
        for n in self.nodes:
            n.configure()
            n.start()
        try:
            self.form()
        except BaseException:
            self.stop()
            raise

    def form(self):
        first = self.nodes[0]
        answer = []
        wait(lambda: answer.append(first.api(
            "PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1})) or True)
        self.key, self.token = answer[0]["keys_base64"][0], answer[0]["root_token"]
        for n in self.nodes:
            n.unseal()
        wait(first.is_leader)
        wait(lambda: first.api("POST", "sys/mounts/secret",
                               {"type": "kv", "options": {"version": "2"}}) or True)
        # A new node votes only after autopilot has watched it for ten seconds.
        wait(lambda: sum(s["voter"] for s in first.api(
            "GET", "sys/storage/raft/configuration")["data"]["config"]["servers"]) == 3)
        wait(lambda: self.put("ready", {"x": "1"}))

    def living(self):
        return [n for n in self.nodes if n.process.poll() is None]

    def leader(self):
        """The one that says that it is; waits until there is one."""
        found = []

        def look():
            for n in self.living():
                try:
                    if n.is_leader():
                        found.append(n)
                        return True
                except (OSError, ApiError, ValueError):
                    pass
            return False

        wait(look)
        return found[0]

    def put(self, path, fields):
        return self.leader().api("POST", f"secret/data/{path}", {"data": fields})["data"]["version"]

    def get(self, path):
        return self.leader().api("GET", f"secret/data/{path}")["data"]["data"]

    def stop(self):
        for n in self.nodes:
            if n.process:
                n.process.kill()
                n.process.wait()
