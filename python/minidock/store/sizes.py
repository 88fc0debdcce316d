"""How much room things take, and whose it is: the numbers of ``system df``.

A layer that several images share takes its room once. So an image has a size, what it would take alone; of that, what
it *shares* with other images; and the rest, which is freed when it goes. Sizes are the sums of regular files, in bytes,
as they were counted when the layer was applied; containers' and volumes' folders are measured when asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from minidock.oci.digest import Digest
from minidock.store.rows import ContainerRow, ImageRow, SnapshotRow
from minidock.store.snapshots import COPY
from minidock.store.store import Store
from minidock.store.tree import measure_tree


class ImageSize(msgspec.Struct, frozen=True):
    """One image: *size* alone, *shared* of it with other images; ``size - shared`` goes when the image goes."""

    size: int
    shared: int


class Usage(msgspec.Struct, frozen=True):
    """One line of ``system df``: how many, how many of them in use, bytes, and how many of these nobody uses."""

    total: int
    active: int
    size: int
    reclaimable: int


class DiskUsage(msgspec.Struct, frozen=True):
    """All of ``system df``."""

    images: Usage
    containers: Usage
    volumes: Usage


def image_sizes(images: Iterable[ImageRow], snapshots: Iterable[SnapshotRow]) -> dict[Digest, ImageSize]:
    """Return each image's sizes, by its id. Pure."""
    rows = {row.key: row for row in snapshots}
    stacks = {image.id: _stack(image.chain, rows) for image in images}
    users = Counter(key for stack in stacks.values() for key in stack)
    return {
        id: ImageSize(
            sum(rows[key].size for key in stack),
            sum(rows[key].size for key in stack if users[key] > 1),
        )
        for id, stack in stacks.items()
    }


def images_usage(
    images: Iterable[ImageRow], snapshots: Iterable[SnapshotRow], containers: Iterable[ContainerRow]
) -> Usage:
    """Return the line for images: a layer counts once, and is in use if a container stands on it. Pure."""
    rows = {row.key: row for row in snapshots}
    stacks = {image.id: _stack(image.chain, rows) for image in images}
    wanted = {container.image for container in containers}
    active = [id for id in stacks if id in wanted]
    size = _sum(stacks.values(), rows)
    return Usage(len(stacks), len(active), size, size - _sum((stacks[id] for id in active), rows))


def disk_usage(store: Store, running: Iterable[str] = (), mounted: Iterable[str] = ()) -> DiskUsage:
    """Measure everything.

    :param running: the ids of the containers that run: these are in use.
    :param mounted: the names of the volumes that containers mount: these are in use.
    """
    rows = store.rows
    containers, snapshots = rows.containers.all(), rows.snapshots.all()
    alive = set(running)
    sizes = {row.id: container_size(store, row) for row in containers}
    idle = sum(size for id, size in sizes.items() if id not in alive)
    names = [row.name for row in rows.volumes.find(driver="local")]
    volumes = {name: measure_tree(f"{store.layout.volume(name)}/_data").size for name in names}
    used = set(mounted) & set(volumes)
    return DiskUsage(
        images_usage(rows.images.all(), snapshots, containers),
        Usage(len(containers), len(alive & set(sizes)), sum(sizes.values()), idle),
        Usage(len(volumes), len(used), sum(volumes.values()), sum(volumes[name] for name in set(volumes) - used)),
    )


def container_size(store: Store, container: ContainerRow) -> int:
    """Return what the container itself has written, in bytes, its layers not counted."""
    if container.snapshot is None:
        return 0
    rows = {row.key: row for row in store.rows.snapshots.all()}
    size = measure_tree(f"{store.layout.snapshot(container.snapshot)}/fs").size
    row = rows.get(container.snapshot)
    if row is None or row.driver != COPY:
        return size
    return max(0, size - _sum([_parents(row.parent, rows)], rows))  # the copy holds its layers' files too


def _stack(chain: Digest | None, rows: Mapping[str, SnapshotRow]) -> tuple[str, ...]:
    top = next((row.key for row in rows.values() if chain is not None and row.chain == chain), None)
    return _parents(top, rows)


def _parents(key: str | None, rows: Mapping[str, SnapshotRow]) -> tuple[str, ...]:
    found: list[str] = []
    while key is not None and key in rows and key not in found:
        found.append(key)
        key = rows[key].parent
    return tuple(found)


def _sum(stacks: Iterable[tuple[str, ...]], rows: Mapping[str, SnapshotRow]) -> int:
    return sum(rows[key].size for key in {key for stack in stacks for key in stack})
