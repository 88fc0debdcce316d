"""HTTP messages as plain values: what the deciding modules make and judge.

A :class:`Request` is complete: everything that will be sent is in it. A :class:`Reply` is an answer whose body has been
read as far as it is needed: small documents whole, of a blob nothing.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

#: The ports that a URL means when it names none.
DEFAULT_PORTS = {"https": 443, "http": 80}

_REASONS = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    416: "Requested Range Not Satisfiable",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


class Headers(msgspec.Struct, frozen=True):
    """The header fields of an answer, in order; names compare without case."""

    fields: tuple[tuple[str, str], ...] = ()

    def get(self, name: str) -> str | None:
        """Return the first field of that name."""
        return next(iter(self.all(name)), None)

    def all(self, name: str) -> tuple[str, ...]:
        """Return every field of that name."""
        wanted = name.lower()
        return tuple(value for key, value in self.fields if key.lower() == wanted)


class Request(msgspec.Struct, frozen=True):
    """One request. ``body`` is sent as a form."""

    method: str
    url: str
    headers: dict[str, str] = {}
    body: bytes | None = None

    def __repr__(self) -> str:
        """Without the headers: one of them is a password."""
        return f"Request({self.method} {self.url})"

    def with_header(self, name: str, value: str | None) -> Request:
        """The same request with one header set, or with ``None`` left out."""
        rest = {key: old for key, old in self.headers.items() if key.lower() != name.lower()}
        return msgspec.structs.replace(self, headers=rest if value is None else {**rest, name: value})


class Reply(msgspec.Struct, frozen=True):
    """One answer: its status, its header, and as much of its body as was asked for.

    ``whole``: the body did not exceed the limit under which it was read.
    """

    status: int
    headers: Headers
    body: bytes = b""
    whole: bool = True

    @property
    def line(self) -> str:
        """The status as people read it: ``404 Not Found``."""
        return f"{self.status} {_REASONS[self.status]}" if self.status in _REASONS else str(self.status)


class Origin(msgspec.Struct, frozen=True):
    """Who is spoken to: scheme, host and port. A secret goes to the origin it was given for."""

    scheme: str
    host: str
    port: int


def origin(url: str) -> Origin:
    """Return a URL's origin.

    :raises ValueError: it is no ``http`` or ``https`` URL with a host.
    """
    parts = urlsplit(url)
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise ValueError(f"not an http URL: {printable(url)!r}")
    return Origin(parts.scheme, parts.hostname, parts.port or DEFAULT_PORTS[parts.scheme])


def printable(text: str, limit: int = 500) -> str:
    """Return a stranger's *text* fit for a terminal: no control characters, one line, not too long."""
    clean = "".join(char if char.isprintable() else " " for char in text[:limit])
    return clean + ("…" if len(text) > limit else "")
