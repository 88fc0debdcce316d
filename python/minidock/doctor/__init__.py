"""What can this host do? Each question is answered by doing it, in a child process that leaves nothing behind.

A configuration file can say anything; a kernel can only be tried. So a *probe* makes the namespace, mounts the overlay,
sets the filter, and says what happened::

    probe             tried                              state      what it means
    ────────────────  ─────────────────────────────────  ─────────  ─────────────────────────────────────────
    user-namespace    unshare(CLONE_NEWUSER), uid_map    ok         works
    nft               a table with NAT in an own netns   degraded   minidock works without, in a poorer way
    overlay           mount in a folder of the root      blocked    what is needed here does not work

Every problem comes with its errno, its cause, and the command that mends it on *this* host, with the way back. The
command ``minidock doctor`` prints them; tests ask :func:`probe` whether they can run, so that tool and tests never
disagree.

================  ===========================================================
probe.py          the answer to a question, and how children give it
syscalls.py       system calls that Python 3.11 has no function for
probes/           the questions, by subject; each function is one probe
report.py         answers as text and as JSON
================  ===========================================================
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping

from minidock.doctor.probe import Probe as Probe
from minidock.doctor.probe import run_in_child

#: Every probe: its name and the function that tries it, ``module:function`` below ``minidock.doctor.probes``.
PROBES: Mapping[str, str] = {
    "user-namespace": "namespaces:user_namespace",
    "namespaces": "namespaces:others",
    "identities": "namespaces:identities",
    "mount-api": "mounts:mount_api",
    "openat2": "mounts:openat2",
    "overlay": "mounts:overlay",
    "overlay-userxattr": "mounts:overlay_userxattr",
    "device-nodes": "mounts:device_nodes",
    "cgroup": "cgroups:control_groups",
    "seccomp": "security:seccomp",
    "capabilities": "security:capabilities",
    "apparmor": "security:apparmor",
    "memfd-exec": "processes:memfd_exec",
    "pidfd": "processes:pidfd",
    "links": "networks:links",
    "nft": "networks:nft",
    "forwarding": "networks:forwarding",
    "rootless-network": "networks:rootless_network",
    "kernel-ports": "host:kernel_ports",
    "surroundings": "host:surroundings",
}

_BASE = ("user-namespace", "namespaces", "mount-api")
#: What each lesson of the course needs.
LESSONS: Mapping[str, tuple[str, ...]] = {
    "0": ("kernel-ports", "namespaces", "overlay"),
    "1": ("pidfd",),
    "2": ("user-namespace", "namespaces", "identities"),
    "3": (*_BASE, "device-nodes", "openat2"),
    "4": ("cgroup",),
    "5": ("openat2",),
    "6": ("overlay", "overlay-userxattr"),
    "7": ("kernel-ports",),
    "8": ("links", "nft", "forwarding"),
    "9": ("namespaces", "pidfd"),
    "10": ("overlay", "namespaces"),
    "11": ("kernel-ports",),
    "12": ("kernel-ports",),
    "13": (*_BASE, "seccomp", "capabilities", "apparmor", "identities", "rootless-network"),
}


def examine(names: Iterable[str] | None = None, root: str | None = None) -> list[Probe]:
    """Try *names*, or everything.

    :param root: the engine's folder, whose file system the probes of overlays use; by default that of this user.
    """
    return [run_in_child(name, PROBES[name], root) for name in (PROBES if names is None else names)]


@functools.cache
def probe(name: str) -> Probe:
    """Try one thing, once in a process's life.

    For tests: ``skipif(not probe("nft").works, reason=probe("nft").reason)``.
    """
    return run_in_child(name, PROBES[name], None)
