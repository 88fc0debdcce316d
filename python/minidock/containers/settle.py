"""Exits: how a container ended, and the end of its row among what runs.

The monitor writes ``exit`` and tears down, with or without an engine; an engine then only has to take notice. If the
monitor itself was killed, nobody wrote anything: then the container died with it, is reported as killed (137), and the
engine runs the teardown list that the monitor would have run.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress

from minidock.containers.operation import OperationParts
from minidock.containers.teardown import run_undos
from minidock.errors import MinidockError, SystemFault
from minidock.kernel.protocol import Exited
from minidock.oci.codec import decode, encode
from minidock.store.rows import RunningRow
from minidock.store.state import is_alive
from minidock.store.store import Store
from minidock.trace.journal import undo_lines

KILLED = 128 + 9


def read_exit(store: Store, id: str) -> Exited | None:
    """Return how the container's last run ended, ``None`` if it never ended or runs now."""
    try:
        with open(f"{store.layout.container(id)}/exit", "rb") as file:
            return decode(file.read(), Exited, f"exit of container {id}", error=SystemFault)
    except FileNotFoundError:
        return None


def is_running(store: Store, row: RunningRow) -> bool:
    """Say whether the container's run is not over: its monitor lives, and has not written how it ended.

    ``exit`` is the monitor's last word: when it is there, everything is torn down.
    """
    written = os.path.exists(f"{store.layout.container(row.id)}/exit")
    return not written and is_alive(row.monitor, row.monitor_start)


def settle(store: Store, parts: OperationParts, row: RunningRow, keep_row: bool = False) -> list[MinidockError]:
    """Take notice that a container has ended, if it has; return the errors of a teardown that was left to us.

    :param keep_row: leave its row among what runs to a removal that follows, and ends with :func:`forget`: if that
        dies, the next engine finds the row, and removes the container then.
    """
    if parts.dry or is_running(store, row):
        return []
    with store.locks.exclusive(f"container-{row.id}"):
        current = store.state.running.get(row.id)
        if current is None or is_running(store, current):  # another engine was faster, or it was started again
            return []
        errors: list[MinidockError] = []
        if os.path.isdir(store.layout.container(row.id)) and read_exit(store, row.id) is None:
            errors = _tear_down(store, parts, row.id)
            if errors:
                return errors  # list and row stay: the next engine tries again
            killed = Exited(KILLED, row.began, time.time_ns(), signal=9, error="the container's monitor was killed")
            store.disk.write(f"{store.layout.container(row.id)}/exit", encode(killed))
        if not keep_row:
            forget(store, row.id)
    return errors


def settle_unstarted(store: Store, parts: OperationParts, id: str) -> list[MinidockError]:
    """Take back a start whose program could not be executed: the container is as before, and has never run."""
    if parts.dry:
        return []
    with store.locks.exclusive(f"container-{id}"):
        errors = _tear_down(store, parts, id)
        if not errors:
            forget(store, id)
    return errors


def _tear_down(store: Store, parts: OperationParts, id: str) -> list[MinidockError]:
    return run_undos(list(undo_lines(f"{store.layout.container(id)}/started.jsonl")), parts.undoers)


def forget(store: Store, id: str) -> None:
    """It does not run any more: the row among what runs is the last to go."""
    with suppress(FileNotFoundError):
        os.unlink(f"{store.layout.container(id)}/started.jsonl")
    with store.state.transaction() as state:
        state.running.remove(id)
