"""The Metadata port: what the store knows, in transactions.

All that must survive a power cut and is no file content is a row in ``minidock.db``. Changes are made in transactions,
and the commit is a step::

    with transaction(metadata, "container web") as rows:
        rows.snapshots.add(snapshot)
        rows.containers.add(container)      # Conflict if the name is taken: then neither row is there

In a dry run the database is a copy in memory: later steps see the changes of earlier ones, and all is forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from minidock.store import rows
from minidock.store.database import Database
from minidock.store.table import Table
from minidock.trace.recorder import op


class Tables:
    """The tables of ``minidock.db``."""

    def __init__(self, database: Database) -> None:
        self.images = Table(database, "images", rows.ImageRow, ("id",))
        self.names = Table(database, "names", rows.NameRow, ("name",))
        self.blobs = Table(database, "image_blobs", rows.BlobRef, ("image", "digest", "kind", "position"))
        self.snapshots = Table(database, "snapshots", rows.SnapshotRow, ("key",))
        self.containers = Table(database, "containers", rows.ContainerRow, ("id",))
        self.volumes = Table(database, "volumes", rows.VolumeRow, ("name",))
        self.networks = Table(database, "networks", rows.NetworkRow, ("id",))
        self.values = Table(database, "values", rows.ValueRow, ("kind", "key"))


class Metadata(Protocol):
    """The database of one root. One transaction at a time in the whole machine; readers never wait."""

    def rows(self) -> Tables:
        """Return the tables, to read from at any time, and to change between :meth:`begin` and the end."""

    def begin(self) -> None:
        """Begin a transaction; waits for other writers."""

    @op("store.commit")
    def commit(self, what: str) -> None:
        """End the transaction and make its changes official, durable and all at once.

        :param what: what becomes official, for the reader of the trace: ``container web``.
        """

    def rollback(self) -> None:
        """End the transaction of this thread and forget its changes; without one, do nothing."""

    def checkpoint(self) -> None:
        """Move the log into the file."""

    def problems(self) -> list[str]:
        """Return what is wrong with the file, in SQLite's words."""

    def close(self) -> None:
        """Close the file."""


class SqliteMetadata:
    """The Metadata port on SQLite."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tables = Tables(database)

    def rows(self) -> Tables:
        return self._tables

    def begin(self) -> None:
        self._database.begin()

    def commit(self, what: str) -> None:
        self._database.commit()

    def rollback(self) -> None:
        self._database.rollback()

    def checkpoint(self) -> None:
        self._database.checkpoint()

    def problems(self) -> list[str]:
        return self._database.problems()

    def close(self) -> None:
        self._database.close()


@contextmanager
def transaction(metadata: Metadata, what: str) -> Iterator[Tables]:
    """Run the block as one transaction: commit at its end, roll back if it raises."""
    metadata.begin()
    try:
        yield metadata.rows()
        metadata.commit(what)
    except BaseException:
        metadata.rollback()  # nothing is left to roll back if it was the commit that failed
        raise
