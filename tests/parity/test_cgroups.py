"""The port Cgroups: groups by their files, on whatever version this host has."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator

import pytest
from tests.support import groups

from minidock.errors import StepFailed
from minidock.kernel.launch import CgroupPlan
from minidock.kernel.ports import Cgroups

pytestmark = pytest.mark.root


@pytest.fixture
def group(cgroups: Cgroups) -> Iterator[CgroupPlan]:
    made = groups.plan_group("port")
    yield made
    cgroups.delete(groups.with_parents(made))
    assert groups.left(made) == []


def start_in(group: CgroupPlan, *command: str) -> subprocess.Popen[bytes]:
    """Start a program that is in the group from its first instruction on."""
    enter = "".join(f"echo $$ > {folder}/cgroup.procs; " for folder in group.dirs)
    return subprocess.Popen(["sh", "-c", f'{enter} exec "$@"', "sh", *command])


def state(pid: int) -> str:
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0]


def until_entered(cgroups: Cgroups, group: CgroupPlan, process: subprocess.Popen[bytes], name: str) -> None:
    while True:
        with open(f"/proc/{process.pid}/comm") as file:
            if file.read().strip() == name and process.pid in cgroups.processes(group.dirs):
                return


def test_made_with_parents_and_twice(cgroups: Cgroups, group: CgroupPlan) -> None:
    cgroups.create(group.dirs)
    cgroups.create(group.dirs)
    assert all(os.path.isdir(folder) for folder in group.dirs)
    assert cgroups.processes(group.dirs) == []


def test_a_limit_is_written_and_read(cgroups: Cgroups, group: CgroupPlan) -> None:
    limited = groups.plan_group("port", pids="17")
    cgroups.create(limited.dirs)
    for file, value in limited.limits:
        cgroups.limit(file, value)
        assert (cgroups.read(file) or "").strip() == value
    assert cgroups.read(f"{group.dirs[0]}/no.such.file") is None
    with pytest.raises(StepFailed) as failure:
        cgroups.limit(f"{group.dirs[0]}/no.such.file", "1")
    assert failure.value.op == "cgroup.limit"


def test_frozen_and_thawed(cgroups: Cgroups, group: CgroupPlan) -> None:
    cgroups.create(group.dirs)
    process = start_in(group, "sh", "-c", "while true; do read x < /dev/zero; done")
    try:
        until_entered(cgroups, group, process, "sh")
        cgroups.freeze(group.dirs)
        assert state(process.pid) in ("D", "S")  # v1 shows D, v2 S; it runs no more
        with open(f"/proc/{process.pid}/stat") as file:
            ticks = file.read().split()[13]
        for _ in range(3):
            subprocess.run(["true"], check=True)
        with open(f"/proc/{process.pid}/stat") as file:
            assert file.read().split()[13] == ticks
        cgroups.thaw(group.dirs)
        cgroups.freeze(group.dirs)
        cgroups.kill(group.dirs)
        assert process.wait() == -signal.SIGKILL
    finally:
        process.kill()
        process.wait()


def test_a_fork_bomb_is_killed(cgroups: Cgroups, group: CgroupPlan) -> None:
    limited = groups.plan_group("port", pids="60")
    cgroups.create(limited.dirs)
    for file, value in limited.limits:
        cgroups.limit(file, value)
    bomb = "bomb() { bomb & bomb & wait; }; bomb 2> /dev/null"
    process = start_in(limited, "sh", "-c", bomb)
    while len(cgroups.processes(limited.dirs)) < 10:
        pass
    cgroups.kill(limited.dirs)
    assert process.wait() == -signal.SIGKILL
    assert cgroups.processes(limited.dirs) == []
    cgroups.kill(limited.dirs)


def test_delete_kills_and_takes_children_too(cgroups: Cgroups, group: CgroupPlan) -> None:
    below = [f"{folder}/below/deeper" for folder in group.dirs]
    cgroups.create(below)
    process = start_in(CgroupPlan(group.mode, tuple(below)), "sleep", "1000")
    while process.pid not in cgroups.processes(group.dirs):
        pass
    cgroups.delete(group.dirs)
    assert process.wait() == -signal.SIGKILL
    assert not any(os.path.exists(folder) for folder in group.dirs)
    cgroups.delete(group.dirs)


def test_a_folder_that_cannot_be_made(cgroups: Cgroups) -> None:
    with pytest.raises(StepFailed) as failure:
        cgroups.create(["/proc/minidock-no-cgroup/x"])
    assert failure.value.op == "cgroup.create"
