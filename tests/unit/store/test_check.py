from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.stores import (
    add_container,
    add_image,
    digest_of,
    no_undo,
    open_store,
    run_python,
)

from minidock.oci.image import chain_ids
from minidock.store.check import ERROR, LEFTOVER, check
from minidock.store.layout import Layout
from minidock.store.repair import REPAIRS, check_and_repair, repair
from minidock.store.rows import VolumeRow
from minidock.store.snapshots import layer_key
from minidock.store.store import Store

A = digest_of("l1")
CHAIN = chain_ids((A, digest_of("l2")))[-1]


@pytest.fixture
def full(store: Store) -> Store:
    """A store with some of everything."""
    add_image(store, "app", ["l1", "l2"])
    add_container(store, "web", CHAIN)
    Path(store.layout.container(digest_of("container web").hex), "exit").write_text('{"code":0}')
    Path(store.layout.volume("data"), "_data").mkdir(parents=True)
    with store.transaction("volume data") as rows:
        rows.volumes.add(VolumeRow(name="data", created=1))
    return store


def test_a_whole_store_has_no_findings(full: Store) -> None:
    assert check(full) == []


def test_an_empty_store_has_no_findings(store: Store) -> None:
    assert check(store) == []


def flip(path: str) -> None:
    data = bytearray(Path(path).read_bytes())
    data[0] ^= 1
    Path(path).write_bytes(data)


def test_a_flipped_bit_is_found_by_its_digest_only(full: Store) -> None:
    flip(full.layout.blob(A))
    assert check(full, quick=True) == []
    (finding,) = check(full)
    assert (finding.what, finding.severity, finding.action) == (f"blob {A}", ERROR, "drop blob")
    assert "app" in finding.repair


@pytest.mark.parametrize("size", [0, 1])
def test_a_truncated_blob_is_found_by_its_size(full: Store, size: int) -> None:
    os.truncate(full.layout.blob(A), size)
    (finding,) = check(full, quick=True)
    assert finding.problem == f"it has {size} bytes, not 2"
    assert check(full) == [finding]


def web(store: Store, name: str = "") -> str:
    return f"{store.layout.container(digest_of('container web').hex)}{name}"


def files_of_web(store: Store, name: str = "") -> str:
    return f"{store.layout.snapshot(digest_of('container web').hex)}{name}"


Damage = Callable[[Store], object]

