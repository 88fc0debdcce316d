"""Connections that say clearly why they could not be made, and that look where they have arrived.

urllib3 tells "could not connect", "no TLS" and "cut off" apart by many classes; here everything that fails *before*
the request is sent becomes one class, :class:`NotConnected`, in Go's words, which Docker's users know::

    dial tcp 127.0.0.1:1: connect: connection refused
    dial tcp: lookup registry.invalid: no such host
    tls: failed to verify certificate: self-signed certificate
    http: server gave HTTP response to HTTPS client

This module imports urllib3 at its top, and so is itself imported when the first connection is made.
"""

from __future__ import annotations

import socket
import ssl
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError

from minidock.errors import RegistryError
from minidock.registry.addresses import refused_address

#: The user has said which registries are insecure, and is not told again for each request.
urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)

_INSECURE_HINT = 'if that registry is to be trusted, add it to "insecure-registries"'


class NotConnected(NewConnectionError):
    """No connection, or no TLS: nothing was asked. ``whole``: the text says all."""

    whole = True

    def __init__(self, connection: HTTPConnection, message: str, hint: str | None) -> None:
        super().__init__(connection, message)
        self._text = message
        self.hint = hint

    def __str__(self) -> str:
        return self._text


def pool_classes(*, guarded: bool, from_loopback: bool) -> dict[str, Any]:
    """Return the pools' classes by scheme, as a PoolManager has them.

    :param guarded: refuse addresses of :mod:`~minidock.registry.addresses` before a byte is sent.
    """

    def arrived(connection: HTTPConnection, sock: socket.socket) -> socket.socket:
        address = str(sock.getpeername()[0])
        reason = refused_address(address, from_loopback=from_loopback) if guarded else None
        if reason:
            sock.close()
            raise RegistryError(f"refused to follow the registry to {connection.host}: {reason}")
        return sock

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return arrived(self, super()._new_conn())

        def connect(self) -> None:
            try:
                super().connect()
            except (HTTPError, OSError) as bad:
                raise _explained(self, bad) from bad

    class Tls(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return arrived(self, super()._new_conn())

        def connect(self) -> None:
            try:
                super().connect()
            except (HTTPError, OSError) as bad:
                raise _explained(self, bad) from bad

    class PlainPool(urllib3.HTTPConnectionPool):
        ConnectionCls = Plain

    class TlsPool(urllib3.HTTPSConnectionPool):
        ConnectionCls = Tls

    return {"http": PlainPool, "https": TlsPool}


def _explained(connection: HTTPConnection, error: Exception) -> NotConnected:
    where = f"{connection.host}:{connection.port}"
    if isinstance(error, NameResolutionError):
        return NotConnected(connection, f"dial tcp: lookup {connection.host}: no such host", None)
    cause = error.__cause__ if isinstance(error, HTTPError) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return NotConnected(connection, f"tls: failed to verify certificate: {cause.verify_message}", _INSECURE_HINT)
    if isinstance(cause, ssl.SSLError):
        if cause.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
            return NotConnected(connection, "http: server gave HTTP response to HTTPS client", _INSECURE_HINT)
        return NotConnected(connection, f"tls: {(cause.reason or str(cause)).lower().replace('_', ' ')}", None)
    if isinstance(cause, TimeoutError) or cause is None:
        return NotConnected(connection, f"dial tcp {where}: i/o timeout", None)
    words = (cause.strerror or str(cause)) if isinstance(cause, OSError) else str(error)
    return NotConnected(connection, f"dial tcp {where}: connect: {words[:1].lower()}{words[1:]}", None)
