"""What the new process carries from step to step."""

from __future__ import annotations

import os
import select
import signal
import socket

from minidock._pure import syscalls


class Inside:
    """The state of the new process between its birth and exec.

    Three things are taken from the host's view before the root changes, since afterwards they could be forged or gone:
    the ``tasks`` files (*cgroups*, opened by the monitor), the host's ``/proc``, and a compiled filter.

    :param streams: the descriptors that become 0, 1 and 2; empty with a terminal.
    :param size: the terminal's rows and columns.
    :param monitor: the socket to the monitor.
    """

    def __init__(
        self,
        cgroups: list[int],
        streams: list[int],
        filter: tuple[bytes, int] | None,
        size: tuple[int, int],
        monitor: socket.socket,
    ) -> None:
        self.cgroups = cgroups
        self.streams = streams
        self.filter = filter
        self.size = size
        self.monitor = monitor
        self.proc = os.open("/proc", syscalls.O_PATH | os.O_DIRECTORY)
        self.sets: dict[str, int] = {}  # capability sets, between process.capabilities and process.user

    def write_proc(self, path: str, text: str) -> None:
        """Write to a file of the host's /proc: an image may hold anything at its own ``/proc``."""
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC, dir_fd=self.proc)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)

    def hand_over(self, terminal: int) -> None:
        """Give the terminal's master to the monitor."""
        socket.send_fds(self.monitor, [b"terminal"], [terminal])

    def die_with_monitor(self) -> None:
        """Have the kernel kill this process when its monitor dies: nobody would keep its output and its end.

        Late, since a change of the user takes the wish back; then a look whether the monitor is still there.
        """
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
        poll = select.poll()
        poll.register(self.monitor, 0)  # only the end of the socket is reported
        if poll.poll(0):
            raise ProcessLookupError(3, "the monitor is gone")
