"""Redirects: where a registry may send us, and what must not come along.

Registries redirect blobs to a content network with a signed URL. Three rules keep that harmless:

- ``Authorization`` goes to the origin that it was made for and to no other (CVE-2020-15157 was such a leak);
- never from https to http, never to another scheme, never to an address that ``addresses.py`` refuses;
- ten hops at most, as in Go's client.

A layer's ``urls`` field, which names servers too, is not followed at all.
"""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from minidock.errors import RegistryError
from minidock.registry.addresses import is_loopback, refused_address
from minidock.registry.messages import Reply, Request, origin, printable

REDIRECTS = frozenset({301, 302, 303, 307, 308})
MOST_HOPS = 10
_LONGEST = 16 << 10


def follow(request: Request, reply: Reply, hops: int, *, from_loopback: bool) -> Request:
    """Return the request that the redirect *reply* asks for.

    :param hops: how many redirects have been followed for this request before.
    :param from_loopback: the registry itself is on this machine.
    :raises RegistryError: the redirect breaks a rule.
    """
    if hops >= MOST_HOPS:
        raise RegistryError(f'Get "{request.url}": stopped after {MOST_HOPS} redirects')
    location = reply.headers.get("location") or ""
    if not location or len(location) > _LONGEST:
        raise RegistryError(f'Get "{request.url}": {reply.status} response without a usable Location header')
    try:
        url = urljoin(request.url, location)
        old, new = origin(request.url), origin(url)
        parts = urlsplit(url)
    except ValueError as bad:
        raise RegistryError(f'Get "{request.url}": redirected to {printable(location, 200)!r}: {bad}') from bad
    where = f'Get "{request.url}": redirected to {printable(url, 200)!r}'
    if any(ord(char) <= 32 or ord(char) > 126 for char in url):
        raise RegistryError(f"{where}: this is no URL")
    if old.scheme == "https" and new.scheme != "https":
        raise RegistryError(f"{where}: refused, a redirect must not leave https")
    if parts.username is not None or parts.password is not None:
        raise RegistryError(f"{where}: refused, a redirect must not bring credentials")
    if old.host != new.host and (reason := refused_address(new.host, from_loopback=from_loopback)):
        raise RegistryError(f"{where}: refused, {reason}")
    onward = Request(request.method, url, request.headers)
    return onward if old == new else onward.with_header("Authorization", None)


def registry_on_loopback(url: str) -> bool:
    """Say whether a registry's URL names this machine."""
    return is_loopback(origin(url).host)
