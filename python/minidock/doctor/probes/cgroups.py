"""Control groups: which version, which controllers, and whether we may make groups of our own."""

from __future__ import annotations

import errno
import os

from minidock.doctor.fixes import as_root, read
from minidock.doctor.probe import DEGRADED, Finding
from minidock.runtime.cgroups.host import CgroupHost, detect

#: The controllers of the limits that people ask for.
_WANTED = ("cpu", "memory", "pids")


def control_groups(_: str) -> str:
    """Make a group in each hierarchy, put a process into it, remove it."""
    host = detect(os.geteuid() == 0)
    if host.mode == "none" or not host.roots:
        raise _nothing()
    usable, refused = [], 0
    for controller, root in sorted(host.roots.items()):
        if host.mode == "v2" and controller:
            usable.append(controller)
            continue
        code = _try_group(f"{root}{host.base}")
        if code == 0:
            usable += [controller] if controller else []
        elif controller or host.mode == "v2":
            refused = code
    if not usable and refused:
        raise _no_groups(host, refused)
    missing = [name for name in _WANTED if name not in usable]
    if missing:
        raise Finding(
            f"no limits by {', '.join(missing)}: {host.mode} here has {' '.join(usable) or 'no controller'}",
            fix=_fix_missing(host, missing),
            state=DEGRADED,
        )
    return f"{host.mode}: {' '.join(usable)}"


def _try_group(parent: str) -> int:
    """Return 0, or the errno of what failed."""
    folder = f"{parent}/minidock-doctor-{os.getpid()}"
    try:
        os.mkdir(folder)
    except OSError as error:
        return error.errno or errno.EIO
    pid = os.fork()
    if pid == 0:
        try:
            with open(f"{folder}/cgroup.procs", "w") as file:
                file.write("0")
            os._exit(0)
        except OSError as error:
            os._exit(error.errno or 1)
    _, status = os.waitpid(pid, 0)
    os.rmdir(folder)
    return os.waitstatus_to_exitcode(status)


def _nothing() -> Finding:
    mode = "v2" if os.path.exists("/sys/fs/cgroup/cgroup.controllers") else "none"
    if mode == "v2" and os.geteuid() != 0:
        return Finding(
            "no control group is delegated to this user: containers run without limits",
            errno=errno.EACCES,
            fix="systemd-run --user --scope -p Delegate=yes minidock ...",
            state=DEGRADED,
        )
    return Finding(
        "no control groups are mounted: containers run without limits",
        fix=as_root("mount -t cgroup2 none /sys/fs/cgroup"),
        undo=as_root("umount /sys/fs/cgroup"),
        state=DEGRADED,
    )


def _no_groups(host: CgroupHost, code: int) -> Finding:
    if os.geteuid() == 0:
        fix = "if this is a container: start it with --cgroupns private and a writable /sys/fs/cgroup (--privileged)"
    elif host.mode == "v1":
        fix = "cgroup v1 cannot be delegated: boot with systemd.unified_cgroup_hierarchy=1, or run without limits"
    else:
        fix = "systemd-run --user --scope -p Delegate=yes minidock ..."
    return Finding(
        f"groups cannot be made ({host.mode}): {os.strerror(code)}; containers run without limits",
        errno=code,
        fix=fix,
        state=DEGRADED,
    )


def _fix_missing(host: CgroupHost, missing: list[str]) -> str:
    if host.mode != "v2":
        return "boot with systemd.unified_cgroup_hierarchy=1, or with cgroup_enable=memory on a Raspberry Pi"
    if os.geteuid() == 0:
        names = " ".join(f"+{name}" for name in missing)
        available = (read("/sys/fs/cgroup/cgroup.controllers") or "").split()
        if all(name in available for name in missing):
            return f"echo '{names}' > /sys/fs/cgroup/cgroup.subtree_control"
        return "boot with cgroup_no_v1=all: the controllers are used by cgroup v1"
    return as_root(
        "sh -c 'mkdir -p /etc/systemd/system/user@.service.d && printf \"[Service]\\nDelegate=cpu cpuset io memory"
        " pids\\n\" > /etc/systemd/system/user@.service.d/delegate.conf && systemctl daemon-reload'; then log in again"
    )
