"""The only module that opens connections: one request, one answer; no decisions.

urllib3 is imported when the first request is made: most commands never make one. There is one pool of connections per
trust: to *the registry* (what the user named) and to *strangers* (what a registry named, where the address that a
name turned out to have is checked before a byte is sent), each with and without certificate checks. Behind a proxy it
is the proxy that looks names up, so that there only literal addresses can be refused.

Time limits: 10 s to connect; 30 s without any new byte is "no progress"; and a body that brings less than 1 KiB/s over
a minute counts as standing still too, or one byte every 29 s would hold us for ever.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import msgspec

from minidock.errors import Unavailable
from minidock.registry.hosts import RegistryHosts, certificate_files, proxy_for
from minidock.registry.messages import Headers, Reply, Request, printable

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

CHUNK = 256 << 10


class Limits(msgspec.Struct, frozen=True):
    """Time limits in seconds; ``slowest`` is in bytes per ``window``."""

    connect: float = 10.0
    silence: float = 30.0
    window: float = 60.0
    slowest: int = 60 << 10


class NoConnection(Unavailable):
    """The server could not be reached, or did not speak TLS as it should: nothing was asked."""


class Cut(Unavailable):
    """The connection broke or stood still while an answer was under way."""


class Stream:
    """An answer whose body has not been read. Close it: a whole body gives the connection back to its pool."""

    def __init__(self, response: BaseHTTPResponse, verb: str, limits: Limits, clock: Callable[[], float]) -> None:
        self._response = response
        self._verb = verb
        self._limits = limits
        self._clock = clock
        self.status = response.status
        self.headers = Headers(tuple(response.headers.iteritems()))

    def chunks(self, limit: int) -> Iterator[bytes]:
        """Yield the body as it arrives, *limit* bytes of it at most.

        :raises Cut: it broke off, or stood still.
        """
        import urllib3.exceptions as bad

        left, since, moved = limit, self._clock(), 0
        while left > 0:
            try:
                data = self._response.read1(min(CHUNK, left))
            except bad.ReadTimeoutError as error:
                raise Cut(f"{self._verb}: no data for {self._limits.silence:g} s") from error
            except (bad.HTTPError, OSError, ValueError) as error:
                early = isinstance(error.__cause__, bad.IncompleteRead)
                raise Cut(f"{self._verb}: {'unexpected EOF' if early else _reason(error)}") from error
            if not data:
                return
            left -= len(data)
            moved += len(data)
            yield data
            now = self._clock()
            if now - since > self._limits.window:
                if moved < self._limits.slowest:
                    raise Cut(f"{self._verb}: only {moved} bytes in {now - since:.0f} s")
                since, moved = now, 0

    def reply(self, limit: int) -> Reply:
        """Read the body whole, up to *limit* bytes, and close."""
        try:
            body = b"".join(self.chunks(limit + 1))
        finally:
            self.close()
        return Reply(self.status, self.headers, body[:limit], whole=len(body) <= limit)

    def head(self) -> Reply:
        """Return the answer without its body."""
        return Reply(self.status, self.headers)

    def close(self) -> None:
        """Let go of the connection; one with unread bytes is closed."""
        if self._response.length_remaining == 0:
            self._response.drain_conn()  # reads nothing, but only then the connection can be used again
        else:
            self._response.close()


class Transport:
    """Sends requests. Safe to use from several threads.

    :param hosts: proxies and certificates.
    """

    def __init__(self, hosts: RegistryHosts, limits: Limits, user_agent: str) -> None:
        self._hosts = hosts
        self._limits = limits
        self._agent = user_agent
        self._pools: dict[tuple[str, str, bool, bool, bool], PoolManager] = {}

    def send(self, request: Request, *, checked: bool, stranger: bool = False, from_loopback: bool = False) -> Stream:
        """Send *request* and return the answer once its header is there. Follows nothing, retries nothing.

        :param checked: the server's certificate must be valid.
        :param stranger: the URL was named by a registry, not by the user.
        :param from_loopback: that registry is on this machine.
        :raises NoConnection: before anything was sent.
        :raises Cut: after that.
        :raises RegistryError: the URL leads to an address that strangers may not name.
        """
        import urllib3.exceptions as bad

        verb = f'{request.method.capitalize()} "{request.url}"'
        try:
            response = self._pool(request.url, checked, stranger, from_loopback).request(
                request.method,
                request.url,
                body=request.body,
                headers={"User-Agent": self._agent, **request.headers},
                redirect=False,
                retries=False,
                preload_content=False,
                decode_content=False,
            )
        except (bad.NewConnectionError, bad.LocationParseError) as error:
            hint = getattr(error, "hint", None)
            raise NoConnection(f"{verb}: {_reason(error)}", hint) from error
        except bad.TimeoutError as error:
            raise Cut(f"{verb}: no answer for {self._limits.silence:g} s") from error
        except (bad.HTTPError, OSError) as error:
            raise Cut(f"{verb}: {_reason(error)}") from error
        return Stream(response, verb, self._limits, time.monotonic)

    def close(self) -> None:
        """Close all connections."""
        for pool in self._pools.values():
            pool.clear()
        self._pools.clear()

    def _pool(self, url: str, checked: bool, stranger: bool, from_loopback: bool) -> PoolManager:
        parts = urlsplit(url)
        key = (parts.scheme, parts.netloc, checked, stranger, from_loopback)
        pool = self._pools.get(key)
        if pool is None:
            pool = self._pools.setdefault(key, self._make_pool(url, checked, stranger, from_loopback))
        return pool

    def _make_pool(self, url: str, checked: bool, stranger: bool, from_loopback: bool) -> PoolManager:
        import urllib3

        from minidock.registry.connections import pool_classes

        parts = urlsplit(url)
        options: dict[str, Any] = {
            "maxsize": 4,
            "timeout": urllib3.Timeout(connect=self._limits.connect, read=self._limits.silence),
        }
        if parts.scheme == "https":
            options["ssl_context"] = self._tls(parts.netloc, checked)
            options["assert_hostname"] = None if checked else False
        proxy = proxy_for(url, self._hosts.proxies)
        if proxy is None:
            pool = urllib3.PoolManager(**options)
        else:
            pool = urllib3.ProxyManager(proxy, proxy_headers=_proxy_headers(proxy), **options)
        pool.pool_classes_by_scheme = pool_classes(guarded=stranger and proxy is None, from_loopback=from_loopback)
        return pool

    def _tls(self, host: str, checked: bool) -> Any:
        """Return the TLS settings for *host*: at least TLS 1.2, the system's authorities and the host's own."""
        import ssl

        authorities, own = certificate_files(host, self._hosts.certificates)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            if checked:
                context.load_default_certs()
                for path in authorities:
                    context.load_verify_locations(path)
            else:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            for certificate, key in own:
                context.load_cert_chain(certificate, key)
        except (ssl.SSLError, OSError) as bad:
            raise Unavailable(f"certificates for {host}: {bad}") from bad
        return context


def _proxy_headers(proxy: str) -> dict[str, str]:
    """Return the header with the proxy's own name and password, where its URL has them."""
    import urllib3

    parts = urlsplit(proxy)
    if not parts.username:
        return {}
    return urllib3.make_headers(proxy_basic_auth=f"{unquote(parts.username)}:{unquote(parts.password or '')}")


def _reason(error: BaseException) -> str:
    """Return the innermost cause in Go's words: ``connection reset by peer``."""
    for _ in range(8):
        cause = error.__cause__ or error.__context__
        if not isinstance(cause, Exception) or getattr(error, "whole", False):
            break
        error = cause
    if isinstance(error, OSError) and error.strerror:
        return printable(error.strerror[:1].lower() + error.strerror[1:])
    return printable(str(error) or type(error).__name__, 300)
