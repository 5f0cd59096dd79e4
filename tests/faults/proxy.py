"""A proxy between the tracker and MLflow's server that fails like a network or a server."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import urlsplit

Mode = Literal["pass", "reset", "black hole", "error", "slow", "lost answer", "flaky"]
SLOW = 0.3


class Proxy(ThreadingHTTPServer):
    """Forwards requests or fails.

    Attributes:
        mode: what happens to the next requests; `flaky` loses every third answer, after the server has done its work.
        upstream: MLflow's address.
        seen: the mode of every received request.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.mode: Mode = "pass"
        self.upstream = ""
        self.seen: list[Mode] = []

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore broken connections, which are intended here."""


class _Handler(BaseHTTPRequestHandler):
    server: Proxy

    def _serve(self) -> None:
        mode, self.close_connection = self.server.mode, True
        self.server.seen.append(mode)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if mode == "black hole":
            time.sleep(30)
        elif mode == "error":
            self._answer(500, b"<html>Internal Server Error</html>")
        elif mode != "reset":
            time.sleep(SLOW if mode == "slow" else 0)
            status, answer = self._forward(body)
            lost = mode == "lost answer" or (mode == "flaky" and len(self.server.seen) % 3 == 0)
            if not lost:
                self._answer(status, answer)

    def _forward(self, body: bytes) -> tuple[int, bytes]:
        target = urlsplit(self.server.upstream)
        connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=30)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
        connection.request(self.command, self.path, body, headers | {"Accept-Encoding": "identity"})
        answer = connection.getresponse()
        return answer.status, answer.read()

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


@contextmanager
def running_proxy() -> Iterator[Proxy]:
    """A proxy that serves until the end of the block."""
    with Proxy() as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        yield proxy
        proxy.shutdown()
