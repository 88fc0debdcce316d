"""What this host mounts for control groups, read from ``/proc`` (cgroups(7), proc(5) mountinfo)."""

from __future__ import annotations

import os

import msgspec

#: The v1 controllers of which a container gets a group, in the order in which the groups are made.
V1_CONTROLLERS = ("memory", "cpu", "cpuacct", "pids", "devices", "freezer", "blkio")
#: One more, only when its limits are asked for: an empty cpuset cannot be entered.
CPUSET = "cpuset"


class CgroupHost(msgspec.Struct, frozen=True):
    """The host's control groups.

    ``mode`` is ``v1``, ``v2`` or ``none``; ``roots`` maps a controller to the folder where its tree is mounted (on v2
    all map to one); ``base`` is the path below a root where we may make groups, ``""`` for root. ``points`` are all
    trees that are mounted, those with controllers that we do not use too: other runtimes use them.
    """

    mode: str
    roots: dict[str, str]
    base: str = ""
    points: tuple[str, ...] = ()

    def has(self, controller: str) -> bool:
        return controller in self.roots


def detect(privileged: bool) -> CgroupHost:
    """Look at the mounts of this process; who is not *privileged* may make groups only below its own one."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        mounts = file.read()
    host = parse_mounts(mounts)
    if host.mode != "v2":
        return host
    base = "" if privileged else _own_group()
    root = host.roots[""]
    text = _read(f"{root}{base}/cgroup.controllers")
    writable = os.access(f"{root}{base or '/'}", os.W_OK)
    controllers = text.split() if writable else []
    mode = "v2" if writable else "none"
    return CgroupHost(mode, dict.fromkeys(("", *controllers), root), base, host.points)


def parse_mounts(mountinfo: str) -> CgroupHost:
    """Pure: find the trees in the text of ``/proc/self/mountinfo``."""
    v1: dict[str, str] = {}
    v2: list[str] = []
    others: list[str] = []
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields, rest = before.split(), after.split()
        if len(fields) < 5 or len(rest) < 3:
            continue
        point = fields[4].replace("\\040", " ")
        if rest[0] == "cgroup2":
            v2.append(point)
        elif rest[0] == "cgroup":
            known = {*V1_CONTROLLERS, CPUSET}
            v1.update((word, point) for word in rest[2].split(",") if word in known)
            others.append(point)
    points = tuple(dict.fromkeys((*others, *v2)))
    if v1:
        writable = os.access(next(iter(v1.values())), os.W_OK)
        return CgroupHost("v1", v1, points=points) if writable else CgroupHost("none", {})
    return CgroupHost("v2", {"": v2[0]}, points=points) if v2 else CgroupHost("none", {})


def _own_group() -> str:
    """The v2 group of this process: an ordinary user can only make groups below one that was delegated to it."""
    for line in _read("/proc/self/cgroup").splitlines():
        if line.startswith("0::"):
            return line[3:].rstrip("/")
    return ""


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""
