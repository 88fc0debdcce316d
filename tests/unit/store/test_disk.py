from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import pytest
from tests.support.stores import Steps

from minidock.errors import StepFailed
from minidock.store.disk import Disk, DryDisk, RealDisk
from minidock.trace.ops import describe
from minidock.trace.recorder import Recorder, recorded

DISK = RealDisk()


def test_write_makes_a_new_file_with_exactly_the_mode(folder: str) -> None:
    before = os.umask(0o077)
    try:
        DISK.write(f"{folder}/a", b"x", 0o644)
    finally:
        os.umask(before)
    assert Path(folder, "a").read_bytes() == b"x"
    assert os.stat(f"{folder}/a").st_mode & 0o7777 == 0o644


def test_write_never_replaces_a_file_and_never_follows_a_link(folder: str) -> None:
    Path(folder, "victim").write_text("safe")
    os.symlink("victim", f"{folder}/link")
    for name in ("victim", "link"):
        with pytest.raises(StepFailed) as caught:
            DISK.write(f"{folder}/{name}", b"x")
        assert caught.value.errno == errno.EEXIST
    assert Path(folder, "victim").read_text() == "safe"


def test_publish_replaces_a_file_in_one_move(folder: str) -> None:
    DISK.write(f"{folder}/new", b"new")
    DISK.write(f"{folder}/name", b"old")
    DISK.publish(f"{folder}/new", f"{folder}/name")
    assert os.listdir(folder) == ["name"]
    assert Path(folder, "name").read_bytes() == b"new"


def test_publish_refuses_to_replace_a_folder_with_something_in_it(folder: str) -> None:
    DISK.folder(f"{folder}/new")
    DISK.folder(f"{folder}/name")
    DISK.write(f"{folder}/name/precious", b"")
    with pytest.raises(StepFailed) as caught:
        DISK.publish(f"{folder}/new", f"{folder}/name")
    assert caught.value.errno == errno.ENOTEMPTY
    assert os.path.exists(f"{folder}/name/precious")


def test_folder_has_exactly_the_mode_and_is_new(folder: str) -> None:
    DISK.folder(f"{folder}/a", 0o1777)
    assert os.stat(f"{folder}/a").st_mode & 0o7777 == 0o1777
    with pytest.raises(StepFailed) as caught:
        DISK.folder(f"{folder}/a")
    assert caught.value.errno == errno.EEXIST


def test_a_full_disk_is_named_with_what_to_do() -> None:
    from minidock.store.disk import failing_as

    with pytest.raises(StepFailed) as caught, failing_as("store.write", "/x"):
        raise OSError(errno.ENOSPC, "full")
    assert caught.value.errno == errno.ENOSPC
    assert "minidock gc" in (caught.value.hint or "")


def test_each_change_is_a_step_and_a_dry_one_changes_nothing(folder: str) -> None:
    steps = Steps()
    disk: Disk = recorded(DryDisk(), Disk, Recorder([steps]))  # type: ignore[type-abstract]
    disk.folder(f"{folder}/a")
    disk.write(f"{folder}/a/b", b"four")
    disk.publish(f"{folder}/a/b", f"{folder}/c", undo=False)
    disk.copy(folder, f"{folder}/d")
    disk.remove(folder)
    disk.sync(folder)
    assert steps.ops == ["store.folder", "store.write", "store.publish", "layer.copy", "store.remove"]
    assert steps.steps[1].args == {"path": f"{folder}/a/b", "data": "4 bytes"}
    assert os.listdir(folder) == []


def test_sync_reaches_the_file_system(folder: str) -> None:
    DISK.sync(folder)
    with pytest.raises(StepFailed):
        DISK.sync(f"{folder}/missing")


def test_a_folder_can_be_made_by_hand(folder: str) -> None:
    command = describe("store.folder").shell(
        {"path": f"{folder}/a b", "mode": 0o1750, "owner": [os.getuid(), os.getgid()]}
    )
    assert command is not None
    subprocess.run(["sh", "-ec", command], check=True)
    assert os.stat(f"{folder}/a b").st_mode & 0o7777 == 0o1750
