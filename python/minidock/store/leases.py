"""Leases: "do not collect these, I am still working with them".

What a pull has fetched belongs to no image until its last step. Meanwhile a lease keeps it: before the pull looks
whether a blob is there, it takes the blob into its lease. A lease holds as long as its process lives; if that dies, or
the work fails, it holds for a day more, so that a second try finds what the first one got.

Leases are rows of ``state.db``: taking one forces nothing to a disk. Their end is measured in time since boot, so that
a changed clock neither ends one nor makes it eternal; a reboot ends them all.
"""

from __future__ import annotations

import os
import time
from types import TracebackType

from minidock.oci.digest import Digest
from minidock.store.locks import Locks
from minidock.store.rows import LeaseRef, LeaseRow
from minidock.store.state import State, is_alive, own_identity

BLOB, SNAPSHOT = "blob", "snapshot"

#: How long a lease outlives its process, in nanoseconds.
AFTERLIFE = 24 * 3600 * 1_000_000_000


class Lease:
    """One lease. Its ``with`` block ends it; if the block raises, it stays until it expires."""

    def __init__(self, id: str, state: State, locks: Locks) -> None:
        self.id = id
        self._state = state
        self._locks = locks

    def keep_blob(self, digest: Digest) -> None:
        """From now on the blob is not collected, whether it is there already or not. Idempotent."""
        self._keep(BLOB, digest)

    def keep_snapshot(self, key: str) -> None:
        """From now on the snapshot and those below it are not collected. Idempotent."""
        self._keep(SNAPSHOT, key)

    def release(self) -> None:
        """End the lease. Idempotent."""
        with self._state.transaction() as state:
            state.leases.remove(self.id)

    def _keep(self, kind: str, key: str) -> None:
        # A collector that has read the leases has finished when we get its lock: what it left is safe from then on.
        with self._locks.shared("gc"), self._state.transaction() as state:
            state.lease_refs.put(LeaseRef(self.id, kind, key))

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if kind is None:
            self.release()


class Leases:
    """All leases of one root."""

    def __init__(self, state: State, locks: Locks) -> None:
        self._state = state
        self._locks = locks

    def take(self, why: str) -> Lease:
        """Take a new lease. *why* is for the reader of ``gc --explain``: ``pull busybox:latest``."""
        pid, start = own_identity()
        row = LeaseRow(id=os.urandom(8).hex(), why=why, pid=pid, start=start, expires=boot_time() + AFTERLIFE)
        with self._state.transaction() as state:
            state.leases.add(row)
        return Lease(row.id, self._state, self._locks)

    def all(self) -> list[LeaseRow]:
        """Return all leases, those that hold no longer too."""
        return self._state.leases.all()

    def refs(self) -> list[LeaseRef]:
        """Return what the leases keep."""
        return self._state.lease_refs.all()


def holds(lease: LeaseRow) -> bool:
    """Say whether the lease still keeps anything: its process lives, or its time is not up."""
    return lease.expires > boot_time() or is_alive(lease.pid, lease.start)


def boot_time() -> int:
    """Return nanoseconds since boot, sleep included (clock_gettime(2), CLOCK_BOOTTIME)."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
