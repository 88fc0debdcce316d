"""One SQLite file, opened so that hundreds of short commands can share it: what SQLite needs to be told, in one place.

*Write-ahead log.* A commit appends to ``<file>-wal`` and forces that to the disk: one fdatasync(2) (``synchronous``
FULL; OFF for what a reboot forgets). Readers never wait. Every 256 pages a commit also moves the log into the file.

*No work at the end.* Closing the last connection moves no log (:mod:`.keeper`). The log is therefore always there, and
a file without its log has lost commits: that is detected (``Database._missing_log``), unless its ``-shm`` is gone
too, as after a copy of the file alone.

*Writers queue.* SQLite waits for another writer by sleeping and looking again, up to 100 ms at a time, and whoever is
unlucky fails with "database is locked". Here a writer first takes a flock(2), whose waiters the kernel wakes in turn.

*Four changes of state* guard all use: a connection is opened when it is first needed; a transaction belongs to one
thread until it ends; a failed commit is rolled back; an SQLite error becomes one of ours by its code, never its text.
"""

from __future__ import annotations

import errno
import os
import time
from _thread import RLock, get_ident
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from minidock.errors import Conflict, MinidockError, StepFailed, StoreDamaged, SystemFault, Unavailable
from minidock.store import keeper
from minidock.store.locks import Lock

if TYPE_CHECKING:
    import sqlite3

T = TypeVar("T")

#: How long a busy database is waited for, in seconds. Only a foreign program can make it busy for longer than a moment.
PATIENCE = 60.0


