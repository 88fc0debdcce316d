"""The engine on control groups v2; run inside the user-mode kernel by ``test_user_mode_kernel.py``.

Its name keeps pytest from collecting it elsewhere. ``python -m pytest tests/slow/on_v2.py`` runs it on a host with v2.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.world import World, groups_of

TOP = "/sys/fs/cgroup"
pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not os.path.exists(f"{TOP}/cgroup.controllers"), reason="this host's control groups are not v2"),
]


def sh(world: World, script: str, *flags: str) -> str:
    return world.ok("run", "--rm", "--network", "none", *flags, "busybox", "sh", "-c", script)


@pytest.fixture
def sleeper(world: World) -> Iterator[str]:
    """A running container; its group's folder."""
    key = world.ok("run", "-d", "--network", "none", "--memory", "64m", "busybox", "sleep", "600").strip()
    (parent,) = groups_of(world.short_id)
    yield f"{parent}/{key}"
    world.ok("rm", "-f", key)
    assert not os.path.exists(f"{parent}/{key}")


def test_limits_are_v2s_files(world: World) -> None:
    flags = ("--memory", "64m", "--pids-limit", "20", "--cpus", "0.5", "--cpu-shares", "512")
    script = "cd /sys/fs/cgroup; cat memory.max pids.max cpu.max cpu.weight"
    assert sh(world, script, *flags).split() == [str(64 << 20), "20", "50000", "100000", "20"]
    assert sh(world, "cd /sys/fs/cgroup; cat memory.max pids.max cpu.max cpu.weight").split() == [
        *("max", "max", "max"), "100000", "100",
    ]  # fmt: skip


def test_memory_that_runs_out_kills_and_is_told(world: World) -> None:
    words = ("run", "--network", "none", "--name")
    assert world.cli(*words, "big", "-m", "16m", "busybox", "sh", "-c", "tail /dev/zero").returncode == 137
    state = json.loads(world.ok("inspect", "big"))[0]["State"]
    assert (state["OOMKilled"], state["ExitCode"]) == (True, 137)
    world.ok("rm", "big")
    assert world.cli(*words, "small", "-m", "64m", "busybox", "true").returncode == 0
    assert json.loads(world.ok("inspect", "small"))[0]["State"]["OOMKilled"] is False
    world.ok("rm", "small")


def test_too_many_processes(world: World) -> None:
    bomb = "for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait"
    words = ("run", "--rm", "--network", "none")
    assert "can't fork" in world.cli(*words, "--pids-limit", "5", "busybox", "sh", "-c", bomb).stderr
    assert world.cli(*words, "--pids-limit", "50", "busybox", "sh", "-c", bomb).stderr == ""


def test_a_device_that_was_not_given_is_refused_by_the_kernel(world: World) -> None:
    given = sh(world, "head -c 1 /dev/zero | wc -c; echo x > /dev/null && echo written")
    assert given.split() == ["1", "written"]
    script = "mknod /tmp/kmsg c 1 11 && echo made && head -c 1 /tmp/kmsg 2>&1 >/dev/null"
    done = world.cli("run", "--rm", "--network", "none", "busybox", "sh", "-c", script)
    assert "Operation not permitted" in done.stdout + done.stderr
    assert "made" in done.stdout, "any node may be made; opening it is what is refused"
    allowed = ("--device-cgroup-rule", "c 1:11 rwm")
    done = world.cli("run", "--rm", "--network", "none", *allowed, "busybox", "sh", "-c", script)
    assert "Operation not permitted" not in done.stdout + done.stderr


def test_the_process_is_born_in_its_group_and_sees_it_as_the_root(world: World, sleeper: str) -> None:
    assert len(Path(f"{sleeper}/cgroup.procs").read_text().split()) == 1
    assert sh(world, "cat /proc/self/cgroup") == "0::/\n"
    shown = sh(world, "cat /proc/self/cgroup", "--cgroupns", "host")
    assert shown.startswith(f"0::/minidock-{world.short_id}/")
    mount = sh(world, "grep ' /sys/fs/cgroup ' /proc/mounts").split()
    assert mount[2] == "cgroup2"
    assert "ro" in mount[3].split(",")
    done = world.cli("run", "--rm", "--network", "none", "busybox", "mkdir", "/sys/fs/cgroup/mine")
    assert "Read-only file system" in done.stderr


def test_controllers_are_switched_on_from_the_top(world: World, sleeper: str) -> None:
    for folder in (TOP, os.path.dirname(sleeper)):
        on = Path(f"{folder}/cgroup.subtree_control").read_text().split()
        assert {"cpu", "memory", "pids"} <= set(on), folder
    assert Path(f"{sleeper}/memory.max").read_text() == f"{64 << 20}\n"


def test_networks_that_need_no_firewall(world: World) -> None:
    assert sh(world, "ls /sys/class/net").split() == ["lo"]
    host = world.shell("readlink /proc/self/ns/net").strip()
    assert world.ok("run", "--rm", "--network", "host", "busybox", "readlink", "/proc/self/ns/net").strip() == host


def test_exit_codes_listing_and_removal(world: World, sleeper: str) -> None:
    for command, code in ((["sh", "-c", "exit 7"], 7), (["nosuchprogram"], 127), (["/etc"], 126)):
        assert world.cli("run", "--rm", "--network", "none", "busybox", *command).returncode == code
    key = os.path.basename(sleeper)
    assert world.ok("ps", "-q", "--no-trunc").split() == [key]
    assert world.cli("rm", key).returncode == 1
    assert os.path.isdir(sleeper)


def test_nothing_is_left(world: World) -> None:
    sh(world, "true")
    world.ok("gc")
    assert world.ok("system", "check") == "The store is clean.\n"
    assert [entry for group in groups_of(world.short_id) for entry in os.scandir(group) if entry.is_dir()] == []
