"""``system check``: is the store what its rows, names and digests say?

:func:`check` reads and returns findings; a whole store has none. It looks at

- both databases, by SQLite's own checks;
- every blob: its size, and (not in quick mode) its digest; every blob that an image needs; JSON that must parse;
- every snapshot row against its folder, every image against its layers;
- every container and volume row against its folder, and the JSON files in a container's folder;
- what the garbage collector would take away: it is no damage, but it should not be there.

Each finding names its repair, and :mod:`.repair` carries them out. Two things no repair can bring back by itself, only
a new pull: the bytes of a blob, and the files of a layer. The broken thing is put out of the way, so that the next pull
of the image makes it anew.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator

import msgspec

from minidock.errors import MinidockError, StoreDamaged
from minidock.oci import codec
from minidock.oci.digest import Digest
from minidock.oci.image import ImageConfig
from minidock.oci.manifest import Index, Manifest
from minidock.store.facts import gather
from minidock.store.gc import Facts, mark
from minidock.store.rows import ACTIVE, BROKEN, BlobRef, SnapshotRow
from minidock.store.store import Store

ERROR, LEFTOVER = "error", "leftover"

_DOCUMENTS: dict[str, type[Manifest] | type[Index] | type[ImageConfig]] = {
    "index": Index,
    "manifest": Manifest,
    "config": ImageConfig,
}


class Finding(msgspec.Struct, frozen=True):
    """One thing that is not as it should be.

    :param what: the thing, such as ``blob sha256:…`` or ``container web``.
    :param where: the file or table.
    :param problem: what is wrong, one clause.
    :param severity: ``error``: something is lost or will fail; ``leftover``: something is too many.
    :param repair: what ``--repair`` does, one clause.
    :param action: how it does it (:data:`~minidock.store.repair.REPAIRS`).
    :param key: which one: a digest's digits, a key, an id.
    """

    what: str
    where: str
    problem: str
    severity: str
    repair: str
    action: str
    key: str


def check(store: Store, quick: bool = False) -> list[Finding]:
    """Look at everything; change nothing.

    :param quick: compare the sizes of blobs only, not their digests.
    """
    broken = list(_databases(store))
    if any(finding.action != "none" for finding in broken):
        return broken  # without rows nothing else makes sense
    found = _compare(store)
    if found:  # commands may be at work: what they were in the middle of is not found a second time
        again = _compare(store)
        found = [finding for finding in found if finding in again]
    return [*broken, *found, *([] if quick else _digests(store, gather(store)))]


def _compare(store: Store) -> list[Finding]:
    """All that needs no reading of large files."""
    with store.locks.exclusive("gc"):
        facts = gather(store)
    return [
        *_sizes(store, facts),
        *_image_blobs(store, facts),
        *_snapshots(store, facts),
        *_orphans(facts),
        *_containers(store, facts),
        *_volumes(store),
        *_leftovers(facts),
    ]


def _databases(store: Store) -> Iterator[Finding]:
    parts = (("metadata", store.layout.database), ("state", store.layout.state_database))
    for part, path in parts:
        try:
            problems = store.metadata.problems() if part == "metadata" else store.state.problems()
        except StoreDamaged as damaged:
            lost_log = os.path.exists(f"{path}-shm") and not os.path.exists(f"{path}-wal")
            action, repair = _FORGET_LOG if lost_log else _SET_ASIDE
            yield Finding(f"database {part}", path, damaged.message, ERROR, repair, action, part)
            continue
        for problem in problems:
            yield Finding(f"database {part}", path, problem, ERROR, _SET_ASIDE[1], _SET_ASIDE[0], part)


_FORGET_LOG = ("forget log", "go on with what the file itself holds; files without a row go to damaged-*")
_SET_ASIDE = ("set aside", "move it, and the files that only it could explain, to damaged-*; begin with an empty one")


def _sizes(store: Store, facts: Facts) -> Iterator[Finding]:
    sizes = {ref.digest.hex: ref.size for ref in facts.blob_refs}
    for item in facts.blobs:
        expected = sizes.get(item.name, item.size)
        if item.size != expected:
            yield _bad_blob(store, facts, item.name, f"it has {item.size} bytes, not {expected}")


def _digests(store: Store, facts: Facts) -> Iterator[Finding]:
    sizes = {ref.digest.hex: ref.size for ref in facts.blob_refs}
    for item in facts.blobs:
        if item.size != sizes.get(item.name, item.size):
            continue  # found already
        try:
            with open(f"{store.layout.root}/blobs/sha256/{item.name}", "rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            continue  # it went while we looked
        except OSError as error:
            yield _bad_blob(store, facts, item.name, f"it cannot be read: {error.strerror}")
            continue
        if found != item.name:
            yield _bad_blob(store, facts, item.name, f"its bytes have the digest sha256:{found}")


def _bad_blob(store: Store, facts: Facts, digits: str, problem: str) -> Finding:
    whose = ", ".join(_owners(facts).get(digits, [])) or "no image"
    path = f"{store.layout.root}/blobs/sha256/{digits}"
    repair = f"remove it, and pull again: {whose}"
    return Finding(f"blob sha256:{digits}", path, problem, ERROR, repair, "drop blob", digits)


def _image_blobs(store: Store, facts: Facts) -> Iterator[Finding]:
    """What images need: it must be there, and documents must parse."""
    there = {item.name for item in facts.blobs}
    owners = _owners(facts)
    for ref in {ref.digest: ref for ref in facts.blob_refs}.values():
        whose = ", ".join(owners[ref.digest.hex])
        path = store.layout.blob(ref.digest)
        if ref.digest.hex not in there:
            problem = f"the {ref.kind} of {whose} is missing"
            yield Finding(f"blob {ref.digest}", path, problem, ERROR, f"pull again: {whose}", "none", ref.digest.hex)
        elif problem := _bad_document(store, ref):
            repair = f"remove the image, and pull again: {whose}"
            yield Finding(f"blob {ref.digest}", path, problem, ERROR, repair, "drop image", ref.image)


def _bad_document(store: Store, ref: BlobRef) -> str:
    kind = _DOCUMENTS.get(ref.kind)
    if kind is None or os.path.getsize(store.layout.blob(ref.digest)) != ref.size:
        return ""  # a wrong size has its own finding
    try:
        with open(store.layout.blob(ref.digest), "rb") as file:
            codec.decode(file.read(codec.LIMIT + 1), kind, ref.kind)
    except MinidockError as bad:
        return bad.message
    return ""


def _snapshots(store: Store, facts: Facts) -> Iterator[Finding]:
    names = {row.snapshot: row.name for row in facts.containers}
    for row in facts.snapshots:
        folder = store.layout.snapshot(row.key)
        if row.kind == BROKEN:
            yield Finding(f"layer {row.chain}", folder, "it is broken", ERROR, "pull its image again", "none", row.key)
        elif missing := _missing_folder(folder, row):
            if row.kind == ACTIVE:
                what = f"files of container {names.get(row.key, row.key)}"
                repair = "make them anew: what the container had changed is lost"
                yield Finding(what, missing, "they are missing", ERROR, repair, "mend snapshot", row.key)
            else:
                repair = "mark it as broken, and pull its image again"
                yield Finding(f"layer {row.chain}", missing, "it is missing", ERROR, repair, "mark broken", row.key)


def _missing_folder(folder: str, row: SnapshotRow) -> str:
    parts = ("fs", "work") if row.kind == ACTIVE else ("fs",)
    return next((f"{folder}/{part}" for part in parts if not os.path.isdir(f"{folder}/{part}")), "")


def _orphans(facts: Facts) -> Iterator[Finding]:
    """Rows that refer to rows which are not there; only a foreign program can have made them."""
    images, keys = {row.id for row in facts.images}, {row.key for row in facts.snapshots}
    for name in facts.names:
        if name.image not in images:
            yield Finding(f"name {name.name}", "names", "it has no image", ERROR, "remove it", "drop name", name.name)
    for image in sorted({ref.image for ref in facts.blob_refs} - images):
        what, problem = f"blobs of image {image}", "there is no such image"
        yield Finding(what, "image_blobs", problem, ERROR, "remove the rows", "drop references", image)
    for row in facts.snapshots:
        if row.parent is not None and row.parent not in keys:
            what, problem = f"snapshot {row.key}", f"the snapshot below it, {row.parent}, is missing"
            yield Finding(what, "snapshots", problem, ERROR, "pull its image again", "none", row.key)
    chains = {row.chain for row in facts.snapshots}
    for lost in facts.images:
        if lost.chain is not None and lost.chain not in chains:
            what = f"image {lost.id}"
            yield Finding(what, "images", "its layers are missing", ERROR, "pull it again", "none", lost.id)


def _containers(store: Store, facts: Facts) -> Iterator[Finding]:
    snapshots = {row.key for row in facts.snapshots}
    for row in facts.containers:
        folder = store.layout.container(row.id)
        what = f"container {row.name}"
        if row.snapshot is None or row.snapshot not in snapshots:
            yield Finding(what, "containers", "it has no files", ERROR, "remove it", "drop container", row.id)
        elif not os.path.isdir(folder):
            repair = "make it anew, empty"
            yield Finding(what, folder, "its folder is missing", ERROR, repair, "make folder", folder)
        for name in ("config.json", "exit"):
            path = f"{folder}/{name}"
            if os.path.exists(path) and not _is_json(path):
                yield Finding(what, path, "it is no JSON", ERROR, "remove it", "drop file", path)


def _is_json(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            msgspec.json.decode(file.read(codec.LIMIT + 1), type=dict)
    except (msgspec.DecodeError, OSError, RecursionError):
        return False
    return True


def _volumes(store: Store) -> Iterator[Finding]:
    rows = {row.name for row in store.rows.volumes.find(driver="local")}
    for name in sorted(rows):
        folder = f"{store.layout.volume(name)}/_data"
        if not os.path.isdir(folder):
            repair = "make it anew, empty: its data is lost"
            yield Finding(f"volume {name}", folder, "its folder is missing", ERROR, repair, "make folder", folder)
    for name in sorted(os.listdir(f"{store.layout.root}/volumes")):
        if name not in rows and os.path.isdir(f"{store.layout.volume(name)}/_data"):
            where = store.layout.volume(name)
            yield Finding(f"volume {name}", where, "it has no row", LEFTOVER, "add the row", "adopt volume", name)


def _leftovers(facts: Facts) -> Iterator[Finding]:
    for decision in mark(facts):
        if decision.goes:
            what = f"{decision.kind} {decision.name}"
            yield Finding(what, decision.kind, decision.why, LEFTOVER, "collect the garbage", "collect", decision.name)


def _owners(facts: Facts) -> dict[str, list[str]]:
    """Return the images that need each blob, by its digits: names, or an id where there is no name."""
    names: dict[Digest, str] = {row.image: row.name for row in reversed(facts.names)}
    owners: dict[str, list[str]] = {}
    for ref in facts.blob_refs:
        users = owners.setdefault(ref.digest.hex, [])
        name = names.get(ref.image, ref.image)
        if name not in users:
            users.append(name)
    return owners
