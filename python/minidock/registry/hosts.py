"""Where a reference's registry lives: mirrors first, then the registry itself.

::

    docker.io/library/busybox ──▶ https://mirror.example        a mirror from ``registry-mirrors``
                              ──▶ https://registry-1.docker.io  the registry
    localhost:5000/app        ──▶ https://localhost:5000        certificate not checked
                              ──▶ http://localhost:5000         because loopback counts as insecure-allowed

``registry-mirrors`` is Docker's key, for any host here: a map from a registry to its mirrors. ``insecure-registries``
are hosts, ``host:port`` or CIDR blocks, as in Docker: for these, and only for these, https is tried without checking
the certificate, and then http. A registry that is not listed is never spoken to without TLS.

Certificates: ``<folder>/<host:port>/*.crt`` are authorities for that host, ``*.cert`` and ``*.key`` our own, as Docker
has them in ``/etc/docker/certs.d``; ours, ``/etc/minidock/certs.d``, is looked into first. Proxies: ``HTTPS_PROXY``,
``HTTP_PROXY``, ``NO_PROXY``, also in lower case, read as Go does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network

import msgspec

from minidock.errors import InvalidArgument
from minidock.oci.reference import DOCKER_HUB
from minidock.registry.addresses import is_loopback, parse_address
from minidock.registry.messages import origin

HUB_HOST = "registry-1.docker.io"

#: A host's name → its addresses; asked only where a CIDR block must be compared with a name.
Lookup = Callable[[str], Sequence[str]]


class RegistryHosts(msgspec.Struct, frozen=True):
    """The user's settings about registries.

    :param mirrors: a registry (``docker.io``, ``ghcr.io``, ``localhost:5000``) → the URLs of its mirrors.
    :param insecure: hosts, ``host:port``, or CIDR blocks that may be spoken to without TLS or a valid certificate.
    :param certificates: folders as ``/etc/docker/certs.d``; the first that has the host wins.
    :param proxies: ``http``, ``https`` → a proxy's URL; ``no`` → the exceptions.
    """

    mirrors: Mapping[str, tuple[str, ...]] = {}
    insecure: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ("/etc/minidock/certs.d", "/etc/docker/certs.d")
    proxies: Mapping[str, str] = {}


class Endpoint(msgspec.Struct, frozen=True):
    """One place to ask. ``base`` has no final slash; ``registry`` is the name whose credentials are used there.

    ``checked``: the certificate must be valid. ``fallback``: stands in, over http, for the endpoint before it.
    """

    base: str
    registry: str
    checked: bool = True
    mirror: bool = False
    fallback: bool = False


def endpoints(registry: str, hosts: RegistryHosts, lookup: Lookup) -> tuple[Endpoint, ...]:
    """Return where to ask for images of *registry*, in order.

    :raises InvalidArgument: a setting makes no sense.
    """
    found: list[Endpoint] = []
    for mirror in hosts.mirrors.get(registry, ()):
        found += _mirror(mirror, hosts, lookup)
    host = HUB_HOST if registry == DOCKER_HUB else registry
    return (*found, *_both(host, registry, _insecure(host, hosts, lookup)))


def environment_proxies(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the proxies that the environment names; ``HTTP_PROXY`` is ignored inside a CGI program, as in Go."""
    values = os.environ if environ is None else environ
    found = {
        kind: values.get(f"{kind.upper()}_PROXY") or values.get(f"{kind}_proxy") for kind in ("http", "https", "no")
    }
    if "REQUEST_METHOD" in values:
        found["http"] = values.get("http_proxy")
    return {kind: value for kind, value in found.items() if value}


def proxy_for(url: str, proxies: Mapping[str, str]) -> str | None:
    """Return the proxy for a URL, or ``None``: this machine, and what ``NO_PROXY`` names, are reached directly."""
    target = origin(url)
    proxy = proxies.get(target.scheme)
    if not proxy or is_loopback(target.host) or _excepted(target.host, target.port, proxies.get("no", "")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def certificate_files(host: str, folders: Sequence[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the authorities' files and the (certificate, key) pairs for *host*, ``name`` or ``name:port``.

    :raises InvalidArgument: a certificate has no key beside it.
    """
    for folder in folders:
        path = os.path.join(folder, host)
        try:
            names = sorted(os.listdir(path))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as bad:
            raise InvalidArgument(f"{path}: {bad.strerror}") from bad
        pairs = [(f"{path}/{name}", f"{path}/{name[:-5]}.key") for name in names if name.endswith(".cert")]
        for certificate, key in pairs:
            if not os.path.exists(key):
                raise InvalidArgument(f"missing key {os.path.basename(key)} for client certificate {certificate}")
        return [f"{path}/{name}" for name in names if name.endswith(".crt")], pairs
    return [], []


def _mirror(url: str, hosts: RegistryHosts, lookup: Lookup) -> list[Endpoint]:
    text = url if "://" in url else f"https://{url}"
    try:
        where = origin(text)
        rest = text.partition("://")[2]
        if "@" in rest or "?" in rest or "#" in rest:
            raise ValueError("user, query and fragment are not allowed")
    except ValueError as bad:
        raise InvalidArgument(
            f"invalid mirror {url!r}: {bad}", 'a mirror is a URL such as "https://mirror.example"'
        ) from bad
    host = rest.partition("/")[0]
    path = rest[len(host) :].rstrip("/")
    insecure = where.scheme == "http" or _insecure(host, hosts, lookup)
    if where.scheme == "http":  # the user wrote http: this mirror is plain, and nothing else is tried
        return [Endpoint(f"http://{host}{path}", host, checked=False, mirror=True)]
    return [Endpoint(f"https://{host}{path}", host, checked=not insecure, mirror=True)]


def _both(host: str, registry: str, insecure: bool) -> list[Endpoint]:
    secure = Endpoint(f"https://{host}", registry, checked=not insecure)
    if not insecure:
        return [secure]
    return [secure, Endpoint(f"http://{host}", registry, checked=False, fallback=True)]


def _insecure(host: str, hosts: RegistryHosts, lookup: Lookup) -> bool:
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() and not host.endswith("]") else host
    if is_loopback(name):
        return True
    blocks = [entry for entry in hosts.insecure if "/" in entry]
    if any(entry.lower() in (host.lower(), name.lower()) for entry in hosts.insecure if "/" not in entry):
        return True
    if not blocks:
        return False
    literal = parse_address(name)
    addresses = [literal] if literal else [parse_address(text) for text in lookup(name)]
    return any(address in _network(block) for block in blocks for address in addresses if address is not None)


def _network(block: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(block, strict=False)
    except ValueError as bad:
        raise InvalidArgument(f"insecure registry {block!r} is not valid: {bad}") from bad


def _excepted(host: str, port: int, exceptions: str) -> bool:
    address = parse_address(host)
    for entry in (part.strip().lower() for part in exceptions.split(",")):
        if not entry:
            continue
        if entry == "*":
            return True
        if "/" in entry and address is not None:
            try:
                if address in ip_network(entry, strict=False):
                    return True
            except ValueError:
                continue
        name, colon, number = entry.rpartition(":")
        if colon and number.isdigit() and not entry.endswith("]") and name.count(":") == 0:
            if int(number) != port:
                continue
            entry = name
        bare = entry.removeprefix("*").strip("[]")
        if host == bare or host.endswith(bare if bare.startswith(".") else f".{bare}"):
            return True
    return False
