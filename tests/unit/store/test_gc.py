"""What is garbage, decided on paper; the machine at the end does it for real, against a model."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.support.stores import (
    Steps,
    add_container,
    add_image,
    apply_layers,
    digest_of,
    layout_in,
    no_undo,
    open_store,
    temporary_folder,
)

from minidock.errors import Unavailable
from minidock.oci.image import chain_ids
from minidock.store.check import check
from minidock.store.gc import KINDS, PART_AGE, Decision, Facts, Item, mark
from minidock.store.layout import Layout
from minidock.store.leases import Lease
from minidock.store.recovery import recover
from minidock.store.rows import (
    BlobRef,
    ContainerRow,
    ImageRow,
    LeaseRef,
    LeaseRow,
    NameRow,
    RunningRow,
    SnapshotRow,
)
from minidock.store.snapshots import layer_key
from minidock.store.store import Store
from minidock.store.sweep import collect, decide
from minidock.trace.journal import Journal
from minidock.trace.recorder import Recorder
from minidock.trace.step import Args

IMAGE = ImageRow(
    id=digest_of("config"),
    manifest=digest_of("manifest"),
    media_type="m",
    os="linux",
    architecture="amd64",
    added=1,
    size=1,
    chain=digest_of("top"),
)
LOW = SnapshotRow(key="low", kind="committed", chain=digest_of("low"), driver="overlay", created=1)
TOP = SnapshotRow(key="top", parent="low", kind="committed", chain=digest_of("top"), driver="overlay", created=1)
ACTIVE = SnapshotRow(key="c1", parent="low", kind="active", driver="overlay", created=1)
CONTAINER = ContainerRow(id="c1", name="web", image="", image_name="", created=1, snapshot="c1")
LEASE = LeaseRow(id="l1", why="pull x", pid=1, start=1, expires=1)


def fate(facts: Facts, kind: str, name: str) -> Decision:
    (found,) = [each for each in mark(facts) if (each.kind, each.name) == (kind, name)]
    return found


def test_nothing_is_no_garbage() -> None:
    assert mark(Facts()) == []


def test_an_image_keeps_its_blobs_and_all_its_layers() -> None:
    facts = Facts(
        images=(IMAGE,),
        names=(NameRow("a:latest", IMAGE.id), NameRow("b:latest", IMAGE.id)),
        blob_refs=(BlobRef(IMAGE.id, digest_of("layer"), "layer", "m", 1),),
        blobs=(Item(digest_of("layer").hex), Item(digest_of("other").hex, size=7)),
        snapshots=(LOW, TOP, msgspec.structs.replace(TOP, key="side", chain=digest_of("side"))),
        snapshot_folders=(Item("low"), Item("top"), Item("side"), Item("stray")),
    )
    assert fate(facts, "blob", digest_of("layer").hex).owner == "image a:latest"
    assert fate(facts, "blob", digest_of("other").hex).goes
    assert fate(facts, "blob", digest_of("other").hex).size == 7
    assert not fate(facts, "snapshot", "low").goes
    assert not fate(facts, "snapshot", "top").goes
    assert fate(facts, "snapshot", "side").goes
    assert fate(facts, "snapshot folder", "stray").goes


def test_children_go_before_their_parents() -> None:
    gone = [each.name for each in mark(Facts(snapshots=(LOW, TOP, ACTIVE))) if each.goes]
    assert gone.index("low") == 2


def test_a_container_keeps_what_it_stands_on() -> None:
    facts = Facts(
        containers=(CONTAINER,),
        snapshots=(LOW, TOP, ACTIVE),
        container_folders=(Item("c1"), Item("c2")),
        netns=(Item("c1"), Item("c2")),
        run_folders=(Item("c1"), Item("c2")),
    )
    assert fate(facts, "snapshot", "low").owner == "container web"
    assert fate(facts, "snapshot", "top").goes
    for kind in ("container folder", "netns", "run folder"):
        assert not fate(facts, kind, "c1").goes
        assert fate(facts, kind, "c2").goes


def test_a_lease_keeps_only_while_it_holds() -> None:
    facts = Facts(
        leases=(LEASE,),
        lease_refs=(LeaseRef("l1", "blob", digest_of("b")), LeaseRef("l1", "snapshot", "top")),
        snapshots=(LOW, TOP),
        blobs=(Item(digest_of("b").hex),),
        parts=(Item(f"{digest_of('b').hex}.part", age=10 * PART_AGE),),
    )
    assert {each.goes for each in mark(facts)} == {True}
    held = msgspec.structs.replace(facts, holding=frozenset({"l1"}))
    assert {(each.goes, each.owner.removeprefix("lease ")) for each in mark(held)} == {(False, "pull x")}


@pytest.mark.parametrize(
    ("item", "goes"),
    [
        (Item("x.part", age=PART_AGE - 1), False),
        (Item("x.part", age=PART_AGE + 1), True),
        (Item("x.part", age=PART_AGE + 1, busy=True), False),
        (Item("x.part", age=-1e9), False),
    ],
    ids=["young", "old", "being written", "from the future"],
)
def test_a_part_waits_a_day_for_a_second_try(item: Item, goes: bool) -> None:
    assert fate(Facts(parts=(item,)), "part", "x.part").goes is goes


def test_held_locks_keep() -> None:
    for busy in (True, False):
        item = (Item("x", busy=busy),)
        facts = Facts(journals=item, scratch=item, locks=item)
        assert [each.goes for each in mark(facts)] == [not busy] * 3


def test_what_lives_or_is_mounted_stays() -> None:
    facts = Facts(
        running=("c2", "c3"),
        alive=frozenset({"c2"}),
        mounted=frozenset({"m"}),
        run_folders=(Item("c2"), Item("c3")),
        container_folders=(Item("m"), Item("c2")),
        snapshots=(msgspec.structs.replace(LOW, key="m"),),
        snapshot_folders=(Item("m"),),
    )
    going = {(each.kind, each.name) for each in mark(facts) if each.goes}
    assert going == {("running", "c3"), ("run folder", "c3")}


def test_a_circle_of_parents_ends() -> None:
    a = msgspec.structs.replace(LOW, key="a", parent="b")
    b = msgspec.structs.replace(TOP, key="b", parent="a")
    assert len(mark(Facts(snapshots=(a, b)))) == 2


# --- for real -------------------------------------------------------------------------------------------------------


def test_collecting_takes_what_was_decided_and_no_more(store: Store) -> None:
    add_image(store, "a", ["l1", "l2"])
    image = add_image(store, "b", ["l1", "l3"])
    row = add_container(store, "web", chain_ids((digest_of("l1"), digest_of("l2")))[-1])
    with store.transaction("rmi b") as rows:
        rows.images.remove(image.id)
    Path(store.layout.tmp, "load.dead").mkdir()
    Path(store.layout.container("lost")).mkdir()
    Path(store.layout.snapshot("lost"), "fs").mkdir(parents=True)
    Path(store.layout.container_run("lost")).mkdir()
    Path(store.locks.folder, "layer-dead").touch()
    expected = [each for each in decide(store) if each.goes]
    swept = collect(store, no_undo)
    assert [each for each in swept.decisions if each.goes] == expected
    assert sorted({each.kind for each in expected}, key=KINDS.index) == [
        "container folder",
        "run folder",
        "snapshot",
        "snapshot folder",
        "blob",
        "scratch",
        "lock",
    ]
    assert swept.failed == ()
    assert check(store) == []
    assert [each for each in decide(store) if each.goes] == []
    assert len(store.snapshots.mount_of(row.id).lower) == 2


def test_a_dead_journal_is_undone_backwards_and_a_live_one_left_alone(store: Store) -> None:
    live, dead = Journal(f"{store.layout.journals}/live.journal"), Journal(f"{store.layout.journals}/dead.journal")
    Recorder([live, dead]).call("store.folder", {"path": "/one"}, lambda: None)
    Recorder([dead]).call("ns.pin", {"path": "/two"}, lambda: None)
    os.close(dead._fd)  # as the kernel does when the writer dies
    undone: list[tuple[str, Args]] = []

    def undo(op: str, args: Args) -> None:
        undone.append((op, args))

    assert recover(store, undo) == []
    assert undone == [("ns.unpin", {"path": "/two"}), ("store.remove", {"path": "/one"})]
    assert os.listdir(store.layout.journals) == ["live.journal"]
    live.close()


def dead_journal(store: Store, name: str) -> None:
    journal = Journal(f"{store.layout.journals}/{name}.journal")
    Recorder([journal]).call("store.folder", {"path": name}, lambda: None)
    os.close(journal._fd)


@pytest.mark.parametrize(
    ("kind", "row", "running", "undone"),
    [
        ("create", False, False, True),
        ("create", True, False, False),
        ("start", True, False, True),
        ("start", True, True, False),
        ("remove", False, False, True),
        ("remove", True, False, False),
        ("other", True, True, True),
    ],
)
def test_a_dead_operation_is_undone_unless_it_had_committed(
    store: Store, kind: str, row: bool, running: bool, undone: bool
) -> None:
    with store.transaction("x") as rows, store.state.transaction() as state:
        if row:
            rows.containers.add(msgspec.structs.replace(CONTAINER, snapshot=None))
        if running:
            state.running.add(RunningRow(id="c1", status="running"))
    dead_journal(store, f"{kind}-c1")
    done: list[str] = []
    assert recover(store, lambda op, args: done.append(args["path"])) == []
    assert done == ([f"{kind}-c1"] if undone else [])
    assert os.listdir(store.layout.journals) == []


def test_a_journal_that_cannot_be_undone_stays(store: Store) -> None:
    dead = Journal(f"{store.layout.journals}/dead.journal")
    Recorder([dead]).call("store.folder", {"path": "/one"}, lambda: None)
    os.close(dead._fd)

    def refuse(op: str, args: Args) -> None:
        raise Unavailable("not now")

    swept = collect(store, refuse)
    assert [(decision.kind, str(error)) for decision, error in swept.failed] == [("journal", "not now")]
    assert os.listdir(store.layout.journals) == ["dead.journal"]
    done: list[str] = []
    assert recover(store, lambda op, args: done.append(op)) == []
    assert os.listdir(store.layout.journals) == []


def test_a_folder_without_a_container_is_torn_down_first(store: Store) -> None:
    folder = store.layout.container("lost")
    Path(folder).mkdir()
    Path(folder, "created.jsonl").write_text('{"op":"store.remove","args":{"path":"/one"}}\n')
    Path(folder, "started.jsonl").write_text('{"op":"link.delete","args":{"name":"md1"}}\n{"op":"torn')
    Path(store.layout.netns("lost")).touch()
    undone: list[str] = []
    collect(store, lambda op, args: undone.append(op))
    assert undone == ["link.delete", "store.remove", "ns.unpin"]
    assert not os.path.exists(folder)


def test_a_dry_collection_shows_steps_and_changes_nothing(layout: Layout, store: Store) -> None:
    Path(store.layout.tmp, "load.dead").mkdir()
    Path(store.layout.snapshot("lost"), "fs").mkdir(parents=True)
    steps = Steps()
    with open_store(layout, steps, dry=True) as dry:
        collect(dry, no_undo)
    assert steps.ops.count("store.publish") == 1
    assert "store.remove" in steps.ops
    assert os.path.isdir(f"{store.layout.snapshot('lost')}/fs")
    assert os.listdir(layout.tmp) == ["load.dead"]


def test_who_is_just_being_born_is_no_garbage(store: Store) -> None:
    import threading

    collected = threading.Event()
    with store.naming():
        snapshot = store.snapshots.writable("young", None)

        def work() -> None:
            with open_store(store.layout) as other:
                collect(other, no_undo)
            collected.set()

        thread = threading.Thread(target=work)
        thread.start()
        with store.transaction("container young") as rows:
            rows.snapshots.add(snapshot)
            rows.containers.add(msgspec.structs.replace(CONTAINER, id="young", snapshot="young"))
    thread.join()
    assert collected.is_set()
    assert store.snapshots.mount_of("young").lower == ()


def test_a_pull_that_ends_while_the_facts_are_collected_is_seen(
    layout: Layout, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    pull = open_store(layout)
    lease = pull.lease("pull")
    digest = pull.blobs.add(lease, b"layer")
    images = store.rows.images
    all_of_them = images.all

    def then_the_pull_ends() -> list[ImageRow]:
        before = all_of_them()
        with pull.transaction("image") as rows:
            rows.images.add(IMAGE)
            rows.blobs.add(BlobRef(IMAGE.id, digest, "layer", "m", 5))
        lease.release()
        return before

    monkeypatch.setattr(images, "all", then_the_pull_ends)
    assert [each for each in decide(store) if each.goes] == []
    pull.close()


def test_a_running_row_without_a_container_goes(store: Store) -> None:
    with store.state.transaction() as state:
        state.running.add(RunningRow(id="gone", status="running", pid=1 << 22, start=5))
    collect(store, no_undo)
    assert store.state.running.all() == []


LAYERS = ["l1", "l2", "l3"]
STACKS = [[], ["l1"], ["l1", "l2"], ["l1", "l2", "l3"], ["l2"], ["l2", "l1"]]
NAMES = st.sampled_from(["a", "b", "c"])


class StoreMachine(RuleBasedStateMachine):
    """Images, containers and leases come and go; after each collection exactly what the model needs is there."""

    def __init__(self) -> None:
        super().__init__()
        self.context = temporary_folder()
        self.store = open_store(layout_in(self.context.__enter__()))
        self.images: dict[str, ImageRow] = {}
        self.stacks: dict[str, list[str]] = {}
        self.containers: dict[str, tuple[ContainerRow, list[str]]] = {}
        self.leases: list[tuple[Lease, list[str]]] = []
        self.created = 0

    def teardown(self) -> None:
        self.store.close()
        self.context.__exit__(None, None, None)

    @rule(name=NAMES, stack=st.sampled_from(STACKS))
    def pull(self, name: str, stack: list[str]) -> None:
        if name in self.images:
            self.remove_image(name)
        self.images[name] = add_image(self.store, name, stack)
        self.stacks[name] = stack

    @rule(name=NAMES)
    def remove_image(self, name: str) -> None:
        row = self.images.pop(name, None)
        if row is not None:
            with self.store.transaction("rmi") as rows:
                rows.images.remove(row.id)

    @precondition(lambda self: self.images)
    @rule(name=NAMES, data=st.data())
    def create(self, name: str, data: st.DataObject) -> None:
        image = data.draw(st.sampled_from(sorted(self.images)))
        if name not in self.containers:
            self.created += 1  # an id is never used twice
            row = add_container(self.store, f"{name}-{self.created}", self.images[image].chain)
            self.containers[name] = (row, self.stacks[image])

    @rule(name=NAMES)
    def remove_container(self, name: str) -> None:
        found = self.containers.pop(name, None)
        if found is not None:
            with self.store.transaction("rm") as rows:
                rows.containers.remove(found[0].id)
                rows.snapshots.remove(found[0].id)

    @rule(stack=st.sampled_from(STACKS[1:]))
    def lease(self, stack: list[str]) -> None:
        lease = self.store.lease("kept")
        for chain in chain_ids(tuple(digest_of(name) for name in stack)):
            lease.keep_snapshot(layer_key(chain))
        apply_layers(self.store, stack)
        self.leases.append((lease, stack))

    @precondition(lambda self: self.leases)
    @rule()
    def release(self) -> None:
        self.leases.pop()[0].release()

    @rule(name=st.sampled_from(LAYERS))
    def strays(self, name: str) -> None:
        Path(self.store.layout.blob(digest_of(f"stray {name}"))).write_text("")
        Path(self.store.layout.snapshot(f"stray-{name}"), "fs").mkdir(parents=True, exist_ok=True)
        Path(self.store.layout.container(f"stray-{name}")).mkdir(exist_ok=True)

    @rule()
    def collect(self) -> None:
        assert collect(self.store, no_undo).failed == ()
        layout = self.store.layout
        stacks = [self.stacks[name] for name in self.images] + [stack for _, stack in self.containers.values()]
        stacks += [stack for _, stack in self.leases]
        layers = {layer_key(chain) for stack in stacks for chain in chain_ids(tuple(map(digest_of, stack)))}
        ids = {row.id for row, _ in self.containers.values()}
        assert set(os.listdir(f"{layout.root}/snapshots")) == layers | ids
        assert set(os.listdir(f"{layout.root}/containers")) == ids
        blobs = {digest_of(layer).hex for name in self.images for layer in self.stacks[name]}
        blobs |= {digest.hex for row in self.images.values() for digest in (row.id, row.manifest)}
        assert set(os.listdir(f"{layout.root}/blobs/sha256")) == blobs
        assert check(self.store) == []

    @invariant()
    def nothing_needed_is_missing(self) -> None:
        assert [finding for finding in check(self.store, quick=True) if finding.severity == "error"] == []


StoreMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestStoreMachine = StoreMachine.TestCase
