"""Undoing: the one way in which anything of a container is taken away.

``stop``, ``rm -f``, a failed start, the recovery after a crash and the clean-up after a reboot all run a list of undo
steps, the last first. Each step checks what it removes and succeeds if there is nothing left, so a list can be run
twice. One that fails does not keep the others from running.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from minidock.errors import MinidockError, SystemFault
from minidock.trace.journal import Undo
from minidock.trace.step import Args

#: op → what carries it out. The engine makes this table from its recorded ports.
Undoers = Mapping[str, Callable[[Args], None]]


def run_undos(undos: Iterable[Undo], undoers: Undoers) -> list[MinidockError]:
    """Run all undo steps; return the errors of those that failed."""
    failed: list[MinidockError] = []
    for undo in undos:
        undoer = undoers.get(undo.op)
        if undoer is None:
            failed.append(SystemFault(f"nothing knows how to undo with {undo.op}"))
            continue
        try:
            undoer(undo.args)
        except MinidockError as error:
            failed.append(error)
    return failed
