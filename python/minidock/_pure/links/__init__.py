"""Network links in pure Python: bridges, virtual cables, addresses and routes, by rtnetlink.

One method is one step, and nearly always one message; :mod:`minidock._pure.links.netlink` has the encoding. The command
that a person would type instead stands in the table of ops. A message names a link by its name or by its number
(``index``); a number is only good in its own network namespace.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager

from minidock._pure.links.netlink import NLM_F_CREATE, NLM_F_EXCL, Netlink, attribute, attributes, number, text
from minidock.errors import StepFailed
from minidock.kernel.ports import Link

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_NEWADDR, RTM_GETADDR, RTM_NEWROUTE, RTM_GETROUTE = 20, 22, 24, 26

IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_MASTER, IFLA_LINKINFO, IFLA_NET_NS_FD = 1, 3, 4, 10, 18, 28
IFLA_INFO_KIND, IFLA_INFO_DATA, IFLA_INFO_SLAVE_KIND, IFLA_INFO_SLAVE_DATA = 1, 2, 4, 5
VETH_INFO_PEER, IFLA_BRPORT_MODE = 1, 4
IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST, IFA_F_NODAD = 1, 2, 4, 0x02
RTA_DST, RTA_GATEWAY, RTA_TABLE = 1, 5, 15
RT_TABLE_MAIN, RTPROT_STATIC, RTN_UNICAST = 254, 4, 1
IFF_UP, IFF_RUNNING = 0x01, 0x40

_READY_MILLISECONDS = 1000

_CREATE = NLM_F_CREATE | NLM_F_EXCL
_IFINFO = struct.Struct("=BxHiII")  # family, type, index, flags, which flags to change
_IFADDR = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, index
_ROUTE = struct.Struct("=BBBBBBBBI")  # family, dst length, src length, tos, table, protocol, scope, type, flags
_HEX = frozenset("0123456789abcdefABCDEF")
_NO_LINK = _IFINFO.pack(0, 0, 0, 0, 0)
_SWITCH_ON = _IFINFO.pack(0, 0, 0, IFF_UP, IFF_UP)


class PureLinks:
    """The port :class:`~minidock.kernel.ports.Links`."""

    def bridge(self, name: str, mtu: int, mac: str | None) -> None:
        with _step("link.bridge", f"make the bridge {name}") as netlink:
            kind = attribute(IFLA_LINKINFO, attribute(IFLA_INFO_KIND, b"bridge"))
            netlink.change(
                RTM_NEWLINK, _CREATE, _SWITCH_ON + text(IFLA_IFNAME, name) + number(IFLA_MTU, mtu) + _mac(mac) + kind
            )

    def veth(self, name: str, bridge: str, peer: str, netns: str, mtu: int, mac: str | None) -> None:
        with _step("link.veth", f"make the pair {name} and {peer} in {netns}") as netlink, _opened(netns) as inside:
            master = _index(netlink, bridge)
            other = (
                _NO_LINK + text(IFLA_IFNAME, peer) + number(IFLA_MTU, mtu) + _mac(mac) + number(IFLA_NET_NS_FD, inside)
            )
            info = attribute(IFLA_INFO_KIND, b"veth") + attribute(IFLA_INFO_DATA, attribute(VETH_INFO_PEER, other))
            ours = text(IFLA_IFNAME, name) + number(IFLA_MTU, mtu) + number(IFLA_MASTER, master)
            netlink.change(RTM_NEWLINK, _CREATE, _SWITCH_ON + ours + attribute(IFLA_LINKINFO, info))
            # hairpin: a frame may leave by the port it came in by; so a container reaches its own published ports
            port = attribute(IFLA_INFO_SLAVE_KIND, b"bridge")
            port += attribute(IFLA_INFO_SLAVE_DATA, attribute(IFLA_BRPORT_MODE, b"\1"))
            netlink.change(RTM_NEWLINK, 0, _NO_LINK + text(IFLA_IFNAME, name) + attribute(IFLA_LINKINFO, port))

    def address(self, name: str, address: str, netns: str | None) -> None:
        with _step("link.address", f"give {name} the address {address}", netns) as netlink:
            family, host, prefix = _split(address)
            index = _index(netlink, name)
            # an address of ours is never a duplicate, so IPv6 need not wait a second to find that out
            flags = IFA_F_NODAD if family == socket.AF_INET6 else 0
            body = (
                _IFADDR.pack(family, prefix, flags, 0, index)
                + attribute(IFA_LOCAL, host)
                + attribute(IFA_ADDRESS, host)
            )
            if family == socket.AF_INET and prefix < 31:
                last = int.from_bytes(host, "big") | (1 << 32 - prefix) - 1
                body += attribute(IFA_BROADCAST, last.to_bytes(4, "big"))
            netlink.change(RTM_NEWADDR, _CREATE, body)

    def up(self, name: str, netns: str | None) -> None:
        with _step("link.up", f"switch {name} on", netns) as netlink:
            netlink.change(RTM_NEWLINK, 0, _SWITCH_ON + text(IFLA_IFNAME, name))

    def route(self, destination: str, gateway: str, netns: str | None) -> None:
        with _step("link.route", f"route {destination} by {gateway}", netns) as netlink:
            family, via, _ = _split(gateway)
            body, prefix = b"", 0
            if destination != "default":
                same, subnet, prefix = _split(destination)
                if same != family:
                    raise ValueError(f"{destination} and {gateway} are of different families")
                body = attribute(RTA_DST, subnet)
            fixed = _ROUTE.pack(family, prefix, 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, 0, RTN_UNICAST, 0)
            netlink.change(RTM_NEWROUTE, _CREATE, fixed + body + attribute(RTA_GATEWAY, via))

    def delete(self, name: str) -> None:
        with _step("link.delete", f"remove {name}") as netlink:
            try:
                netlink.change(RTM_DELLINK, 0, _NO_LINK + text(IFLA_IFNAME, name))
            except StepFailed as error:
                if error.errno != errno.ENODEV:
                    raise

    def ready(self, name: str, netns: str | None) -> bool:
        with _step("link.list", f"wait for {name}", netns) as netlink:
            question = _NO_LINK + text(IFLA_IFNAME, name)
            for _ in range(_READY_MILLISECONDS):
                if _IFINFO.unpack_from(netlink.get(RTM_GETLINK, question))[3] & IFF_RUNNING:
                    return True
                time.sleep(0.001)
            return False

    def links(self, netns: str | None) -> tuple[Link, ...]:
        with _step("link.list", "list the links", netns) as netlink:
            addresses: dict[int, list[str]] = {}
            for message in netlink.dump(RTM_GETADDR, _IFADDR.pack(0, 0, 0, 0, 0)):
                family, prefix, _, _, index = _IFADDR.unpack_from(message)
                found = attributes(message[_IFADDR.size :])
                host = found.get(IFA_LOCAL) or found[IFA_ADDRESS]
                addresses.setdefault(index, []).append(f"{socket.inet_ntop(family, host)}/{prefix}")
            return tuple(_link(message, addresses) for message in netlink.dump(RTM_GETLINK, _NO_LINK))

    def routes(self, netns: str | None) -> tuple[str, ...]:
        with _step("link.list", "list the routes", netns) as netlink:
            destinations: dict[str, None] = {}
            for message in netlink.dump(RTM_GETROUTE, _ROUTE.pack(0, 0, 0, 0, 0, 0, 0, 0, 0)):
                family, prefix, _, _, table, _, _, kind, _ = _ROUTE.unpack_from(message)
                found = attributes(message[_ROUTE.size :])
                table = struct.unpack("=I", found[RTA_TABLE])[0] if RTA_TABLE in found else table
                if kind != RTN_UNICAST or table != RT_TABLE_MAIN or family not in (socket.AF_INET, socket.AF_INET6):
                    continue
                subnet = found.get(RTA_DST)
                destinations[f"{socket.inet_ntop(family, subnet)}/{prefix}" if subnet else "default"] = None
            return tuple(destinations)


def _link(message: bytes, addresses: dict[int, list[str]]) -> Link:
    _, _, index, flags, _ = _IFINFO.unpack_from(message)
    found = attributes(message[_IFINFO.size :])
    info = attributes(found.get(IFLA_LINKINFO, b""))
    return Link(
        index=index,
        name=os.fsdecode(found[IFLA_IFNAME].rstrip(b"\0")),
        kind=info.get(IFLA_INFO_KIND, b"").rstrip(b"\0").decode(),
        mac=found.get(IFLA_ADDRESS, b"").hex(":"),
        mtu=struct.unpack("=I", found[IFLA_MTU])[0],
        up=bool(flags & IFF_UP),
        master=struct.unpack("=I", found[IFLA_MASTER])[0] if IFLA_MASTER in found else 0,
        addresses=tuple(addresses.get(index, ())),
    )


@contextmanager
def _step(op: str, detail: str, netns: str | None = None) -> Iterator[Netlink]:
    """A netlink socket for one step; a value that makes no sense is the step's EINVAL."""
    try:
        with Netlink(op, detail, netns) as netlink:
            yield netlink
    except ValueError as error:
        raise StepFailed(op, errno.EINVAL, f"{detail} ({error})") from error
    except OSError as error:
        raise StepFailed(op, error.errno or errno.EIO, detail) from error


