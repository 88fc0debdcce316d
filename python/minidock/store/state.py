"""What runs now: ``state.db`` in the runtime folder, lost at a reboot on purpose, since a reboot also ends what runs.

Nothing here is forced to a disk, so a change costs some 50 µs. It has the same tables in form, other rows: running
containers, leases, and small values such as the addresses that are in use.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from minidock.store import rows
from minidock.store.database import Database
from minidock.store.table import Table


class State:
    """The database of one runtime folder."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.running = Table(database, "running", rows.RunningRow, ("id",))
        self.leases = Table(database, "leases", rows.LeaseRow, ("id",))
        self.lease_refs = Table(database, "lease_refs", rows.LeaseRef, ("lease", "kind", "key"))
        self.values = Table(database, "values", rows.ValueRow, ("kind", "key"))

    @contextmanager
    def transaction(self) -> Iterator[State]:
        """Run the block as one transaction: commit at its end, roll back if it raises."""
        self._database.begin()
        try:
            yield self
        except BaseException:
            self._database.rollback()
            raise
        self._database.commit()

    def problems(self) -> list[str]:
        """Return what is wrong with the file, in SQLite's words."""
        return self._database.problems()

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def process_start(pid: int) -> int:
    """Return when process *pid* began, in clock ticks since boot, 0 if there is none: with the id, its identity.

    One that has ended and that its parent has not taken notice of (a zombie) is none: it does nothing any more.
    Source: proc(5), ``/proc/PID/stat``, fields 3 and 22; the second field is in parentheses and may hold anything.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
            return 0 if fields[0] in (b"Z", b"X") else int(fields[19])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def is_alive(pid: int, start: int) -> bool:
    """Say whether the process that had this id and began then still lives."""
    return start != 0 and process_start(pid) == start


def own_identity() -> tuple[int, int]:
    """Return our process id and start."""
    return os.getpid(), process_start(os.getpid())
