"""``system check --repair``: what :mod:`.check` has found is put into a clear state.

A repair never guesses: what is broken and can be fetched again goes away, so that the next pull makes it anew; what
cannot be fetched again is taken out of the rows, and the finding says what was lost. A damaged database is moved, never
removed, and so are the containers' files that only it could explain: ``<root>/damaged-<time>/`` is for a person to look
through, and no collection touches it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable

import msgspec

from minidock.errors import MinidockError
from minidock.store.check import Finding, check
from minidock.store.facts import gather
from minidock.store.recovery import Undoer
from minidock.store.rows import BROKEN, VolumeRow
from minidock.store.store import Store
from minidock.store.sweep import collect


def repair(store: Store, findings: Iterable[Finding], undo: Undoer) -> list[MinidockError]:
    """Carry out the repairs; return the errors of those that failed. Afterwards a check shows what is left.

    :param undo: carries out undo steps, as for :func:`~minidock.store.sweep.collect`.
    """
    errors: list[MinidockError] = []
    collecting = False
    for finding in findings:
        collecting |= finding.action == "collect"
        try:
            REPAIRS[finding.action](store, finding.key)
        except MinidockError as error:
            errors.append(error)
    if collecting:
        errors += [error for _, error in collect(store, undo).failed]
    return errors


def check_and_repair(store: Store, undo: Undoer, quick: bool = False) -> tuple[list[Finding], list[MinidockError]]:
    """Check and repair until nothing new turns up: a new database, for one, has no rows for the folders that are there.

    :return: all that was found, in order, and the errors of repairs.
    """
    seen: list[Finding] = []
    errors: list[MinidockError] = []
    while new := [finding for finding in check(store, quick) if finding not in seen]:
        seen += new
        errors += repair(store, new, undo)
    return seen, errors


def _nothing(store: Store, key: str) -> None:
    """There is nothing to do here: only a pull helps, or the collector does it."""


def _set_aside(store: Store, part: str) -> None:
    path = _database(store, part)
    store.close()
    aside = _aside(store)
    with store.locks.exclusive(part):
        for end in ("-wal", "-shm", ""):
            if os.path.exists(path + end):
                store.disk.publish(path + end, f"{aside}/{os.path.basename(path)}{end}", undo=False)
    if part == "metadata":
        _rescue(store, aside)


def _forget_log(store: Store, part: str) -> None:
    store.close()
    store.disk.remove(f"{_database(store, part)}-shm")
    if part == "metadata":
        _rescue(store, _aside(store))


def _database(store: Store, part: str) -> str:
    return store.layout.database if part == "metadata" else store.layout.state_database


def _aside(store: Store) -> str:
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    path = f"{store.layout.root}/damaged-{stamp}-{os.urandom(2).hex()}"
    store.disk.folder(path)
    return path


def _rescue(store: Store, aside: str) -> None:
    """Move what has no row any more: the collector would take it for garbage."""
    facts = gather(store)
    rows = {row.key for row in facts.snapshots} | {row.id for row in facts.containers}
    for kind, items in (("snapshots", facts.snapshot_folders), ("containers", facts.container_folders)):
        lost = [item.name for item in items if item.name not in rows]
        if lost:
            store.disk.folder(f"{aside}/{kind}")
        for name in lost:
            store.disk.publish(f"{store.layout.root}/{kind}/{name}", f"{aside}/{kind}/{name}", undo=False)


def _drop_blob(store: Store, digits: str) -> None:
    store.disk.remove(f"{store.layout.root}/blobs/sha256/{digits}")


def _drop_image(store: Store, id: str) -> None:
    with store.transaction(f"image {id} goes: its documents are broken") as rows:
        rows.images.remove(id)  # its names and references to blobs go with it


def _drop_name(store: Store, name: str) -> None:
    with store.transaction(f"name {name} goes: it has no image") as rows:
        rows.names.remove(name)


def _drop_references(store: Store, image: str) -> None:
    with store.transaction(f"references of {image} go: there is no such image") as rows:
        for ref in rows.blobs.find(image=image):
            rows.blobs.remove(ref.image, ref.digest, ref.kind, ref.position)


def _mark_broken(store: Store, key: str) -> None:
    with store.transaction(f"layer {key} is broken") as rows:
        row = rows.snapshots.get(key)
        if row is not None:
            rows.snapshots.put(msgspec.structs.replace(row, kind=BROKEN))


def _mend_snapshot(store: Store, key: str) -> None:
    store.snapshots.mend(key)


def _drop_container(store: Store, id: str) -> None:
    with store.transaction(f"container {id} goes: its files are lost") as rows:
        rows.containers.remove(id)


def _drop_file(store: Store, path: str) -> None:
    store.disk.remove(path)


def _make_folder(store: Store, path: str) -> None:
    if not os.path.isdir(os.path.dirname(path)):
        store.disk.folder(os.path.dirname(path))
    store.disk.folder(path, 0o755 if path.endswith("/_data") else 0o700)


def _adopt_volume(store: Store, name: str) -> None:
    with store.transaction(f"volume {name}") as rows:
        rows.volumes.put(VolumeRow(name=name, created=time.time_ns()))


#: A finding's action → what carries it out, given the finding's key.
REPAIRS: dict[str, Callable[[Store, str], None]] = {
    "none": _nothing,
    "collect": _nothing,
    "set aside": _set_aside,
    "forget log": _forget_log,
    "drop blob": _drop_blob,
    "drop image": _drop_image,
    "drop name": _drop_name,
    "drop references": _drop_references,
    "mark broken": _mark_broken,
    "mend snapshot": _mend_snapshot,
    "drop container": _drop_container,
    "drop file": _drop_file,
    "make folder": _make_folder,
    "adopt volume": _adopt_volume,
}
