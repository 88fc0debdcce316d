"""One operation: what is undone when it fails before its commit, and what stays when it fails after it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from minidock.containers.operation import OperationParts, operation
from minidock.containers.remove import announce
from minidock.errors import StepFailed
from minidock.store.layout import Layout
from minidock.store.locks import Locks
from minidock.store.store import make_folders
from minidock.trace.recorder import Recorder
from minidock.trace.step import Args

ID = "a" * 64


def parts_in(folder: Path, committed: bool, removed: list[str], broken: bool = False) -> OperationParts:
    """Parts whose rows say that the operation has *committed*, as a removal."""
    layout = Layout(f"{folder}/root", f"{folder}/run")
    make_folders(layout)

    def remove(args: Args) -> None:
        if broken:
            raise StepFailed("store.remove", 5, "the disk is broken")
        removed.append(args["path"])

    undoers: Mapping[str, object] = {"store.remove": remove}
    return OperationParts(layout, Locks(f"{layout.run}/locks"), Recorder(), undoers, lambda _: committed)  # type: ignore[arg-type]


def fail(parts: OperationParts, error: BaseException) -> None:
    with operation(parts, "remove", ID):
        announce(parts, "/files")
        raise error


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), StepFailed("store.commit", 28, "no space")], ids=["ctrl-c", "full"]
)
@pytest.mark.parametrize("committed", [False, True])
def test_a_removal_that_fails(tmp_path: Path, error: BaseException, committed: bool) -> None:
    """Before its commit the files stay, since the row does; after it they go, since the row is gone."""
    removed: list[str] = []
    parts = parts_in(tmp_path, committed, removed)
    with pytest.raises((KeyboardInterrupt, StepFailed)):
        fail(parts, error)
    assert removed == (["/files"] if committed else [])
    assert os.listdir(parts.layout.journals) == []


def test_what_cannot_be_undone_stays_in_the_journal(tmp_path: Path) -> None:
    parts = parts_in(tmp_path, committed=True, removed=[], broken=True)
    with pytest.raises(KeyboardInterrupt):
        fail(parts, KeyboardInterrupt())
    assert os.listdir(parts.layout.journals) == [f"remove-{ID}.journal"]
