"""The engine's end of a monitor's socket: hand over the request, follow the launch, carry the streams.

One :class:`Launching` lives from ``monitor.start`` to the end of the attachment::

    launching = Launching(sock, request, recorder)
    created = launching.wait_created()      # steps are reported to the recorder as they come
    ...the engine commits...
    launching.go()                          # from here on the container runs without us
    exited = launching.follow(streams)      # stdin, stdout, stderr until it ends

Nothing here blocks anywhere but in one poll(2); a container that writes faster than we read waits in its pipe.
"""

from __future__ import annotations

import os
import select
import socket
from collections import deque
from collections.abc import Iterator, Sequence

import msgspec

from minidock.errors import LaunchFailed, StepFailed, SystemFault
from minidock.kernel.protocol import MESSAGE, STDERR, STDIN, STDOUT, Exited, Request, StepReport
from minidock.oci.codec import encode
from minidock.runtime.frames import FrameReader, frame
from minidock.runtime.streams import Streams
from minidock.trace.recorder import Recorder
from minidock.trace.step import PlannedStep, Step

_CHUNK = 1 << 16
#: Another runtime's errno → exit code: ENOENT and ENOTDIR, EACCES and ENOEXEC.
_NO_PROGRAM = {2: 127, 20: 127, 13: 126, 8: 126}


class CreatedReport(msgspec.Struct, frozen=True, tag_field="is", tag="created"):
    """All steps but ``process.exec`` are done; ``start`` is the process's start time in clock ticks since boot."""

    pid: int
    start: int
    monitor: int = 0
    monitor_start: int = 0


class StartedReport(msgspec.Struct, frozen=True, tag_field="is", tag="started"):
    """The program runs."""


class FailedReport(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="is", tag="failed"):
    """A step failed; the others are undone."""

    index: int
    errno: int
    message: str


class ErrorReport(msgspec.Struct, frozen=True, tag_field="is", tag="error"):
    """The monitor did not understand us."""

    message: str


Report = StepReport | CreatedReport | StartedReport | FailedReport | ErrorReport | Exited
_decoder = msgspec.json.Decoder(Report)


class MonitorGone(SystemFault):
    """The monitor of a running container has died; the container died with it."""


class Launching:
    """A container on its way up, seen from the engine.

    :param fd: the control socket, as the ``Launch`` port returned it; owned from here on.
    """

    def __init__(self, fd: int, request: Request, recorder: Recorder) -> None:
        self._socket = socket.socket(fileno=fd)
        self._reader = FrameReader()
        self._recorder = recorder
        self._plan = request.plan
        self._pending: deque[tuple[int, bytes]] = deque()
        self._output: list[tuple[int, bytes]] = []  # what the container wrote before anyone followed it
        self._send(frame(MESSAGE, encode(request)))

    def wait_created(self) -> CreatedReport:
        """Follow the launch until only ``process.exec`` is left.

        :raises StepFailed: a step failed; the monitor has undone what was done.
        :raises SystemFault: the monitor died.
        """
        for report in self._reports():
            if isinstance(report, CreatedReport):
                return report
        raise SystemFault("the monitor ended before the container was created")

    def go(self) -> None:
        """Let the program start, and return when it has.

        :raises LaunchFailed: it could not be executed.
        """
        self._send(frame(MESSAGE, b'{"do":"go"}'))
        for report in self._reports():
            if isinstance(report, StartedReport):
                return
        raise SystemFault("the monitor ended before the program was started")

    def follow(self, streams: Streams) -> Exited | None:
        """Carry the streams until the container has ended and is torn down, or until they detach: then ``None``.

        :raises MonitorGone: the monitor died; the container died with it.
        """
        return _Attachment(self._socket, self._reader, [*self._output, *self._pending], streams).run()

    def close(self) -> None:
        """Let go of the monitor; a container that was not told to go dies, one that was runs on. Idempotent."""
        self._socket.close()

    def _send(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError) as gone:
            raise SystemFault("the monitor is gone") from gone

    def _reports(self) -> Iterator[Report]:
        """Yield reports; steps go to the recorder on the way, failures are raised, output is kept for later."""
        while item := self._next_frame():
            kind, payload = item
            if kind != MESSAGE:
                self._output.append(item)
                continue
            report = _decoder.decode(payload)
            if isinstance(report, StepReport):
                self._recorder.reported(step_of(self._plan, report))
            elif isinstance(report, FailedReport):
                while _receive(self._socket):  # until the monitor has undone its steps and is gone
                    pass
                raise self._failure(report)
            elif isinstance(report, ErrorReport):
                raise SystemFault(f"the monitor: {report.message}")
            else:
                yield report

    def _next_frame(self) -> tuple[int, bytes] | None:
        """Return the next frame, or ``None`` when the monitor is gone."""
        while not self._pending:
            data = _receive(self._socket)
            if not data:
                return None
            self._pending.extend(self._reader.feed(data))
        return self._pending.popleft()

    def _failure(self, report: FailedReport) -> Exception:
        if not 0 <= report.index < len(self._plan):
            return SystemFault(f"the monitor: {report.message}")
        step = self._plan[report.index]
        if step.op == "process.exec":
            return exec_failure(str(step.args["argv"][0]), report.errno)
        if step.op == "runtime.run" and report.errno in _NO_PROGRAM:
            return LaunchFailed(report.message, _NO_PROGRAM[report.errno])
        return StepFailed(step.op, report.errno, report.message)


