"""The new process: it carries out the steps of its side, one after the other, and becomes the container's program."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from typing import NoReturn

import msgspec

from minidock._pure import syscalls
from minidock._pure.failing import words_of
from minidock._pure.steps import STEPS
from minidock._pure.steps.inside import Inside
from minidock.errors import MinidockError, StepFailed
from minidock.kernel.protocol import StepReport
from minidock.trace.step import PlannedStep

#: The message that carries the terminal's master.
TERMINAL = b"terminal"


def main(plan: Sequence[PlannedStep], first: int, inside: Inside) -> NoReturn:
    """Carry out the inside steps of *plan* from *first* on; end as the program, or with a report of what failed."""
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        os.umask(0)  # the modes of what the steps make are meant exactly
        allowed = 0
        for index in range(first, len(plan)):
            if plan[index].side != "inside":
                continue
            while index >= allowed:
                allowed = int(inside.monitor.recv(32) or b"-1")
                if allowed < 0:
                    os._exit(1)  # the monitor is gone
                if maps := next((step.args for step in plan if step.op == "ns.idmap"), None):
                    _become_root(maps)
            _step(index, plan[index], inside)
    finally:
        os._exit(1)


def _become_root(maps: dict[str, list[list[int]]]) -> None:
    """Be 0:0 of the new user namespace, if it has them: whoever has no identity there can make no file."""
    mapped = all(any(line[0] == 0 for line in maps[side]) for side in ("uids", "gids"))
    if mapped and (os.getuid() or os.getgid()):
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
        syscalls.prctl(syscalls.PR_SET_DUMPABLE, 1)  # else /proc/self would not be ours any more


def _step(index: int, step: PlannedStep, inside: Inside) -> None:
    began, start = time.time_ns(), time.perf_counter_ns()
    errno, message = outcome(lambda: STEPS[step.op](inside, step.args))
    report = StepReport(index, began, time.perf_counter_ns() - start, errno, message)
    inside.monitor.send(msgspec.json.encode(report))
    if message:
        os._exit(1)


def outcome(action: Callable[[], None]) -> tuple[int, str]:
    """Run *action*; return the error number and the words of its failure, or ``(0, "")``."""
    try:
        action()
    except StepFailed as error:
        return error.errno, error.detail
    except OSError as error:
        return error.errno or 0, f"{error.strerror or error}{words_of(error)}"
    except MinidockError as error:
        return 0, error.message
    except Exception as error:  # a mistake of ours: said as such, since nobody would see a traceback
        return 0, f"internal error: {type(error).__name__}: {error}"
    return 0, ""
