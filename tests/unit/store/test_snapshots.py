from __future__ import annotations

import os
import threading
from pathlib import Path

import msgspec
import pytest
from tests.support.stores import Steps, add_container, apply_layers, digest_of, open_store

from minidock.errors import Conflict, NotFound, StoreDamaged
from minidock.oci.image import chain_ids
from minidock.store.layout import Layout
from minidock.store.rows import BROKEN
from minidock.store.snapshots import PreparedLayer, SnapshotMount, layer_key
from minidock.store.store import Store

A, AB, ABC = chain_ids((digest_of("a"), digest_of("b"), digest_of("c")))


def test_layers_are_applied_once_and_shared(store: Store, steps: Steps) -> None:
    assert apply_layers(store, ["a", "b"]) == AB
    assert apply_layers(store, ["a", "b", "c"]) == ABC
    assert steps.ops.count("store.publish") == 3
    assert steps.ops.count("store.commit") == 3  # the driver, two layers at once, one layer
    folders = [f"{store.layout.snapshot(layer_key(chain))}/fs" for chain in (ABC, AB, A)]
    assert list(store.snapshots.layers_of(ABC)) == folders
    assert [os.listdir(folder) for folder in folders] == [["file-c"], ["file-b"], ["file-a"]]
    assert os.listdir(store.layout.tmp) == []


def test_a_container_stands_on_its_layers(store: Store) -> None:
    apply_layers(store, ["a", "b"])
    os.chmod(f"{store.layout.snapshot(layer_key(AB))}/fs", 0o1711)
    row = add_container(store, "web", AB)
    folder = store.layout.snapshot(row.id)
    lower = store.snapshots.layers_of(AB)
    assert store.snapshots.mount_of(row.id) == SnapshotMount(f"{folder}/fs", f"{folder}/work", lower)
    assert os.stat(f"{folder}/fs").st_mode & 0o7777 == 0o1711


def test_creating_a_container_is_one_commit(store: Store, steps: Steps) -> None:
    apply_layers(store, ["a"])
    steps.steps.clear()
    add_container(store, "web", A)
    assert steps.ops.count("store.commit") == 1
    assert "store.publish" not in steps.ops


def test_userxattr_is_an_option(layout: Layout) -> None:
    with open_store(layout, overlay="userxattr") as store:
        apply_layers(store, ["a"])
        row = add_container(store, "web", A)
        assert store.snapshots.mount_of(row.id).options == ("userxattr",)
        assert store.snapshots.whiteouts == "userxattr"


def test_the_driver_is_probed_once_for_a_root(layout: Layout) -> None:
    with open_store(layout, overlay="userxattr") as store:
        assert store.snapshots.driver == "userxattr"
    with open_store(layout, overlay="overlay") as store:
        assert store.snapshots.driver == "userxattr"


def test_without_overlay_layers_are_copied(layout: Layout) -> None:
    steps = Steps()
    with open_store(layout, steps, overlay="none") as store:
        apply_layers(store, ["a", "b"])
        row = add_container(store, "web", AB)
        mount = store.snapshots.mount_of(row.id)
        assert store.snapshots.whiteouts == "delete"
        assert (mount.lower, mount.options) == ((), ())
        assert sorted(os.listdir(mount.upper)) == ["file-a", "file-b"]
        assert store.snapshots.layers_of(AB) == (f"{store.layout.snapshot(layer_key(AB))}/fs",)
        assert steps.ops.count("layer.copy") == 2


def test_an_image_without_layers(store: Store) -> None:
    row = add_container(store, "web", None)
    mount = store.snapshots.mount_of(row.id)
    assert mount.lower == ()
    assert os.listdir(mount.upper) == []


def test_an_aborted_layer_leaves_nothing_and_can_be_tried_again(store: Store) -> None:
    def fail() -> None:
        with store.lease("x") as lease:
            layer = store.snapshots.prepare_layer(lease, A, None)
            assert layer is not None
            with layer:
                Path(layer.path, "half").write_text("")
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert os.listdir(store.layout.tmp) == []
    assert not store.snapshots.has_layer(A)
    assert apply_layers(store, ["a"]) == A


def test_layers_come_from_the_lowest_up(store: Store) -> None:
    with store.lease("x") as lease:
        with pytest.raises(Conflict):
            store.snapshots.prepare_layer(lease, AB, A)
        first = store.snapshots.prepare_layer(lease, A, None)
        assert first is not None
        first.abort()
        with pytest.raises(Conflict):
            store.snapshots.prepare_layer(lease, AB, A)


