"""Exits: how a container ended, and the end of its row among what runs.

The monitor writes ``exit`` and tears down, with or without an engine; an engine then only has to take notice. If the
monitor itself was killed, nobody wrote anything: then the container died with it, is reported as killed (137), and the
engine runs the teardown list that the monitor would have run.
"""

from __future__ import annotations

import os
import time

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


def is_running(row: RunningRow) -> bool:
    """Say whether the container's monitor lives: it outlives the container by the teardown, and never longer."""
    return is_alive(row.monitor, row.monitor_start)


def settle(store: Store, parts: OperationParts, row: RunningRow) -> list[MinidockError]:
    """Take notice that a container has ended, if it has; return the errors of a teardown that was left to us."""
    if is_running(row) or parts.dry:
        return []
    errors: list[MinidockError] = []
    with store.locks.exclusive(f"container-{row.id}"):
        current = store.state.running.get(row.id)
        if current is None or is_running(current):  # another engine was faster, or it was started again
            return []
        folder = store.layout.container(row.id)
        teardown = f"{folder}/started.jsonl"
        if os.path.isdir(folder) and read_exit(store, row.id) is None:
            errors = run_undos(list(undo_lines(teardown)), parts.undoers)
            now = time.time_ns()
            killed = Exited(KILLED, row.began, now, signal=9, error="the container's monitor was killed")
            store.disk.write(f"{folder}/exit", encode(killed))
        if os.path.lexists(teardown):
            os.unlink(teardown)
        with store.state.transaction() as state:
            state.running.remove(row.id)
    return errors


def settle_all(store: Store, parts: OperationParts) -> list[MinidockError]:
    """Settle every container that was running when the last engine looked."""
    return [error for row in store.state.running.all() for error in settle(store, parts, row)]
