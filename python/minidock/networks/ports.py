"""Which of a container's ports are published, and where on the host.

``-p 127.0.0.1:8000-8010:80/tcp`` arrives here as a binding of ``80/tcp`` to host address ``127.0.0.1`` and host port
``8000-8010``: the first free one of them. An empty host port, and ``-P``, mean a free one of the range that the kernel
keeps for such uses (ip-sysctl, ``ip_local_port_range``). An empty host address means all of them, ``0.0.0.0``.

Deciding is pure; :func:`can_bind` asks the kernel whether another program listens on a port.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

import msgspec

from minidock.api import CreateRequest, PortBinding
from minidock.errors import Conflict, InvalidArgument, Unsupported

ANY = "0.0.0.0"  # noqa: S104  (Docker's default: published means published)
PROTOCOLS = ("tcp", "udp", "sctp")


class PublishedPort(msgspec.Struct, frozen=True):
    """Packets to ``host_ip:host_port`` go to the container's port ``port``; ``protocol`` is tcp, udp or sctp."""

    protocol: str
    port: int
    host_ip: str
    host_port: int

    def __str__(self) -> str:
        return f"{self.host_ip}:{self.host_port}->{self.port}/{self.protocol}"


class WantedPort(msgspec.Struct, frozen=True):
    """A port to publish on a host port of ``first … last``; 0 and 0: on any."""

    protocol: str
    port: int
    host_ip: str
    first: int
    last: int


#: Says whether a host port is free: (protocol, host address, host port).
Probe = Callable[[str, str, int], bool]


def wanted_ports(request: CreateRequest, default_ip: str = ANY) -> tuple[WantedPort, ...]:
    """Return what ``-p``, ``-P`` and ``EXPOSE`` ask for, sorted by port.

    :param default_ip: the host address of a binding that names none.
    :raises InvalidArgument: a port, protocol or address that makes no sense, in Docker's words.
    :raises Unsupported: an IPv6 host address.
    """
    bindings: dict[str, Sequence[PortBinding]] = dict(request.host.port_bindings)
    if request.host.publish_all_ports:
        for exposed in request.config.exposed_ports or {}:
            for port, protocol in _expanded(exposed):
                bindings.setdefault(f"{port}/{protocol}", (PortBinding(),))
    return tuple(sorted(_wanted(bindings, default_ip), key=lambda w: (w.protocol, w.port, w.host_ip, w.first)))


def _wanted(bindings: Mapping[str, Sequence[PortBinding]], default_ip: str) -> Iterator[WantedPort]:
    for name, places in bindings.items():
        ((port, protocol),) = _expanded(name, single=True)
        for place in places or (PortBinding(),):
            first, last = _host_ports(place.host_port)
            yield WantedPort(protocol, port, _host_ip(place.host_ip or default_ip), first, last)


def _expanded(name: str, single: bool = False) -> Iterator[tuple[int, str]]:
    """Yield the ports of ``80``, ``80/udp`` or ``8000-8010/tcp``."""
    numbers, _, protocol = name.partition("/")
    protocol = (protocol or "tcp").lower()
    if protocol not in PROTOCOLS:
        raise InvalidArgument(f"invalid proto: {protocol}")
    first, last = _range(numbers, "invalid containerPort")
    if single and first != last:
        raise InvalidArgument(f"invalid containerPort: {numbers}")
    for port in range(first, last + 1):
        yield port, protocol


def _host_ports(text: str) -> tuple[int, int]:
    return (0, 0) if text in ("", "0") else _range(text, "invalid hostPort")


def _range(text: str, complaint: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    ends = [
        int(end) if end.isascii() and end.isdigit() and len(end) < 6 else 0 for end in (first, last if dash else first)
    ]
    if not 0 < ends[0] <= ends[1] < 65536:
        raise InvalidArgument(f"{complaint}: {text}")
    return ends[0], ends[1]


def _host_ip(text: str) -> str:
    from ipaddress import IPv6Address, ip_address

    try:
        address = ip_address(text.strip("[]"))
    except ValueError:
        raise InvalidArgument(f"invalid IP address: {text}") from None
    if isinstance(address, IPv6Address):
        raise Unsupported(
            f"cannot publish a port on the IPv6 address {address}: the default network has IPv4 only",
            "publish it on an IPv4 address, or leave the address out",
        )
    return str(address)


def allocate_ports(
    wanted: Iterable[WantedPort],
    taken: Collection[PublishedPort],
    probe: Probe,
    ephemeral: tuple[int, int],
    last: int,
) -> tuple[PublishedPort, ...]:
    """Choose a host port for each wanted one.

    :param taken: what other containers have.
    :param ephemeral: the first and the last port for those who want any.
    :param last: the one of them given most recently: the search goes on after it, around the circle.
    :raises Conflict: another container or another program has the port, in Docker's words.
    """
    ports: list[PublishedPort] = []
    for want in wanted:
        others = [p for p in (*taken, *ports) if p.protocol == want.protocol and _same_place(p.host_ip, want.host_ip)]
        used = {port.host_port for port in others}
        for candidate in _candidates(want, ephemeral, last):
            if candidate not in used and probe(want.protocol, want.host_ip, candidate):
                ports.append(PublishedPort(want.protocol, want.port, want.host_ip, candidate))
                break
        else:
            raise _taken(want)
    return tuple(ports)


def _candidates(want: WantedPort, ephemeral: tuple[int, int], last: int) -> Iterable[int]:
    if want.first:
        return range(want.first, want.last + 1)
    low, high = ephemeral
    start = last + 1 if low <= last < high else low
    return (*range(start, high + 1), *range(low, start))


def _same_place(one: str, other: str) -> bool:
    return one == other or ANY in (one, other)


def _taken(want: WantedPort) -> Conflict:
    if want.first and want.first == want.last:
        place = f"{want.host_ip}:{want.first}"
        return Conflict(
            f"Bind for {place} failed: port is already allocated",
            f"find who has it with `ss -lnp sport = :{want.first}`, or publish another port",
        )
    return Conflict(
        f"all ports are allocated on {want.host_ip}", "stop containers that publish ports, or widen the range"
    )


def can_bind(protocol: str, host_ip: str, port: int) -> bool:
    """Say whether no program of the host has the port: by binding it for a moment.

    :raises InvalidArgument: the address is none of the host's.
    """
    import errno
    import socket

    kinds = {
        "tcp": (socket.SOCK_STREAM, socket.IPPROTO_TCP),
        "udp": (socket.SOCK_DGRAM, socket.IPPROTO_UDP),
        "sctp": (socket.SOCK_STREAM, socket.IPPROTO_SCTP),
    }
    try:
        with socket.socket(socket.AF_INET, *kinds[protocol]) as probe:
            if protocol != "udp":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # old connections do not count …
            probe.bind((host_ip, port))
            if protocol != "udp":
                probe.listen(1)  # … a listener does
            return True
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return False
        if error.errno == errno.EPROTONOSUPPORT:  # the kernel does not speak it, so nobody listens
            return True
        if error.errno == errno.EADDRNOTAVAIL:
            raise InvalidArgument(
                f"Bind for {host_ip}:{port} failed: cannot assign requested address",
                f"{host_ip} is no address of this host; `ip address` lists them",
            ) from None
        raise
