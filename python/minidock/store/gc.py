"""Garbage: what nobody needs any more, decided on paper.

:func:`mark` takes the facts (:class:`Facts`: rows, names of files, which locks are held) and returns one
:class:`Decision` for each thing, with who owns it and why it goes or stays. ``gc``, its dry run and its explanation
show the same decisions; :mod:`.facts` collects the facts, :mod:`.sweep` carries the decisions out.

Roots and what they keep::

    image ─────▶ its blobs, its topmost layer ──▶ the layers below
    container ─▶ its folder, its active snapshot ──▶ the layers below
    lease that holds ─▶ blobs, snapshots ──▶ the layers below
    held lock ─▶ a .part being written, a scratch folder, a journal
    age under a day ─▶ a .part, to be resumed

Volumes are never garbage: only a person knows what data is worth.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from minidock.store.rows import ACTIVE, BlobRef, ContainerRow, ImageRow, LeaseRef, LeaseRow, NameRow, SnapshotRow

#: How long a ``.part`` is kept for a second try, in seconds.
PART_AGE = 24 * 3600

NOBODY = "nobody"


class Item(msgspec.Struct, frozen=True):
    """A file or folder that may be garbage; ``busy``: somebody holds its lock. Ages in seconds, sizes in bytes."""

    name: str
    busy: bool = False
    age: float = 0.0
    size: int = 0


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """All that a decision depends on. ``alive`` are the ids of containers whose process or monitor lives.

    ``mounted`` are names in ``snapshots/`` and ``containers/`` in which a file system is mounted.
    """

    images: tuple[ImageRow, ...] = ()
    names: tuple[NameRow, ...] = ()
    blob_refs: tuple[BlobRef, ...] = ()
    snapshots: tuple[SnapshotRow, ...] = ()
    containers: tuple[ContainerRow, ...] = ()
    leases: tuple[LeaseRow, ...] = ()
    holding: frozenset[str] = frozenset()
    lease_refs: tuple[LeaseRef, ...] = ()
    running: tuple[str, ...] = ()
    alive: frozenset[str] = frozenset()
    mounted: frozenset[str] = frozenset()
    blobs: tuple[Item, ...] = ()
    parts: tuple[Item, ...] = ()
    snapshot_folders: tuple[Item, ...] = ()
    container_folders: tuple[Item, ...] = ()
    scratch: tuple[Item, ...] = ()
    journals: tuple[Item, ...] = ()
    netns: tuple[Item, ...] = ()
    run_folders: tuple[Item, ...] = ()
    locks: tuple[Item, ...] = ()


class Decision(msgspec.Struct, frozen=True):
    """One thing and its fate.

    ``kind`` is one of :data:`KINDS`, ``name`` the name in its folder or table, ``owner`` such as ``container web`` or
    ``nobody``, ``why`` a clause, ``size`` the bytes that go with it, where they are known.
    """

    kind: str
    name: str
    goes: bool
    owner: str
    why: str
    size: int = 0


#: The kinds of things, in the order in which they go: rows before files, what uses before what is used.
KINDS = (
    "journal",
    "lease",
    "running",
    "container folder",
    "run folder",
    "netns",
    "snapshot",
    "snapshot folder",
    "blob",
    "part",
    "scratch",
    "lock",
)


def mark(facts: Facts, part_age: float = PART_AGE) -> list[Decision]:
    """Decide what goes and what stays. Pure.

    :param part_age: how old a ``.part`` that nobody writes must be to go, in seconds.
    """
    blobs, snapshots = _owners(facts)
    containers = {row.id: f"container {row.name}" for row in facts.containers}
    return [
        *(_by_lock("journal", item, "its operation goes on", "its operation died") for item in facts.journals),
        *(_lease(row, row.id in facts.holding) for row in facts.leases),
        *(_running(name, containers, facts) for name in facts.running),
        *(_folder("container folder", item, containers, facts) for item in facts.container_folders),
        *(_folder("run folder", item, containers, facts) for item in facts.run_folders),
        *(_folder("netns", item, containers, facts) for item in facts.netns),
        *_snapshots(facts, snapshots),
        *(_blob(item, blobs) for item in facts.blobs),
        *(_part(item, blobs, part_age) for item in facts.parts),
        *(_by_lock("scratch", item, "it is in use", "its maker died") for item in facts.scratch),
        *(_by_lock("lock", item, "it is held", "its holder died") for item in facts.locks),
    ]


def _owners(facts: Facts) -> tuple[dict[str, str], dict[str, str]]:
    """Return who keeps each blob (by its hexadecimal digits) and each snapshot (by its key)."""
    names = {row.image: row.name for row in reversed(facts.names)}
    images = {row.id: f"image {names.get(row.id, row.id)}" for row in facts.images}
    chains = {row.chain: row.key for row in facts.snapshots if row.chain}
    leases = {row.id: f"lease {row.why}" for row in facts.leases if row.id in facts.holding}
    held = [ref for ref in facts.lease_refs if ref.lease in leases]

    blobs = {ref.key.rpartition(":")[2]: leases[ref.lease] for ref in held if ref.kind == "blob"}
    blobs |= {ref.digest.hex: images[ref.image] for ref in facts.blob_refs if ref.image in images}

    tops = [(ref.key, leases[ref.lease]) for ref in held if ref.kind == "snapshot"]
    tops += [(chains[row.chain], images[row.id]) for row in facts.images if row.chain in chains]
    tops += [(row.snapshot, f"container {row.name}") for row in facts.containers if row.snapshot]
    return blobs, _with_parents(tops, {row.key: row.parent for row in facts.snapshots})


def _with_parents(tops: Iterable[tuple[str, str]], parents: dict[str, str | None]) -> dict[str, str]:
    owners: dict[str, str] = {}
    for top, owner in tops:
        key: str | None = top
        while key is not None and key not in owners:
            owners[key] = owner
            key = parents.get(key)
    return owners


def _by_lock(kind: str, item: Item, busy: str, free: str) -> Decision:
    owner = "a running command" if item.busy else NOBODY
    return Decision(kind, item.name, not item.busy, owner, busy if item.busy else free, item.size)


def _lease(row: LeaseRow, holds: bool) -> Decision:
    why = "its command runs, or a second try may come" if holds else "its command is gone and its time is up"
    return Decision("lease", row.id, not holds, row.why, why)


def _running(id: str, containers: dict[str, str], facts: Facts) -> Decision:
    owner = containers.get(id, NOBODY)
    if id in facts.alive:
        return Decision("running", id, False, owner, "its process or its monitor lives")
    why = "its container is gone" if owner == NOBODY else "its exit has not been noted yet"
    return Decision("running", id, owner == NOBODY, owner, why)


def _folder(kind: str, item: Item, containers: dict[str, str], facts: Facts) -> Decision:
    """What belongs to a container by its name."""
    owner = containers.get(item.name, NOBODY)
    if owner != NOBODY:
        return Decision(kind, item.name, False, owner, "its container is there")
    if item.name in facts.alive:
        return Decision(kind, item.name, False, NOBODY, "its container is gone, but a process of it lives")
    if kind == "container folder" and item.name in facts.mounted:
        return Decision(kind, item.name, False, NOBODY, "its container is gone, but something is mounted in it")
    return Decision(kind, item.name, True, NOBODY, "its container is gone, or was never whole", item.size)


def _snapshots(facts: Facts, owners: dict[str, str]) -> list[Decision]:
    rows = {row.key: row for row in facts.snapshots}
    decisions = [_snapshot(row, owners, facts) for row in sorted(facts.snapshots, key=lambda row: -_depth(row, rows))]
    for item in facts.snapshot_folders:
        if item.name in rows:
            continue  # its row has decided
        if item.name in facts.mounted:
            decision = Decision("snapshot folder", item.name, False, NOBODY, "it has no row, but is mounted")
        else:
            decision = Decision("snapshot folder", item.name, True, NOBODY, "it was never whole, or its row is gone")
        decisions.append(decision)
    return decisions


def _snapshot(row: SnapshotRow, owners: dict[str, str], facts: Facts) -> Decision:
    owner = owners.get(row.key)
    if owner is not None:
        return Decision("snapshot", row.key, False, owner, "it is part of its root")
    if row.key in facts.mounted:
        return Decision("snapshot", row.key, False, NOBODY, "it is mounted")
    why = "its container is gone" if row.kind == ACTIVE else "no image and no container stands on it"
    return Decision("snapshot", row.key, True, NOBODY, why, row.size)


def _depth(row: SnapshotRow, rows: dict[str, SnapshotRow]) -> int:
    """How many rows are below *row*; a child goes before its parent."""
    depth = 0
    seen = {row.key}
    while row.parent is not None and row.parent in rows and row.parent not in seen:
        seen.add(row.parent)
        row = rows[row.parent]
        depth += 1
    return depth


def _blob(item: Item, owners: dict[str, str]) -> Decision:
    owner = owners.get(item.name)
    why = "no image needs it" if owner is None else "it needs it"
    return Decision("blob", item.name, owner is None, owner or NOBODY, why, item.size)


def _part(item: Item, owners: dict[str, str], part_age: float) -> Decision:
    owner = owners.get(item.name.removesuffix(".part"))
    if item.busy:
        return Decision("part", item.name, False, owner or "a running command", "it is being written")
    if owner is not None:
        return Decision("part", item.name, False, owner, "it needs it")
    if item.age < part_age:  # a clock that was set back makes it younger: it stays longer, no more
        return Decision("part", item.name, False, NOBODY, "a second try can go on from it")
    return Decision("part", item.name, True, NOBODY, "nobody has gone on from it for long", item.size)
