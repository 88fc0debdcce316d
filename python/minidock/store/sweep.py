"""Carrying out what :func:`~minidock.store.gc.mark` has decided: the thin half of garbage collection.

Rows and names are removed under the lock ``gc``, held alone, so that no command is between a name and its row. Trees
are only renamed into a scratch folder then; they are removed when the lock is free again.

Dead journals, and the teardown lists of folders without a container, come first, before the lock: undoing takes time,
and undoes things outside the store too.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import msgspec

from minidock.errors import MinidockError, StepFailed
from minidock.store.facts import gather
from minidock.store.gc import KINDS, PART_AGE, Decision, mark
from minidock.store.recovery import Undoer, undo_journal, undo_list
from minidock.store.store import Store


class Swept(msgspec.Struct, frozen=True):
    """What a collection did: all decisions, and the errors of those that could not be carried out."""

    decisions: tuple[Decision, ...]
    failed: tuple[tuple[Decision, MinidockError], ...]


def decide(store: Store, part_age: float = PART_AGE) -> list[Decision]:
    """Return what a collection would do now, in its order, and do nothing."""
    return sorted(mark(gather(store), part_age), key=lambda decision: KINDS.index(decision.kind))


def collect(store: Store, undo: Undoer, part_age: float = PART_AGE) -> Swept:
    """Collect the garbage.

    :param undo: carries out the undo steps of dead operations and of folders without a container.
    :param part_age: how old a ``.part`` that nobody writes must be to go, in seconds.
    """
    failed: list[tuple[Decision, MinidockError]] = []
    undone: list[Decision] = []
    for decision in decide(store, part_age):
        if decision.goes and decision.kind in ("journal", "container folder"):
            failed += [(decision, error) for error in _undo_of(store, decision, undo)]
            undone.append(decision)
    kept = {(decision.kind, decision.name) for decision, _ in failed}  # their lists are needed for another try
    with store.scratch("gc") as doomed, store.locks.exclusive("gc"):
        own = ("scratch", os.path.basename(doomed.path))
        decisions = [each for each in decide(store, part_age) if (each.kind, each.name) != own]
        sweeper = _Sweeper(store, doomed.path, undo)
        sweeper.drop_snapshot_rows(decisions)
        for decision in decisions:
            if decision.goes and (decision.kind, decision.name) not in kept:
                try:
                    sweeper.sweep(decision)
                except MinidockError as error:
                    failed.append((decision, error))
    journals_done = [each for each in undone if each.kind == "journal" and (each.kind, each.name) not in kept]
    return Swept((*journals_done, *decisions), tuple(failed))


class _Sweeper:
    """One collection under the lock ``gc``: *doomed* is the scratch folder for trees."""

    def __init__(self, store: Store, doomed: str, undo: Undoer) -> None:
        self._store = store
        self._doomed = doomed
        self._undo = undo

    def drop_snapshot_rows(self, decisions: Sequence[Decision]) -> None:
        """Remove the rows of all snapshots that go, children first, in one transaction; their files follow."""
        keys = [each.name for each in decisions if each.kind == "snapshot" and each.goes]
        if keys:
            with self._store.transaction("snapshots go: " + " ".join(keys)) as rows:
                for key in keys:
                    rows.snapshots.remove(key)

    def sweep(self, decision: Decision) -> None:
        """Take one thing away."""
        layout, disk, name = self._store.layout, self._store.disk, decision.name
        match decision.kind:
            case "lease":
                with self._store.state.transaction() as state:
                    state.leases.remove(name)
            case "running":
                with self._store.state.transaction() as state:
                    state.running.remove(name)
            case "container folder":
                self._move(layout.container(name))
            case "snapshot" | "snapshot folder":
                self._move(layout.snapshot(name))
            case "run folder":
                disk.remove(layout.container_run(name))
            case "netns":
                self._undo("ns.unpin", {"path": layout.netns(name)})
            case "blob":
                disk.remove(f"{layout.root}/blobs/sha256/{name}")
            case "part":
                disk.remove(f"{layout.ingest}/{name}")
            case "scratch":
                disk.remove(f"{layout.tmp}/{name}")
            case "lock":
                held = self._store.locks.try_exclusive(name)
                if held is not None:
                    held.release()  # which removes the file
            case "journal":
                pass  # one that died since the others were undone: the next collection's

    def _move(self, path: str) -> None:
        """Take the name away now; the tree goes with the scratch folder."""
        try:
            self._store.disk.publish(path, f"{self._doomed}/{os.path.basename(path)}.{os.urandom(2).hex()}", undo=False)
        except StepFailed:
            if os.path.lexists(path):
                raise  # otherwise the command that removed its row has just removed it itself


def _undo_of(store: Store, decision: Decision, undo: Undoer) -> list[MinidockError]:
    if decision.kind == "journal":
        return undo_journal(store, decision.name, undo)
    folder = store.layout.container(decision.name)
    lists = (f"{folder}/started.jsonl", f"{folder}/created.jsonl")
    return [error for path in lists for error in undo_list(path, undo)]
