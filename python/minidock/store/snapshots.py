"""Snapshots: the folders that containers' roots are made of.

A *committed* snapshot is one layer on top of exactly those below it: its name is the chainID, so images that begin with
the same layers share them, and each layer is applied once. An *active* snapshot is the writable folder of a container::

    active     <container id>   fs/ work/      upper
                    │ parent
    committed  9f3c…            fs/            lower, topmost first
                    │ parent
    committed  12ab…            fs/

A layer comes to life in three steps; whoever holds its lock does them, others wait and find it done::

    prepare ──▶ tmp/layer.<random>/fs  ◀── the layer's archive is applied there
    sync        once for all layers of a pull
    commit      rename to snapshots/<key>, then all rows in one transaction

The *driver* says how a stack becomes one tree: ``overlay``; ``userxattr``, overlay as an ordinary user may mount it; or
``copy``, where neither works: then each snapshot holds all files of its parent too. It is found out once for each root.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence

import msgspec

from minidock.errors import Conflict, NotFound, StoreDamaged
from minidock.oci.digest import Digest
from minidock.oci.manifest import MAX_LAYERS
from minidock.store.disk import Disk
from minidock.store.layout import Layout
from minidock.store.leases import Lease
from minidock.store.locks import Lock, Locks
from minidock.store.metadata import Metadata, transaction
from minidock.store.rows import ACTIVE, BROKEN, COMMITTED, SnapshotRow, ValueRow
from minidock.store.scratch import Scratch
from minidock.store.tree import mounts_below

OVERLAY, USERXATTR, COPY = "overlay", "userxattr", "copy"

#: Driver → what a whiteout becomes when a layer is applied (port ``Layers``).
WHITEOUTS = {OVERLAY: "overlay", USERXATTR: "userxattr", COPY: "delete"}


class SnapshotMount(msgspec.Struct, frozen=True):
    """How an active snapshot becomes a root: an overlay, or, without *lower*, the folder *upper* alone.

    *lower* has the topmost layer first; *options* are overlay's, such as ``userxattr``.
    """

    upper: str
    work: str
    lower: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


class PreparedLayer:
    """A layer that this process alone is applying, into the folder ``path``. Its ``with`` block aborts it if it was not
    committed.
    """

    def __init__(
        self,
        chain: Digest,
        parent: Digest | None,
        scratch: Scratch,
        lock: Lock,
        others: dict[Digest, PreparedLayer],
    ) -> None:
        self.chain = chain
        self.parent = parent
        self._others = others
        self.path = f"{scratch.path}/fs"
        self.size = 0  # bytes of its regular files; known when the archive has been applied
        self.scratch = scratch
        self.lock = lock

    @property
    def key(self) -> str:
        return layer_key(self.chain)

    def abort(self) -> None:
        """Remove what was applied so far, and let others try. Idempotent; after a commit it does nothing."""
        self._others.pop(self.chain, None)
        try:
            self.scratch.close()
        finally:
            self.lock.release()

    def committed(self) -> None:
        """It is official: let the lock go, keep the files."""
        self._others.pop(self.chain, None)
        self.scratch.published()
        self.lock.release()

    def __enter__(self) -> PreparedLayer:
        return self

    def __exit__(self, *_: object) -> None:
        self.abort()


class Snapshots:
    """All snapshots of one root.

    :param probe: says which overlay works on a folder's file system (port ``Mounts``, ``probe_overlay``).
    """

    def __init__(
        self,
        layout: Layout,
        disk: Disk,
        metadata: Metadata,
        locks: Locks,
        probe: Callable[[str], str],
        dry: bool = False,
    ) -> None:
        self._layout = layout
        self._disk = disk
        self._metadata = metadata
        self._locks = locks
        self._probe = probe
        self._dry = dry
        self._driver = ""
        self._preparing: dict[Digest, PreparedLayer] = {}

    @property
    def driver(self) -> str:
        """``overlay``, ``userxattr`` or ``copy``: probed when first needed, and the same for this root ever after."""
        if not self._driver:
            row = self._metadata.rows().values.get("snapshots", "driver")
            self._driver = msgspec.json.decode(row.value, type=str) if row else self._choose_driver()
        return self._driver

    @property
    def whiteouts(self) -> str:
        """What a whiteout becomes when a layer is applied here."""
        return WHITEOUTS[self.driver]

    def has_layer(self, chain: Digest) -> bool:
        """Say whether the layer is applied and whole. Only a lease makes the answer last."""
        row = self._metadata.rows().snapshots.get(layer_key(chain))
        if row is None or row.kind != COMMITTED:
            return False
        return row.chain == chain and (self._dry or os.path.isdir(f"{self._layout.snapshot(row.key)}/fs"))

    def prepare_layer(self, lease: Lease, chain: Digest, parent: Digest | None) -> PreparedLayer | None:
        """Begin to apply a layer; return ``None`` if it is there. Waits while others apply the same one.

        Layers must be prepared from the lowest up: so two pulls that share layers never wait in a circle. With the
        driver ``copy`` the layer below must also have been applied before.

        :param parent: the chainID of the layer below; it is committed, or being prepared by this object.
        :raises Conflict: it is neither.
        """
        key = layer_key(chain)
        lease.keep_snapshot(key)
        if self.has_layer(chain):
            return None
        row = self._metadata.rows().snapshots.get(key)
        if row is not None and row.chain != chain:
            raise Conflict(f"layers {chain} and {row.chain} have the same short name {key}")
        if parent is not None and parent not in self._preparing and not self.has_layer(parent):
            raise Conflict(f"layer {chain} cannot be applied before the layer below it, {parent}")
        lock = self._locks.exclusive(f"layer-{key}")
        try:
            if self.has_layer(chain):  # it came while we waited
                lock.release()
                return None
            scratch = Scratch(self._layout, self._disk, self._locks, "layer", self._dry)
            layer = PreparedLayer(chain, parent, scratch, lock, self._preparing)
            if self.driver == COPY and parent is not None:
                self._disk.copy(self._files_of(parent), layer.path)
            else:
                self._disk.folder(layer.path, 0o755)
        except BaseException:
            lock.release()
            raise
        self._preparing[chain] = layer
        return layer

    def commit(self, layers: Sequence[PreparedLayer]) -> None:
        """Make applied layers official, the lowest first: one sync and one transaction for all of them.

        :raises StepFailed: the disk refuses; the layers stay prepared, to be aborted.
        """
        if not layers:
            return
        self._disk.sync(self._layout.tmp)
        for layer in layers:  # what a crash between rename and row has left, or a layer that check found broken
            if os.path.lexists(self._layout.snapshot(layer.key)):
                self._disk.remove(self._layout.snapshot(layer.key))
        with self._locks.shared("gc"):
            for layer in layers:
                # Not to be undone: a row of another process can count on it from the next line on.
                self._disk.publish(layer.scratch.path, self._layout.snapshot(layer.key), undo=False)
            with transaction(self._metadata, "layers " + " ".join(layer.key for layer in layers)) as rows:
                for layer in layers:
                    rows.snapshots.put(self._layer_row(layer))
        for layer in layers:
            layer.committed()

    def writable(self, key: str, parent: Digest | None) -> SnapshotRow:
        """Make the folders of an active snapshot on top of the layer *parent*, and return the row that is to be added.

        The caller holds the lock ``gc`` shared until its transaction, which adds the row, is over.

        :raises NotFound: the parent is not there.
        :raises StoreDamaged: the parent is broken.
        """
        folder = self._layout.snapshot(key)
        below = self._row_of(parent) if parent is not None else None
        self._disk.folder(folder)
        self._make_files(folder, below)
        self._disk.folder(f"{folder}/work")
        return SnapshotRow(
            key=key,
            parent=below.key if below else None,
            kind=ACTIVE,
            driver=self.driver,
            created=time.time_ns(),
            size=0,
        )

    def mend(self, key: str) -> None:
        """Make anew those folders of an active snapshot that are missing: empty, or a copy of the layer below.

        :raises StoreDamaged: the layer below is broken.
        """
        folder = self._layout.snapshot(key)
        row = self._metadata.rows().snapshots.get(key)
        if row is None or row.kind != ACTIVE:
            raise NotFound(f"no writable snapshot {key}")
        below = self._metadata.rows().snapshots.get(row.parent) if row.parent else None
        if not os.path.isdir(folder):
            self._disk.folder(folder)
        if not os.path.isdir(f"{folder}/fs"):
            self._make_files(folder, below)
        if not os.path.isdir(f"{folder}/work"):
            self._disk.folder(f"{folder}/work")

    def mount_of(self, key: str) -> SnapshotMount:
        """Return how the active snapshot becomes a root.

        :raises NotFound: there is no such snapshot.
        :raises StoreDamaged: a layer below is broken.
        """
        row = self._metadata.rows().snapshots.get(key)
        if row is None or row.kind != ACTIVE:
            raise NotFound(f"no writable snapshot {key}")
        folder = self._layout.snapshot(key)
        if row.driver == COPY:
            return SnapshotMount(f"{folder}/fs", f"{folder}/work")
        options = ("userxattr",) if row.driver == USERXATTR else ()
        lower = self._stack(row.parent)
        return SnapshotMount(f"{folder}/fs", f"{folder}/work", lower, options if lower else ())

    def layers_of(self, chain: Digest) -> tuple[str, ...]:
        """Return the folders of a layer and those below it, the topmost first: for a read-only view.

        :raises NotFound: the layer is not there.
        :raises StoreDamaged: one of them is broken.
        """
        row = self._row_of(chain)
        return (f"{self._layout.snapshot(row.key)}/fs",) if row.driver == COPY else self._stack(row.key)

    def remove(self, key: str) -> None:
        """Remove a snapshot: its row, then its files. Idempotent.

        :raises Conflict: it has children, a container uses it, or it is mounted.
        """
        self.refuse_if_mounted(key)
        with transaction(self._metadata, f"snapshot {key} goes") as rows:
            rows.snapshots.remove(key)
        self.discard(key)

    def refuse_if_mounted(self, key: str) -> None:
        """Raise :class:`Conflict` if a file system is mounted in the snapshot's folder."""
        if mounts := mounts_below(self._layout.snapshot(key)):
            raise Conflict(f"snapshot {key} is in use: {mounts[0]} is mounted")

    def discard(self, key: str) -> None:
        """Remove the files of a snapshot whose row is gone: after a transaction that removed more than the snapshot.

        :raises StepFailed: EBUSY, something is mounted there.
        """
        self._disk.remove(self._layout.snapshot(key))

    def _choose_driver(self) -> str:
        found = self._probe(self._layout.tmp)
        driver = found if found in (OVERLAY, USERXATTR) else COPY
        with transaction(self._metadata, f"snapshot driver {driver}") as rows:
            rows.values.put(ValueRow("snapshots", "driver", msgspec.json.encode(driver)))
        return driver

    def _make_files(self, folder: str, below: SnapshotRow | None) -> None:
        if below is not None:
            _refuse_broken(below)
        if below is not None and self.driver == COPY:
            self._disk.copy(f"{self._layout.snapshot(below.key)}/fs", f"{folder}/fs")
            return
        # The upper folder is the root that the container sees: it must look like the one below.
        mode, owner = self._look(below)
        self._disk.folder(f"{folder}/fs", mode, *([owner] if owner else []))

    def _layer_row(self, layer: PreparedLayer) -> SnapshotRow:
        return SnapshotRow(
            key=layer.key,
            parent=layer_key(layer.parent) if layer.parent else None,
            kind=COMMITTED,
            chain=layer.chain,
            driver=self.driver,
            created=time.time_ns(),
            size=layer.size,
        )

    def _row_of(self, chain: Digest) -> SnapshotRow:
        row = self._metadata.rows().snapshots.get(layer_key(chain))
        if row is None or row.chain != chain:
            raise NotFound(f"layer {chain} is not in the store", "pull the image again")
        _refuse_broken(row)
        return row

    def _files_of(self, chain: Digest) -> str:
        """A layer's files: published, or still where this process has prepared them."""
        prepared = self._preparing.get(chain)
        return prepared.path if prepared else f"{self._layout.snapshot(self._row_of(chain).key)}/fs"

    def _look(self, below: SnapshotRow | None) -> tuple[int, tuple[int, ...]]:
        if below is None or self._dry:
            return 0o755, ()
        try:
            info = os.stat(f"{self._layout.snapshot(below.key)}/fs")
        except FileNotFoundError:
            raise _broken(below) from None
        owner = (info.st_uid, info.st_gid)
        return info.st_mode & 0o7777, () if owner == (os.geteuid(), os.getegid()) else owner

    def _stack(self, key: str | None) -> tuple[str, ...]:
        folders: list[str] = []
        while key is not None:
            row = self._metadata.rows().snapshots.get(key)
            if row is None or len(folders) == MAX_LAYERS:
                raise StoreDamaged(f"snapshot {key} is missing, or has more than {MAX_LAYERS} layers below it")
            _refuse_broken(row)
            folders.append(f"{self._layout.snapshot(row.key)}/fs")
            key = row.parent
        return tuple(folders)


def layer_key(chain: Digest) -> str:
    """Return the name of a layer's snapshot: 16 digits, so that 100 of them fit into one page of mount options."""
    return chain.hex[:16]


def _refuse_broken(row: SnapshotRow) -> None:
    if row.kind == BROKEN:
        raise _broken(row)


def _broken(row: SnapshotRow) -> StoreDamaged:
    return StoreDamaged(f"layer {row.chain} is damaged", "pull the image again: the layer will be made anew")
