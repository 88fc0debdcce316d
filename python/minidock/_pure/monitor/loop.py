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

from minidock._pure import syscalls
from minidock._pure.cgroups import out_of_memory
from minidock._pure.monitor import child, host
from minidock._pure.monitor.connection import MUCH, BrokenConnection, Connection
from minidock._pure.monitor.foreign import Foreign
from minidock._pure.monitor.streams import NAMES, Streams
from minidock._pure.monitor.walk import CREATED, PREPARING, STARTED, Failed, Walk
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
        self.steps_begun = 0
        self.start = 0
        self.trace = os.open(
            f"{request.state_dir}/trace.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600
        )
        self.cgroups = [folder for step in request.plan if step.op == "cgroup.create" for folder in step.args["dirs"]]
        self.wakeup, wakeup_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wakeup_end, warn_on_full_buffer=False)
        self.door = self._open_door()
        self.foreign = Foreign(request.runtime_dir) if request.foreign else None
        self.host_mounts = self._own_mounts() if self.foreign else None
        size = request.console_size
        rows_columns = (size.height, size.width) if size else (24, 80)
        pipes, terminal = self.streams.make_pipes(), self.streams.take_terminal
        begins = self._begins if DIE_AT in os.environ else None
        self.walk = Walk(request.plan, pipes, rows_columns, self._step, terminal, self.foreign, begins)

    def run(self) -> None:
        """Launch, serve, end. Returns when nothing is left to do."""
        try:
            self.walk.advance()
            self._announce_created()
            self._listen(self.control, 0)  # what came right behind the request
            while self.code is None:
                self._turn()
                if not self.went and self.control.closed:
                    self._take_back()
                    return
        except Failed as failed:
            r = failed.report
            message = " (and then: ".join((r.message, *self._take_back()[:1]))
            message += ")" if message != r.message else ""
            self._tell(self.control, {"is": "failed", "index": r.index, "errno": r.errno, "message": message})
            self._part()
            return
        self._end()

    @staticmethod
    def _own_mounts() -> int:
        """Enter a mount namespace for the root that another runtime is to find; return the way back."""
        back = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        syscalls.unshare(syscalls.CLONE["mount"])
        syscalls.mount_setattr(syscalls.AT_FDCWD, "/", propagation=syscalls.MS_SLAVE, recursive=True)
        return back

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
        for fd, event in poll.poll(_milliseconds([c.patience() for c in self.connections])):
            actions[fd](event)
        for connection in [c for c in self.connections if c.closed or c.patience() == 0]:
            connection.close()
            self.connections.remove(connection)
            if connection.stdin and self.went:
                self._input_ends()

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
            pid, monitor = self.walk.pid, os.getpid()
            self.start = start_of(pid)
            self._write_file(f"{self.request.runtime_dir}/pid", str(pid))
            created = {"is": "created", "pid": pid, "start": self.start}
            self._tell(self.control, {**created, "monitor": monitor, "monitor_start": start_of(monitor)})

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
                self._listen(connection, event)

        return answer

    def _listen(self, connection: Connection, event: int) -> None:
        try:
            for kind, payload in connection.receive():
                self._frame(connection, kind, payload)
        except BrokenConnection:
            connection.close()
        if connection.read_closed:
            if connection.stdin:
                self._input_ends()
            # before "go" the engine's end of the socket is its word; later a half-closed client still gets output
            done = not connection.attached or (connection.control and not self.went)
            if done or event & (select.POLLHUP | select.POLLERR):
                connection.leave() if connection.unsent and not event & select.POLLHUP else connection.close()

    def _input_ends(self) -> None:
        if self.request.stdin_once:
            self.streams.close_stdin()

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
            else:
                self._input_ends()

    def _obey(self, connection: Connection, message: dict[str, Any]) -> bool:
        """Do what a message says; say whether it was understood."""
        do = message.get("do")
        if do == "go" and connection is self.control and self.walk.stage == CREATED and not self.went:
            self.went = True
            self.walk.go()
            if self.walk.stage == STARTED:
                self._announce_started()
        elif do == "attach" and not connection.control:
            connection.attached = True
            connection.stdin = bool(message["stdin"]) and self.request.stdin
            connection.streams = {kind for kind, name in NAMES.items() if message[name]}
        elif do == "resize":
            self.streams.resize(int(message["rows"]), int(message["columns"]))
            self._answer_if_asked(connection)
        elif do == "signal":
            if self.code is not None or self.walk.stage == PREPARING:
                raise ProcessLookupError(errno.ESRCH, "the container's process is gone")
            os.kill(self.walk.pid, int(message["signal"]))  # not reaped yet: the number is still its own
            self._answer_if_asked(connection)
        elif do == "status":
            self._status(connection)
        else:
            return False
        return True

    def _answer_if_asked(self, connection: Connection) -> None:
        """A client that is not attached gets one answer to each message: where nothing else is to say, the status."""
        if not connection.attached:
            self._status(connection)

    def _status(self, connection: Connection) -> None:
        exited = self.code is not None
        self._tell(connection, {"is": "status", "pid": self.walk.pid, "start": self.start, "exited": exited})

    def _tell(self, connection: Connection, message: object) -> None:
        connection.send(MESSAGE, _reports.encode(message))

    # --- steps ---

    def _begins(self) -> None:
        """A step is about to run: the moment at which crash tests cut the power."""
        self.steps_begun += 1
        if os.environ.get(DIE_AT) == str(self.steps_begun):
            os.kill(os.getpid(), signal.SIGKILL)

    def _step(self, report: StepReport) -> None:
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

    def _take_back(self) -> list[str]:
        """Undo the steps of the plan, and return what went wrong with that.

        The teardown list is not run: what it is about was done by the engine, whose journal takes it back.
        """
        errors: list[str] = []
        self.walk.kill()
        self._return_to_the_host(errors)
        for op, args in self.walk.undo():
            self._attempt(op, args, errors)
        self._shut_door()
        return errors

    def _return_to_the_host(self, errors: list[str]) -> None:
        """What is taken down is mounted there, not in the mount namespace that a foreign runtime was given."""
        if self.host_mounts is not None:
            try:
                syscalls.setns(self.host_mounts, syscalls.CLONE["mount"])
            except OSError as error:
                errors.append(f"return to the host's mounts: {error.strerror}")

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
        self._return_to_the_host(errors)
        for undo in self.request.teardown:
            self._attempt(undo.op, undo.args, errors)
        errors = [error for error in (*errors, self.streams.log.error) if error]
        exited = Exited(self.code or 0, self.began, self.ended, self.signal, oom, "; ".join(errors))
        self._write_file(f"{self.request.state_dir}/exit", _reports.encode(exited).decode())
        self._shut_door()
        for connection in self.connections:
            if connection.attached:
                self._tell(connection, exited)
        self._part()

    def _attempt(self, op: str, args: dict[str, Any], errors: list[str]) -> None:
        """Run one step of the end; its failure keeps no other step from running."""
        self._begins()
        began, start = time.time_ns(), time.perf_counter_ns()
        number, message = child.outcome(lambda: host.run(op, args))
        if message:
            errors.append(f"{op}: {message}")
        self._record(Step(op, args, "host", began, time.perf_counter_ns() - start, message or None, number))

    def _part(self) -> None:
        """Let every client take its last bytes, the foreground one in all the time it wants."""
        for connection in self.connections:
            connection.leave()
        while waiting := [c for c in self.connections if not c.closed]:
            poll = select.poll()
            for connection in waiting:
                poll.register(connection.socket, select.POLLOUT)
            poll.poll(_milliseconds([c.patience(at_the_end=True) for c in waiting]))
            for connection in waiting:
                connection.flush()
                if connection.patience(at_the_end=True) == 0:
                    connection.close()

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


def _milliseconds(seconds: list[float | None]) -> int | None:
    """Return how long poll(2) may wait for the first of these times."""
    times = [time for time in seconds if time is not None]
    return int(min(times) * 1000) + 1 if times else None


def start_of(pid: int) -> int:
    """Return when a process began, in clock ticks since boot: with its id, a name for good (proc(5), field 22)."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return int(file.read().rpartition(")")[2].split()[19])
    except (FileNotFoundError, ProcessLookupError):
        return 0
