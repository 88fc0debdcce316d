"""What the new process carries from step to step."""

from __future__ import annotations

import os
from collections.abc import Callable

from minidock._pure.syscalls import O_PATH


class Inside:
    """The state of the new process between its birth and exec.

    Three things are taken from the host's view before the root changes, since afterwards they could be forged or gone:
    the ``cgroup.procs`` files (*cgroups*, opened by the monitor), the host's ``/proc``, and a compiled filter.

    :param streams: the descriptors that become 0, 1 and 2; empty with a terminal.
    :param hand_over: gives the terminal's master to the monitor.
    :param size: the terminal's rows and columns.
    """

    def __init__(
        self,
        cgroups: list[int],
        streams: list[int],
        filter: tuple[bytes, int] | None,
        hand_over: Callable[[int], None],
        size: tuple[int, int],
    ) -> None:
        self.cgroups = cgroups
        self.streams = streams
        self.filter = filter
        self.hand_over = hand_over
        self.size = size
        self.proc = os.open("/proc", O_PATH | os.O_DIRECTORY)
        self.sets: dict[str, int] = {}  # capability sets, between process.capabilities and process.user

    def write_proc(self, path: str, text: str) -> None:
        """Write to a file of the host's /proc: an image may hold anything at its own ``/proc``."""
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC, dir_fd=self.proc)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)
