"""``--runtime runc``: another OCI runtime starts the same bundle, under our monitor.

The monitor mounts the root in its own mount namespace, since an OCI runtime expects ``rootfs`` to be there; then the
runtime does what our plan would have done. Its control groups are named by ``config.json``; if monitor and runtime are
both killed, they are what is left, so they are in the undo.
"""

from __future__ import annotations

import os

from minidock.errors import InvalidArgument, Unavailable
from minidock.kernel.launch import OverlayRoot
from minidock.runtime.cgroups.host import CgroupHost
from minidock.trace.step import PlannedStep

OWN = ("", "minidock")
_KNOWN = {"runc": "runc", "io.containerd.runc.v2": "runc", "crun": "crun"}


def find_runtime(name: str, path: str) -> str | None:
    """Return the program of the runtime *name*, ``None`` for our own.

    :param path: the folders to look in, as ``PATH`` has them.
    :raises InvalidArgument: no runtime has that name, in Docker's words.
    :raises Unavailable: it is not installed.
    """
    if name in OWN:
        return None
    program = _KNOWN.get(name)
    if program is None:
        raise InvalidArgument(f"unknown or invalid runtime name: {name}", "use minidock, runc or crun")
    for folder in [*path.split(":"), "/usr/sbin", "/sbin"]:
        if folder and os.access(f"{folder}/{program}", os.X_OK):
            return f"{folder}/{program}"
    raise Unavailable(f"the runtime {program} is not installed", f"install the package {program}")


def foreign_plan(
    program: str, id: str, bundle: str, root: OverlayRoot | None, cgroups: CgroupHost, cgroups_path: str
) -> tuple[PlannedStep, ...]:
    """Return the plan of a container that *program* starts."""
    groups = [f"{point}{cgroups_path}" for point in cgroups.points]
    launch = {"runtime": program, "bundle": bundle, "id": id, "cgroups": groups}
    run = PlannedStep("runtime.run", "host", launch)
    if root is None:  # config.json names the folder
        return (run,)
    overlay = {
        "target": f"{bundle}/rootfs",
        "lower": list(root.lower),
        "upper": root.upper,
        "work": root.work,
        "options": list(root.options),
    }
    return PlannedStep("mount.overlay", "host", overlay), run
