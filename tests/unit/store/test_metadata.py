from __future__ import annotations

import os
import sqlite3
import threading

import msgspec
import pytest
from tests.support.stores import Steps, add_image, digest_of, open_store, run_python

from minidock.errors import Conflict, MinidockError, StoreDamaged, SystemFault
from minidock.store.layout import Layout
from minidock.store.rows import ContainerRow, NameRow, NetworkRow, SnapshotRow, ValueRow, VolumeRow
from minidock.store.schema import METADATA
from minidock.store.store import Store
from minidock.trace.step import Step


def container(key: str, **changes: object) -> ContainerRow:
    row = ContainerRow(id=digest_of(key).hex, name=key, image="", image_name="", created=1)
    return msgspec.structs.replace(row, **changes)


def test_every_table_keeps_its_rows(store: Store) -> None:
    image = add_image(store, "docker.io/library/a:latest", ["l1", "l2"])
    volume = VolumeRow(name="v", created=3, labels=b'{"a":"\xc3\xa9"}')
    network = NetworkRow(id="n", name="bridge", driver="bridge", created=4, config=b'{"x":[1]}')
    value = ValueRow("ipam", "172.17.0.2", b'"web"')
    with store.transaction("all") as rows:
        rows.volumes.add(volume)
        rows.networks.add(network)
        rows.values.add(value)
        rows.containers.add(container("web", host=b'{"Memory":1}'))
    store.close()
    rows = store.rows
    assert rows.images.get(image.id) == image
    assert [row.name for row in rows.names.find(image=image.id)] == ["docker.io/library/a:latest"]
    assert [ref.kind for ref in rows.blobs.find(image=image.id)].count("layer") == 2
    assert rows.volumes.all() == [volume]
    assert rows.networks.get("n") == network
    assert rows.values.get("ipam", "172.17.0.2") == value
    assert rows.containers.find(name="web") == [container("web", host=b'{"Memory":1}')]
    assert rows.images.get(digest_of("no such")) is None


def test_put_changes_and_remove_says_whether_it_was_there(store: Store) -> None:
    with store.transaction("x") as rows:
        rows.values.put(ValueRow("k", "a", b"1"))
        rows.values.put(ValueRow("k", "a", b"2"))
        assert rows.values.all()[-1].value == b"2"
        assert rows.values.remove("k", "a")
        assert not rows.values.remove("k", "a")


def test_a_prefix_is_taken_literally(store: Store) -> None:
    with store.transaction("x") as rows:
        for name in ("a%", "ab", "a_c", "a%d"):
            rows.values.add(ValueRow("k", name, b"1"))
    assert [row.key for row in store.rows.values.find_prefix("key", "a%")] == ["a%", "a%d"]


def test_two_containers_cannot_have_one_name(store: Store) -> None:
    with store.transaction("one") as rows:
        rows.containers.add(container("web"))

    def create_another() -> None:
        with store.transaction("two") as rows:
            rows.snapshots.add(SnapshotRow(key="s", kind="active", driver="overlay", created=1))
            rows.containers.add(container("other", name="web"))

    with pytest.raises(Conflict):
        create_another()
    assert store.rows.snapshots.all() == []


def test_what_a_row_refers_to_must_be_there_and_stays(store: Store) -> None:
    with pytest.raises(Conflict), store.transaction("x") as rows:
        rows.names.add(NameRow("a", digest_of("missing")))
    add_image(store, "a", ["l1", "l2"])
    lowest = next(row for row in store.rows.snapshots.all() if row.parent is None)
    with pytest.raises(Conflict), store.transaction("x") as rows:
        rows.snapshots.remove(lowest.key)


@pytest.mark.parametrize("text", [b"{", b"", b"{'a':1}"])
def test_a_json_column_holds_json(store: Store, text: bytes) -> None:
    with pytest.raises(Conflict), store.transaction("x") as rows:
        rows.containers.add(container("web", config=text))


