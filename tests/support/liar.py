"""A registry in this process, on loopback, that tells the truth, unless a test gives it a lie.

A *lie* is a function that sees each request and the true answer, and may change the answer::

    def lie(asked: Asked, answer: Answer) -> None:
        if "/blobs/" in asked.path:
            answer.body = b"something else"

    with Liar({"app:1": image}, lie) as registry:
        ... registry.host, registry.log ...

It serves ranges, tags, HEAD, and any number of connections at once; each is closed at the end of the ``with``.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

import msgspec
from tests.support.images import Image, sha256

from minidock.oci.manifest import OCI_MANIFEST


class Asked(msgspec.Struct):
    """One request. ``number`` counts the requests for this method and path from 1."""

    method: str
    path: str
    headers: dict[str, str]
    number: int

    @property
    def kind(self) -> str:
        """``manifests``, ``blobs``, ``tags`` or ``token``."""
        parts = self.path.partition("?")[0].split("/")
        return parts[-2] if len(parts) > 3 else parts[-1]


class Answer(msgspec.Struct):
    """One answer. ``cut``: break the connection after so many bytes; ``stall``: stop there instead, and stay."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = {}
    cut: int | None = None
    stall: int | None = None


Lie = Callable[[Asked, Answer], None]


def truth(asked: Asked, answer: Answer) -> None:
    """No lie at all."""


class Liar:
    """The registry. ``images`` by ``name:tag``; more documents by digest in ``documents``, with their media types."""

    def __init__(self, images: dict[str, Image], lie: Lie = truth, ranges: bool = True) -> None:
        self.lie = lie
        self.ranges = ranges
        self.log: list[Asked] = []
        self.released = threading.Event()
        self.documents: dict[str, tuple[bytes, str]] = {}
        self.tags: dict[str, str] = {}
        self.blobs: dict[str, bytes] = {}
        for name, image in images.items():
            self.tags[name] = self.add_document(image.manifest, image.media_type)
            self.blobs |= image.blobs
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, str], int] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def add_document(self, data: bytes, media_type: str = OCI_MANIFEST) -> str:
        """Serve one more manifest or index by its digest, which is returned."""
        digest = sha256(data)
        self.documents[digest] = (data, media_type)
        return digest

    def asked(self, kind: str, method: str = "GET") -> list[Asked]:
        """Return the requests of this kind."""
        return [asked for asked in self.log if asked.kind == kind and asked.method == method]

    def answer(self, asked: Asked) -> Answer:
        """The true answer."""
        path, _, _ = asked.path.partition("?")
        _, _, rest = path.partition("/v2/")
        name, _, target = rest.rpartition("/")
        name, _, kind = name.rpartition("/")
        if kind == "manifests":
            digest = target if target in self.documents else self.tags.get(f"{name}:{target}", "")
            if digest not in self.documents:
                return error(404, "MANIFEST_UNKNOWN", "manifest unknown")
            data, media_type = self.documents[digest]
            return Answer(200, data, {"Content-Type": media_type, "Docker-Content-Digest": digest})
        if kind == "blobs":
            if target not in self.blobs:
                return error(404, "BLOB_UNKNOWN", "blob unknown to registry")
            return self._blob(self.blobs[target], asked.headers.get("range"))
        if kind == "tags":
            tags = [tag.rpartition(":")[2] for tag in self.tags if tag.rpartition(":")[0] == name]
            return Answer(200, json.dumps({"name": name, "tags": tags}).encode(), {"Content-Type": "application/json"})
        return error(404, "NAME_UNKNOWN", "repository name not known to registry")

    def _blob(self, data: bytes, wanted: str | None) -> Answer:
        kind = {"Content-Type": "application/octet-stream"}
        if wanted is None or not self.ranges:
            return Answer(200, data, kind)
        start = int(wanted.removeprefix("bytes=").partition("-")[0])
        if start >= len(data):
            return Answer(416, b"", {"Content-Range": f"bytes */{len(data)}"})
        return Answer(206, data[start:], kind | {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"})

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        liar = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # header and body are two writes

            def do_GET(self) -> None:
                with liar._lock:
                    key = (self.command, self.path)
                    liar._counts[key] = liar._counts.get(key, 0) + 1
                    headers = {name.lower(): value for name, value in self.headers.items()}
                    asked = Asked(self.command, self.path, headers, liar._counts[key])
                    liar.log.append(asked)
                answer = liar.answer(asked)
                liar.lie(asked, answer)
                self._send(answer)

            do_HEAD = do_POST = do_GET  # noqa: N815

            def _send(self, answer: Answer) -> None:
                self.send_response(answer.status)
                for name, value in ({"Content-Length": str(len(answer.body))} | answer.headers).items():
                    if value:
                        self.send_header(name, value)
                self.end_headers()
                if self.command == "HEAD":
                    return
                stop = answer.cut if answer.cut is not None else answer.stall
                self.wfile.write(answer.body if stop is None else answer.body[:stop])
                self.wfile.flush()
                if answer.stall is not None:
                    liar.released.wait(60)
                if stop is not None:
                    self.close_connection = True

            def log_message(self, format: str, *args: Any) -> None:
                pass

            def handle(self) -> None:
                try:
                    super().handle()
                except (ConnectionError, TimeoutError):
                    self.close_connection = True

        return Handler

    def __enter__(self) -> Liar:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def error(status: int, code: str, message: str) -> Answer:
    body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
    return Answer(status, body, {"Content-Type": "application/json"})
