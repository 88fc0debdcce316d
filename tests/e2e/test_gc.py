"""``minidock gc`` after a crash: it says what it finds, takes exactly that, and then finds nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.support.world import World

from minidock.trace.killer import VARIABLE

pytestmark = pytest.mark.root
RUN = ("run", "--rm", "--network", "none", "busybox", "true")


def files(world: World) -> set[str]:
    """The names of all files, but those of the databases and the locks that stand."""
    below = (path.relative_to(world.folder) for path in Path(world.folder).rglob("*"))
    return {str(path) for path in below if ".db" not in path.name and path.parent.name != "locks"}


def kinds(table: str) -> dict[str, set[str]]:
    """Return the kinds of things in the table, by their fate."""
    found: dict[str, set[str]] = {}
    for line in table.splitlines()[1:]:
        for fate in ("would go", "gone", "stays"):
            kind, word, _ = line.partition(f" {fate} ")
            if word:
                found.setdefault(fate, set()).add(kind.rsplit(maxsplit=1)[0].strip())
    return found


def test_after_a_crash(world: World) -> None:
    world.ok(*RUN)
    before = files(world)
    assert world.cli(*RUN, env={VARIABLE: "9"}).returncode == -9
    crashed = files(world)
    assert crashed > before, "it has left something"
    planned = world.ok("gc", "--dry-run")
    assert "its operation died" in planned
    assert "Would reclaim" in planned
    assert files(world) == crashed, "a dry run changes nothing"
    explained = world.ok("gc", "--explain")
    assert kinds(explained)["gone"] >= {"journal"}
    assert kinds(explained)["stays"] >= {"blob", "snapshot"}
    assert "image minidock.local/busybox:latest" in explained
    assert files(world) == before, "exactly what the dead command had left is gone"
    assert world.ok("gc") == "Reclaimed 0B in 0 things\n"
    assert world.ok("system", "check") == "The store is clean.\n"


def test_files_that_nobody_owns(world: World) -> None:
    stray = Path(world.root, "snapshots", "e" * 64, "fs")
    stray.mkdir(parents=True)
    (stray / "file").write_text("x")
    assert "snapshot folder" in world.ok("gc", "--dry-run")
    gone = world.ok("gc")
    assert "nobody" in gone
    assert "it was never whole, or its row is gone" in gone
    assert not os.path.exists(stray)
    assert world.ok("gc") == "Reclaimed 0B in 0 things\n"
