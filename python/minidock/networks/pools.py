"""Which subnet a new network gets: the first of Docker's default pools that no route of the host overlaps. Pure.

The pools are blocks of private addresses (RFC 1918), cut into equal parts::

    172.17.0.0/16 … 172.31.0.0/16      each a subnet of its own; the first is the default bridge's
    192.168.0.0/16                     sixteen subnets of /20
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, ip_network

from minidock.errors import Conflict

#: (block, prefix length of its parts), in the order they are tried.
DEFAULT_POOLS: tuple[tuple[str, int], ...] = (
    *((f"172.{number}.0.0/16", 16) for number in range(17, 32)),
    ("192.168.0.0/16", 20),
)


def choose_subnet(taken: Iterable[str], pools: Iterable[tuple[str, int]] = DEFAULT_POOLS) -> IPv4Network:
    """Return the first subnet of *pools* that overlaps nothing in *taken*.

    :param taken: subnets of routes and of other networks; ``default`` and IPv6 ones do not count.
    :raises Conflict: there is none left.
    """
    used = [ip_network(subnet, strict=False) for subnet in taken if subnet != "default" and ":" not in subnet]
    for candidate in _candidates(pools):
        if not any(candidate.overlaps(other) for other in used if isinstance(other, IPv4Network)):
            return candidate
    raise Conflict(
        "all predefined address pools have been fully subnetted",
        "every private subnet is routed on this host already: remove networks that nobody uses",
    )


def _candidates(pools: Iterable[tuple[str, int]]) -> Iterator[IPv4Network]:
    for block, length in pools:
        yield from IPv4Network(block).subnets(new_prefix=length)
