"""The store of one root: all parts together, each opened when it is first needed.

::

    with Store(find_layout(), recorder, probe=kernel.mounts.probe_overlay) as store:
        with store.lease("pull busybox") as lease:
            ingest = store.blobs.ingest(lease, digest, size)
            ...
        with store.naming():                                    # no collector between folder and row
            snapshot = store.snapshots.writable(id, chain)
            with store.transaction("container web") as rows:    # one durable commit
                rows.snapshots.add(snapshot)
                rows.containers.add(container)

Opening a store that exists is two looks at the disk; what a command does not need, it does not import.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING

from minidock.errors import Unsupported
from minidock.store.database import Database
from minidock.store.disk import Disk, DryDisk, RealDisk, failing_as
from minidock.store.layout import Layout
from minidock.store.leases import Lease, Leases
from minidock.store.locks import Lock, Locks
from minidock.store.metadata import Metadata, SqliteMetadata, Tables, transaction
from minidock.store.schema import METADATA, STATE
from minidock.store.scratch import Scratch
from minidock.store.state import State
from minidock.trace.recorder import Recorder, recorded

if TYPE_CHECKING:
    from minidock.store.blobs import Blobs
    from minidock.store.snapshots import Snapshots


def _cannot_probe(folder: str) -> str:
    raise Unsupported(
        f"nobody can say which overlay works on {folder}: the store was opened without the kernel's ports"
    )


class Store:
    """Everything of one root that outlives a command. One per thread of work, or shared: all methods lock.

    :param recorder: is told of each step.
    :param probe: port ``Mounts``, ``probe_overlay``; needed when the first snapshot of a root is made.
    :param dry: read everything, write nothing.
    """

    def __init__(
        self,
        layout: Layout,
        recorder: Recorder | None = None,
        *,
        probe: Callable[[str], str] = _cannot_probe,
        dry: bool = False,
    ) -> None:
        self.layout = layout
        self.recorder = recorder or Recorder()
        self.dry = dry
        self.locks = Locks(f"{layout.run}/locks", dry)
        self._probe = probe
        if not dry:
            make_folders(layout)

    @cached_property
    def disk(self) -> Disk:
        """Changes of files, each a step."""
        return recorded(DryDisk() if self.dry else RealDisk(), Disk, self.recorder)  # type: ignore[type-abstract]

    @cached_property
    def metadata(self) -> Metadata:
        """``minidock.db``: rows that survive a power cut."""
        path = self.layout.database
        database = (
            Database.in_memory(METADATA, path)
            if self.dry
            else Database(path, METADATA, True, lambda: self.locks.exclusive("metadata"))
        )
        return recorded(SqliteMetadata(database), Metadata, self.recorder)  # type: ignore[type-abstract]

    @cached_property
    def state(self) -> State:
        """``state.db``: rows that a reboot forgets."""
        path = self.layout.state_database
        if self.dry:
            return State(Database.in_memory(STATE, path))
        return State(Database(path, STATE, False, lambda: self.locks.exclusive("state")))

    @cached_property
    def blobs(self) -> Blobs:
        """Content by digest."""
        from minidock.store.blobs import Blobs

        return Blobs(self.layout, self.disk, self.dry)

    @cached_property
    def snapshots(self) -> Snapshots:
        """Layers and containers' folders."""
        from minidock.store.snapshots import Snapshots

        return Snapshots(self.layout, self.disk, self.metadata, self.locks, self._probe, self.dry)

    @cached_property
    def leases(self) -> Leases:
        """What must not be collected yet."""
        return Leases(self.state, self.locks)

    @property
    def rows(self) -> Tables:
        """The tables of ``minidock.db``, for reading."""
        return self.metadata.rows()

    def transaction(self, what: str) -> AbstractContextManager[Tables]:
        """Run a block as one transaction; *what* becomes official at its end, for the reader of the trace."""
        return transaction(self.metadata, what)

    def lease(self, why: str) -> Lease:
        """Take a lease, for a ``with`` block."""
        return self.leases.take(why)

    def naming(self) -> Lock:
        """Keep collectors out, for a ``with`` block: from the moment a thing gets its name until its row is committed.

        The block must be short.
        """
        return self.locks.shared("gc")

    def scratch(self, purpose: str) -> Scratch:
        """Make a scratch folder, for a ``with`` block."""
        return Scratch(self.layout, self.disk, self.locks, purpose, self.dry)

    def close(self) -> None:
        """Close the databases. Idempotent: what is needed again opens again."""
        for part in ("metadata", "state"):
            if part in self.__dict__:
                getattr(self, part).close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def make_folders(layout: Layout) -> None:
    """Make the folders of *layout* that are not there. Ours alone (0700), but the root's group may enter it (0710)."""
    last = layout.folders[-1]
    if os.path.isdir(last) and os.path.isdir(f"{layout.root}/tmp"):
        return
    with failing_as("store.folder", layout.root):
        os.makedirs(layout.root, 0o710, exist_ok=True)
        os.makedirs(layout.run, 0o700, exist_ok=True)
        for folder in (f"{layout.root}/blobs", *layout.folders):
            os.makedirs(folder, 0o700, exist_ok=True)
