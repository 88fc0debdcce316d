"""One client on a socket: frames in, frames out (:mod:`minidock.kernel.protocol`). It never blocks.

Who may slow whom: while ``MUCH`` bytes wait for a client, no more output is read, and the container waits in its write,
as in a pipeline. The foreground client (the control connection) may take all the time it wants; any other is cut off
when it has taken nothing for five seconds.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator

from minidock.kernel.protocol import HEADER_SIZE, LONGEST_FRAME

MUCH = 256 << 10
FIRST_WORD, PATIENCE = 1.0, 5.0  # seconds


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
        self.greeted = control  # it has sent its first message
        self.read_closed = False  # it sends no more, and may still want output
        self.closed = False
        self._leaving = False
        self._in = bytearray()
        self._out = bytearray()
        self._since = time.monotonic()  # when it came, or last took something

    @property
    def events(self) -> int:
        """What to poll for; a hang-up is always reported."""
        return (0 if self.read_closed else select.POLLIN) | (select.POLLOUT if self._out else 0)

    @property
    def unsent(self) -> int:
        """How many bytes wait for the client."""
        return len(self._out)

    def patience(self, at_the_end: bool = False) -> float | None:
        """Return the seconds until this client has to go, ``None`` for never."""
        impatient = not self.control and bool(self._out) and (at_the_end or len(self._out) > MUCH)
        limit = FIRST_WORD if not self.greeted else PATIENCE if impatient else None
        return None if limit is None else max(0.0, self._since + limit - time.monotonic())

    def send(self, kind: int, payload: bytes) -> None:
        """Queue one frame and send what can be sent."""
        if self.closed or self._leaving:
            return
        if not self._out:
            self._since = time.monotonic()
        self._out += bytes((kind, 0, 0, 0)) + len(payload).to_bytes(4, "big") + payload
        self.flush()

    def flush(self) -> None:
        """Send what can be sent; a client that is gone counts as closed."""
        try:
            while self._out:
                del self._out[: self.socket.send(self._out)]
                self._since = time.monotonic()
            if self._leaving:
                self.close()
        except BlockingIOError:
            return
        except OSError:
            self.close()

    def receive(self) -> Iterator[tuple[int, bytes]]:
        """Yield the frames that are complete now; ``read_closed`` afterwards if no more will come.

        :raises BrokenConnection: these are no frames.
        """
        try:
            data = self.socket.recv(1 << 16)
            self.read_closed = self.read_closed or not data
            self._in += data
        except BlockingIOError:
            pass  # there may still be whole frames from before
        except OSError:
            self.close()
        while len(self._in) >= HEADER_SIZE:
            length = int.from_bytes(self._in[4:HEADER_SIZE], "big")
            if self._in[0] > 3 or self._in[1:4] != b"\0\0\0" or length > LONGEST_FRAME:
                raise BrokenConnection("what was sent is no frame")
            if len(self._in) < HEADER_SIZE + length:
                break
            kind, payload = self._in[0], bytes(self._in[HEADER_SIZE : HEADER_SIZE + length])
            del self._in[: HEADER_SIZE + length]
            yield kind, payload

    def leave(self) -> None:
        """Close once all is sent."""
        self.read_closed = self._leaving = True
        self.flush()

    def close(self) -> None:
        """Idempotent."""
        self.closed = self.read_closed = True
        self._out.clear()
        self.socket.close()
