"""The monitor itself: one loop over everything that can happen, from the request to the end.

::

    REQUEST ──▶ LAUNCH ──▶ RUN ──▶ END          the loop's life
                  │ a step failed, or the control socket closed before "go"
                  └──▶ undo, leave

Output is read only while no client lags behind; stdin is taken from clients only while the container reads it. So
nothing grows without bound, and nothing is lost.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

import msgspec

from minidock._pure.cgroups import out_of_memory
from minidock._pure.monitor import host
from minidock._pure.monitor.connection import MUCH, BrokenConnection, Connection
from minidock._pure.monitor.foreign import Foreign
from minidock._pure.monitor.streams import NAMES, Streams
from minidock._pure.monitor.walk import CREATED, PREPARING, STARTED, Failed, Walk
from minidock.errors import MinidockError
from minidock.kernel.protocol import MESSAGE, STDIN, Exited, Request, StepReport
from minidock.trace.step import Step

DIE_AT = "MINIDOCK_MONITOR_DIE_AT"
_reports = msgspec.json.Encoder()


class Monitor:
    """The monitor of one container. *control* is the engine's connection, whose request has been read."""

    def __init__(self, control: Connection, request: Request) -> None:
        self.request = request
        self.control = control
        self.connections = [control]
        self.streams = Streams(request, self._deliver)
        self.began = self.ended = 0
        self.code: int | None = None
        self.signal = 0
        self.went = False
        self.reports = 0
        self.trace = os.open(
            f"{request.state_dir}/trace.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600
        )
        self.cgroups = [folder for step in request.plan if step.op == "cgroup.create" for folder in step.args["dirs"]]
        self.wakeup, wakeup_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wakeup_end, warn_on_full_buffer=False)
        self.door = self._open_door()
        foreign = Foreign(request.runtime_dir) if request.foreign else None
        size = request.console_size
        rows_columns = (size.height, size.width) if size else (24, 80)
        self.walk = Walk(
            request.plan, self.streams.make_pipes(), rows_columns, self._step, self.streams.take_terminal, foreign
        )
        self.foreign = foreign

    def run(self) -> None:
        """Launch, serve, end. Returns when nothing is left to do."""
        try:
            self._write_file(f"{self.request.runtime_dir}/pid", str(os.getpid()))
            self.walk.advance()
            self._announce_created()
            self._client(self.control)(select.POLLIN)  # what came right behind the request
            while self.code is None:
                self._turn()
                if self.walk.stage != STARTED and self.control.closed:
                    self._take_back()
                    return
        except Failed as failed:
            self._take_back()
            r = failed.report
            self._tell(self.control, {"is": "failed", "index": r.index, "errno": r.errno, "message": r.message})
            self._drain()
            return
        self._end()

    # --- one turn of the loop ---

    def _turn(self) -> None:
        """Wait for anything to happen, and answer it."""
        actions: dict[int, Callable[[int], None]] = {}
        poll, streams = select.poll(), self.streams

        def watch(fd: int, events: int, action: Callable[[int], None]) -> None:
            actions[fd] = action
            poll.register(fd, events)

        watch(self.wakeup, select.POLLIN, self._reap)
        watch(self.door.fileno(), select.POLLIN, self._accept)
        if self.walk.socket is not None:
            watch(self.walk.socket.fileno(), select.POLLIN, self._child_spoke)
        if all(connection.unsent < MUCH for connection in self.connections):
            for fd in streams.outputs:
                watch(fd, select.POLLIN, self._stream)
        if streams.stdin is not None and streams.unwritten:
            both = select.POLLIN if streams.stdin in actions else 0  # a terminal is one descriptor, two directions
            watch(streams.stdin, select.POLLOUT | both, self._stream)
        for connection in self.connections:
            waits = connection.stdin and len(streams.unwritten) > MUCH
            events = connection.events & ~select.POLLIN if waits else connection.events
            watch(connection.socket.fileno(), events, self._client(connection))
        for fd, event in poll.poll(self._patience()):
            actions[fd](event)
        self._forget_the_gone()

    def _forget_the_gone(self) -> None:
        now = time.monotonic()
        for connection in self.connections:
            if not connection.greeted and not connection.control and now - connection.since > 1:
                connection.close()
        for connection in [c for c in self.connections if c.closed]:
            self.connections.remove(connection)
            if connection.stdin and self.request.stdin_once and self.went:
                self.streams.close_stdin()

    def _patience(self) -> int | None:
        """Milliseconds until a silent client is put out."""
        return 1000 if any(not c.greeted and not c.control for c in self.connections) else None

    def _stream(self, event: int) -> None:
        if event & select.POLLOUT:
            self.streams.feed()
        if event & ~select.POLLOUT:
            self.streams.read()

    def _deliver(self, kind: int, data: bytes) -> None:
        for connection in self.connections:
            if kind in connection.streams:
                connection.send(kind, data)

    def _child_spoke(self, _: int) -> None:
        before = self.walk.stage
        self.walk.receive()
        if before == PREPARING:
            self._announce_created()
        if self.walk.stage == STARTED and before != STARTED:
            self._announce_started()

    def _announce_created(self) -> None:
        if self.walk.stage == CREATED:
            ours, theirs = os.getpid(), self.walk.pid
            created = {
                "is": "created",
                "pid": theirs,
                "start": start_of(theirs),
                "monitor": ours,
                "monitor_start": start_of(ours),
            }
            self._tell(self.control, created)

    def _announce_started(self) -> None:
        self.began = time.time_ns()
        self._tell(self.control, {"is": "started"})

    # --- clients ---

    def _open_door(self) -> socket.socket:
        door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        folder = os.open(self.request.runtime_dir, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        path = f"/proc/self/fd/{folder}/monitor.sock"  # a socket's path has 107 bytes at most (unix(7))
        if os.path.lexists(path):
            os.unlink(path)
        old = os.umask(0o177)
        try:
            door.bind(path)
        finally:
            os.umask(old)
            os.close(folder)
        door.listen(64)
        return door

    def _accept(self, _: int) -> None:
        try:
            sock, _address = self.door.accept()
        except BlockingIOError:
            return
        uid = struct.unpack("iII", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1]
        if uid not in (0, os.geteuid()):
            sock.close()
            return
        self.connections.append(Connection(sock, control=False))

    def _client(self, connection: Connection) -> Callable[[int], None]:
        def answer(event: int) -> None:
            if event & select.POLLOUT:
                connection.flush()
            if event & ~select.POLLOUT and not connection.closed:
                try:
                    for kind, payload in connection.receive():
                        self._frame(connection, kind, payload)
                except BrokenConnection:
                    connection.close()

        return answer

    def _frame(self, connection: Connection, kind: int, payload: bytes) -> None:
        if kind == MESSAGE:
            connection.greeted = True
            try:
                message = msgspec.json.decode(payload, type=dict)
                if not self._obey(connection, message):
                    raise ValueError(f"no such message: {message.get('do')!r}")
            except (ValueError, TypeError, KeyError, msgspec.MsgspecError, OSError) as error:
                self._tell(connection, {"is": "error", "message": str(error)})
        elif kind == STDIN and connection.stdin:
            if payload:
                self.streams.write(payload)
            elif self.request.stdin_once:
                self.streams.close_stdin()

    def _obey(self, connection: Connection, message: dict[str, Any]) -> bool:
        """Do what a message says; say whether it was understood."""
        do = message.get("do")
        if do == "go" and connection is self.control and self.walk.stage == CREATED and not self.went:
            self.went = True
            self.walk.go()
            if self.walk.stage == STARTED:
                self._announce_started()
        elif do == "attach":
            connection.attached = True
            connection.stdin = bool(message["stdin"])
            connection.streams = {kind for kind, name in NAMES.items() if message[name]}
        elif do == "resize":
            self.streams.resize(int(message["rows"]), int(message["columns"]))
        elif do == "signal":
            if self.code is not None or not self.walk.pid:
                raise ProcessLookupError(errno.ESRCH, "the container's process is gone")
            os.kill(self.walk.pid, int(message["signal"]))  # not reaped yet: the number is still its own
        elif do == "status":
            pid = self.walk.pid
            status = {"is": "status", "pid": pid, "start": start_of(pid), "exited": self.code is not None}
            self._tell(connection, status)
        else:
            return False
        return True

    def _tell(self, connection: Connection, message: object) -> None:
        connection.send(MESSAGE, _reports.encode(message))

    # --- steps ---

    def _step(self, report: StepReport) -> None:
        self.reports += 1
        if os.environ.get(DIE_AT) == str(self.reports):  # crash tests: "the n-th step has run, and nobody knows"
            os.kill(os.getpid(), signal.SIGKILL)
        self._tell(self.control, report)
        planned = self.request.plan[report.index]
        error = (report.message or os.strerror(report.errno)) if report.errno or report.message else None
        self._record(Step(planned.op, planned.args, planned.side, report.began, report.took, error, report.errno))

    def _record(self, step: Step) -> None:
        os.write(self.trace, _reports.encode(step) + b"\n")

    # --- the end ---

    def _reap(self, _: int) -> None:
        """Collect every child that has ended; orphans of the container are our children too (subreaper)."""
        os.read(self.wakeup, 4096)
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.walk.pid:
                self.ended = time.time_ns()
                code = os.waitstatus_to_exitcode(status)
                self.code, self.signal = (code, 0) if code >= 0 else (128 - code, -code)
                if self.walk.stage != STARTED:
                    self.walk.last_words()
                    self._announce_started()

    def _take_back(self) -> None:
        """Undo the launch: nothing of it stays."""
        try:
            self.walk.undo()
        except MinidockError as error:
            self._record(Step("monitor.start", {}, error=error.message))  # the first failure is the one that is told
        self._shut_door()

    def _end(self) -> None:
        """The container has ended: take its output to the last byte, tear down, say how it was."""
        oom = out_of_memory(self.cgroups)
        errors: list[str] = []
        if self.cgroups:  # what is left of it would keep the pipes open
            self._attempt("cgroup.kill", {"dirs": self.cgroups}, errors)
        deadline = time.monotonic() + 1  # a process outside the group can hold them open for ever
        while self.streams.outputs and time.monotonic() < deadline:
            poll = select.poll()
            for fd in self.streams.outputs:
                poll.register(fd, select.POLLIN)
            poll.poll(100)
            self.streams.read()
        self.streams.log.close()
        if self.foreign:
            self.foreign.delete()
        for undo in self.request.teardown:
            self._attempt(undo.op, undo.args, errors)
        exited = Exited(self.code or 0, self.began, self.ended, self.signal, oom, "; ".join(errors))
        self._write_file(f"{self.request.state_dir}/exit", _reports.encode(exited).decode())
        self._shut_door()
        for connection in self.connections:
            if connection.attached:
                self._tell(connection, exited)
        self._drain()

    def _attempt(self, op: str, args: dict[str, Any], errors: list[str]) -> None:
        """Run one step of the end; its failure keeps no other step from running."""
        began, start = time.time_ns(), time.perf_counter_ns()
        message = None
        try:
            host.run(op, args)
        except MinidockError as error:
            message = error.message
            errors.append(message)
        self._record(Step(op, args, "host", began, time.perf_counter_ns() - start, message))

    def _drain(self) -> None:
        """Wait until every client has taken its last bytes, or has gone."""
        while waiting := [c for c in self.connections if c.unsent and not c.closed]:
            poll = select.poll()
            for connection in waiting:
                poll.register(connection.socket, select.POLLOUT)
            poll.poll()
            for connection in waiting:
                connection.flush()

    def _shut_door(self) -> None:
        self.door.close()
        for name in ("monitor.sock", "pid"):
            try:
                os.unlink(f"{self.request.runtime_dir}/{name}")
            except FileNotFoundError:
                continue  # the teardown may have taken the folder

    @staticmethod
    def _write_file(path: str, text: str) -> None:
        """Write a file that appears whole or not at all."""
        with open(f"{path}.new", "w") as file:
            file.write(text)
        os.rename(f"{path}.new", path)  # the commit point


def start_of(pid: int) -> int:
    """Return when a process began, in clock ticks since boot: with its id, a name for good (proc(5), field 22)."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return int(file.read().rpartition(")")[2].split()[19])
    except (FileNotFoundError, ProcessLookupError):
        return 0
