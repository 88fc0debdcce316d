"""A person at a terminal: a real pty around the whole command."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest
from tests.support.world import World

pytestmark = pytest.mark.root

#: Longer than anything here takes on a loaded machine; a test that waits so long has failed.
PATIENCE = 60
ENOUGH_ROWS, ENOUGH_COLUMNS = 31, 97


class Person:
    """Types at a terminal, and reads what appears."""

    def __init__(self, world: World, *words: str) -> None:
        self.text = ""
        argv, environment = world.argv(*words), {**world.env, "TERM": "dumb"}
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.execvpe(argv[0], argv, environment)
        self.resize(ENOUGH_ROWS, ENOUGH_COLUMNS)

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def sees(self, pattern: str) -> None:
        """Wait until *pattern* appears; what came before it is forgotten."""
        until = time.monotonic() + PATIENCE
        while not (found := re.search(pattern, self.text)):
            assert self._read(until), f"{pattern!r} never appeared in {self.text!r}"
        self.text = self.text[found.end() :]

    def ends(self) -> int:
        """Wait for the end; return the exit status."""
        until = time.monotonic() + PATIENCE
        while self._read(until):
            pass
        os.close(self._fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def _read(self, until: float) -> bool:
        if not select.select([self._fd], [], [], max(until - time.monotonic(), 0))[0]:
            os.kill(self.pid, signal.SIGKILL)
            pytest.fail(f"nothing more within {PATIENCE} seconds after {self.text!r}")
        try:
            data = os.read(self._fd, 1 << 16)
        except OSError:  # EIO: the other end is closed
            return False
        self.text += data.decode(errors="replace")
        return bool(data)


RUN = ("run", "--network", "none")


def test_a_shell(world: World) -> None:
    person = Person(world, *RUN, "-it", "--rm", "busybox", "sh")
    person.sees("# ")
    person.type("tty; stty size; echo $((6*7))\r")
    person.sees("/dev/pts/0\r\n")
    person.sees(f"{ENOUGH_ROWS} {ENOUGH_COLUMNS}\r\n")
    person.sees("42\r\n")
    person.type("exit 5\r")
    assert person.ends() == 5


def test_a_window_that_changes(world: World) -> None:
    person = Person(world, *RUN, "-it", "--rm", "busybox", "sh")
    person.sees("# ")
    person.resize(11, 44)
    person.type("until [ \"$(stty size)\" = '11 44' ]; do :; done; echo seen\r")
    person.sees("seen\r\n.*# ")
    person.type("exit\r")
    assert person.ends() == 0


def test_control_c_goes_to_the_program_inside(world: World) -> None:
    person = Person(world, *RUN, "-it", "--rm", "busybox", "sh")
    person.sees("# ")
    # the inner shell speaks when it is in the foreground: from then on ctrl-c is for it
    person.type("sh -c 'echo rea\"\"dy; exec cat'\r")
    person.sees("ready\r\n")
    person.type("\x03")
    person.sees("# ")
    person.type("exit 3\r")
    assert person.ends() == 3


def test_leaving_without_stopping(world: World) -> None:
    person = Person(world, *RUN, "-it", "--name", "left", "busybox", "sh")
    person.sees("# ")
    person.type("\x10\x11")
    assert person.ends() == 0
    try:
        assert world.ok("ps", "--filter", "name=left", "--format", "{{.Names}}").strip() == "left"
    finally:
        world.ok("rm", "-f", "left")


def test_our_terminal_is_put_back(world: World) -> None:
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    process = subprocess.Popen(
        world.argv(*RUN, "-it", "--rm", "busybox", "true"),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**world.env, "TERM": "dumb"},
    )
    assert process.wait(PATIENCE) == 0
    assert termios.tcgetattr(slave) == before
    os.close(master)
    os.close(slave)


def test_input_that_ends(world: World) -> None:
    done = subprocess.run(
        world.argv(*RUN, "-i", "--rm", "busybox", "sh", "-c", "wc -c; echo after"),
        input=b"x" * 300_000,
        capture_output=True,
        env=world.env,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.stdout, done.returncode) == (b"300000\nafter\n", 0)


def test_a_terminal_is_needed_for_t_and_i(world: World) -> None:
    result = world.cli(*RUN, "-it", "--rm", "busybox", "true")
    assert (result.returncode, result.stderr) == (1, "the input device is not a TTY\n")


def test_signals_reach_the_container(world: World) -> None:
    process = subprocess.Popen(
        world.argv(
            *RUN,
            "--rm",
            "busybox",
            "sh",
            "-c",
            "trap 'echo got; exit 9' TERM; echo ready; while :; do sleep 0.05; done",
        ),
        stdout=subprocess.PIPE,
        env=world.env,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    os.kill(process.pid, signal.SIGTERM)
    assert process.stdout.read() == b"got\n"
    assert process.wait(PATIENCE) == 9


def test_the_explained_steps_return_to_the_left(world: World) -> None:
    person = Person(world, "run", "--network", "none", "--explain", "-it", "--rm", "busybox", "true")
    assert person.ends() == 0
    for line in person.text.split("\n")[:-1]:
        assert line.endswith("\r"), line
