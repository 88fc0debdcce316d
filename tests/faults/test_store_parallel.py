"""Many processes on one root at the same time."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.stores import (
    add_container,
    add_image,
    digest_of,
    layout_in,
    no_undo,
    open_store,
    temporary_folder,
)

from minidock.errors import Conflict
from minidock.oci.image import chain_ids
from minidock.store.check import check
from minidock.store.layout import Layout
from minidock.store.rows import ContainerRow, RunningRow
from minidock.store.sweep import collect

ALIVE = 64
COMMANDS = 800


@pytest.fixture
def layout() -> Iterator[Layout]:
    with temporary_folder() as folder:
        yield layout_in(folder)


def many(count: int, alive: int, command: Callable[[int], None]) -> list[int]:
    """Run *command* in *count* processes, at most *alive* at a time; return the numbers of those that failed."""
    numbers: dict[int, int] = {}
    failed: list[int] = []

    def reap() -> None:
        pid, status = os.waitpid(-1, 0)
        number = numbers.pop(pid, -1)
        if status:
            failed.append(number)

    for number in range(count):
        if len(numbers) == alive:
            reap()
        pid = os.fork()
        if pid == 0:
            try:
                command(number)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        numbers[pid] = number
    while numbers:
        reap()
    return failed


def run_rm(layout: Layout, number: int) -> None:
    """What ``run --rm`` asks of the store."""
    with open_store(layout) as store, store.lease(f"run {number}"):
        row = add_container(store, f"c{number}", None)
        with store.state.transaction() as state:
            state.running.put(RunningRow(id=row.id, status="running", pid=os.getpid(), start=1))
        with store.state.transaction() as state:
            state.running.remove(row.id)
        with store.transaction("rm") as rows:
            rows.containers.remove(row.id)
            rows.snapshots.remove(row.id)
        store.snapshots.discard(row.id)
        store.disk.remove(store.layout.container(row.id))


def test_no_command_ever_finds_the_database_locked(layout: Layout) -> None:
    """800 commands, 64 alive at a time, on a root that the first of them make; a collector among them every 100."""

    def command(number: int) -> None:
        if number % 100 == 99:
            with open_store(layout) as store:
                assert collect(store, no_undo).failed == ()
        else:
            run_rm(layout, number)

    assert many(COMMANDS, ALIVE, command) == []
    with open_store(layout) as store:
        assert store.rows.containers.all() == []
        assert store.state.running.all() == []
        assert store.leases.all() == []
        assert check(store) == []


def test_one_image_pulled_by_many_is_fetched_and_applied_once(layout: Layout) -> None:
    counts = Path(os.path.dirname(layout.root), "counts")
    counts.mkdir()

    def command(number: int) -> None:
        from tests.support.stores import Steps

        steps = Steps()
        with open_store(layout, steps) as store:
            add_image(store, "app", ["l1", "l2", "l3"])
        published = [step.args["target"] for step in steps.steps if step.op == "store.publish" and not step.error]
        Path(counts, str(number)).write_text("\n".join(published))

    assert many(32, 32, command) == []
    published = [line for file in counts.iterdir() for line in file.read_text().splitlines()]
    assert len(published) == len(set(published)) == 5 + 3  # blobs: manifest, config, layers; snapshots
    with open_store(layout) as store:
        assert check(store) == []


def test_two_images_with_shared_layers_never_wait_in_a_circle(layout: Layout) -> None:
    stacks = [["l1", "l2", "l3"], ["l1", "l2", "l4"], ["l1", "l5"], ["l2", "l1"]]

    def command(number: int) -> None:
        with open_store(layout) as store:
            add_image(store, f"app{number % 4}", stacks[number % 4])

    assert many(24, 24, command) == []
    with open_store(layout) as store:
        assert len(store.rows.images.all()) == 4
        assert check(store) == []


def test_one_name_has_one_winner(layout: Layout) -> None:
    with open_store(layout) as store:
        chain = add_image(store, "app", ["l1"]).chain
        assert chain == chain_ids((digest_of("l1"),))[0]
    won = Path(os.path.dirname(layout.root), "won")
    won.mkdir()

    def command(number: int) -> None:
        with open_store(layout) as store, store.naming():
            store.disk.folder(store.layout.container(f"c{number}"))
            snapshot = store.snapshots.writable(f"c{number}", chain)
            try:
                with store.transaction("container") as rows:
                    rows.snapshots.add(snapshot)
                    rows.containers.add(
                        ContainerRow(
                            id=snapshot.key, name="web", image="", image_name="", created=1, snapshot=snapshot.key
                        )
                    )
            except Conflict:
                return
            Path(won, str(number)).touch()

    assert many(16, 16, command) == []
    assert len(os.listdir(won)) == 1
    with open_store(layout) as store:
        assert collect(store, no_undo).failed == ()
        assert check(store) == []


def test_a_collector_never_takes_what_a_pull_counts_on(layout: Layout) -> None:
    """Each image goes again as soon as it is there, so the next pull finds blobs and layers that nobody needs."""

    def command(number: int) -> None:
        with open_store(layout) as store:
            if number % 4 == 3:
                assert collect(store, no_undo, part_age=0).failed == ()
                return
            image = add_image(store, f"app{number}", ["l1", "l2"])
            missing = [ref.kind for ref in store.rows.blobs.find(image=image.id) if not store.blobs.has(ref.digest)]
            assert missing == []
            assert image.chain is not None
            assert all(os.path.isdir(folder) for folder in store.snapshots.layers_of(image.chain))
            with store.transaction("rmi") as rows:
                rows.images.remove(image.id)

    assert many(160, 16, command) == []
    with open_store(layout) as store:
        assert collect(store, no_undo).failed == ()
        assert os.listdir(f"{layout.root}/blobs/sha256") == os.listdir(f"{layout.root}/snapshots") == []
        assert check(store) == []