def test_one_applies_and_the_other_waits(layout: Layout, store: Store) -> None:
    lease = store.lease("first")
    layer = store.snapshots.prepare_layer(lease, A, None)
    assert layer is not None
    answers: list[PreparedLayer | None] = []

    def other() -> None:
        with open_store(layout) as second, second.lease("second") as own:
            answers.append(second.snapshots.prepare_layer(own, A, None))

    thread = threading.Thread(target=other)
    thread.start()
    store.snapshots.commit([layer])
    thread.join()
    assert answers == [None]


def test_what_is_broken_is_named_and_made_anew(store: Store) -> None:
    apply_layers(store, ["a", "b"])
    row = add_container(store, "web", AB)
    with store.transaction("break") as rows:
        found = rows.snapshots.get(layer_key(A))
        assert found is not None
        rows.snapshots.put(msgspec.structs.replace(found, kind=BROKEN))
    for call in (lambda: store.snapshots.mount_of(row.id), lambda: store.snapshots.layers_of(AB)):
        with pytest.raises(StoreDamaged, match=A):
            call()
    with pytest.raises(StoreDamaged):
        store.snapshots.writable("other", A)
    assert not store.snapshots.has_layer(A)
    apply_layers(store, ["a", "b"])
    assert len(store.snapshots.mount_of(row.id).lower) == 2


def test_a_folder_that_has_lost_its_row_is_replaced(store: Store) -> None:
    Path(store.layout.snapshot(layer_key(A)), "fs").mkdir(parents=True)
    Path(store.layout.snapshot(layer_key(A)), "fs/stale").write_text("")
    apply_layers(store, ["a"])
    assert os.listdir(f"{store.layout.snapshot(layer_key(A))}/fs") == ["file-a"]


def test_removing_refuses_while_somebody_stands_on_it(store: Store) -> None:
    apply_layers(store, ["a", "b"])
    row = add_container(store, "web", AB)
    for key in (layer_key(A), layer_key(AB), row.id):
        with pytest.raises(Conflict):
            store.snapshots.remove(key)
        assert os.path.isdir(f"{store.layout.snapshot(key)}/fs")
    with store.transaction("rm web") as rows:
        rows.containers.remove(row.id)
        rows.snapshots.remove(row.id)
    store.snapshots.discard(row.id)
    store.snapshots.remove(layer_key(AB))
    store.snapshots.remove(layer_key(A))
    assert os.listdir(f"{store.layout.root}/snapshots") == []


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_removing_refuses_while_it_is_mounted(store: Store) -> None:
    import subprocess

    apply_layers(store, ["a"])
    target = f"{store.layout.snapshot(layer_key(A))}/fs"
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", target], check=True)
    try:
        with pytest.raises(Conflict, match="is mounted"):
            store.snapshots.remove(layer_key(A))
    finally:
        subprocess.run(["umount", target], check=True)
    store.snapshots.remove(layer_key(A))


def test_two_layers_with_one_short_name_never_mix(store: Store) -> None:
    from minidock.oci.digest import Digest

    twin = Digest.from_hex(A.hex[:16] + "0" * 48)
    apply_layers(store, ["a"])
    with store.lease("x") as lease, pytest.raises(Conflict, match="same short name"):
        store.snapshots.prepare_layer(lease, twin, None)
    with pytest.raises(NotFound):
        store.snapshots.layers_of(twin)


def test_a_dry_run_goes_through_it_all_and_writes_nothing(folder: str, layout: Layout) -> None:
    steps = Steps()
    with open_store(layout, steps, dry=True) as dry:
        with dry.lease("x") as lease:
            prepared: list[PreparedLayer] = []
            for chain, parent in ((A, None), (AB, A)):
                layer = dry.snapshots.prepare_layer(lease, chain, parent)
                assert layer is not None
                prepared.append(layer)
            dry.snapshots.commit(prepared)
        with dry.naming():
            row = dry.snapshots.writable("web", AB)
            with dry.transaction("container web") as rows:
                rows.snapshots.add(row)
        assert len(dry.snapshots.mount_of("web").lower) == 2
    assert steps.ops.count("store.publish") == 2
    assert os.listdir(folder) == []
