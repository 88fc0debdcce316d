"""kill -9 at every step, and at every fsync and rename: what is left is whole, and a second try succeeds."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from tests.support.paths import PYTHON_PATH
from tests.support.stores import (
    add_container,
    add_image,
    digest_of,
    in_child,
    layout_in,
    no_undo,
    open_store,
    temporary_folder,
)

from minidock.store.check import ERROR, check
from minidock.store.layout import Layout
from minidock.store.store import Store
from minidock.store.sweep import collect
from minidock.trace.killer import Killer

MOST = 200


@pytest.fixture
def layout() -> Iterator[Layout]:
    with temporary_folder() as folder:
        yield layout_in(folder)


def pull(store: Store) -> None:
    add_image(store, "app", ["l1", "l2", "l3"])


def create(store: Store) -> None:
    if not store.rows.containers.find(name="web"):
        add_container(store, "web", add_image(store, "app", ["l1", "l2", "l3"]).chain)


def remove(store: Store) -> None:
    row = next(iter(store.rows.containers.find(name="web")), None)
    if row is not None:
        with store.transaction("rm") as rows:
            rows.containers.remove(row.id)
            rows.snapshots.remove(row.id)
        store.snapshots.discard(row.id)
    for image in store.rows.images.all():
        with store.transaction("rmi") as rows:
            rows.images.remove(image.id)
    collect(store, no_undo)


def test_the_killer_is_heard_by_the_store(layout: Layout) -> None:
    """The positive control: without it the loops below would prove nothing."""
    with open_store(layout, Killer(MOST)) as store:
        pull(store)
    assert in_child(lambda: pull(open_store(layout_in(f"{layout.root}-other"), Killer(1)))) == signal.SIGKILL
    shutil.rmtree(f"{layout.root}-other")


@pytest.mark.parametrize("overlay", ["overlay", "none"])
@pytest.mark.parametrize("work", [pull, create, remove])
def test_killed_at_every_step(layout: Layout, work: Callable[[Store], None], overlay: str) -> None:
    died = 0
    for at in range(1, MOST):
        root = layout_in(f"{os.path.dirname(layout.root)}/{at}")
        if work is remove:
            with open_store(root, overlay=overlay) as store:
                create(store)

        def run(root: Layout = root, at: int = at) -> None:
            with open_store(root, Killer(at), overlay=overlay) as store:
                work(store)

        status = in_child(run)
        assert status in (0, signal.SIGKILL)
        with open_store(root, overlay=overlay) as store:
            assert [finding for finding in check(store) if finding.severity == ERROR] == []
            # An operation that was killed has a lease: what it brought in survives the collection, for the second try.
            blobs = os.listdir(f"{root.root}/blobs/sha256")
            assert collect(store, no_undo).failed == ()
            if work is not remove:
                assert os.listdir(f"{root.root}/blobs/sha256") == blobs
            assert check(store) == []
            assert os.listdir(root.tmp) == []
            work(store)
            assert collect(store, no_undo).failed == ()
            assert check(store) == []
            assert len(store.rows.images.all()) == (work is not remove)
            assert len(store.rows.containers.all()) == (work is create)
        if status == 0:
            break
        died += 1
    assert 10 < died < MOST - 2


def test_a_download_that_is_killed_goes_on_where_it_was(layout: Layout) -> None:
    data = b"0123456789" * 10_000

    def half() -> None:
        with open_store(layout) as store, store.lease("pull") as lease:
            ingest = store.blobs.ingest(lease, digest_of(data), len(data))
            assert ingest is not None
            ingest.write(data[:50_000])
            os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(half) == signal.SIGKILL
    with open_store(layout) as store, store.lease("again") as lease:
        assert collect(store, no_undo).failed == ()
        ingest = store.blobs.ingest(lease, digest_of(data), len(data))
        assert ingest is not None
        assert ingest.offset == 50_000
        ingest.write(data[50_000:])
        ingest.commit()
        assert store.blobs.read(digest_of(data)) == data


# --- below the steps: at every system call that orders the disk ---

SCRIPT = """
import sys
from minidock.store.layout import Layout
from tests.support.stores import add_container, add_image, open_store
with open_store(Layout(sys.argv[1], sys.argv[2])) as store:
    add_container(store, "web", add_image(store, "app", ["l1"]).chain)
"""

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


def under_strace(layout: Layout, call: str, fault: str, number: int) -> subprocess.CompletedProcess[str]:
    inject = f"inject={call}:{fault}:when={number}"
    strace = ["strace", "-f", "-qq", "-e", f"trace={call}", "-e", inject, "-o", "/dev/null"]
    return subprocess.run(
        [*strace, sys.executable, "-c", SCRIPT, layout.root, layout.run],
        env={**os.environ, "PYTHONPATH": PYTHON_PATH, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@needs_strace
@pytest.mark.parametrize("fault", ["signal=KILL", "error=EIO"])
@pytest.mark.parametrize("call", ["fsync", "fdatasync", "rename", "syncfs"])
def test_a_fault_at_every_call_that_orders_the_disk(layout: Layout, call: str, fault: str) -> None:
    hit = 0
    for number in range(1, MOST):
        root = layout_in(f"{os.path.dirname(layout.root)}/{number}")
        result = under_strace(root, call, fault, number)
        with open_store(root) as store:
            assert [finding for finding in check(store) if finding.severity == ERROR] == []
            whole = bool(store.rows.containers.all())
            if fault == "error=EIO" and result.returncode:
                assert not whole  # a failed sync is never taken for success
                assert "StepFailed" in result.stderr
            if not whole:
                add_container(store, "web", add_image(store, "app", ["l1"]).chain)
            assert collect(store, no_undo).failed == ()
            assert check(store) == []
        if result.returncode == 0:
            assert whole
            break
        hit += 1
    assert 1 <= hit < MOST - 2
