"""The local volume driver: ``volumes/<name>/_data`` in the store."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from minidock.errors import InvalidArgument
from minidock.oci.codec import encode
from minidock.store.rows import VolumeRow
from minidock.store.store import Store


class VolumePoint(Protocol):
    """A mount point that asks for a volume; an empty *source* asks for one without a name."""

    @property
    def kind(self) -> str: ...
    @property
    def destination(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def copy(self) -> bool: ...
    @property
    def subpath(self) -> str: ...
    @property
    def labels(self) -> dict[str, str] | None: ...


class Prepared(msgspec.Struct, frozen=True):
    """Volumes for one container: rows to be added, the host's folder for each destination, the names made up."""

    rows: tuple[VolumeRow, ...]
    sources: dict[str, str]
    anonymous: tuple[str, ...]


class LocalVolumes:
    """Volumes of one root."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def prepare(self, points: Sequence[VolumePoint], open_folder: Callable[[str], int | None]) -> Prepared:
        """Make the folders of all volumes that are new; the caller adds the rows with the container's own.

        :param open_folder: opens a folder of the image, links resolved inside the image; ``None`` if there is none.
        :raises InvalidArgument: a subpath that leads out of its volume, or nowhere.
        """
        rows: dict[str, VolumeRow] = {}
        sources: dict[str, str] = {}
        anonymous: list[str] = []
        for point in points:
            if point.kind != "volume":
                continue
            name = point.source or os.urandom(32).hex()
            if not point.source:
                anonymous.append(name)
            if name not in rows and self._store.metadata.rows().volumes.get(name) is None:
                self._make(name, point, open_folder)
                rows[name] = VolumeRow(name=name, created=time.time_ns(), labels=encode(point.labels or {}))
            sources[point.destination] = self._source(name, point.subpath)
        return Prepared(tuple(rows.values()), sources, tuple(anonymous))

    def remove(self, name: str) -> None:
        """Remove a volume's files; its row is gone already. Idempotent."""
        self._store.disk.remove(self._store.layout.volume(name))

    def _make(self, name: str, point: VolumePoint, open_folder: Callable[[str], int | None]) -> None:
        folder = self._store.layout.volume(name)
        self._store.disk.folder(folder, 0o701)
        fd = open_folder(point.destination) if point.copy else None
        if fd is None:
            self._store.disk.folder(f"{folder}/_data", 0o755)
            return
        try:
            self._store.disk.copy(f"/proc/self/fd/{fd}/.", f"{folder}/_data")
        finally:
            os.close(fd)

    def _source(self, name: str, subpath: str) -> str:
        data = f"{self._store.layout.volume(name)}/_data"
        if not subpath:
            return data
        path = os.path.realpath(f"{data}/{subpath}")
        if not path.startswith(data + "/") or not os.path.exists(path):
            raise InvalidArgument(f"cannot access path {data}/{subpath}: no such file or directory inside the volume")
        return path
