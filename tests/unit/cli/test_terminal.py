"""The terminal of a foreground container, on a real pty."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import termios
from collections.abc import Iterator

import pytest

from minidock.api import ContainerConfig
from minidock.cli.exits import BadRequest
from minidock.cli.terminal import PROXIED, Terminal

ATTACHED = ContainerConfig(attach_stdin=True, attach_stdout=True, attach_stderr=True, open_stdin=True)
WITH_TTY = ContainerConfig(attach_stdin=True, attach_stdout=True, open_stdin=True, tty=True)


class Calls:
    """What the terminal told the container."""

    def __init__(self) -> None:
        self.sizes: list[tuple[int, int]] = []
        self.signals: list[int] = []

    def resize(self, rows: int, columns: int) -> None:
        self.sizes.append((rows, columns))

    def signal(self, number: int) -> None:
        self.signals.append(number)


@pytest.fixture
def tty() -> Iterator[int]:
    """A pty in the place of our stdin and stdout; yields its other end."""
    master, slave = pty.openpty()
    saved = [os.dup(fd) for fd in (0, 1)]
    for fd in (0, 1):
        os.dup2(slave, fd)
    try:
        yield master
    finally:
        for fd, old in zip((0, 1), saved, strict=True):
            os.dup2(old, fd)
            os.close(old)
        os.close(master)
        os.close(slave)


def set_size(fd: int, rows: int, columns: int) -> None:
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def test_raw_mode_and_back(tty: int) -> None:
    before = termios.tcgetattr(0)
    terminal = Terminal(WITH_TTY)
    calls = Calls()
    terminal.attached(calls.resize, calls.signal)
    raw = termios.tcgetattr(0)
    assert not raw[3] & (termios.ECHO | termios.ICANON | termios.ISIG)
    assert not raw[1] & termios.OPOST
    os.write(tty, b"\x03a")
    assert os.read(0, 9) == b"\x03a"  # ctrl-c is a byte for the container, not a signal for us
    terminal.closed()
    assert termios.tcgetattr(0) == before
    terminal.closed()


def test_sizes(tty: int) -> None:
    set_size(tty, 33, 77)
    terminal, calls = Terminal(WITH_TTY), Calls()
    terminal.attached(calls.resize, calls.signal)
    set_size(tty, 10, 20)
    signal.raise_signal(signal.SIGWINCH)
    terminal.closed()
    assert calls.sizes == [(33, 77), (10, 20)]


def test_without_a_terminal_nothing_is_changed(tty: int) -> None:
    before = termios.tcgetattr(0)
    terminal, calls = Terminal(ATTACHED), Calls()
    terminal.attached(calls.resize, calls.signal)
    assert termios.tcgetattr(0) == before
    terminal.closed()
    assert calls.sizes == []


def test_signals_are_passed_on() -> None:
    before = [signal.getsignal(number) for number in PROXIED]
    terminal, calls = Terminal(ATTACHED), Calls()
    terminal.attached(calls.resize, calls.signal)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.raise_signal(number)
    terminal.closed()
    assert calls.signals == [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1]
    assert [signal.getsignal(number) for number in PROXIED] == before


def test_signals_stay_here_without_the_proxy() -> None:
    terminal, calls = Terminal(ATTACHED, proxy=False), Calls()
    terminal.attached(calls.resize, calls.signal)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    terminal.closed()
    assert calls.signals == []


def test_output_goes_where_it_belongs(capfd: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(ATTACHED)
    terminal.output(1, b"out\n")
    terminal.output(2, b"err\n")
    assert capfd.readouterr() == ("out\n", "err\n")
    only_out = Terminal(ContainerConfig(attach_stdout=True))
    only_out.output(2, b"err\n")
    assert capfd.readouterr() == ("", "")


def test_output_to_a_full_pipe_waits() -> None:
    reader, writer = os.pipe()
    saved = os.dup(1)
    os.dup2(writer, 1)
    os.set_blocking(1, False)
    data = b"x" * 300_000
    pid = os.fork()
    if pid == 0:
        os.close(writer)
        os.dup2(saved, 1)
        total = 0
        while part := os.read(reader, 1 << 16):
            total += len(part)
        os._exit(0 if total == len(data) else 1)
    try:
        Terminal(ATTACHED).output(1, data)
    finally:
        os.dup2(saved, 1)
        os.close(writer)
        os.close(saved)
        os.close(reader)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_input() -> None:
    assert Terminal(ATTACHED).stdin_fd() == 0
    assert Terminal(ContainerConfig(attach_stdout=True)).stdin_fd() is None
    assert Terminal(ATTACHED).input(b"\x10\x11") == b"\x10\x11"
    assert Terminal(WITH_TTY).input(b"\x10\x11") is None
    assert Terminal(WITH_TTY, "a").input(b"xa") is None


def test_wrong_detach_keys() -> None:
    with pytest.raises(BadRequest):
        Terminal(WITH_TTY, "ctrl-")
