"""One operation on one container: alone, journaled, and taken back if it fails.

::

    with operation(parts, "start", id):
        …steps…                      each is in the journal before it happens
        commit                       a row: from here on nobody takes it back

If the block raises, what it did is undone, the last step first. If the process dies, the journal stays behind without
a lock, and the next engine that opens the root does the same (:mod:`minidock.store.recovery`). Both ask the rows first
whether the operation had committed: an error or a Ctrl-C can come a moment *after* the commit, too, and then what was
made stays. A *removal* is the other way round: as long as its row is there nothing is taken away, and once it is gone,
the journal says what is still to go. What cannot be undone now stays in the journal, for the next engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from minidock.containers.teardown import Undoers, run_undos
from minidock.store.layout import Layout
from minidock.store.locks import Locks
from minidock.trace.journal import Journal, Undo, undo_lines
from minidock.trace.recorder import Recorder

SUFFIX = ".journal"


class OperationParts(msgspec.Struct, frozen=True):
    """What every operation needs.

    ``must_undo`` says whether the lines of a journal, given by its file's name, are to be run.
    """

    layout: Layout
    locks: Locks
    recorder: Recorder
    undoers: Undoers
    must_undo: Callable[[str], bool]
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
        name = f"{kind}-{id}{SUFFIX}"
        journal = Journal(f"{parts.layout.journals}/{name}")
        finished = False
        try:
            with parts.recorder.listening(journal):
                yield journal
            finished = True
        except BaseException:
            undos = list(undo_lines(journal.path)) if parts.must_undo(name) else []
            finished = not run_undos(undos, parts.undoers)  # what we raise is what came first
            raise
        finally:
            journal.end(finished)


def promise_removal(parts: OperationParts, id: str) -> Journal | None:
    """Write down that container *id* is to be removed when this process is gone, unless it runs then.

    That is ``--rm`` between the creation and the start, when no row among what runs speaks for the container yet.
    Whoever has kept the promise, or does not need it any more, closes it. In a dry run there is nothing to promise.
    """
    if parts.dry:
        return None
    journal = Journal(f"{parts.layout.journals}/transient-{id}{SUFFIX}")
    journal.note(Undo("container.remove", {"id": id}))
    return journal
