"""After a crash: what a dead command has left is undone, unless it had committed.

A command on a container keeps a journal, ``<kind>-<id>.journal``, locked as long as it lives. One that is not locked
has a dead writer (:mod:`~minidock.trace.journal`). Whether its lines still count is asked of the rows, since that is
where every operation commits:

========= ======================================= ==================================================================
kind      it had committed when                   its lines say
========= ======================================= ==================================================================
create    the container's row is there            what was made: undone if it had *not* committed
start     the container's row among what runs is  what was made: undone if it had *not* committed
remove    the container's row is *gone*           what is still to go: undone, that is removed, if it *had* committed
transient it always counts                        the container is to go with its command: removed, unless it runs
========= ======================================= ==================================================================

Recovery takes the container's lock first: nobody begins anew on what is still being taken back. The lock's file, which
the dead command has left, goes with it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable

from minidock.errors import MinidockError
from minidock.store.locks import lock_file
from minidock.store.store import Store
from minidock.trace.step import Args

#: Carries out one undo step, ``(op, args)``. The engine makes it from its recorded ports.
Undoer = Callable[[str, Args], None]


def recover(store: Store, undo: Undoer) -> list[MinidockError]:
    """Undo what dead commands have begun; return the errors. Cheap when there is nothing: one look at a folder."""
    if not os.listdir(store.layout.journals):
        return []
    from minidock.store.facts import journals

    return [error for item in journals(store) if not item.busy for error in undo_journal(store, item.name, undo)]


def must_undo(store: Store, name: str) -> bool:
    """Say whether the lines of the dead journal *name* are to be run."""
    kind, _, key = name.removesuffix(".new").removesuffix(".journal").partition("-")
    if kind in ("create", "remove"):
        return store.rows.containers.get(key) is None
    if kind == "start":
        return store.state.running.get(key) is None
    return True


def undo_journal(store: Store, name: str, undo: Undoer) -> list[MinidockError]:
    """Undo a dead journal and remove it; it stays if a step fails. Two recoveries never run the same one."""
    kind, _, key = name.removesuffix(".new").removesuffix(".journal").partition("-")
    if kind not in ("create", "start", "remove"):
        return _undo_alone(store, name, undo)
    held = store.locks.try_exclusive(f"container-{key}")
    if held is None:
        return []  # somebody is at this container: the next command's turn
    with held:
        return _undo_alone(store, name, undo)


def _undo_alone(store: Store, name: str, undo: Undoer) -> list[MinidockError]:
    path = f"{store.layout.journals}/{name}"
    try:
        fd = lock_file(path, os.O_RDWR, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, FileNotFoundError):
        return []  # somebody else is at it, or was
    try:
        errors = undo_list(path, undo) if must_undo(store, name) else []
        if not errors:
            store.disk.remove(path)
    finally:
        os.close(fd)
    return errors


def undo_list(path: str, undo: Undoer) -> list[MinidockError]:
    """Run the undo steps of a journal or teardown list, the last first, all of them; return the errors."""
    from minidock.trace.journal import undo_lines

    errors: list[MinidockError] = []
    for step in undo_lines(path):
        try:
            undo(step.op, step.args)
        except MinidockError as error:
            errors.append(error)
    return errors