def step_of(plan: Sequence[PlannedStep], report: StepReport) -> Step:
    """Join a planned step with what the monitor says of it."""
    planned = plan[report.index]
    error = (report.message or os.strerror(report.errno)) if report.errno or report.message else None
    return Step(planned.op, planned.args, planned.side, report.began, report.took, error, report.errno)


def exec_failure(program: str, errno: int) -> LaunchFailed:
    """The error of an exec that failed, in runc's words, with the exit code that ``run`` gives: 127 or 126."""
    missing = errno in (2, 20)  # ENOENT, ENOTDIR
    if missing and "/" not in program:
        detail = f'exec: "{program}": executable file not found in $PATH'
    else:
        tried = f"stat {program}: " if missing else ""
        detail = f'exec: "{program}": {tried}{os.strerror(errno).lower()}'
    return LaunchFailed(
        "failed to create task for container: failed to create shim task: OCI runtime create failed: "
        f"unable to start container process: {detail}",
        127 if missing else 126,
    )


class _Attachment:
    """The loop that carries a foreground container's bytes: one poll(2) over the socket and our stdin."""

    def __init__(
        self, sock: socket.socket, reader: FrameReader, early: list[tuple[int, bytes]], streams: Streams
    ) -> None:
        self._socket = sock
        self._reader = reader
        self._early = early
        self._streams = streams
        self._unsent = bytearray()
        self._stdin: int | None = None

    def run(self) -> Exited | None:
        self._streams.attached(self._resize, self._signal)
        self._stdin = self._streams.stdin_fd()
        try:
            return self._loop()
        finally:
            self._streams.closed()

    def _loop(self) -> Exited | None:
        for kind, payload in self._early:
            if exited := self._take(kind, payload):
                return exited
        poll = select.poll()
        while True:
            poll.register(self._socket, select.POLLIN | (select.POLLOUT if self._unsent else 0))
            if self._stdin is not None:  # while the container does not read, neither do we
                poll.register(self._stdin, 0 if self._unsent else select.POLLIN)
            for fd, event in poll.poll():
                if fd == self._stdin and event:
                    if not self._read_stdin(poll, fd):
                        return None
                elif event & select.POLLOUT:
                    self._flush()
                if fd == self._socket.fileno() and event & ~select.POLLOUT:
                    data = _receive(self._socket)
                    if not data:
                        raise MonitorGone("the container's monitor is gone, and the container with it")
                    for kind, payload in self._reader.feed(data):
                        if exited := self._take(kind, payload):
                            return exited

    def _take(self, kind: int, payload: bytes) -> Exited | None:
        if kind in (STDOUT, STDERR):
            self._streams.output(kind, payload)
        elif kind == MESSAGE:
            report = _decoder.decode(payload)
            if isinstance(report, Exited):
                return report
        return None

    def _read_stdin(self, poll: select.poll, fd: int) -> bool:
        """Pass input on; say whether the streams are still attached."""
        try:
            data = os.read(fd, _CHUNK)
        except BlockingIOError:
            return True
        except OSError:
            data = b""  # a terminal that hung up reads as an error; to the container both are the end
        passed_on = self._streams.input(data) if data else data
        if passed_on is None:
            return False
        if passed_on or not data:
            self._queue(frame(STDIN, passed_on))
        if not data:
            poll.unregister(fd)
            self._stdin = None
        return True

    def _resize(self, rows: int, columns: int) -> None:
        self._queue(frame(MESSAGE, encode({"do": "resize", "rows": rows, "columns": columns})))

    def _signal(self, number: int) -> None:
        self._queue(frame(MESSAGE, encode({"do": "signal", "signal": number})))

    def _queue(self, data: bytes) -> None:
        self._unsent += data
        self._flush()

    def _flush(self) -> None:
        try:
            sent = self._socket.send(self._unsent, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except BlockingIOError:
            return
        except (BrokenPipeError, ConnectionResetError):
            sent = len(self._unsent)  # the monitor is leaving: its last word is still to be read
        del self._unsent[:sent]


def _receive(sock: socket.socket) -> bytes:
    try:
        return sock.recv(_CHUNK)
    except ConnectionResetError:
        return b""
