# SPDX-License-Identifier: Apache-2.0
"""A small HTTP server on a free port of loopback, for the services that a login goes through."""

import http.server
import threading


class Web:
    """`answer(method, path, headers, body)` returns (status, content type, text). Requests are kept."""

    def __init__(self, answer):
        web = self
        self.requests = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def serve(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                web.requests.append((self.command, self.path, self.headers, body))
                status, kind, text = answer(self.command, self.path, self.headers, body)
                data = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = serve

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