def test_a_block_that_raises_changes_nothing(store: Store, steps: Steps) -> None:
    def fail() -> None:
        with store.transaction("x") as rows:
            rows.values.add(ValueRow("k", "a", b"1"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert store.rows.values.all() == []
    assert "store.commit" not in steps.ops
    with store.transaction("and the next one works") as rows:
        rows.values.add(ValueRow("k", "a", b"1"))
    assert steps.steps[-1].args == {"what": "and the next one works"}


def test_changes_need_a_transaction_and_transactions_do_not_nest(store: Store) -> None:
    with pytest.raises(SystemFault):
        store.rows.values.add(ValueRow("k", "a", b"1"))
    with pytest.raises(SystemFault), store.transaction("outer"), store.transaction("inner"):
        pass
    with store.transaction("and the next one works") as rows:
        rows.values.add(ValueRow("k", "a", b"1"))


def test_a_listener_that_stops_the_commit_stops_the_transaction(layout: Layout) -> None:
    class Refuse(Steps):
        def began(self, step: Step) -> None:
            raise MinidockError("no")

    with open_store(layout) as store:
        store.rows.values.all()
        with (
            store.recorder.listening(Refuse()),
            pytest.raises(MinidockError, match="no"),
            store.transaction("x") as rows,
        ):
            rows.values.add(ValueRow("k", "a", b"1"))
        with store.transaction("y") as rows:
            assert rows.values.all() == []


def test_threads_take_turns(store: Store) -> None:
    def work() -> None:
        for _ in range(20):
            with store.transaction("count") as rows:
                row = rows.values.get("n", "n")
                rows.values.put(ValueRow("n", "n", str(int(row.value) + 1 if row else 1).encode()))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [row.value for row in store.rows.values.all()] == [b"160"]


def test_a_dry_run_sees_its_own_changes_and_writes_nothing(layout: Layout, store: Store) -> None:
    with store.transaction("real") as rows:
        rows.values.add(ValueRow("k", "real", b"1"))
    before = sorted((entry.name, entry.stat().st_mtime_ns) for entry in os.scandir(layout.root))
    steps = Steps()
    with open_store(layout, steps, dry=True) as dry:
        with dry.transaction("first") as rows:
            rows.values.add(ValueRow("k", "dry", b"1"))
        assert [row.key for row in dry.rows.values.all()] == ["dry", "real"]
    assert steps.ops == ["store.commit"]
    assert [row.key for row in store.rows.values.all()] == ["real"]
    assert before == sorted((entry.name, entry.stat().st_mtime_ns) for entry in os.scandir(layout.root))


def test_a_dry_run_on_nothing_makes_nothing(folder: str, layout: Layout) -> None:
    with open_store(layout, dry=True) as dry, dry.lease("x"), dry.transaction("x") as rows:
        rows.values.add(ValueRow("k", "a", b"1"))
    assert os.listdir(folder) == []


def test_garbage_is_refused_by_name(layout: Layout) -> None:
    open_store(layout).close()
    with open(layout.database, "wb") as file:
        file.write(b"this is no database, by far" * 300)
    with pytest.raises(StoreDamaged, match=r"minidock\.db.*not a database") as caught:
        open_store(layout).rows.images.all()
    assert "--repair" in (caught.value.hint or "")


def test_a_newer_schema_is_refused(layout: Layout, store: Store) -> None:
    store.rows.images.all()
    store.close()
    with sqlite3.connect(layout.database) as raw:
        raw.execute(f"PRAGMA user_version = {len(METADATA) + 1}")
    raw.close()
    with pytest.raises(StoreDamaged, match=f"schema {len(METADATA) + 1}"):
        store.rows.images.all()


def test_an_older_schema_is_migrated(layout: Layout) -> None:
    from minidock.store.database import Database
    from minidock.store.locks import Lock

    path = f"{layout.root}.db"
    first = Database(path, ("CREATE TABLE t (a TEXT) STRICT;",), True, Lock)
    first.begin()
    first.change("INSERT INTO t VALUES (?)", ("kept",))
    first.commit()
    first.close()
    migrations = ("CREATE TABLE t (a TEXT) STRICT;", "ALTER TABLE t ADD COLUMN b TEXT;")
    second = Database(path, migrations, True, Lock)
    assert second.query("SELECT a, b FROM t", ()) == [("kept", None)]
    second.close()


def test_a_log_that_is_missing_is_noticed(layout: Layout) -> None:
    code = """
import sys
from minidock.store.layout import Layout
from minidock.store.rows import ValueRow
from tests.support.stores import open_store
with open_store(Layout(sys.argv[1], sys.argv[2])) as store, store.transaction("x") as rows:
    rows.values.add(ValueRow("k", "a", b"1"))
"""
    assert run_python(code, layout.root, layout.run).returncode == 0
    assert os.path.exists(f"{layout.database}-wal")  # no work at the end of a command
    os.unlink(f"{layout.database}-wal")
    with pytest.raises(StoreDamaged, match="newest changes are lost"):
        open_store(layout).rows.values.all()


def test_a_row_that_somebody_has_spoilt_is_named(layout: Layout, store: Store) -> None:
    with store.transaction("x") as rows:
        rows.values.add(ValueRow("k", "a", b"1"))
    add_image(store, "a", [])
    store.close()
    raw = sqlite3.connect(layout.database, isolation_level=None)
    raw.execute("UPDATE images SET manifest = 'sha256:../../etc/passwd'")
    raw.close()
    with pytest.raises(StoreDamaged, match="table images"):
        store.rows.images.all()


def test_files_are_ours_alone(layout: Layout, store: Store) -> None:
    with store.transaction("x"):
        pass
    store.state.leases.all()
    for path in (layout.database, f"{layout.database}-wal", layout.state_database):
        assert os.stat(path).st_mode & 0o777 == 0o600
    assert os.stat(layout.root).st_mode & 0o777 == 0o710
    assert os.stat(layout.run).st_mode & 0o777 == 0o700
