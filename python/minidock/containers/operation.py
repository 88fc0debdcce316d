"""One operation on one container: alone, journaled, and taken back if it fails.

::

    with operation(parts, "start", id):
        …steps…                      each is in the journal before it happens
        commit                       a row: from here on nobody takes it back

If the block raises, what it did is undone, the last step first. If the process dies, the journal stays behind without
a lock, and the next engine that opens the root finds it (:func:`minidock.store.recovery.recover`): it asks whether the
operation had committed, and undoes it if not. A *removal* is the other way round: once its row is gone, the journal
says what is still to go.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from minidock.containers.teardown import Undoers, run_undos
from minidock.store.layout import Layout
from minidock.store.locks import Locks
from minidock.trace.journal import Journal, undo_lines
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
