"""One client on a socket: frames in, frames out (:mod:`minidock.kernel.protocol`). It never blocks."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator

from minidock.kernel.protocol import HEADER_SIZE, LONGEST_FRAME

#: A client that has this much unread makes the container wait: output is never thrown away.
MUCH = 256 << 10


class BrokenConnection(Exception):
    """The client sent what is no frame."""


class Connection:
    """A client. ``streams`` are the types of frames it wants; the control connection wants all from the first byte."""

    def __init__(self, sock: socket.socket, control: bool) -> None:
        sock.setblocking(False)
        self.socket = sock
        self.control = control
        self.attached = control
        self.stdin = control
        self.streams: set[int] = {1, 2} if control else set()
        self.since = time.monotonic()
        self.greeted = False  # it has sent its first message
        self.closed = False
        self._in = bytearray()
        self._out = bytearray()

    @property
    def events(self) -> int:
        """What to poll for."""
        return select.POLLIN | (select.POLLOUT if self._out else 0)

    @property
    def unsent(self) -> int:
        """How many bytes wait for the client."""
        return len(self._out)

    def send(self, kind: int, payload: bytes) -> None:
        """Queue one frame and send what can be sent."""
        if not self.closed:
            self._out += bytes((kind, 0, 0, 0)) + len(payload).to_bytes(4, "big") + payload
            self.flush()

    def flush(self) -> None:
        """Send what can be sent; a client that is gone counts as closed."""
        try:
            while self._out:
                del self._out[: self.socket.send(self._out)]
        except BlockingIOError:
            return
        except OSError:
            self.close()

    def receive(self) -> Iterator[tuple[int, bytes]]:
        """Yield the frames that are complete now; closed afterwards if the client has closed.

        :raises BrokenConnection: these are no frames.
        """
        ended = False
        try:
            data = self.socket.recv(1 << 16)
            ended = not data
            self._in += data
        except BlockingIOError:
            pass  # there may still be whole frames from before
        except OSError:
            ended = True
        while len(self._in) >= HEADER_SIZE:
            length = int.from_bytes(self._in[4:HEADER_SIZE], "big")
            if self._in[0] > 3 or self._in[1:4] != b"\0\0\0" or length > LONGEST_FRAME:
                raise BrokenConnection
            if len(self._in) < HEADER_SIZE + length:
                break
            kind, payload = self._in[0], bytes(self._in[HEADER_SIZE : HEADER_SIZE + length])
            del self._in[: HEADER_SIZE + length]
            yield kind, payload
        if ended:
            self.close()

    def close(self) -> None:
        """Idempotent."""
        self.closed = True
        self._out.clear()
        self.socket.close()
