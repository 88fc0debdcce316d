"""The engine's end of the monitor's socket, against a monitor played by the test."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidock.errors import LaunchFailed, StepFailed, SystemFault
from minidock.kernel.protocol import MESSAGE, STDIN, STDOUT, Request
from minidock.runtime.frames import FrameReader, frame
from minidock.runtime.monitor import Launching
from minidock.trace.recorder import Recorder
from minidock.trace.step import PlannedStep

PLAN = (
    PlannedStep("root.readonly", "inside", {}),
    PlannedStep("process.exec", "inside", {"argv": ["nope"], "env": []}),
)
REQUEST = Request("id", "/b", "/run/x", "/var/x", PLAN)
EXITED = b'{"is":"exited","code":7,"began":1,"ended":2}'


class Script:
    """Streams that send what they were given, and keep what they get."""

    def __init__(self, stdin: int | None = None, detach_at: bytes = b"\x00never") -> None:
        self.stdin, self.detach_at = stdin, detach_at
        self.got: list[tuple[int, bytes]] = []
        self.events: list[str] = []

    def created(self, id: str, warnings: Sequence[str]) -> None:
        self.events.append("created")

    def attached(self, resize: Callable[[int, int], None], signal: Callable[[int], None]) -> None:
        self.events.append("attached")
        signal(15)

    def stdin_fd(self) -> int | None:
        return self.stdin

    def input(self, data: bytes) -> bytes | None:
        return None if self.detach_at in data else data

    def output(self, stream: int, data: bytes) -> None:
        self.got.append((stream, data))

    def closed(self) -> None:
        self.events.append("closed")


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def launching(ours: socket.socket) -> Launching:
    return Launching(os.dup(ours.fileno()), REQUEST, Recorder())


def message(text: bytes) -> bytes:
    return frame(MESSAGE, text)


def test_a_container_comes_up_writes_and_ends(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    up = launching(ours)
    theirs.sendall(
        message(b'{"is":"step","index":0,"began":5,"took":6}')
        + message(b'{"is":"created","pid":42,"start":9}')
        + message(b'{"is":"started"}')
        + frame(STDOUT, b"early")
    )
    assert up.wait_created().pid == 42
    up.go()
    theirs.sendall(frame(STDOUT, b"late") + message(EXITED))
    streams = Script()
    exited = up.follow(streams)
    assert exited is not None
    assert exited.code == 7
    assert b"".join(data for _, data in streams.got) == b"earlylate"
    assert streams.events == ["attached", "closed"]


def test_stdin_goes_through_and_closes(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    up = launching(ours)
    read, write = os.pipe()
    os.write(write, b"hello")
    os.close(write)
    heard: list[tuple[int, bytes]] = []

    def monitor() -> None:
        reader = FrameReader()
        while data := theirs.recv(1 << 16):
            for kind, payload in reader.feed(data):
                heard.append((kind, payload))
                if (kind, payload) == (STDIN, b""):
                    theirs.sendall(message(EXITED))

    thread = threading.Thread(target=monitor)
    thread.start()
    exited = up.follow(Script(read))
    up.close()
    ours.close()
    thread.join(10)
    os.close(read)
    assert exited is not None
    assert [item for item in heard if item[0] == STDIN] == [(STDIN, b"hello"), (STDIN, b"")]
    assert (MESSAGE, b'{"do":"signal","signal":15}') in heard


def test_the_detach_keys_let_go(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, _ = ends
    read, write = os.pipe()
    os.write(write, b"\x10\x11")
    streams = Script(read, detach_at=b"\x11")
    assert launching(ours).follow(streams) is None
    assert streams.events[-1] == "closed"
    os.close(read)
    os.close(write)


@pytest.mark.parametrize(("errno", "code"), [(2, 127), (13, 126), (8, 126)])
def test_a_program_that_cannot_be_executed(ends: tuple[socket.socket, socket.socket], errno: int, code: int) -> None:
    ours, theirs = ends
    up = launching(ours)
    theirs.sendall(message(b'{"is":"failed","index":1,"errno":%d,"message":"exec"}' % errno))
    theirs.shutdown(socket.SHUT_WR)
    with pytest.raises(LaunchFailed) as failed:
        up.go()
    assert failed.value.exit_code == code


def test_a_failed_step_says_which(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    up = launching(ours)
    theirs.sendall(message(b'{"is":"failed","index":0,"errno":22,"message":"cannot"}'))
    theirs.shutdown(socket.SHUT_WR)
    with pytest.raises(StepFailed, match="cannot") as failed:
        up.wait_created()
    assert (failed.value.op, failed.value.errno) == ("root.readonly", 22)


@pytest.mark.parametrize("before", [b"", message(b'{"is":"step","index":0,"began":5,"took":6}')])
def test_a_monitor_that_dies_is_an_error(ends: tuple[socket.socket, socket.socket], before: bytes) -> None:
    ours, theirs = ends
    up = launching(ours)
    theirs.sendall(before)
    theirs.shutdown(socket.SHUT_RDWR)
    with pytest.raises(SystemFault):
        up.wait_created()


@given(st.lists(st.tuples(st.integers(0, 3), st.binary(max_size=50))), st.integers(1, 20))
def test_frames_come_whole_however_they_are_cut(frames: list[tuple[int, bytes]], size: int) -> None:
    data = b"".join(frame(kind, payload) for kind, payload in frames)
    reader = FrameReader()
    got = [item for at in range(0, len(data), size) for item in reader.feed(data[at : at + size])]
    assert got == frames


def test_what_is_no_frame_is_refused() -> None:
    for data in (b"\x01\x00\x00\x00\xff\xff\xff\xff", b"HTTP/1.1 200 OK\r\n"):
        with pytest.raises(SystemFault):
            list(FrameReader().feed(data))
