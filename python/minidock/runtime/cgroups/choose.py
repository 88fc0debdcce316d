"""From what was asked for and what the host has to one container's control group. Pure, but for the files it is told.

On v1 a limit whose file the kernel does not have would fail in the middle of a start, so it is looked up first: the
limits that Docker drops with a warning are dropped with Docker's warning, all others are refused.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from minidock.errors import Unsupported
from minidock.kernel.launch import CgroupPlan
from minidock.oci.runtime import Resources
from minidock.runtime.cgroups import v1, v2
from minidock.runtime.cgroups.host import CPUSET, V1_CONTROLLERS, CgroupHost

NO_SWAP = (
    "Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap."
)

NO_WEIGHT = "Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded."

#: Reads a file of the host's cgroup tree: the text, or ``None`` if there is no such file.
ReadFile = Callable[[str], str | None]


def choose_cgroup(
    host: CgroupHost, path: str, resources: Resources, read: ReadFile
) -> tuple[CgroupPlan | None, tuple[str, ...]]:
    """Return the container's control group at *path* (``/parent/id``) and Docker's warnings.

    :raises Unsupported: a limit was asked for that this host cannot set.
    """
    if host.mode == "none":
        return _without(resources)
    if host.mode == "v1":
        return _on_v1(host, path, resources, read)
    missing = sorted(v2.controllers(resources) - set(host.roots))
    if missing:
        raise Unsupported(
            f"the cgroup controllers {', '.join(missing)} are not available here",
            "on a systemd host, start the command with: systemd-run --user --scope -p Delegate=yes",
        )
    folder = host.roots[""] + host.base + path
    return CgroupPlan("v2", (folder,), tuple(v2.limits(resources, folder)), folder), ()


def _without(resources: Resources) -> tuple[None, tuple[str, ...]]:
    if resources.memory or resources.cpu or resources.pids or resources.block_io:
        raise Unsupported(
            "limits were asked for, and no control group can be made here",
            "run as root, or let systemd delegate one: systemd-run --user --scope -p Delegate=yes",
        )
    return None, ()


def _on_v1(host: CgroupHost, path: str, resources: Resources, read: ReadFile) -> tuple[CgroupPlan, tuple[str, ...]]:
    resources, warnings = _drop_missing(host, resources, read)
    wants_cpuset = bool(resources.cpu and (resources.cpu.cpus or resources.cpu.mems))
    names = [name for name in V1_CONTROLLERS if host.has(name)] + ([CPUSET] if wants_cpuset else [])

    def folder(controller: str) -> str:
        if not host.has(controller):
            raise Unsupported(f"a limit needs the cgroup controller {controller}, which is not mounted here")
        return host.roots[controller] + path

    limits = list(v1.limits(resources, folder))
    for file, _ in limits:
        _check_file(host, path, file, read)
    if wants_cpuset:
        limits = [*_cpuset_parents(host.roots[CPUSET], path, read), *limits]
    dirs = tuple(dict.fromkeys(folder(name) for name in names))
    devices = folder("devices") if host.has("devices") else ""
    return CgroupPlan("v1", dirs, tuple(limits), devices), warnings


def _drop_missing(host: CgroupHost, resources: Resources, read: ReadFile) -> tuple[Resources, tuple[str, ...]]:
    warnings = []
    memory, block_io = resources.memory, resources.block_io
    if memory and memory.swap and read(f"{host.roots.get('memory', '')}/memory.memsw.limit_in_bytes") is None:
        warnings += [NO_SWAP] if memory.swap != -1 else []
        resources = msgspec.structs.replace(resources, memory=msgspec.structs.replace(memory, swap=None))
    # the weight files themselves are not in the root group; the scheduler's counters are
    has_weight = read(f"{host.roots.get('blkio', '')}/blkio.bfq.io_service_bytes") is not None
    if block_io and (block_io.weight or block_io.weight_device) and not has_weight:
        warnings.append(NO_WEIGHT)
        lighter = msgspec.structs.replace(block_io, weight=None, weight_device=None)
        resources = msgspec.structs.replace(resources, block_io=lighter)
    return resources, tuple(warnings)


def _check_file(host: CgroupHost, path: str, file: str, read: ReadFile) -> None:
    """The root of a tree has the same files as a group below it, but for those that only groups have."""
    for root in host.roots.values():
        if file.startswith(root + path):
            at_root = root + file.removeprefix(root + path)
            name = file.rpartition("/")[2]
            if name.startswith(("blkio.throttle", "cpu.rt")) and read(at_root) is None:
                raise Unsupported(f"this kernel has no {name}, so this limit cannot be set")


def _cpuset_parents(root: str, path: str, read: ReadFile) -> list[tuple[str, str]]:
    """On v1 a new cpuset is empty: every group on the way down, and the container's own, is first given all."""
    limits: list[tuple[str, str]] = []
    folder = root
    for part in path.strip("/").split("/"):
        folder += f"/{part}"
        for name in ("cpuset.cpus", "cpuset.mems"):
            limits.append((f"{folder}/{name}", (read(f"{root}/{name}") or "").strip()))
    return limits
