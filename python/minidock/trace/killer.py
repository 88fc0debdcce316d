"""The crash tests' listener: it kills this process between two steps, as a power cut would.

``MINIDOCK_DIE_AT=n`` kills it with SIGKILL at the *n*-th notification: 1 is "the first step is about to run", 2 "the
first step has run", and so on. A test raises *n* until the command survives, and looks at what is left each time: so no
feature needs a switch for its tests. The killer comes last among the listeners, so that the journal is written as it
would be.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

from minidock.errors import InvalidArgument
from minidock.trace.step import Step

VARIABLE = "MINIDOCK_DIE_AT"


class Killer:
    """Kills this process at the *at*-th notification, from 1 on."""

    def __init__(self, at: int) -> None:
        self._left = at

    def planned(self, steps: Sequence[Step]) -> None:
        """Nothing: these steps are somebody else's to run."""

    def began(self, step: Step) -> None:
        self._count()

    def ended(self, step: Step) -> None:
        self._count()

    def _count(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def killer_from_environment() -> Killer | None:
    """Return the killer that ``MINIDOCK_DIE_AT`` asks for, if it is set.

    :raises InvalidArgument: its value is no number from 1 on.
    """
    value = os.environ.get(VARIABLE)
    if value is None:
        return None
    if not value.isascii() or not value.isdigit() or int(value) == 0:
        raise InvalidArgument(f"{VARIABLE} must be a number from 1 on, not {value!r}")
    return Killer(int(value))
