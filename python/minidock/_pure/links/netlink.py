"""Netlink by hand: messages to the kernel's network code and back, over a socket (netlink(7), rtnetlink(7)).

A *message* is a header, a fixed part that depends on its type, and *attributes*: numbered values, each with its length
in front, padded to four bytes; an attribute may hold attributes again::

    ┌─ nlmsghdr ──────────────────────────┐┌─ ifinfomsg ─────┐┌─ attribute ───────────┐┌─ attribute …
    │ length u32 · type u16 · flags u16   ││ family, index,  ││ length u16 · type u16 ││
    │ sequence u32 · port u32             ││ flags, …        ││ value, padding        ││
    └─────────────────────────────────────┘└─────────────────┘└───────────────────────┘└──────────────

All numbers are in the machine's own byte order. A request that changes something is answered by one message of type
``NLMSG_ERROR`` (number 0: it worked), a question with ``NLM_F_DUMP`` by many messages and ``NLMSG_DONE``.

A netlink socket belongs to the network namespace it was *made* in, whoever uses it. So a thread of a moment enters the
namespace, makes the socket there and ends: neither the caller nor any other thread ever leaves its own namespace.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import threading
from collections.abc import Iterator

from minidock._pure.syscalls import setns
from minidock.errors import StepFailed

NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR = 0x001, 0x004, 0x300, 0x010
NLM_F_EXCL, NLM_F_CREATE, NLM_F_ACK_TLVS = 0x200, 0x400, 0x200
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLMSGERR_ATTR_MSG = 1
SOL_NETLINK, NETLINK_CAP_ACK, NETLINK_EXT_ACK = 270, 10, 11
_CLONE_NEWNET = 0x40000000

#: Larger than any message the kernel sends: a dump comes in pieces of at most 32 KiB.
_LARGEST = 64 << 10
#: A dump that others' changes interrupt is asked for again, this often at most.
_TRIES = 16

_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")


def attribute(kind: int, value: bytes) -> bytes:
    """Return one attribute with its padding."""
    return _ATTRIBUTE.pack(4 + len(value), kind) + value + bytes(-len(value) % 4)


def text(kind: int, value: str) -> bytes:
    """Return an attribute that holds a string, ended by a zero byte.

    :raises ValueError: the string holds a zero byte itself, or none at all.
    """
    raw = os.fsencode(value)
    if not raw or b"\0" in raw:
        raise ValueError("a name is empty or has a zero byte in it")
    return attribute(kind, raw + b"\0")


def number(kind: int, value: int) -> bytes:
    """Return an attribute that holds 32 bits.

    :raises ValueError: the number does not fit.
    """
    if not 0 <= value < 1 << 32:
        raise ValueError(f"the number {value} does not fit into 32 bits")
    return attribute(kind, struct.pack("=I", value))


def attributes(data: bytes) -> dict[int, bytes]:
    """Return attributes by their type; the upper two bits of a type are flags (netlink.h, NLA_TYPE_MASK)."""
    found, offset = {}, 0
    while offset + 4 <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < 4:
            break
        found[kind & 0x3FFF] = data[offset + 4 : offset + length]
        offset += length + -length % 4
    return found


class Netlink:
    """A socket to the rtnetlink of one network namespace, for one step; a context manager.

    :param step: the op, and *detail*: what is being attempted; both go into the error.
    :param netns: the path of a pinned namespace, or ``None``: our own.
    :raises StepFailed: the namespace cannot be opened or entered.
    """

    def __init__(self, step: str, detail: str, netns: str | None = None) -> None:
        self._step, self._detail = step, detail
        self._sequence = 0
        try:
            self._socket = _open() if netns is None else _open_inside(netns)
        except OSError as error:
            where = f" in the network namespace {netns}" if netns else ""
            raise StepFailed(step, error.errno or errno.EIO, detail + where) from error

    def __enter__(self) -> Netlink:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def change(self, kind: int, flags: int, body: bytes) -> None:
        """Send one request and wait for the kernel's answer.

        :raises StepFailed: the kernel refused; its own words are in the detail where it gave any.
        """
        self._send(kind, flags | NLM_F_ACK, body)
        for _ in self._answers():
            pass

    def get(self, kind: int, body: bytes) -> bytes:
        """Return the one answer to a question."""
        self._send(kind, NLM_F_ACK, body)
        answers = [payload for _, payload in self._answers()]
        if not answers:
            raise StepFailed(self._step, errno.EPROTO, self._detail)
        return answers[0]

    def dump(self, kind: int, body: bytes) -> list[bytes]:
        """Return all answers to a question, a consistent list: an interrupted dump is asked for again."""
        for _ in range(_TRIES):
            self._send(kind, NLM_F_DUMP, body)
            answers = list(self._answers())
            if not any(flags & NLM_F_DUMP_INTR for flags, _ in answers):
                return [payload for _, payload in answers]
        raise StepFailed(self._step, errno.EINTR, self._detail)

    def _send(self, kind: int, flags: int, body: bytes) -> None:
        self._sequence += 1
        self._socket.send(_HEADER.pack(16 + len(body), kind, NLM_F_REQUEST | flags, self._sequence, 0) + body)

    def _answers(self) -> Iterator[tuple[int, bytes]]:
        """Yield (flags, payload) of each message, up to and without the one that ends the answer."""
        while True:
            data = self._socket.recv(_LARGEST)
            offset = 0
            while offset + 16 <= len(data):
                length, kind, flags, sequence, _ = _HEADER.unpack_from(data, offset)
                payload = data[offset + 16 : offset + length]
                offset += max(16, length + -length % 4)
                if sequence != self._sequence:
                    continue
                if kind in (NLMSG_ERROR, NLMSG_DONE):
                    self._check(flags, payload)
                    return
                yield flags, payload

    def _check(self, flags: int, payload: bytes) -> None:
        code = -int.from_bytes(payload[:4], "little" if _LITTLE else "big", signed=True)
        if code > 0:
            said = attributes(payload[20:]).get(NLMSGERR_ATTR_MSG, b"") if flags & NLM_F_ACK_TLVS else b""
            words = f" ({said.rstrip(bytes(1)).decode(errors='replace')})" if said else ""
            raise StepFailed(self._step, code, self._detail + words)


_LITTLE = struct.pack("=H", 1) == b"\1\0"


def _open() -> socket.socket:
    new = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    new.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)  # an error does not repeat the request …
    new.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)  # … and says in words what was wrong
    return new


def _open_inside(netns: str) -> socket.socket:
    made: list[socket.socket] = []
    failed: list[OSError] = []

    def enter() -> None:
        try:
            fd = os.open(netns, os.O_RDONLY | os.O_CLOEXEC)
            try:
                setns(fd, _CLONE_NEWNET)
            finally:
                os.close(fd)
            made.append(_open())
        except OSError as error:
            failed.append(error)

    thread = threading.Thread(target=enter, name="netns")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return made[0]
