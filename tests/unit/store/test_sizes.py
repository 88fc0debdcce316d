from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from tests.support.stores import add_container, add_image, open_store

from minidock.store.layout import Layout
from minidock.store.rows import VolumeRow
from minidock.store.sizes import ImageSize, Usage, container_size, disk_usage, image_sizes
from minidock.store.store import Store


def test_a_shared_layer_is_counted_for_each_and_freed_by_none(store: Store) -> None:
    one = add_image(store, "one", ["base", "app1"])
    two = add_image(store, "two", ["base", "longer"])
    alone = add_image(store, "alone", ["x"])
    empty = add_image(store, "empty", [])
    assert image_sizes(store.rows.images.all(), store.rows.snapshots.all()) == {
        one.id: ImageSize(8, 4),
        two.id: ImageSize(10, 4),
        alone.id: ImageSize(1, 0),
        empty.id: ImageSize(0, 0),
    }


def test_the_whole_disk(store: Store) -> None:
    one = add_image(store, "one", ["base", "app1"])
    add_image(store, "two", ["base", "longer"])
    row = add_container(store, "web", one.chain)
    with store.transaction("its image") as rows:
        rows.containers.put(msgspec.structs.replace(row, image=one.id))
        rows.volumes.add(VolumeRow(name="data", created=1))
        rows.volumes.add(VolumeRow(name="old", created=1))
    for name, data in (("data", "123"), ("old", "12345")):
        folder = Path(store.layout.volume(name), "_data")
        folder.mkdir(parents=True)
        (folder / "file").write_text(data)
    Path(store.layout.snapshot(row.id), "fs/log").write_text("1234567")
    usage = disk_usage(store, running=[], mounted=["data"])
    assert usage.images == Usage(2, 1, 14, 6)
    assert usage.containers == Usage(1, 0, 7, 7)
    assert usage.volumes == Usage(2, 1, 8, 5)
    assert disk_usage(store, running=[row.id]).containers == Usage(1, 1, 7, 0)


@pytest.mark.parametrize("overlay", ["overlay", "none"])
def test_a_container_has_what_it_wrote_itself(layout: Layout, overlay: str) -> None:
    with open_store(layout, overlay=overlay) as store:
        row = add_container(store, "web", add_image(store, "one", ["base", "app1"]).chain)
        assert container_size(store, row) == 0
        Path(store.layout.snapshot(row.id), "fs/new").write_text("12345")
        assert container_size(store, row) == 5