class Database:
    """One database file.

    :param path: the file, ``:memory:`` for none.
    :param migrations: the SQL that brings version *n* to *n + 1*, for each *n*.
    :param durable: whether a commit survives a power cut.
    :param gate: takes the lock that writers queue for.
    """

    def __init__(self, path: str, migrations: Sequence[str], durable: bool, gate: Callable[[], Lock]) -> None:
        self.path = path
        self._migrations = migrations
        self._durable = durable
        self._gate = gate
        self._mutex = RLock()
        self._connection: sqlite3.Connection | None = None
        self._turn: Lock | None = None
        self._owner = 0
        self._read_only = False
        self._file: keeper.File | None = None

    @classmethod
    def in_memory(cls, migrations: Sequence[str], source: str | None = None) -> Database:
        """Return a database in memory: a copy of the file *source* if there is one, else empty.

        The dry run's form: commits are seen by what follows, and forgotten with the process.
        """
        copy = cls(":memory:", migrations, False, Lock)
        connection = copy._connect()
        if source and os.path.exists(source):
            original = cls(source, migrations, True, Lock)
            original._open(create=False).backup(connection)
            original.close()
        copy._settle(connection, create=True)
        copy._connection = connection
        return copy

    def query(self, sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Return all rows of a SELECT."""
        with self._mutex:
            connection = self._connected()
            return self._patient(lambda: connection.execute(sql, values).fetchall())

    def change(self, sql: str, values: Sequence[Any]) -> int:
        """Run one statement of the open transaction; return how many rows it changed."""
        with self._mutex:
            if self._turn is None:  # the mutex is ours: so is the transaction
                raise SystemFault(f"{self.path}: a change outside a transaction")
            with self._translated():
                return self._connected().execute(sql, values).rowcount

    def begin(self) -> None:
        """Begin a transaction; waits for other writers. It belongs to this thread until it ends."""
        self._mutex.acquire()
        try:
            if self._turn is not None:
                raise SystemFault(f"{self.path}: a transaction inside a transaction")
            if self._read_only:  # a connection to a file on a read-only disk stays so for ever: look again
                self.close()
            connection = self._connected()
            turn = self._gate()
            try:
                self._patient(lambda: connection.execute("BEGIN IMMEDIATE"))
            except BaseException:
                turn.release()
                raise
            self._turn, self._owner = turn, get_ident()
        except BaseException:
            self._mutex.release()
            raise

    def commit(self) -> None:
        """Make the transaction's changes official, or roll them back and raise."""
        try:
            with self._translated():
                self._connected().execute("COMMIT")  # the commit point
        except BaseException:
            self.rollback()
            raise
        self._end()

    def rollback(self) -> None:
        """Forget the transaction's changes. Idempotent: without a transaction of this thread it does nothing."""
        if self._turn is None or self._owner != get_ident():
            return
        try:
            if self._connection is not None and self._connection.in_transaction:
                self._connection.execute("ROLLBACK")  # SQLite itself has rolled back after some errors
        finally:
            self._end()

    def close(self) -> None:
        """Close the connection, if one was opened; the log stays."""
        with self._mutex:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
                self._let_go()

    def checkpoint(self) -> None:
        """Move the whole log into the file: the work that no command does at its end."""
        with self._gate():
            self.query("PRAGMA wal_checkpoint(TRUNCATE)", ())

    def problems(self) -> list[str]:
        """Return what SQLite itself finds wrong with the file, in its words; none is good."""
        return [str(row[0]) for row in self.query("PRAGMA integrity_check", ()) if row[0] != "ok"]

    def _end(self) -> None:
        turn, self._turn, self._owner = self._turn, None, 0
        if turn is not None:
            turn.release()
            self._mutex.release()

    def _connected(self) -> sqlite3.Connection:
        return self._connection or self._open()

    def _open(self, create: bool = True) -> sqlite3.Connection:
        try:
            connection = self._connect()
            try:
                self._settle(connection, create)
            except BaseException:
                connection.close()
                raise
        except BaseException:
            self._let_go()
            raise
        self._connection = connection
        return connection

    def _let_go(self) -> None:
        file, self._file = self._file, None
        if file:
            keeper.let_go(file)

    def _settle(self, connection: sqlite3.Connection, create: bool) -> None:
        """Check the schema, make or migrate it, and see to the log."""
        version, mode = self._patient(lambda: (_value(connection, "user_version"), _value(connection, "journal_mode")))
        if version > len(self._migrations):
            raise StoreDamaged(
                f"{self.path} has schema {version}, and this minidock knows schemas up to {len(self._migrations)}",
                "it was written by a newer minidock: use that one, or another --root",
            )
        if create and (version < len(self._migrations) or mode not in ("wal", "memory")):
            self._prepare(connection)
        if self._file:
            keeper.keep_log(self._file)

    def _connect(self) -> sqlite3.Connection:
        import sqlite3

        if self._missing_log():
            raise StoreDamaged(
                f"{self.path}-wal is missing: the newest changes are lost",
                "restore that file, or run `minidock system check --repair` to go on with what is left",
            )
        if self.path != ":memory:":
            try:
                self._file = keeper.hold(self.path)
            except OSError as error:
                raise StepFailed("store.commit", error.errno or 0, self.path) from error
        with self._translated():
            connection = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        self._read_only = self.path != ":memory:" and not os.access(self.path, os.W_OK)
        settings = f"""
            PRAGMA synchronous = {"FULL" if self._durable else "OFF"};
            PRAGMA foreign_keys = ON;
            PRAGMA wal_autocheckpoint = 256;
        """
        try:
            self._patient(lambda: connection.executescript(settings))
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Create or migrate the tables, then switch to the write-ahead log: in this order, so that the file itself
        has its tables from the first moment on.
        """
        with self._gate():
            version = self._patient(lambda: _value(connection, "user_version"))
            todo = "".join(self._migrations[version:])
            if todo:
                script = f"BEGIN IMMEDIATE; {todo} PRAGMA user_version = {len(self._migrations)}; COMMIT;"
                self._patient(lambda: connection.executescript(script))
            self._patient(lambda: connection.execute("PRAGMA journal_mode = WAL").fetchall())

    def _missing_log(self) -> bool:
        """SQLite removes ``-shm`` before ``-wal``: the first without the second was not its doing."""
        index, log = f"{self.path}-shm", f"{self.path}-wal"
        return os.path.exists(index) and not os.path.exists(log) and os.path.exists(index)

    def _patient(self, action: Callable[[], T]) -> T:
        """Run *action*, again and again while the database is busy, for at most :data:`PATIENCE`."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                with self._translated():
                    return action()
            except Unavailable:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.005)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        import sqlite3

        try:
            yield
        except sqlite3.Error as error:
            raise _ours(error, self.path) from error


def _value(connection: sqlite3.Connection, pragma: str) -> Any:
    return connection.execute(f"PRAGMA {pragma}").fetchone()[0]


def _ours(error: sqlite3.Error, path: str) -> MinidockError:
    """Return our error for one of SQLite's (https://www.sqlite.org/rescode.html)."""
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith("SQLITE_CONSTRAINT"):
        return Conflict(f"{path}: {error}")
    if name.startswith(("SQLITE_BUSY", "SQLITE_PROTOCOL", "SQLITE_LOCKED")):
        return Unavailable(f"{path}: {error}", "another program holds the database")
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE")):
        return StepFailed("store.commit", errno.ENOSPC, path, "the disk is full: free some space, or run `minidock gc`")
    if name.startswith("SQLITE_READONLY"):
        return StepFailed("store.commit", errno.EROFS, path)
    if name.startswith("SQLITE_IOERR"):
        return StepFailed("store.commit", errno.EIO, f"{path}: {name}")
    if name.startswith("SQLITE_CANTOPEN"):
        return StepFailed("store.commit", errno.ENOENT, path)
    return StoreDamaged(
        f"{path}: {error}",
        "restore it from a backup, or run `minidock system check --repair`",
    )
