# SPDX-License-Identifier: Apache-2.0
"""A proxy between a mount and a real server, that counts what passes and loses what it is told to:
answers that the server has given, requests that it never saw, or all of them; or that refuses some, as
gateways do."""

import socket
import struct
import threading
import urllib.parse

PASS, LOSE_REQUEST, LOSE_ANSWER = "pass", "lose request", "lose answer"
DENY, BREAK = "deny", "break"
RESET = "reset"
HANG, HOLD_ANSWER = "hang", "hold answer"  # until release(); then they are lost


class Lost(Exception):
    """The connection ends here."""


class Proxy:
    """`fate(method, path)` decides a request's fate, or is another party's answer, as bytes; `requests` are those that came, as
    (method, path) without "/v1/", whatever became of them. `lost()` is called when one is lost, before
    the other side can know it."""

    def __init__(self, server):
        self.upstream = ("127.0.0.1", server.port)
        self.fate = lambda method, path: PASS
        self.lost = lambda: None
        self.requests = []
        self.connections = set()
        self.released = threading.Event()
        self.swallows = False
        self.port = 0
        self.listen()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.port}"

    def listen(self):
        """From here on connections are taken."""
        self.socket = socket.create_server(("127.0.0.1", self.port))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.accept, args=(self.socket,), daemon=True).start()

    def refuse(self):
        """From here on they are refused; those that are open end."""
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for c in list(self.connections):
            self.cut(c)

    def swallow(self, on):
        """Whether connections are taken, and nothing is read from them; those that are open end."""
        self.swallows = on
        for c in list(self.connections):
            self.cut(c)

    def release(self):
        """Those that hang end, and no more do."""
        self.fate = lambda method, path: PASS
        self.released.set()

    def close(self):
        self.release()
        if self.socket.fileno() >= 0:
            self.refuse()

    def writes(self):
        """Those of the requests that change a secret."""
        return [r for r in self.requests
                if r[0] != "GET" and r[1].split("/")[1] in ("data", "delete")]

    def lose_once(self, fate):
        """The next change of a secret meets this fate, those after it pass."""
        def decide(method, path):
            if method != "GET" and path.split("/")[1] in ("data", "delete"):
                self.fate = lambda method, path: PASS
                return fate
            return PASS
        self.fate = decide

    @staticmethod
    def cut(connection):
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, client):
        self.connections.add(client)
        server = None
        if self.swallows:
            self.requests.append(("?", "?"))
            return
        try:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server = socket.create_connection(self.upstream)
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            asked, answered = client.makefile("rb"), server.makefile("rb")
            while True:
                self.exchange(client, server, asked, answered)
        except (Lost, OSError):
            pass
        finally:
            for s in (client, server):
                if s:
                    self.cut(s)
                    s.close()
            self.connections.discard(client)

    def exchange(self, client, server, asked, answered):
        first, request = read_message(asked)
        method, target = first.split()[:2]
        path = urllib.parse.unquote(target.decode()).removeprefix("/v1/").split("?")[0]
        self.requests.append((method.decode(), path))
        fate = self.fate(method.decode(), path)
        if fate == RESET:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            raise Lost
        if fate == HANG:
            self.released.wait()
        if fate in (HANG, LOSE_REQUEST):
            self.lost()
            raise Lost
        if isinstance(fate, bytes):
            client.sendall(fate)
            return
        if fate == DENY:
            client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nforbidden")
            return
        if fate == BREAK:
            client.sendall(b'HTTP/1.1 500 X\r\nContent-Type: application/json\r\n'
                           b'Content-Length: 21\r\n\r\n{"errors":["broken"]}')
            return
        server.sendall(request)
        _, answer = read_message(answered, method != b"HEAD")
        if fate == HOLD_ANSWER:
            self.released.wait()
        if fate in (HOLD_ANSWER, LOSE_ANSWER):
            self.lost()
            raise Lost
        client.sendall(answer)


def read_message(stream, has_body=True):
    """A request's or an answer's first line, and all of its bytes."""
    first = stream.readline()
    if not first:
        raise Lost
    lines = [first]
    length, chunked = 0, False
    while (line := stream.readline()) not in (b"\r\n", b""):
        lines.append(line)
        name, value = line.split(b":", 1)
        if name.lower() == b"content-length":
            length = int(value)
        elif name.lower() == b"transfer-encoding":
            chunked = b"chunked" in value.lower()
    lines.append(b"\r\n")
    while has_body and chunked:
        size = stream.readline()
        lines += [size, stream.read(int(size, 16) + 2)]
        if int(size, 16) == 0:
            break
    if has_body and not chunked:
        lines.append(stream.read(length))
    return first, b"".join(lines)
