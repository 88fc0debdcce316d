from __future__ import annotations

import os

import msgspec
import pytest
from tests.support.stores import digest_of

from minidock.store import leases
from minidock.store.leases import boot_time, holds
from minidock.store.state import is_alive, own_identity, process_start
from minidock.store.store import Store


def test_a_lease_ends_with_its_block(store: Store) -> None:
    with store.lease("pull a") as lease:
        lease.keep_blob(digest_of("a"))
        lease.keep_blob(digest_of("a"))
        lease.keep_snapshot("s")
        assert [row.why for row in store.leases.all()] == ["pull a"]
        assert [(ref.kind, ref.key) for ref in store.leases.refs()] == [("blob", digest_of("a")), ("snapshot", "s")]
    assert store.leases.all() == []
    assert store.leases.refs() == []


def test_a_lease_outlives_a_failure_and_its_process_for_a_day(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError), store.lease("pull a"):
        raise ZeroDivisionError
    (row,) = store.leases.all()
    dead = msgspec.structs.replace(row, start=row.start + 1)  # the same id, another process
    now = boot_time()
    assert holds(row)
    assert holds(dead)
    monkeypatch.setattr(leases, "boot_time", lambda: now + leases.AFTERLIFE + 1)
    assert holds(row)
    assert not holds(dead)


def test_a_changed_clock_changes_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setattr(time, "time", lambda: 1e12)
    with pytest.raises(ZeroDivisionError), store.lease("pull a"):
        raise ZeroDivisionError
    (row,) = store.leases.all()
    assert holds(msgspec.structs.replace(row, pid=1, start=1))


def test_a_process_is_its_id_and_its_start() -> None:
    pid, start = own_identity()
    assert pid == os.getpid()
    assert is_alive(pid, start)
    assert not is_alive(pid, start + 1)
    assert not is_alive(pid, 0)
    assert process_start(1 << 22) == 0
