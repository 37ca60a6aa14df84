# SPDX-License-Identifier: Apache-2.0
"""A cluster of three OpenBao servers with raft storage, each its own process, for what becomes of a
mount when a node is killed or sealed. The audit devices must be the same on all, or no other can lead:
their file is below each one's working directory."""

import json
import os
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

from server import ApiError, find_bao, free_port


class Relay:
    """Stands before a node's port for the rest of the cluster, and lets through only the permitted nodes. All
    are on this machine, so it identifies a caller by the process that owns its socket."""

    def __init__(self, port):
        self.upstream = ("127.0.0.1", port)
        self.denied = set()  # processes
        self.pairs = []  # (process, its socket, ours)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.processes = lambda: []
        threading.Thread(target=self.accept, daemon=True).start()

    def owner(self, port):
        with open("/proc/net/tcp") as f:
            rows = [line.split() for line in f][1:]
        inodes = {r[9] for r in rows if int(r[1].split(":")[1], 16) == port and r[9] != "0"}
        for pid in self.processes():
            try:
                for fd in os.listdir(f"/proc/{pid}/fd"):
                    link = os.readlink(f"/proc/{pid}/fd/{fd}")
                    if link.startswith("socket:") and link[8:-1] in inodes:
                        return pid
            except OSError:
                pass
        return None

    def accept(self):
        while True:
            try:
                client, peer = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client, peer[1]), daemon=True).start()

    def serve(self, client, port):
        try:
            owner = self.owner(port)
            if owner in self.denied or None in self.denied:
                client.close()
                return
            server = socket.create_connection(self.upstream)
        except OSError:
            client.close()
            return
        self.pairs.append((owner, client, server))
        for a, b in ((client, server), (server, client)):
            threading.Thread(target=self.copy, args=(a, b), daemon=True).start()

    @staticmethod
    def copy(a, b):
        try:
            while (data := a.recv(65536)):
                b.sendall(data)
        except OSError:
            pass
        for s in (a, b):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def deny(self, pid):
        """Nothing passes to or from this process; None: from anybody."""
        self.denied.add(pid)
        for owner, client, server in self.pairs:
            if pid is None or owner in (pid, None):
                for s in (client, server):
                    try:
                        s.shutdown(socket.SHUT_RDWR)
                    except OSError:
                        pass

    def allow(self):
        self.denied.clear()


class Node:
    def __init__(self, cluster, number):
        self.cluster = cluster
        self.root = f"{cluster.root}/node{number}"
        self.name = f"n{number}"
        self.port, self.raft_port = free_port(), free_port()
        self.relay = Relay(self.raft_port)
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
cluster_addr = "https://127.0.0.1:{self.relay.port}"
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

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def cut_off(self):
        """Cuts it off from the other nodes, but not from clients."""
        self.relay.deny(None)
        for n in self.cluster.nodes:
            if n is not self:
                n.relay.deny(self.process.pid)

    def join_again(self):
        for n in self.cluster.nodes:
            n.relay.allow()

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
            n.relay.processes = lambda: [m.process.pid for m in self.nodes if m.process]
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
        """The one that leads; waits until there is one. One that was stopped or cut off may go on to say
        that it does: the server that began last is believed."""
        found = []

        def look():
            active = {}
            for n in self.living():
                try:
                    said = n.api("GET", "sys/leader", timeout=2)
                    if said.get("is_self"):
                        active[said.get("active_time", "")] = n
                except (OSError, ApiError, ValueError):
                    pass
            if active:
                found.append(active[max(active)])
            return bool(found)

        wait(look)
        return found[0]

    def put(self, path, fields):
        return self.leader().api("POST", f"secret/data/{path}", {"data": fields})["data"]["version"]

    def get(self, path):
        return self.leader().api("GET", f"secret/data/{path}")["data"]["data"]

    def stop(self):
        for n in self.nodes:
            if n.process:
                n.go_on()
                n.process.kill()
                n.process.wait()
