"""The rows of the two databases as values: one class for each table, one field for each column.

Times are nanoseconds since the epoch, sizes are bytes. A ``bytes`` field is a JSON document, which the feature that
owns the row encodes and decodes; the database checks that it is JSON. What a table is for stands in :mod:`.schema`.
"""

from __future__ import annotations

import msgspec

from minidock.oci.digest import Digest

COMMITTED, ACTIVE, BROKEN = "committed", "active", "broken"


class ImageRow(msgspec.Struct, frozen=True, kw_only=True):
    """One image: a manifest and its configuration. ``chain`` names its topmost layer, ``None`` if it has none."""

    id: Digest
    manifest: Digest
    media_type: str
    os: str
    architecture: str
    variant: str = ""
    created: int = 0
    added: int
    size: int
    chain: Digest | None = None


class NameRow(msgspec.Struct, frozen=True):
    """One full name of an image (``str(Reference)``). ``target`` is the digest that the registry gave for it."""

    name: str
    image: Digest
    target: Digest | None = None


class BlobRef(msgspec.Struct, frozen=True):
    """An image needs a blob. ``kind`` is index, manifest, config or layer; ``position`` orders the layers."""

    image: Digest
    digest: Digest
    kind: str
    media_type: str
    size: int
    position: int = 0


class SnapshotRow(msgspec.Struct, frozen=True, kw_only=True):
    """One folder of files: ``kind`` is committed (a layer), active (a container's), broken (a layer to be re-made).

    ``parent`` is the key of the snapshot below; ``chain`` a layer's chainID; ``size`` what it adds to its parent.
    """

    key: str
    parent: str | None = None
    kind: str
    chain: Digest | None = None
    driver: str
    created: int
    size: int = 0


class ContainerRow(msgspec.Struct, frozen=True, kw_only=True):
    """One container. ``image`` is the image's id and ``image_name`` what the user called it."""

    id: str
    name: str
    image: str
    image_name: str
    created: int
    snapshot: str | None = None
    config: bytes = b"{}"
    host: bytes = b"{}"
    networks: bytes = b"{}"
    extra: bytes = b"{}"


class VolumeRow(msgspec.Struct, frozen=True, kw_only=True):
    """One volume."""

    name: str
    driver: str = "local"
    created: int
    labels: bytes = b"{}"
    options: bytes = b"{}"


class NetworkRow(msgspec.Struct, frozen=True, kw_only=True):
    """One network."""

    id: str
    name: str
    driver: str
    created: int
    config: bytes = b"{}"


class ValueRow(msgspec.Struct, frozen=True):
    """A small value: ``kind`` is who keeps it, such as ``snapshots`` or ``ipam``."""

    kind: str
    key: str
    value: bytes


class RunningRow(msgspec.Struct, frozen=True, kw_only=True):
    """What runs. A process is named by its id *and* its start (field 22 of /proc/PID/stat, ticks since boot)."""

    id: str
    status: str
    pid: int = 0
    start: int = 0
    monitor: int = 0
    monitor_start: int = 0
    began: int = 0
    extra: bytes = b"{}"


class LeaseRow(msgspec.Struct, frozen=True, kw_only=True):
    """A promise not to collect some things. ``expires`` is in nanoseconds since boot: no clock change matters."""

    id: str
    why: str
    pid: int
    start: int
    expires: int


class LeaseRef(msgspec.Struct, frozen=True):
    """A lease keeps a ``blob`` (by digest) or a ``snapshot`` (by key)."""

    lease: str
    kind: str
    key: str