@contextmanager
def _opened(path: str) -> Iterator[int]:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def _index(netlink: Netlink, name: str) -> int:
    index: int = _IFINFO.unpack_from(netlink.get(RTM_GETLINK, _NO_LINK + text(IFLA_IFNAME, name)))[2]
    return index


def _mac(mac: str | None) -> bytes:
    if mac is None:
        return b""
    groups = mac.split(":")
    if len(groups) != 6 or not all(len(group) == 2 and set(group) <= _HEX for group in groups):
        raise ValueError(f"no MAC address: {mac}")
    return attribute(IFLA_ADDRESS, bytes.fromhex("".join(groups)))


def _split(address: str) -> tuple[int, bytes, int]:
    """Split ``192.0.2.1/24`` into the family, the address's bytes and the prefix length (all bits without a ``/``)."""
    host, slash, length = address.partition("/")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bits = 128 if family == socket.AF_INET6 else 32
    try:
        packed = socket.inet_pton(family, host)
    except (OSError, ValueError):
        raise ValueError(f"no address: {address}") from None
    prefix = int(length) if length.isascii() and length.isdigit() and len(length) < 4 else bits if not slash else -1
    if not 0 <= prefix <= bits:
        raise ValueError(f"no address: {address}")
    return int(family), packed, prefix
