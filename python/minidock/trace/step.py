"""The step: one operation on the host or in the new process."""

from __future__ import annotations

from typing import Any

import msgspec

#: The values of an operation: JSON values only, the same in every twin of a port.
Args = dict[str, Any]


class PlannedStep(msgspec.Struct, frozen=True):
    """One entry of a launch plan, as the planner writes it and the monitor reads it.

    ``side`` says who does it: ``host`` the monitor, ``inside`` the new process.
    """

    op: str
    side: str
    args: Args


class Step(msgspec.Struct, omit_defaults=True):
    """One operation, and what became of it.

    ``began`` is in nanoseconds since the epoch, ``took`` in nanoseconds; both are 0 before the step has run.
    ``error`` is one line, ``errno`` the number of the system call's error where there was one.
    """

    op: str
    args: Args
    side: str = "host"
    began: int = 0
    took: int = 0
    error: str | None = None
    errno: int = 0
