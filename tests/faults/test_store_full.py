"""A full disk and a full table of inodes: a clear error, nothing damaged, and all is well once there is room."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from tests.support.stores import (
    add_container,
    add_image,
    apply_layers,
    digest_of,
    no_undo,
    open_store,
    temporary_folder,
)

from minidock.errors import StepFailed
from minidock.store.check import check
from minidock.store.layout import Layout
from minidock.store.rows import ValueRow
from minidock.store.sweep import collect

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root"),
]


@contextmanager
def mounted(*command: str) -> Iterator[Layout]:
    """A root on a small file system that *command* mounts; the runtime folder is elsewhere."""
    with temporary_folder() as folder:
        os.mkdir(f"{folder}/root")
        subprocess.run(["mount", *(word.format(folder=folder) for word in command), f"{folder}/root"], check=True)
        try:
            yield Layout(f"{folder}/root", f"{folder}/run")
        finally:
            # SQLite's files stay open until this process ends (see database.py), so the mount goes lazily
            subprocess.run(["umount", "--lazy", f"{folder}/root"], check=True)


@contextmanager
def small_ext4() -> Iterator[Layout]:
    with temporary_folder() as folder:
        image = f"{folder}/disk"
        with open(image, "wb") as file:
            file.truncate(3 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-O", "^has_journal", image], check=True)
        with mounted("-o", "loop", image) as layout:
            yield layout


def write_for_ever(fd: int, size: int) -> None:
    while True:
        os.write(fd, b"x" * size)


def fill(layout: Layout) -> str:
    """Leave no free block."""
    path = f"{layout.root}/ballast"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        for size in (1 << 16, 1 << 12, 1):
            with pytest.raises(OSError, match="No space left"):
                write_for_ever(fd, size)
    finally:
        os.close(fd)
    return path


@pytest.mark.parametrize("kind", ["ext4", "tmpfs"])
def test_a_disk_of_three_mebibytes(kind: str) -> None:
    if kind == "ext4" and shutil.which("mkfs.ext4") is None:
        pytest.skip("mkfs.ext4 is not installed")
    data = os.urandom(4 << 20)
    place = small_ext4() if kind == "ext4" else mounted("-t", "tmpfs", "-o", "size=3m", "tmpfs")
    with place as layout, open_store(layout) as store:
        chain = add_image(store, "app", ["l1"]).chain
        lease = store.lease("pull")
        ingest = store.blobs.ingest(lease, digest_of(data), len(data))
        assert ingest is not None
        with ingest, pytest.raises(StepFailed) as caught:
            ingest.write(data)
        assert caught.value.errno == errno.ENOSPC
        assert "minidock gc" in (caught.value.hint or "")
        assert check(store) == []
        lease.release()
        assert collect(store, no_undo, part_age=0).failed == ()
        add_container(store, "web", chain)
        assert check(store) == []


def test_no_block_is_free_for_a_commit() -> None:
    with mounted("-t", "tmpfs", "-o", "size=3m", "tmpfs") as layout, open_store(layout) as store:
        with store.transaction("before") as rows:
            rows.values.add(ValueRow("k", "before", b"1"))
        ballast = fill(layout)

        def commit_for_ever() -> None:
            for number in count():
                with store.transaction("big") as rows:
                    rows.values.add(ValueRow("k", str(number), b'"' + b"x" * 100_000 + b'"'))

        with pytest.raises(StepFailed) as caught:
            commit_for_ever()
        assert caught.value.errno == errno.ENOSPC
        assert store.rows.values.get("k", "before") is not None
        os.unlink(ballast)
        with store.transaction("after") as rows:
            rows.values.add(ValueRow("k", "after", b"1"))
        assert check(store) == []


def test_no_inode_is_free() -> None:
    def touch_for_ever(folder: Path) -> None:
        for number in count():
            (folder / str(number)).touch()

    with mounted("-t", "tmpfs", "-o", "nr_inodes=24", "tmpfs") as layout, open_store(layout) as store:
        apply_layers(store, ["l1"])
        ballast = Path(layout.root, "ballast")
        ballast.mkdir()
        with pytest.raises(OSError, match="No space left"):
            touch_for_ever(ballast)
        with pytest.raises(StepFailed) as caught:
            apply_layers(store, ["l1", "l2"])
        assert caught.value.errno == errno.ENOSPC
        assert "inodes" in (caught.value.hint or "")
        shutil.rmtree(ballast)
        apply_layers(store, ["l1", "l2"])
        assert check(store) == []


def test_a_disk_that_has_become_read_only() -> None:
    with mounted("-t", "tmpfs", "-o", "size=3m", "tmpfs") as layout, open_store(layout) as store:
        chain = add_image(store, "app", ["l1"]).chain
        store.close()
        subprocess.run(["mount", "-o", "remount,ro", layout.root], check=False, capture_output=True)
        if not os.statvfs(layout.root).f_flag & os.ST_RDONLY:
            pytest.skip("the file system cannot be made read-only while files are open for writing")
        with pytest.raises(StepFailed) as caught:
            add_container(store, "web", chain)
        assert caught.value.errno == errno.EROFS
        subprocess.run(["mount", "-o", "remount,rw", layout.root], check=True)
        add_container(store, "web", chain)
        assert check(store) == []
