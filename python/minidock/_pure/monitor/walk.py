"""The monitor's walk over the plan. It never waits: it goes on until the other side, or the engine, has a turn."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from minidock._pure import syscalls
from minidock._pure.monitor import child, host
from minidock._pure.monitor.foreign import Foreign
from minidock._pure.seccomp import compile_profile
from minidock._pure.steps.inside import Inside
from minidock.errors import StepFailed
from minidock.kernel.protocol import StepReport
from minidock.trace.step import PlannedStep

PREPARING, CREATED, STARTED = range(3)
_reports = msgspec.json.Decoder(StepReport)


class Failed(Exception):
    """A step failed: its report."""

    def __init__(self, report: StepReport) -> None:
        super().__init__(report.message)
        self.report = report


class Walk:
    """A launch on its way.

    :param streams: the container's ends of its three pipes, closed here when they are handed on; empty: a terminal.
    :param on_step: told of each step that has run, or failed.
    :param on_terminal: given the terminal's master.
    :param on_begin: told before each step; then the child may do one step at a time only.
    """

    def __init__(
        self,
        plan: Sequence[PlannedStep],
        streams: list[int],
        size: tuple[int, int],
        on_step: Callable[[StepReport], None],
        on_terminal: Callable[[int], None],
        foreign: Foreign | None = None,
        on_begin: Callable[[], None] | None = None,
    ) -> None:
        self.plan = plan
        self.stage = PREPARING
        self.pid = 0
        self.socket: socket.socket | None = None
        self._streams, self._size = streams, size
        self._on_step, self._on_terminal = on_step, on_terminal
        self._foreign, self._on_begin = foreign, on_begin
        self._next = 0  # the step that is being done, or waited for
        self._allowed = 0  # the child may do steps below this
        self._went = 0  # when "go" came

    def advance(self) -> None:
        """Go on as far as it goes. Raises Failed."""
        while self._next < len(self.plan):
            step = self.plan[self._next]
            if step.op == "process.exec" and not self._went:
                self.stage = CREATED
                return
            if step.side == "inside":
                self._allow()
                return
            if not self._run(step):
                return
        self._fail("the plan starts no process")

    def go(self) -> None:
        """The engine has committed: the program may start. Raises Failed."""
        self._went = time.time_ns()
        if self._foreign:
            self._timed(self._foreign.start)
            self.stage = STARTED
        else:
            self._allow()

    def receive(self) -> None:
        """Take what the child has sent. Raises Failed."""
        if self.socket is None:
            return
        data, fds, _, _ = socket.recv_fds(self.socket, 1 << 16, 1)
        for fd in fds:
            os.set_inheritable(fd, False)
            self._on_terminal(fd)
        if data == child.TERMINAL:
            return
        if not data:
            self._end_of_socket()
            return
        report = _reports.decode(data)
        self._on_step(report)
        if report.errno or report.message:
            raise Failed(report)
        self._next = report.index + 1
        if self._next == self._allowed:
            self.advance()

    def last_words(self) -> None:
        """The process ended before it was seen to start: its last message says why. Raises Failed, or it started."""
        while self.socket is not None:
            self.receive()
        if self.stage != STARTED:
            self._fail("the new process died without a word")

    def kill(self) -> None:
        """Kill what was started, and see it gone."""
        if self.pid:
            try:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
            except (ProcessLookupError, ChildProcessError):
                self.pid = 0  # it had died by itself, and was reaped
        if self._foreign:
            self._foreign.delete()

    def undo(self) -> list[tuple[str, dict[str, Any]]]:
        """Return the steps that take back what was done on the host, the last first."""
        done = [step for step in self.plan[: self._next + 1] if step.side == "host"]
        return [undo for step in reversed(done) if (undo := host.undo_of(step))]

    def _run(self, step: PlannedStep) -> bool:
        """Do a step of the host; say whether the next one may follow at once."""
        if step.op == "runtime.run":
            self._timed(self._create_foreign, report=False)
            self.stage = CREATED  # the rest of it is done, and reported, with "go"
            return False
        if step.op == "ns.create":
            self._timed(self._create)
        elif step.op == "ns.idmap":
            self._timed(lambda: host.write_id_maps(self.pid, step.args["uids"], step.args["gids"]))
        else:
            self._timed(lambda: host.run(step.op, step.args))
        self._next += 1
        return True

    def _timed(self, action: Callable[[], None], report: bool = True) -> None:
        """Run *action* as the step that is due; its failure is reported and raised as Failed."""
        if self._on_begin and not self._went:
            self._on_begin()
        began, start = time.time_ns(), time.perf_counter_ns()
        errno, message = child.outcome(action)
        result = StepReport(self._next, began, time.perf_counter_ns() - start, errno, message)
        if report or message:
            self._on_step(result)
        if message:
            raise Failed(result)

    def _create(self) -> None:
        """Make the process. What can be prepared is, so that its own steps have little left that can fail."""
        args = self.plan[self._next].args
        files = [file for step in self.plan if step.op == "cgroup.enter" for file in step.args["files"]]
        cgroups = [os.open(file, os.O_WRONLY | os.O_CLOEXEC) for file in files]
        filters = [compile_profile(step.args["profile"]) for step in self.plan if step.op == "process.seccomp"]
        group = None if args["cgroup"] is None else os.open(args["cgroup"], syscalls.O_PATH | os.O_DIRECTORY)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        flags = sum(syscalls.CLONE[name] for name in args["namespaces"])
        self.pid = self._clone(flags, group)
        if self.pid == 0:
            ours.close()
            inside = Inside(cgroups, self._streams, filters[0] if filters else None, self._size, theirs)
            child.main(self.plan, self._next + 1, inside)
        theirs.close()
        self.socket = ours
        for fd in (*cgroups, *self._streams, *(() if group is None else (group,))):
            os.close(fd)

    def _clone(self, flags: int, group: int | None) -> int:
        """Fork. A process can only be *born* into another pid namespace: we enter it for our children, and return."""
        path = next((s.args["path"] for s in self.plan if s.op == "ns.join" and s.args["namespace"] == "pid"), None)
        if path is None:
            return syscalls.clone(flags, group)
        own, joined = (os.open(p, os.O_RDONLY | os.O_CLOEXEC) for p in ("/proc/self/ns/pid", path))
        syscalls.setns(joined, syscalls.CLONE["pid"])
        pid = -1
        try:
            pid = syscalls.clone(flags, group)
        finally:
            if pid:
                syscalls.setns(own, syscalls.CLONE["pid"])
            os.close(own)
            os.close(joined)
        return pid

    def _create_foreign(self) -> None:
        if self._foreign is None:
            raise StepFailed("runtime.run", 0, "the request names no other runtime")
        self.pid, terminal = self._foreign.create(self.plan[self._next].args, self._streams)
        for fd in self._streams:
            os.close(fd)
        if terminal is not None:
            self._on_terminal(terminal)

    def _allow(self) -> None:
        """Let the child go on to the next step that is not its own, or that needs "go"."""
        self._allowed = self._next
        while self._allowed < len(self.plan) and self.plan[self._allowed].side == "inside":
            if self.plan[self._allowed].op == "process.exec" and not self._went:
                break
            self._allowed += 1
            if self._on_begin:
                self._on_begin()
                break
        if self.socket is not None:
            self.socket.send(str(self._allowed).encode())

    def _end_of_socket(self) -> None:
        """The program has taken over; or the process died on the way there."""
        if self.socket is not None:
            self.socket.close()
            self.socket = None
        if self._went and self.plan[self._next].op == "process.exec":
            self._on_step(StepReport(self._next, self._went, time.time_ns() - self._went))
            self.stage = STARTED
            return
        self._fail("the new process died without a word")

    def _fail(self, message: str) -> None:
        report = StepReport(min(self._next, len(self.plan) - 1), time.time_ns(), 0, 0, message)
        self._on_step(report)
        raise Failed(report)
