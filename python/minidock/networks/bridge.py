"""The bridge driver: makes a network's bridge and our firewall table, and plugs containers in.

What all containers share is made once and found again: the bridge stays when its last container goes, as ``docker0``
does, and costs nothing. Each start asks only "is it still as I left it?", which two system calls answer
(:class:`~minidock.networks.state.Verified`); only if something has changed are link and table looked at closely.
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Callable
from ipaddress import IPv4Address

import msgspec

from minidock.kernel.ports import Links
from minidock.networks.firewall import Forward, whole_table
from minidock.networks.foreign import check_forwarding, check_legacy
from minidock.networks.host import Firewall, Sysctls
from minidock.networks.ipam import mac_of
from minidock.networks.state import Network, State, Verified

INSIDE = "eth0"


def link_name(short_id: str, container: str, address: str) -> str:
    """Return the name of the cable's end on the host: 15 characters, ours by the short id.

    A cable ends with its container's namespace, but not at once; so the next start of the same container, which has
    another address, gives the new one another name.
    """
    return f"md{short_id}v{hashlib.sha256(f'{container} {address}'.encode()).hexdigest()[:8]}"


class Bridges:
    """The bridge driver of one engine root; *table* is the name of its nftables table.

    :param index_of: name → number of a link, where the bridge is; :param forwards: all published ports.
    """

    def __init__(
        self,
        links: Links,
        firewall: Firewall,
        sysctls: Sysctls,
        table: str,
        index_of: Callable[[str], int],
        forwards: Callable[[State], list[Forward]],
    ) -> None:
        self._links = links
        self._firewall = firewall
        self._sysctls = sysctls
        self._table = table
        self._index_of = index_of
        self._forwards = forwards

    def prepare(self, state: State, network: Network) -> State:
        """Make sure that the bridge and our table stand, and that packets are forwarded; return the new state.

        :raises Conflict: another program's firewall drops all forwarded packets.
        :raises StepFailed: the kernel or nft refuse.
        :raises Unavailable: there is no nft.
        """
        seen = self._firewall.generation()
        index = self._index_of(network.bridge)
        known = state.verified
        if known and seen and seen == (known.namespace, known.generation) and index == known.bridge != 0:
            self._forward()
            return state
        check_forwarding(
            self._firewall.chains(),
            network.bridge,
            lambda chain: self._firewall.listing(chain.family, chain.table) or "",
        )
        check_legacy(self._firewall.legacy(), network.bridge)
        self._make_bridge(network)
        self._forward()
        listing = self._listing()
        if known is None or known.listing != listing:
            self._firewall.apply(
                self._table, whole_table(self._table, list(state.networks.values()), self._forwards(state))
            )
            endpoints = {
                key: msgspec.structs.replace(e, restored=True) if e.ports else e for key, e in state.endpoints.items()
            }
            state = msgspec.structs.replace(state, endpoints=endpoints)
            seen = self._firewall.generation()
            listing = self._listing()
        # the generation was read before the listing: a change in between is seen next time
        verified = Verified(*(seen or (0, 0)), listing, self._index_of(network.bridge))
        return msgspec.structs.replace(state, verified=verified)

    def plug(self, name: str, network: Network, netns: str, address: str, mac: str) -> None:
        """Lay the cable: *name* on the host, ``eth0`` with *address* and a default route inside *netns*."""
        self._links.veth(name, network.bridge, INSIDE, netns, network.mtu, mac)
        self._links.address(INSIDE, f"{address}/{network.range.prefixlen}", netns)
        self._links.up(INSIDE, netns)
        self._links.route("default", network.gateway, netns)
        for link in (name, network.bridge):  # else the container's first packets could be lost
            self._links.ready(link, None)

    def _make_bridge(self, network: Network) -> None:
        address = f"{network.gateway}/{network.range.prefixlen}"
        found = next((link for link in self._links.links(None) if link.name == network.bridge), None)
        if found is None:
            # a fixed hardware address: by default a bridge takes the lowest of its ports', and changes it with them
            self._links.bridge(network.bridge, network.mtu, mac_of(IPv4Address(network.gateway)))
        elif not found.up:
            self._links.up(network.bridge, None)
        if found is None or address not in found.addresses:
            self._links.address(network.bridge, address, None)
        # a container must not be able to become the host's IPv6 router by an advertisement (CVE-2020-13401)
        if self._sysctls.read("net.ipv6.conf.default.disable_ipv6") is not None:  # the kernel speaks IPv6
            self._set(f"net.ipv6.conf.{network.bridge}.disable_ipv6", "1")
        # lets 127.0.0.1:PORT of the host be rewritten to a container; our raw chain guards 127.0.0.0/8 instead
        self._set(f"net.ipv4.conf.{network.bridge}.route_localnet", "1")

    def _listing(self) -> str:
        text = self._firewall.listing("inet", self._table)
        return hashlib.sha256(text.encode()).hexdigest() if text is not None else ""

    def _forward(self) -> None:
        if self._sysctls.read("net.ipv4.ip_forward") != "1":
            self._sysctls.write("net.ipv4.ip_forward", "1")

    def _set(self, name: str, value: str) -> None:
        if self._sysctls.read(name) != value:
            self._sysctls.write_link(name, value)


def index_of(name: str) -> int:
    """Return the number of a link in the network namespace of the calling thread, 0 if there is no such link."""
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return 0
