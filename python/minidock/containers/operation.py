"""One operation on one container: alone, journaled, and taken back if it fails.

::

    with operation(parts, "start", id):
        …steps…                      each is in the journal before it happens
        commit                       a row: from here on nobody takes it back

If the block raises, what it did is undone, the last step first. If the process dies, the journal stays behind without
a lock, and the next engine that opens the root finds it (:func:`recover`): it asks whether the operation had committed,
and undoes it if not. A *removal* is the other way round: once its row is gone, the journal says what is still to go.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from minidock.containers.teardown import Undoers, run_undos
from minidock.errors import MinidockError
from minidock.store.layout import Layout
from minidock.store.locks import Locks
from minidock.trace.journal import Journal, is_abandoned, undo_lines
from minidock.trace.recorder import Recorder

SUFFIX = ".journal"


class OperationParts(msgspec.Struct, frozen=True):
    """What every operation needs."""

    layout: Layout
    locks: Locks
    recorder: Recorder
    undoers: Undoers
    dry: bool = False


@contextmanager
def operation(parts: OperationParts, kind: str, id: str) -> Iterator[Journal | None]:
    """Run the block as one operation on container *id*; *kind* is create, start or remove.

    Yields the journal (``None`` in a dry run, which changes nothing and so has nothing to undo).
    """
    with parts.locks.exclusive(f"container-{id}"):
        if parts.dry:
            yield None
            return
        journal = Journal(f"{parts.layout.journals}/{kind}-{id}{SUFFIX}")
        try:
            with parts.recorder.listening(journal):
                yield journal
        except BaseException:
            run_undos(list(undo_lines(journal.path)), parts.undoers)  # the first error is the one that counts
            raise
        finally:
            journal.close()


def recover(parts: OperationParts, committed: Callable[[str, str], bool]) -> list[MinidockError]:
    """Finish or take back what dead processes left half-done.

    :param committed: (kind, container id) → whether the operation had reached its commit point.
    :return: what could not be undone, for ``system check`` to complain about.
    """
    failed: list[MinidockError] = []
    for name in os.listdir(parts.layout.journals):
        kind, _, id = name.removesuffix(SUFFIX).partition("-")
        path = f"{parts.layout.journals}/{name}"
        if not name.endswith(SUFFIX) or not is_abandoned(path):
            continue
        with parts.locks.exclusive(f"container-{id}"):
            if not is_abandoned(path):  # another engine was faster
                continue
            if committed(kind, id) == (kind == "remove"):
                failed += run_undos(list(undo_lines(path)), parts.undoers)
            os.unlink(path)
    return failed
