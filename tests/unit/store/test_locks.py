from __future__ import annotations

import os
import threading

import pytest
from tests.support.stores import run_python

from minidock.errors import InvalidArgument
from minidock.store.locks import Locks


@pytest.fixture
def locks(folder: str) -> Locks:
    return Locks(folder)


def test_one_holder(locks: Locks) -> None:
    with locks.exclusive("layer-1"):
        assert locks.try_exclusive("layer-1") is None
    held = locks.try_exclusive("layer-1")
    assert held is not None
    held.release()


def test_the_holder_removes_the_file_of_a_passing_lock(locks: Locks) -> None:
    with locks.exclusive("layer-1"), locks.exclusive("gc"):
        assert sorted(os.listdir(locks.folder)) == ["gc", "layer-1"]
    assert os.listdir(locks.folder) == ["gc"]


def test_shared_holders_keep_an_exclusive_one_out(locks: Locks) -> None:
    with locks.shared("gc"), locks.shared("gc"):
        assert locks.try_exclusive("gc") is None
    with locks.exclusive("gc"):
        assert locks.try_exclusive("gc") is None


@pytest.mark.parametrize("name", ["", "a/b", ".hidden", "../gc"])
def test_a_name_stays_in_the_folder(locks: Locks, name: str) -> None:
    with pytest.raises(InvalidArgument):
        locks.exclusive(name)


def test_a_passing_lock_cannot_be_shared(locks: Locks) -> None:
    with pytest.raises(InvalidArgument):
        locks.shared("layer-1")


def test_many_threads_through_a_lock_whose_file_comes_and_goes(locks: Locks) -> None:
    inside = most = rounds = 0
    guard = threading.Lock()

    def work() -> None:
        nonlocal inside, most, rounds
        for _ in range(50):
            with locks.exclusive("layer-1"):
                with guard:
                    inside += 1
                    most = max(most, inside)
                with guard:
                    inside -= 1
                    rounds += 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, rounds) == (1, 400)


def test_a_killed_holder_frees_the_lock(locks: Locks) -> None:
    code = """
import os, signal, sys
from minidock.store.locks import Locks
held = Locks(sys.argv[1]).exclusive("layer-1")
print("held", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert run_python(code, locks.folder).stdout == "held\n"
    assert os.listdir(locks.folder) == ["layer-1"]
    held = locks.try_exclusive("layer-1")
    assert held is not None
    held.release()


def test_no_child_inherits_a_lock(locks: Locks) -> None:
    with locks.exclusive("gc") as lock:
        assert not os.get_inheritable(lock._fd)


def test_a_dry_run_locks_nothing(folder: str) -> None:
    dry = Locks(folder, dry=True)
    with dry.exclusive("gc"), dry.exclusive("gc"), dry.shared("gc"):
        assert os.listdir(folder) == []
