"""The real docker CLI as an oracle: it talks to a small HTTP server of ours, which answers and notes the requests.

No engine is needed: what the CLI makes of its flags, its messages and its tables are all on the client's side.
"""

from __future__ import annotations

import http.server
import json
import os
import shutil
import socketserver
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

VERSION = "28.2.2"


def find_docker() -> str | None:
    """Return the path of a docker CLI of the reference version, or ``None``."""
    for path in (shutil.which("docker"), "/usr/local/bin/docker", "/usr/bin/docker"):
        if path and os.path.exists(path):
            said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
            if f"version {VERSION}," in said:
                return path
    return None


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """An engine that knows only the answers it is given: ``"GET /images/json" → value``."""

    daemon_threads = True

    def __init__(self, path: str) -> None:
        self.answers: dict[str, Any] = {}
        self.missing: dict[str, str] = {}
        self.requests: list[tuple[str, str, Any]] = []
        super().__init__(path, Handler)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def address_string(self) -> str:
        return "unix"

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.split("?")[0]
        if path.startswith("/v1."):
            path = "/" + path.split("/", 2)[2]
        if path == "/_ping":
            self.send(200, b"OK")
            return
        self.server.requests.append((self.command, self.path, json.loads(body) if body else None))
        found = self.server.answers.get(f"{self.command} {path}")
        if found is None:
            message = self.server.missing.get(path, f"No such thing: {path}")
            self.send(404, json.dumps({"message": message}).encode())
        else:
            self.send(200, found if isinstance(found, bytes) else json.dumps(found).encode())

    do_GET = do_POST = do_HEAD = do_DELETE = answer  # noqa: N815

    def send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        for name, value in (
            ("Api-Version", "1.50"),
            ("Ostype", "linux"),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
        ):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class Docker:
    """The docker CLI, with a server behind it."""

    def __init__(self, program: str, server: Server, folder: str) -> None:
        self.program = program
        self.server = server
        self.folder = folder

    def __call__(
        self, argv: Sequence[str], *, variables: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run one command; the requests it makes are in ``server.requests``."""
        self.server.requests.clear()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("DOCKER_")}
        environment |= {
            "DOCKER_HOST": f"unix://{self.folder}/engine.sock",
            "DOCKER_CONFIG": f"{self.folder}/config",
            **(variables or {}),
        }
        return subprocess.run(
            [self.program, *argv],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=environment,
            timeout=30,
            check=False,
        )


@contextmanager
def docker_cli(program: str) -> Iterator[Docker]:
    """Serve an engine that knows nothing, and yield the CLI that talks to it."""
    with tempfile.TemporaryDirectory() as folder, Server(f"{folder}/engine.sock") as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield Docker(program, server, folder)
        finally:
            server.shutdown()
            thread.join()
