"""How often a command forces the disk: creating a container once, starting it and ending it never."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.paths import PYTHON_PATH
from tests.support.stores import add_image, layout_in, open_store, temporary_folder

from minidock.store.layout import Layout

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


CREATE = """
import sys
from minidock.store.layout import Layout
from tests.support.stores import add_container, open_store
with open_store(Layout(sys.argv[1], sys.argv[2])) as store:
    image, = store.rows.images.all()
    add_container(store, "web", image.chain)
"""

START = """
import sys
from minidock.store.layout import Layout
from minidock.store.rows import RunningRow
from tests.support.stores import open_store
with open_store(Layout(sys.argv[1], sys.argv[2])) as store, store.lease("start"):
    for row in store.rows.containers.all():
        store.snapshots.mount_of(row.id)
        with store.state.transaction() as state:
            state.running.put(RunningRow(id=row.id, status="running"))
"""


@pytest.fixture
def layout() -> Iterator[Layout]:
    with temporary_folder() as folder:
        layout = layout_in(folder)
        with open_store(layout) as store:
            add_image(store, "app", ["l1"])
        yield layout


def syncs(layout: Layout, code: str) -> list[str]:
    """Return the files that *code* forces to the disk, by strace."""
    trace = f"{layout.run}/strace"
    calls = "trace=fsync,fdatasync,syncfs,sync,sync_file_range,msync"
    strace = ["strace", "-f", "-qq", "-y", "-e", calls, "-o", trace]
    subprocess.run(
        [*strace, sys.executable, "-c", code, layout.root, layout.run],
        env={**os.environ, "PYTHONPATH": PYTHON_PATH, "PYTHONDONTWRITEBYTECODE": "1"},
        timeout=60,
        check=True,
    )
    lines = Path(trace).read_text().splitlines()
    return [line.partition("<")[2].partition(">")[0] for line in lines if "<" in line]


def test_creating_a_container_is_one_durable_commit(layout: Layout) -> None:
    """SQLite syncs the log's folder too, once in a process that opened the log for creation."""
    found = syncs(layout, CREATE)
    assert found.count(f"{layout.database}-wal") == 1
    assert set(found) <= {f"{layout.database}-wal", layout.root}
    assert len(found) == 2


def test_starting_it_is_none(layout: Layout) -> None:
    syncs(layout, CREATE)
    assert syncs(layout, START) == []
