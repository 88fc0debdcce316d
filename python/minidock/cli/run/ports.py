"""``-p`` and ``--expose``: ports of a container, and where the host answers for them.

::

    [[IP:]HOST:]CONTAINER[/tcp|udp|sctp]      80    8080:80    127.0.0.1:8080-8081:80-81/udp    [::1]::80
    published=8080,target=80,protocol=tcp

A range of the host for one port of the container means "any of these"; otherwise both ranges have one length.
"""

from __future__ import annotations

from minidock.api import PortBinding
from minidock.cli.exits import BadRequest
from minidock.cli.values.quoting import quote

_PROTOCOLS = ("tcp", "udp", "sctp")

Bindings = dict[str, tuple[PortBinding, ...]]


def parse_publish(text: str) -> list[tuple[str, PortBinding]]:
    """Read one ``--publish``: a list of ``80/tcp`` and its binding.

    :raises BadRequest: with Docker's words.
    """
    address, host, container, protocol = _parts(_short_form(text))
    ip = _address(address)
    if not container:
        raise BadRequest(f"no port specified: {text}<empty>")
    first, last = _range(container, "containerPort")
    host_first, host_last = _range(host, "hostPort") if host else (0, -1)
    if protocol.lower() not in _PROTOCOLS:
        raise BadRequest(f"invalid proto: {protocol}")
    if host and host_last - host_first != last - first and first != last:
        raise BadRequest(f"invalid ranges specified for container and host Ports: {container} and {host}")
    bindings = []
    for offset in range(last - first + 1):
        port = ""
        if host:
            port = host if first == last and host_first != host_last else str(host_first + offset)
        bindings.append((f"{first + offset}/{protocol.lower()}", PortBinding(ip, port)))
    return bindings


def _short_form(text: str) -> str:
    """Turn ``published=8080,target=80`` into ``8080:80``."""
    if "=" not in text:
        return text
    fields = {}
    for option in text.split(","):
        name, equals, value = option.partition("=")
        if not equals or not name:
            raise BadRequest(f"invalid publish opts format (should be name=value but got '{option}')")
        fields[name] = value
    unknown = sorted(set(fields) - {"published", "target", "protocol", "mode"})
    if unknown or fields.get("mode", "ingress") not in ("ingress", "host"):
        raise BadRequest(f"invalid publish opts: {text}", "use published=, target= and protocol=")
    return f"{fields.get('published', '')}:{fields.get('target', '')}/{fields.get('protocol') or 'tcp'}"


def _parts(text: str) -> tuple[str, str, str, str]:
    """Return address, host port, container port and protocol; the address may hold colons."""
    ports, slash, protocol = text.partition("/")
    left, _, container = ports.rpartition(":")
    address, _, host = left.rpartition(":")
    return address, host, container, protocol if slash and protocol else "tcp"


def _address(text: str) -> str:
    if not text:
        return ""
    bare = text[1:-1] if text[0] == "[" and text[-1] == "]" else text
    if text[0] == "[" and text[-1] != "]":
        raise BadRequest(f"invalid IP address {text}: address {text}:: missing ']' in address")
    if not is_address(bare):
        raise BadRequest(f"invalid IP address: {bare}")
    return bare


def is_address(text: str) -> bool:
    """Whether *text* is an IPv4 or IPv6 address (without a zone)."""
    import socket

    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, text)
        except (OSError, ValueError):
            continue
        return True
    return False


def _range(text: str, what: str) -> tuple[int, int]:
    try:
        return parse_range(text)
    except ValueError:
        raise BadRequest(f"invalid {what}: {text}") from None


def parse_range(text: str) -> tuple[int, int]:
    """Read ``80`` or ``80-90``.

    :raises ValueError: with Docker's words.
    """
    if not text:
        raise ValueError("empty string specified for ports")
    start, dash, end = text.partition("-")
    first = _port(start)
    last = _port(end) if dash else first
    if last < first:
        raise ValueError(f"invalid range specified for port: {text}")
    return first, last


def _port(text: str) -> int:
    digits = text.lstrip("0") or "0"
    if not text or not text.isascii() or not text.isdigit():
        raise ValueError(f"strconv.ParseUint: parsing {quote(text)}: invalid syntax")
    if len(digits) > 5 or int(digits) > 65535:
        raise ValueError(f"strconv.ParseUint: parsing {quote(text)}: value out of range")
    return int(digits)


def parse_expose(text: str) -> list[str]:
    """Read one ``--expose``: a list such as ``80/tcp``.

    :raises BadRequest: with Docker's words.
    """
    if ":" in text:
        raise BadRequest(f"invalid port format for --expose: {text}")
    ports, slash, protocol = text.partition("/")
    try:
        first, last = parse_range(ports)
    except ValueError as wrong:
        raise BadRequest(f"invalid range format for --expose: {text}, error: {wrong}") from None
    return [f"{port}/{protocol if slash and protocol else 'tcp'}" for port in range(first, last + 1)]


def collect(published: list[str], exposed: list[str]) -> tuple[dict[str, None], Bindings]:
    """Return all ports that are exposed, in order, and the bindings of those that are published."""
    ports: dict[str, None] = {}
    bindings: Bindings = {}
    for spec in published:
        for port, binding in parse_publish(spec):
            ports[port] = None
            bindings[port] = (*bindings.get(port, ()), binding)
    for spec in exposed:
        ports.update(dict.fromkeys(parse_expose(spec)))
    return ports, bindings
