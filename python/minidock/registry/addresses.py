"""Addresses that no registry may send us to.

A registry can answer "look over there" (a redirect, a token server). On a cloud machine, "there" could be the metadata
service, which hands out the machine's own keys to whoever asks from inside. So what a *registry* names must not be:

- a link-local address (169.254.0.0/16, fe80::/10) or a known metadata address,
- this machine itself (loopback, 0.0.0.0), unless the registry is on this machine too.

What the *user* names is never refused. The check runs on the name where it is a literal address, and again on the
address that a name has turned out to have, before a byte is sent.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

#: Metadata services that are not on a link-local address: Alibaba's, and Amazon's over IPv6.
_METADATA = frozenset({ip_address("100.100.100.200"), ip_address("fd00:ec2::254")})

Address = IPv4Address | IPv6Address


def parse_address(text: str) -> Address | None:
    """Return the address that *text* is, or ``None`` for a name. IPv4 inside IPv6 is taken out."""
    try:
        address = ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return None
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


def is_loopback(host: str) -> bool:
    """Say whether a host, a name or an address, is this machine by its form alone."""
    address = parse_address(host)
    return address.is_loopback if address else host.lower().rstrip(".") == "localhost"


def refused_address(text: str, *, from_loopback: bool) -> str | None:
    """Say why a stranger's address must not be used, or ``None`` if it may be; a name says nothing yet.

    :param from_loopback: whoever names the address is on this machine itself.
    """
    if is_loopback(text) and not from_loopback:
        return f"{text} is this machine"
    address = parse_address(text)
    if address is None:
        return None
    if address.is_link_local or address in _METADATA:
        return f"{text} is a link-local or metadata address"
    if address.is_multicast or (address.is_unspecified and not from_loopback):
        return f"{text} is no address of a server"
    return None
