from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from tests.support.stores import Steps, digest_of, open_store

from minidock.errors import DigestMismatch, InvalidArgument, NotFound, StoreDamaged, Unsupported
from minidock.oci.codec import LIMIT
from minidock.oci.manifest import Descriptor, Manifest
from minidock.store.blobs import Ingest
from minidock.store.layout import Layout
from minidock.store.store import Store

DATA = b"some bytes of a layer" * 1000


def begin(store: Store, data: bytes = DATA, size: int | None = len(DATA)) -> Ingest:
    ingest = store.blobs.ingest(store.lease("test"), digest_of(data), size)
    assert ingest is not None
    return ingest


def test_a_blob_comes_in_and_is_read(store: Store, steps: Steps) -> None:
    with begin(store) as ingest:
        ingest.write(DATA[:100])
        assert not store.blobs.has(digest_of(DATA))
        ingest.write(DATA[100:])
        ingest.commit()
    assert store.blobs.has(digest_of(DATA))
    assert store.blobs.read(digest_of(DATA)) == DATA
    assert store.blobs.size(digest_of(DATA)) == len(DATA)
    assert os.listdir(store.layout.ingest) == []
    assert store.blobs.ingest(store.lease("again"), digest_of(DATA), len(DATA)) is None
    assert steps.steps[-1].args["undo"] is False


def test_a_cut_connection_is_taken_up_where_it_broke(store: Store) -> None:
    with begin(store) as ingest:
        ingest.write(DATA[:5000])
    with begin(store) as ingest:
        assert ingest.offset == 5000
        ingest.write(DATA[5000:])
        ingest.commit()
    assert store.blobs.read(digest_of(DATA)) == DATA


def test_a_server_that_starts_again_from_zero(store: Store) -> None:
    with begin(store) as ingest:
        ingest.write(b"garbage")
    with begin(store) as ingest:
        ingest.restart()
        ingest.write(DATA)
        ingest.commit()
    assert store.blobs.read(digest_of(DATA)) == DATA


@pytest.mark.parametrize(
    ("written", "kept"),
    [(DATA[:-1], len(DATA) - 1), (DATA[:-1] + b"X", 0), (DATA + b"X", 0)],
    ids=["short", "wrong", "long"],
)
def test_wrong_bytes_never_get_the_name(store: Store, written: bytes, kept: int) -> None:
    def bring() -> None:
        with begin(store) as ingest:
            ingest.write(written)
            ingest.commit()

    with pytest.raises(DigestMismatch):
        bring()
    assert not store.blobs.has(digest_of(DATA))
    with begin(store) as again:  # too few can be gone on from, wrong ones cannot
        assert again.offset == kept


def test_a_size_that_nobody_knows(store: Store) -> None:
    with begin(store, size=None) as ingest:
        ingest.write(DATA)
        ingest.commit()
    assert store.blobs.has(digest_of(DATA))


def test_two_want_the_same_blob_and_one_writes(store: Store) -> None:
    first = begin(store)
    answers: list[Ingest | None] = []
    other = threading.Thread(
        target=lambda: answers.append(store.blobs.ingest(store.lease("second"), digest_of(DATA), len(DATA)))
    )
    other.start()
    first.write(DATA)
    first.commit()
    other.join()
    assert answers == [None]
    assert os.listdir(store.layout.ingest) == []


def test_the_second_goes_on_when_the_first_gives_up(store: Store) -> None:
    first = begin(store)
    first.write(DATA[:10])
    answers: list[Ingest | None] = []
    other = threading.Thread(
        target=lambda: answers.append(store.blobs.ingest(store.lease("second"), digest_of(DATA), len(DATA)))
    )
    other.start()
    first.close()
    other.join()
    (second,) = answers
    assert second is not None
    assert second.offset == 10
    second.close()


@pytest.mark.parametrize("damage", [b"", DATA[:-1], b"X" + DATA[1:]], ids=["empty", "truncated", "flipped"])
def test_damage_is_detected_and_named(store: Store, damage: bytes) -> None:
    digest = store.blobs.add(store.lease("test"), DATA)
    Path(store.layout.blob(digest)).write_bytes(damage)
    with pytest.raises(StoreDamaged, match=digest):
        store.blobs.read(digest)


def test_a_blob_that_was_cut_off_comes_in_again(store: Store) -> None:
    digest = store.blobs.add(store.lease("test"), DATA)
    os.truncate(store.layout.blob(digest), 5)
    assert store.blobs.add(store.lease("again"), DATA) == digest
    assert store.blobs.read(digest) == DATA


def test_reading_is_limited_and_typed(store: Store) -> None:
    lease = store.lease("test")
    big = store.blobs.add(lease, b"x" * 100)
    with pytest.raises(InvalidArgument):
        store.blobs.read(big, limit=99)
    with pytest.raises(StoreDamaged, match="the manifest"):
        store.blobs.read_json(big, Manifest, "the manifest")
    manifest = store.blobs.add(lease, b'{"schemaVersion":2,"mediaType":"m","layers":[]}')
    assert store.blobs.read_json(manifest, Manifest, "the manifest").media_type == "m"
    assert Descriptor("m", manifest, 1).digest == manifest


def test_a_missing_blob_is_not_found(store: Store) -> None:
    for call in (store.blobs.read, store.blobs.path, store.blobs.size, store.blobs.open):
        with pytest.raises(NotFound, match=digest_of("missing")):
            call(digest_of("missing"))


def test_adding_what_was_left_half_written(store: Store) -> None:
    with begin(store) as ingest:
        ingest.write(DATA[:5])
    assert store.blobs.read(store.blobs.add(store.lease("x"), DATA)) == DATA


def test_a_dry_run_keeps_documents_in_memory(folder: str, layout: Layout) -> None:
    steps = Steps()
    with open_store(layout, steps, dry=True) as dry:
        digest = dry.blobs.add(dry.lease("x"), b"{}")
        assert dry.blobs.has(digest)
        assert dry.blobs.read(digest) == b"{}"
        assert dry.blobs.size(digest) == 2
        ingest = dry.blobs.ingest(dry.lease("x"), digest_of("big"), LIMIT + 1)
        assert ingest is not None
        with pytest.raises(Unsupported):
            ingest.write(b"x" * (LIMIT + 1))
    assert steps.ops == ["store.publish"]
    assert os.listdir(folder) == []
