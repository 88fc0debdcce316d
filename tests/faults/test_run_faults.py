"""Faults around a run that are no deaths: a full disk, a damaged row, and many commands at once."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from pathlib import Path

import pytest
from tests.faults.test_run_crash import assert_gone
from tests.support.world import World

pytestmark = pytest.mark.root
RUN = ("run", "--rm", "--network", "none", "busybox", "echo", "hello")
ALIVE, COMMANDS = 16, 64


@pytest.mark.parametrize("kernel", ["native", "pure"])
def test_a_full_disk(kernel: str) -> None:
    """Every free byte is taken, a page more is given back each time, until the run has enough room."""
    with World(kernel) as world:
        os.mkdir(world.root)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", world.root], check=True)
        try:
            world.ok("image", "bootstrap", "busybox")
            world.ok(*RUN)
            ballast = Path(world.root, "ballast")
            room = 0
            while True:
                state = os.statvfs(world.root)
                with ballast.open("ab") as file:
                    os.posix_fallocate(file.fileno(), 0, ballast.stat().st_size + state.f_bavail * state.f_frsize)
                os.truncate(ballast, ballast.stat().st_size - room)
                done = world.cli(*RUN)
                if done.returncode == 0:
                    break
                assert done.returncode == 125, done.stderr
                assert "o space left" in done.stderr or "full" in done.stderr, done.stderr
                os.truncate(ballast, 0)
                assert_full_gone(world)
                room += 8192
                assert room < 1 << 20
            assert room > 0, "a run without any room cannot succeed"
            os.unlink(ballast)
            assert_full_gone(world)
        finally:
            subprocess.run(["umount", "--lazy", world.root], check=True)


def assert_full_gone(world: World) -> None:
    assert world.ok("ps", "-aq") == ""
    assert world.ok("system", "check") == "The store is clean.\n"
    assert world.ok(*RUN) == "hello\n"


def test_a_damaged_row(world: World) -> None:
    """The command that needs the row says so; others are not hurt; the row can still be named in the message."""
    world.ok("run", "--name", "broken", "--network", "none", "busybox", "true")
    key = world.ok("ps", "-aq", "--no-trunc").strip()
    with sqlite3.connect(f"{world.root}/minidock.db") as database:
        (whole,) = database.execute("SELECT host FROM containers WHERE id = ?", (key,)).fetchone()
        database.execute("UPDATE containers SET host = ? WHERE id = ?", ('{"Memory":"much"}', key))
    database.close()
    done = world.cli("rm", "broken")
    assert done.returncode == 1
    assert f"container {key}" in done.stderr
    assert "Traceback" not in done.stderr
    assert world.ok(*RUN) == "hello\n"
    with sqlite3.connect(f"{world.root}/minidock.db") as database:
        database.execute("UPDATE containers SET host = ? WHERE id = ?", (whole, key))
    database.close()
    world.ok("rm", "broken")
    assert_gone(world)


def test_two_commands_want_one_name(world: World) -> None:
    words = ("run", "-d", "--name", "one", "--network", "none", "busybox", "sleep", "300")
    rivals = [world.popen(*words, stdin=subprocess.DEVNULL) for _ in range(6)]
    ends = [(rival.communicate(timeout=60)[1].decode(), rival.returncode) for rival in rivals]
    assert sorted(status for _, status in ends) == [0, 125, 125, 125, 125, 125], ends
    assert all('"/one" is already in use' in said for said, status in ends if status)
    assert len(world.ok("ps", "-q").split()) == 1
    world.ok("rm", "-f", "one")
    assert_gone(world)


def test_many_runs_at_once(world: World) -> None:
    """64 runs, 16 at a time: each says hello, and none has waited for a lock in vain."""
    started = 0
    alive: list[subprocess.Popen[bytes]] = []
    while started < COMMANDS or alive:
        while started < COMMANDS and len(alive) < ALIVE:
            alive.append(world.popen(*RUN, stdin=subprocess.DEVNULL))
            started += 1
        out, error = (first := alive.pop(0)).communicate(timeout=60)
        assert (out, error, first.returncode) == (b"hello\n", b"", 0)
    assert_gone(world)
