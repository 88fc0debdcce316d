"""Which address a container gets (IP address management). Pure: values in, values out.

Addresses are given out in a circle. The search begins after the last one given, so an address that was freed rests as
long as possible: a client that still has it in mind does not meet a stranger::

      .0        .1       .2    .3    .4    .5   …   .254      .255
    network  gateway   taken  free  taken  free       free   broadcast
                                      ▲
                                    last ──▶ search ──▶ … around, and back to .2

The network's own address, the broadcast address and the gateway are nobody's. In a subnet of two addresses (RFC 3021)
or of one, there is no network or broadcast address. IPv6 has no broadcast, and its first address is the routers'
(RFC 4291, subnet-router anycast).
"""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from minidock.errors import Conflict, InvalidArgument

Address = IPv4Address | IPv6Address
Subnet = IPv4Network | IPv6Network


def default_gateway(subnet: Subnet) -> Address:
    """Return the address that the bridge itself gets: the first that a host may have."""
    return subnet[usable_range(subnet)[0]]


def usable_range(subnet: Subnet) -> tuple[int, int]:
    """Return the offsets of the first and the last address that a host may have."""
    size = subnet.num_addresses
    if size <= 2:
        return 0, size - 1
    return 1, size - 1 if subnet.version == 6 else size - 2


def allocate(subnet: Subnet, taken: Collection[Address], last: Address | None) -> Address:
    """Return a free address of *subnet*: the first after *last*, around the circle.

    :param taken: the gateway, and every address in use; others than the subnet's do not matter.
    :param last: the address given most recently, ``None`` at the beginning.
    :raises Conflict: all are taken.
    """
    first, final = usable_range(subnet)
    start = subnet.network_address
    count = final - first + 1
    offset = int(last) - int(start) - first if last is not None and last in subnet else -1
    for step in range(1, min(count, len(taken) + 1) + 1):
        candidate = start + first + (offset + step) % count
        if candidate not in taken:
            return candidate
    raise Conflict(
        f"no available IPv{subnet.version} addresses on this network's address pools: {subnet}",
        "remove containers that are not needed any more",
    )


def reserve(subnet: Subnet, taken: Collection[Address], wanted: str) -> Address:
    """Return the address *wanted*.

    :raises InvalidArgument: it is no address of this subnet that a host may have.
    :raises Conflict: it is taken.
    """
    try:
        address = ip_address(wanted)
    except ValueError:
        raise InvalidArgument(f"invalid IP address: {wanted}") from None
    if address not in subnet:
        raise InvalidArgument(f"no configured subnet contains IP address {wanted}")
    first, final = usable_range(subnet)
    if not first <= int(address) - int(subnet.network_address) <= final:
        raise InvalidArgument(f"{wanted} is no host's address in {subnet}")
    if address in taken:
        raise Conflict("Address already in use")
    return address


def mac_of(address: Address) -> str:
    """Return the hardware address that Docker gives to a container with this IPv4 address: ``02:42`` and its bytes.

    So a new container with an old address has the old hardware address too, and nobody's ARP cache is wrong. An IPv6
    address gives its last four bytes.
    """
    return "02:42:" + address.packed[-4:].hex(":")
