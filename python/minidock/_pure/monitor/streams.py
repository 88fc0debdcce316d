"""The container's streams on our side: what it writes goes to the log and to clients, what clients write goes to it.

Without a terminal there are three pipes. A terminal is one descriptor with two directions, and comes from inside.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Callable

from minidock._pure.monitor.log import Log
from minidock._pure.steps.devices import TIOCSWINSZ
from minidock.kernel.protocol import STDERR, STDOUT, Request

NAMES = {STDOUT: "stdout", STDERR: "stderr"}
_CHUNK = 1 << 16


class Streams:
    """The streams of one container.

    :param deliver: gets (type of frame, bytes) of all output.
    """

    def __init__(self, request: Request, deliver: Callable[[int, bytes], None]) -> None:
        self._request = request
        self._deliver = deliver
        self.log = Log(request.log)
        self.outputs: dict[int, int] = {}  # our end of a pipe, or the terminal → type of frame
        self.stdin: int | None = None
        self.unwritten = bytearray()  # for stdin
        self._closing = False  # stdin is to be closed when all is written

    def make_pipes(self) -> list[int]:
        """Make the container's streams; return its ends of them, none for a terminal."""
        if self._request.terminal:
            return []
        theirs = []
        if self._request.stdin:
            read, self.stdin = os.pipe2(os.O_CLOEXEC)
            os.set_blocking(self.stdin, False)
            theirs.append(read)
        else:
            theirs.append(os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC))
        for kind in (STDOUT, STDERR):
            ours, write = os.pipe2(os.O_CLOEXEC)
            os.set_blocking(ours, False)
            self.outputs[ours] = kind
            theirs.append(write)
        return theirs

    def take_terminal(self, master: int) -> None:
        """Use the terminal that came from inside."""
        os.set_blocking(master, False)
        self.outputs[master] = STDOUT
        if self._request.stdin:
            self.stdin = master

    def resize(self, rows: int, columns: int) -> None:
        """Set the terminal's size; pipes have none."""
        for fd in self.outputs if self._request.terminal else ():
            fcntl.ioctl(fd, TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self) -> None:
        """Take what the container has written so far."""
        for fd, kind in list(self.outputs.items()):
            try:
                data = os.read(fd, _CHUNK)
            except BlockingIOError:
                continue
            except OSError:  # EIO: the last process has closed the terminal
                data = b""
            if data:
                self.log.write(NAMES[kind], data)
                self._deliver(kind, data)
                continue
            del self.outputs[fd]
            os.close(fd)
            if fd == self.stdin:
                self.stdin = None

    def write(self, data: bytes) -> None:
        """Take bytes for the container's stdin."""
        if self.stdin is not None and not self._closing:
            self.unwritten += data
            self.feed()

    def feed(self) -> None:
        """Give the container what its stdin takes now."""
        try:
            if self.stdin is not None and self.unwritten:
                del self.unwritten[: os.write(self.stdin, self.unwritten)]
        except BlockingIOError:
            return
        except OSError:  # EPIPE: it does not read any more
            self.unwritten.clear()
            self._closing = True
        if self._closing and not self.unwritten and self.stdin is not None and self.stdin not in self.outputs:
            os.close(self.stdin)
            self.stdin = None

    def close_stdin(self) -> None:
        """Close stdin when all is written. A terminal has no such end: its other direction is still needed."""
        if not self._request.terminal:
            self._closing = True
            self.feed()
