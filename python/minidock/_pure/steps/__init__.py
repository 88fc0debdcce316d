"""The steps of the new process: one small function for each operation, and the table that names them.

Read :mod:`minidock.runtime` for the order and :mod:`minidock.trace.ops` for what each operation is good for; here is
how it is done. A function takes the step's arguments and the :class:`Inside`, the few things that the new process
carries from step to step; it returns nothing, or raises OSError.

=========== ==========================================================
module      operations
=========== ==========================================================
paths       how a path is found inside a root that is not to be trusted
mounts      ``mount.*`` and ``root.*``
devices     ``dev.*``
process     the others: the process and its namespaces
=========== ==========================================================
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minidock._pure.steps import devices, mounts, process
from minidock._pure.steps.inside import Inside

STEPS: dict[str, Callable[[Inside, dict[str, Any]], None]] = {
    "cgroup.enter": process.cgroup_enter,
    "ns.unshare": process.ns_unshare,
    "ns.join": process.ns_join,
    "process.session": process.session,
    "mount.propagation": mounts.propagation,
    "mount.overlay": mounts.overlay,
    "mount.bind": mounts.bind,
    "mount.fs": mounts.filesystem,
    "dev.create": devices.create,
    "dev.links": devices.links,
    "dev.console": devices.console,
    "root.pivot": mounts.pivot,
    "root.readonly": mounts.root_readonly,
    "uts.hostname": process.hostname,
    "uts.domainname": process.domainname,
    "sysctl.set": process.sysctl,
    "mount.readonly": mounts.readonly,
    "mount.mask": mounts.mask,
    "process.oom": process.oom,
    "process.limits": process.limits,
    "process.cwd": process.cwd,
    "process.no_new_privs": process.no_new_privs,
    "process.seccomp": process.seccomp,
    "process.capabilities": process.capabilities,
    "process.user": process.user,
    "process.close_fds": process.close_fds,
    "process.exec": process.execute,
}
