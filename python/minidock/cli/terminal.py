"""A foreground container's streams: our stdin, stdout and stderr, and with ``-t`` our terminal.

With ``-t`` the container has a terminal of its own (a pty), which does all that terminals do: echo, line editing,
turning ctrl-c into a signal. So ours must do none of it: it is put into *raw mode* while the container is attached, and
put back whatever happens. The size of our window is told to the container's, at the start and whenever it changes.

Without ``-t`` bytes go through as they are; signals that we get are passed on to the container (``--sig-proxy``), and
the end of our input is the end of its input.
"""

from __future__ import annotations

import os
import signal
import termios
from collections.abc import Callable, Sequence
from typing import Any

from minidock.api import ContainerConfig
from minidock.cli.detachkeys import DEFAULT, DetachKeys, parse_keys
from minidock.cli.exits import BadRequest, complain

#: What is passed on: everything a user or a supervisor sends on purpose. Not SIGCHLD, SIGPIPE and SIGWINCH, which
#: speak of our own affairs, and not what the kernel sends for our own faults.
PROXIED = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGTSTP,
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGCONT,
    signal.SIGALRM,
)

_IFLAG, _OFLAG, _CFLAG, _LFLAG, _CC = 0, 1, 2, 3, 6


class Terminal:
    """Our side of an attached container; implements :class:`~minidock.api.Streams`.

    :param config: says what is attached, and whether there is a terminal.
    :param detach_keys: the key sequence that leaves; empty: the default.
    :param proxy: pass signals on.
    :param id_file: a new file for the container's id; empty: none.
    :raises BadRequest: the detach keys make no sense.
    """

    def __init__(self, config: ContainerConfig, detach_keys: str = "", proxy: bool = True, id_file: str = "") -> None:
        self._id_file = id_file
        try:
            keys = parse_keys(detach_keys or DEFAULT)
        except ValueError as wrong:
            raise BadRequest(str(wrong)) from None
        self._stdin = 0 if config.attach_stdin and config.open_stdin and _is_open(0) else None
        self._outputs = {1: 1 if config.attach_stdout else None, 2: 2 if config.attach_stderr else None}
        self._tty = config.tty
        self._keys = DetachKeys(keys) if config.tty else None
        self._proxy = proxy
        self._saved: list[Any] | None = None
        self._handlers: dict[int, Any] = {}

    def created(self, id: str, warnings: Sequence[str]) -> None:
        """Show the warnings; write the id into the file that was asked for (``--cidfile``)."""
        for warning in warnings:
            complain(f"WARNING: {warning}")
        if self._id_file:
            with open(self._id_file, "x") as file:
                file.write(id)

    def attached(self, resize: Callable[[int, int], None], signal: Callable[[int], None]) -> None:
        """Put our terminal into raw mode, tell its size, and pass signals on from now on."""
        if self._proxy:
            for number in PROXIED:
                self._handle(number, lambda got, _frame: signal(got))
        if not self._tty:
            return
        if self._stdin is not None and os.isatty(self._stdin):
            self._saved = termios.tcgetattr(self._stdin)
            set_raw(self._stdin)
        window = next((fd for fd in (1, 0, 2) if os.isatty(fd)), None)
        if window is not None:
            self._follow_size(window, resize)

    def _follow_size(self, window: int, resize: Callable[[int, int], None]) -> None:
        def tell() -> None:
            size = os.get_terminal_size(window)
            if size.lines and size.columns:
                resize(size.lines, size.columns)

        self._handle(signal.SIGWINCH, lambda _number, _frame: tell())
        tell()

    def _handle(self, number: int, handler: Callable[[int, object], object]) -> None:
        self._handlers[number] = signal.signal(number, handler)

    def stdin_fd(self) -> int | None:
        return self._stdin

    def input(self, data: bytes) -> bytes | None:
        return data if self._keys is None else self._keys.feed(data)

    def output(self, stream: int, data: bytes) -> None:
        fd = self._outputs.get(stream)
        if fd is None:
            return
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(fd, view) :]
            except BlockingIOError:  # somebody made our output non-blocking: wait until it takes more
                _wait_writable(fd)

    def closed(self) -> None:
        if self._saved is not None and self._stdin is not None:
            termios.tcsetattr(self._stdin, termios.TCSADRAIN, self._saved)
            self._saved = None
        while self._handlers:
            number, handler = self._handlers.popitem()
            signal.signal(number, handler)


def set_raw(fd: int) -> None:
    """Put a terminal into raw mode (termios(3), cfmakeraw)."""
    mode = termios.tcgetattr(fd)
    mode[_IFLAG] &= ~(
        termios.IGNBRK
        | termios.BRKINT
        | termios.PARMRK
        | termios.ISTRIP
        | termios.INLCR
        | termios.IGNCR
        | termios.ICRNL
        | termios.IXON
    )
    mode[_OFLAG] &= ~termios.OPOST
    mode[_LFLAG] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
    mode[_CFLAG] = mode[_CFLAG] & ~(termios.CSIZE | termios.PARENB) | termios.CS8
    mode[_CC][termios.VMIN], mode[_CC][termios.VTIME] = 1, 0
    termios.tcsetattr(fd, termios.TCSADRAIN, mode)


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def _wait_writable(fd: int) -> None:
    import select

    waiter = select.poll()
    waiter.register(fd, select.POLLOUT)
    waiter.poll()
