"""The file systems of a container, in the order in which they are mounted.

First what every container has, then the three files that the engine writes, then what the user asked for, parents
before children. A user's mount at the place of a default one takes its place.
Source: runtime-spec config.md "Mounts", config-linux.md "Default Filesystems"; Docker's defaults.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from minidock.containers.binds import MountPoint
from minidock.errors import InvalidArgument
from minidock.oci.runtime import Mount

_KERNEL = ("nosuid", "noexec", "nodev")
#: Mounting over these, or below them, would let an image lie to the kernel's interfaces (CVE-2019-19921).
_KERNELS_OWN = ("/proc", "/sys")
_BELOW_ALLOWED = ("/sys/fs/cgroup", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/uptime", "/proc/diskstats")


def default_mounts(shm_size: int, *, privileged: bool, own_ipc: bool, bind_sys: bool = False) -> tuple[Mount, ...]:
    """Return what every container has; without *own_ipc* the shared memory and queues are another's.

    :param bind_sys: the host's ``/sys``, as it is there with its control groups, instead of a new one.
    """
    access = () if privileged else ("ro",)
    mounts = [
        Mount("/proc", "proc", "proc", _KERNEL),
        Mount("/dev", "tmpfs", "tmpfs", ("nosuid", "strictatime", "mode=755", "size=65536k")),
        Mount(
            "/dev/pts",
            "devpts",
            "devpts",
            ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
        ),
    ]
    if bind_sys:
        recursive = () if privileged else ("rro",)
        mounts.append(Mount("/sys", "bind", "/sys", ("rbind", "rprivate", *_KERNEL, *recursive)))
    else:
        mounts.append(Mount("/sys", "sysfs", "sysfs", (*_KERNEL, *access)))
        mounts.append(Mount("/sys/fs/cgroup", "cgroup", "cgroup", (*_KERNEL, *access)))
    if own_ipc:
        mounts.append(Mount("/dev/mqueue", "mqueue", "mqueue", _KERNEL))
        mounts.append(Mount("/dev/shm", "tmpfs", "shm", (*_KERNEL, "mode=1777", f"size={shm_size}")))
    return tuple(mounts)


def without_terminal_group(mounts: Sequence[Mount]) -> tuple[Mount, ...]:
    """Return the mounts without the group of terminals: an id that is not mapped is refused by the kernel."""
    return tuple(
        msgspec.structs.replace(mount, options=tuple(word for word in mount.options if word != "gid=5"))
        for mount in mounts
    )


def all_mounts(
    defaults: Sequence[Mount], files: Mapping[str, str], points: Sequence[MountPoint], sources: Mapping[str, str]
) -> tuple[Mount, ...]:
    """Join the defaults, the engine's *files* (destination → host path) and the user's *points*.

    :param sources: destination of a volume's mount point → its folder on the host.
    :raises InvalidArgument: a mount over ``/proc`` or ``/sys``.
    """
    taken = {point.destination for point in points}
    mounts = [mount for mount in defaults if mount.destination not in taken]
    mounts += [
        Mount(destination, "bind", source, ("rbind", "rprivate"))
        for destination, source in files.items()
        if destination not in taken
    ]
    for point in points:
        _check_place(point.destination)
        mounts.append(_mount(point, sources))
    return tuple(mounts)


def _check_place(destination: str) -> None:
    for own in _KERNELS_OWN:
        inside = destination == own or destination.startswith(own + "/")
        if inside and not any(destination == ok or destination.startswith(ok + "/") for ok in _BELOW_ALLOWED):
            raise InvalidArgument(
                f'"{destination}" cannot be mounted because it is inside {own}',
                "mount it somewhere else; only some files of /proc and /sys/fs/cgroup may be covered",
            )


def _mount(point: MountPoint, sources: Mapping[str, str]) -> Mount:
    access = ("ro",) if point.readonly else ()
    if point.kind == "tmpfs":
        return Mount(point.destination, "tmpfs", "tmpfs", tuple(_tmpfs_options(point)))
    source = point.source if point.kind == "bind" else sources[point.destination]
    bind = "rbind" if point.recursive else "bind"
    recursive_access = ("rro",) if point.readonly and point.recursive else access
    return Mount(point.destination, "bind", source, (bind, point.propagation or "rprivate", *recursive_access))


def _tmpfs_options(point: MountPoint) -> Iterator[str]:
    """Docker's defaults, unless the user said the opposite."""
    for default, opposite in (("noexec", "exec"), ("nosuid", "suid"), ("nodev", "dev")):
        if opposite not in point.options:
            yield default
    yield from (word for word in point.options if word not in ("noexec", "nosuid", "nodev"))
    if point.readonly and "ro" not in point.options:
        yield "ro"
