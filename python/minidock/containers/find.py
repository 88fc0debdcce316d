"""From what a person types to one container: its name, its id, or the beginning of its id."""

from __future__ import annotations

from minidock.containers.records import Container, from_row
from minidock.errors import InvalidArgument, NotFound
from minidock.store.store import Store


def find_container(store: Store, text: str) -> Container:
    """Return the container that *text* names: a whole id, then a name, then the beginning of an id.

    :raises NotFound: there is none, in Docker's words.
    :raises InvalidArgument: several ids begin so.
    """
    rows = store.metadata.rows().containers
    if row := rows.get(text):
        return from_row(row)
    if found := find_by_name(store, text.removeprefix("/")):
        return found
    several = rows.find_prefix("id", text) if text else []
    if len(several) > 1:
        raise InvalidArgument(f"multiple IDs found with provided prefix: {text}")
    if not several:
        raise NotFound(f"No such container: {text}")
    return from_row(several[0])


def find_by_name(store: Store, name: str) -> Container | None:
    """Return the container with this name, if there is one."""
    found = store.metadata.rows().containers.find(name=name)
    return from_row(found[0]) if found else None
