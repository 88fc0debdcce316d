"""A table as a collection of values: the five statements that all tables need, made from the row's fields.

>>> import sqlite3
>>> from minidock.store.database import Database
>>> from minidock.store.rows import NetworkRow
>>> from minidock.store.schema import METADATA
>>> networks = Table(Database.in_memory(METADATA), "networks", NetworkRow, ("id",))
>>> networks.add(NetworkRow(id="n1", name="bridge", driver="bridge", created=0))
>>> networks.get("n1").name
'bridge'
>>> networks.find(driver="overlay")
[]
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

from minidock.errors import InvalidDigest, StoreDamaged
from minidock.oci.digest import Digest
from minidock.store.database import Database

R = TypeVar("R", bound=msgspec.Struct)


class Table(Generic[R]):
    """One table of a database. Reading is always allowed; adding, putting and removing need an open transaction.

    :param kind: the class of the rows; its fields are the columns.
    :param key: the columns of the primary key.
    """

    def __init__(self, database: Database, name: str, kind: type[R], key: tuple[str, ...]) -> None:
        self._database = database
        self._name = name
        self._kind = kind
        fields = kind.__struct_fields__
        self._json = frozenset(f for f in fields if kind.__annotations__[f] == "bytes")
        columns = ", ".join(fields)
        holes = ", ".join("?" for _ in fields)
        self._where_key = " AND ".join(f"{column} = ?" for column in key)
        changes = ", ".join(f"{f} = excluded.{f}" for f in fields if f not in key)
        action = f"DO UPDATE SET {changes}" if changes else "DO NOTHING"
        self._select = f'SELECT {columns} FROM "{name}"'  # noqa: S608  (names of our own, never input)
        self._order = f" ORDER BY {', '.join(key)}"
        self._insert = f'INSERT INTO "{name}" ({columns}) VALUES ({holes})'  # noqa: S608
        self._upsert = f"{self._insert} ON CONFLICT ({', '.join(key)}) {action}"
        self._delete = f'DELETE FROM "{name}" WHERE {self._where_key}'  # noqa: S608

    def get(self, *key: str | int) -> R | None:
        """Return the row with this primary key, or ``None``."""
        rows = self._database.query(f"{self._select} WHERE {self._where_key}", key)
        return self._value(rows[0]) if rows else None

    def find(self, **columns: str | int) -> list[R]:
        """Return the rows in which these columns have these values, in the order of their keys."""
        where = " AND ".join(f"{column} = ?" for column in columns)
        rows = self._database.query(f"{self._select} WHERE {where}{self._order}", tuple(columns.values()))
        return [self._value(row) for row in rows]

    def find_prefix(self, column: str, prefix: str) -> list[R]:
        """Return the rows whose *column* begins with *prefix*, taken literally."""
        rows = self._database.query(
            f"{self._select} WHERE substr({column}, 1, length(?1)) = ?1{self._order}",
            (prefix,),
        )
        return [self._value(row) for row in rows]

    def all(self) -> list[R]:
        """Return all rows, in the order of their keys."""
        return [self._value(row) for row in self._database.query(self._select + self._order, ())]

    def add(self, row: R) -> None:
        """Add a row.

        :raises Conflict: the key or another unique column is taken, or what the row refers to is not there.
        """
        self._database.change(self._insert, self._columns(row))

    def put(self, row: R) -> None:
        """Add a row, or change the one with the same key.

        :raises Conflict: another unique column is taken, or what the row refers to is not there.
        """
        self._database.change(self._upsert, self._columns(row))

    def remove(self, *key: str | int) -> bool:
        """Remove the row with this key; return whether it was there.

        :raises Conflict: another row refers to it.
        """
        return self._database.change(self._delete, key) > 0

    def _columns(self, row: R) -> tuple[Any, ...]:
        values = ((name, getattr(row, name)) for name in self._kind.__struct_fields__)
        return tuple(value.decode() if name in self._json else value for name, value in values)

    def _value(self, columns: tuple[Any, ...]) -> R:
        values = dict(zip(self._kind.__struct_fields__, columns, strict=True))
        for name in self._json:
            values[name] = values[name].encode()
        try:
            return msgspec.convert(values, self._kind, dec_hook=_from_column)
        except (msgspec.ValidationError, InvalidDigest) as bad:
            raise StoreDamaged(f"{self._database.path}: table {self._name}: {bad}") from bad


def _from_column(kind: type[Any], value: Any) -> Any:
    if kind is Digest:
        return Digest(value)
    raise NotImplementedError(kind)
