# SPDX-License-Identifier: Apache-2.0
"""A server that misbehaves on purpose, for what a real one cannot be made to do. It is no Vault: it
answers the start of a mount, and hands every other request to the test."""

import json
import socket
import threading

MOUNT = {"data": {"path": "secret/", "type": "kv", "options": {"version": "2"}}}
TOKEN = {"data": {"ttl": 0, "renewable": False}}


def reply(status, body, headers=()):
    """An HTTP answer as bytes."""
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    head = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Content-Type: application/json",
            *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


class FakeVault:
    """`answer(method, path, body)` returns bytes to send as they are; a list of one, to close the
    connection after them; or None to close it at once. Requests are kept."""

    def __init__(self, answer, port=0):
        self.answer = answer
        self.requests = []
        self.socket = socket.create_server(("127.0.0.1", port))
        self.address = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.connections = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        stream = connection.makefile("rb")
        try:
            while True:
                line = stream.readline().split()
                if len(line) < 2:
                    break
                headers = {}
                while (h := stream.readline().strip()):
                    name, value = h.split(b":", 1)
                    headers[name.lower().decode()] = value.strip().decode()
                body = stream.read(int(headers.get("content-length", 0)))
                method, path = line[0].decode(), line[1].decode()
                self.requests.append((method, path, headers, body))
                if path.startswith("/v1/sys/internal/ui/mounts"):
                    data = reply(200, MOUNT)
                elif path == "/v1/auth/token/lookup-self":
                    data = reply(200, TOKEN)
                elif path == "/v1/sys/capabilities-self":
                    paths = json.loads(body)["paths"]
                    data = reply(200, {"data": {p: ["root"] for p in paths}})
                else:
                    data = self.answer(method, path, body)
                if data is None:
                    break
                connection.sendall(data[0] if isinstance(data, list) else data)
                if isinstance(data, list):
                    break
        except OSError:
            pass
        connection.close()

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)  # ends the accept() that is under way
        except OSError:
            pass
        self.socket.close()
        for c in self.connections:
            try:
                c.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            c.close()
