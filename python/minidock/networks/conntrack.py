"""The kernel's memory of connections, and how to make it forget some (conntrack).

Which packets are rewritten is decided once, by the first packet of a connection; the others follow the entry in this
table. UDP has no connections, so an entry lives as long as packets keep coming: a client that asks all the time would
go on asking a container that is long gone, or the host, whatever our rules say by now. So whoever publishes a UDP port
removes the entries of that port which lead elsewhere. TCP needs none of this: a new container is a new connection.

An entry is two *tuples*: the packet as it came, and the answer as it is expected (here with DNAT)::

    original   198.51.100.7:40000 ─▶ 192.0.2.1:5353        reply   172.17.0.2:53 ─▶ 198.51.100.7:40000

Source: linux/netfilter/nfnetlink_conntrack.h; netlink(7). The encoding is that of :mod:`minidock._pure.links.netlink`.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Collection, Iterator

from minidock.errors import StepFailed

_NETLINK_NETFILTER = 12
_NLM_F_REQUEST, _NLM_F_ACK, _NLM_F_DUMP = 0x001, 0x004, 0x300
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_CT_GET, _CT_DELETE = 1 << 8 | 1, 1 << 8 | 2
_CTA_TUPLE_ORIG, _CTA_TUPLE_REPLY, _CTA_TUPLE_IP, _CTA_TUPLE_PROTO = 1, 2, 1, 2
_CTA_IP_V4_SRC, _CTA_PROTO_NUM, _CTA_PROTO_DST_PORT = 1, 1, 3
_NESTED, _TYPE = 0x8000, 0x3FFF
_HEADER = struct.Struct("=IHHII")
_IPV4 = struct.pack("=BBH", socket.AF_INET, 0, 0)  # nfgenmsg


def forget_udp(ports: Collection[int], address: str) -> int:
    """Remove the IPv4 UDP entries to *ports* which do not lead to *address*; return how many there were.

    :raises StepFailed: the kernel refuses.
    """
    target = socket.inet_aton(address)
    gone = 0
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER) as kernel:
        stale = [
            original
            for original, protocol, port, source in _entries(kernel)
            if protocol == socket.IPPROTO_UDP and port in ports and source != target
        ]
        for original in stale:
            gone += _remove(kernel, original)
    return gone


def _entries(kernel: socket.socket) -> Iterator[tuple[bytes, int, int, bytes]]:
    """Yield each entry: its original tuple as it stands, the protocol, the port asked for, and who answers."""
    kernel.send(_HEADER.pack(20, _CT_GET, _NLM_F_REQUEST | _NLM_F_DUMP, 1, 0) + _IPV4)
    while True:
        for kind, payload in _messages(kernel.recv(64 << 10)):
            if kind in (_NLMSG_DONE, _NLMSG_ERROR):
                _check(payload, "list the connections")
                return
            entry = _attributes(payload[4:])
            original = entry.get(_CTA_TUPLE_ORIG, b"")
            protocol = _attributes(_attributes(original).get(_CTA_TUPLE_PROTO, b""))
            answer = _attributes(_attributes(entry.get(_CTA_TUPLE_REPLY, b"")).get(_CTA_TUPLE_IP, b""))
            port = int.from_bytes(protocol.get(_CTA_PROTO_DST_PORT, b""), "big")
            yield original, protocol.get(_CTA_PROTO_NUM, b"\0")[0], port, answer.get(_CTA_IP_V4_SRC, b"")


def _remove(kernel: socket.socket, original: bytes) -> int:
    body = _IPV4 + struct.pack("=HH", 4 + len(original), _CTA_TUPLE_ORIG | _NESTED) + original
    kernel.send(_HEADER.pack(16 + len(body), _CT_DELETE, _NLM_F_REQUEST | _NLM_F_ACK, 2, 0) + body)
    ((_, payload),) = _messages(kernel.recv(64 << 10))
    return _check(payload, "forget a connection")


def _check(payload: bytes, what: str) -> int:
    """Return 1 if it worked and 0 if there was nothing to do it to."""
    code = -struct.unpack_from("=i", payload)[0] if len(payload) >= 4 else 0
    if code > 0 and code != 2:  # ENOENT: the entry has ended by itself
        raise StepFailed("conntrack.forget", code, what)
    return int(code == 0)


def _messages(data: bytes) -> list[tuple[int, bytes]]:
    found, offset = [], 0
    while offset + 16 <= len(data):
        length, kind, _, _, _ = _HEADER.unpack_from(data, offset)
        found.append((kind, data[offset + 16 : offset + length]))
        offset += max(16, length + -length % 4)
    return found


def _attributes(data: bytes) -> dict[int, bytes]:
    found, offset = {}, 0
    while offset + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, offset)
        if length < 4:
            break
        found[kind & _TYPE] = data[offset + 4 : offset + length]
        offset += length + -length % 4
    return found