DAMAGES: dict[str, tuple[Damage, str, str]] = {
    "blob missing": (lambda s: os.unlink(s.layout.blob(A)), f"blob {A}", ERROR),
    "stray blob": (
        lambda s: Path(s.layout.blob(digest_of("x"))).write_bytes(b"x"),
        "blob " + digest_of("x").hex,
        LEFTOVER,
    ),
    "layer missing": (
        lambda s: s.disk.remove(s.layout.snapshot(layer_key(A))),
        f"layer {A}",
        ERROR,
    ),
    "container's files missing": (lambda s: s.disk.remove(files_of_web(s)), "files of container web", ERROR),
    "work missing": (lambda s: os.rmdir(files_of_web(s, "/work")), "files of container web", ERROR),
    "container's folder missing": (lambda s: s.disk.remove(web(s)), "container web", ERROR),
    "config.json torn": (lambda s: Path(web(s, "/config.json")).write_text('{"ociVer'), "container web", ERROR),
    "exit empty": (lambda s: Path(web(s, "/exit")).write_text(""), "container web", ERROR),
    "volume missing": (lambda s: s.disk.remove(s.layout.volume("data")), "volume data", ERROR),
    "volume without row": (lambda s: Path(s.layout.volume("old"), "_data").mkdir(parents=True), "volume old", LEFTOVER),
    "stray snapshot": (lambda s: Path(s.layout.snapshot("x")).mkdir(), "snapshot folder x", LEFTOVER),
    "stray scratch": (lambda s: Path(s.layout.tmp, "load.x").mkdir(), "scratch load.x", LEFTOVER),
    "stray file in tmp": (lambda s: Path(s.layout.tmp, "x").touch(), "scratch x", LEFTOVER),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_each_damage_is_found_and_put_into_a_clear_state(full: Store, name: str) -> None:
    damage, what, severity = DAMAGES[name]
    damage(full)
    (finding,) = check(full)
    assert (finding.what, finding.severity) == (what, severity)
    assert finding.action in REPAIRS
    assert repair(full, [finding], no_undo) == []
    assert [(f.what, f.action) for f in check(full)] in ([], [(what, "none")])  # "none": only a pull can help
    add_image(full, "app", ["l1", "l2"])
    assert check(full) == []


def test_a_repaired_blob_is_asked_for_again(full: Store) -> None:
    flip(full.layout.blob(A))
    found, errors = check_and_repair(full, no_undo)
    assert errors == []
    assert [finding.action for finding in found] == ["drop blob", "none"]
    assert not full.blobs.has(A)


def test_documents_must_parse(store: Store) -> None:
    from minidock.store.rows import BlobRef

    image = add_image(store, "app", ["l1"])
    text = store.blobs.add(store.lease("x"), b"[1, 2")
    with store.transaction("break") as rows:
        rows.blobs.put(BlobRef(image.id, text, "manifest", "m", 5))
    (finding,) = check(store)
    assert (finding.what, finding.action) == (f"blob {text}", "drop image")
    check_and_repair(store, no_undo)
    assert store.rows.images.all() == []


def test_what_a_container_stands_on_is_not_dropped(full: Store) -> None:
    full.disk.remove(full.layout.snapshot(layer_key(A)))
    check_and_repair(full, no_undo)
    assert [row.name for row in full.rows.containers.all()] == ["web"]
    add_image(full, "app", ["l1", "l2"])
    assert len(full.snapshots.mount_of(digest_of("container web").hex).lower) == 2


def test_a_damaged_database_is_set_aside_with_what_only_it_could_explain(layout: Layout) -> None:
    with open_store(layout) as store:
        add_image(store, "app", ["l1", "l2"])
        add_container(store, "web", CHAIN)
        Path(files_of_web(store, "/fs/precious")).write_text("mine")
    with open(layout.database, "r+b") as file:
        file.write(b"garbage" * 100)
    with open_store(layout) as store:
        (finding,) = check(store)
        assert (finding.what, finding.action) == ("database metadata", "set aside")
        _, errors = check_and_repair(store, no_undo)
        assert errors == []
        assert check(store) == []
        (aside,) = (name for name in os.listdir(layout.root) if name.startswith("damaged-"))
        kept = Path(layout.root, aside, "snapshots", digest_of("container web").hex, "fs/precious")
        assert kept.read_text() == "mine"
        assert Path(layout.root, aside, "minidock.db").exists()
        add_image(store, "app", ["l1", "l2"])
        add_container(store, "web", CHAIN)
        assert check(store) == []


MAKE = """
import sys
from minidock.store.layout import Layout
from tests.support.stores import *
with open_store(Layout(sys.argv[1], sys.argv[2])) as store:
    chain = add_image(store, "app", ["l1"]).chain
    store.metadata.checkpoint()
    add_container(store, "web", chain)
"""


def test_without_its_log_the_store_goes_on_with_what_is_left(layout: Layout) -> None:
    assert run_python(MAKE, layout.root, layout.run).returncode == 0
    os.unlink(f"{layout.database}-wal")
    with open_store(layout) as store:
        (finding,) = check(store)
        assert finding.action == "forget log"
        check_and_repair(store, no_undo)
        assert check(store) == []
        assert [row.name for row in store.rows.names.all()] == ["app"]
        assert store.rows.containers.all() == []
        (aside,) = (name for name in os.listdir(layout.root) if name.startswith("damaged-"))
        assert os.listdir(f"{layout.root}/{aside}/containers") == [digest_of("container web").hex]


def test_a_row_that_refers_to_nothing_is_found(layout: Layout, full: Store) -> None:
    full.close()
    raw = sqlite3.connect(layout.database, isolation_level=None)
    raw.execute("PRAGMA foreign_keys = OFF")
    raw.execute("DELETE FROM snapshots WHERE key = ?", (layer_key(A),))
    raw.execute("DELETE FROM images")
    raw.close()
    actions = {finding.action for finding in check(full) if finding.severity == ERROR}
    assert actions == {"drop name", "drop references", "none"}
    check_and_repair(full, no_undo)
    assert {finding.action for finding in check(full)} == {"none"}
    add_image(full, "app", ["l1", "l2"])
    assert check(full) == []


def test_a_damaged_state_database_is_set_aside(layout: Layout, full: Store) -> None:
    full.state.leases.all()
    full.close()
    for end in ("-wal", "-shm"):
        os.unlink(layout.state_database + end)
    Path(layout.state_database).write_bytes(b"garbage" * 1000)
    (finding,) = check(full)
    assert (finding.what, finding.action) == ("database state", "set aside")
    check_and_repair(full, no_undo)
    assert check(full) == []
    assert [row.name for row in full.rows.containers.all()] == ["web"]
