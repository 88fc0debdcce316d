"""A control group for one test, on whatever this host has: v1 and hybrid, or v2."""

from __future__ import annotations

import os

from minidock.kernel.launch import CgroupPlan

TOP = "/sys/fs/cgroup"


def plan_group(name: str, **limits: str) -> CgroupPlan:
    """Return a group that does not exist yet, with limits such as ``memory="8388608"`` and ``pids="5"``."""
    below = f"minidock-test-{os.getpid()}/{name}"
    if os.path.exists(f"{TOP}/cgroup.controllers"):
        folder = f"{TOP}/{below}"
        files = {"memory": f"{folder}/memory.max", "pids": f"{folder}/pids.max"}
        pairs = tuple((files[key], value) for key, value in limits.items())
        if "memory" in limits and os.path.exists("/proc/swaps"):
            pairs += ((f"{folder}/memory.swap.max", "0"),) if has_swap() else ()
        return CgroupPlan("v2", (folder,), pairs, folder)
    found = [c for c in ("memory", "pids", "devices", "freezer", "cpuset") if os.path.isdir(f"{TOP}/{c}")]
    dirs = {controller: f"{TOP}/{controller}/{below}" for controller in found}
    files = {"memory": "memory.limit_in_bytes", "pids": "pids.max"}
    pairs = tuple((f"{dirs[key]}/{files[key]}", value) for key, value in limits.items())
    return CgroupPlan("v1", tuple(dirs.values()), pairs, dirs["devices"])


def has_swap() -> bool:
    with open("/proc/swaps") as file:
        return len(file.readlines()) > 1


def left(group: CgroupPlan) -> list[str]:
    """The folders of the group that exist, or of the folder above it."""
    return [path for folder in group.dirs for path in (folder, os.path.dirname(folder)) if os.path.exists(path)]


def with_parents(group: CgroupPlan) -> list[str]:
    """The group's folders and those above, which the test made too: for a teardown."""
    return [*group.dirs, *(os.path.dirname(folder) for folder in group.dirs)]
