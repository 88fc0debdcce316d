"""Steps of the host side, and the steps that take them back.

An undo is idempotent: what is not there any more is fine. It is the same code for a launch that failed, for a container
that ended, and for a clean-up after a crash.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Any

from minidock._pure.cgroups import PureCgroups
from minidock._pure.failing import failing
from minidock._pure.mounts import PureMounts
from minidock.errors import StepFailed
from minidock.trace.step import PlannedStep

Args = dict[str, Any]
_cgroups, _mounts = PureCgroups(), PureMounts()


def run(op: str, args: Args) -> None:
    """Carry out one step of the host, other than those that make or concern the new process.

    :raises StepFailed: as the ports do.
    """
    if op not in STEPS:
        raise StepFailed(op, errno.EINVAL, "this step is not for the host")
    STEPS[op](args)


def undo_of(step: PlannedStep) -> tuple[str, Args] | None:
    """Return the step that takes *step* back, or ``None`` if nothing of it would stay."""
    if step.op == "cgroup.create":
        return "cgroup.delete", step.args
    if step.op in ("mount.overlay", "mount.bind"):
        return "mount.unmount", {"target": step.args["target"]}
    return None


def write_id_maps(pid: int, uids: list[list[int]], gids: list[list[int]]) -> None:
    """Write the identities of the user namespace of process *pid* (user_namespaces(7)).

    Whoever may not set groups outside must give that right up inside before the group map is taken.
    """
    with failing("ns.idmap", "write the maps of identities"):
        try:
            _write(f"/proc/{pid}/gid_map", _lines(gids))
        except PermissionError:
            _write(f"/proc/{pid}/setgroups", "deny")
            _write(f"/proc/{pid}/gid_map", _lines(gids))
        _write(f"/proc/{pid}/uid_map", _lines(uids))


def _lines(mapping: list[list[int]]) -> str:
    return "".join(f"{inside} {outside} {size}\n" for inside, outside, size in mapping)


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())  # in one piece: the kernel takes a map only once
    finally:
        os.close(fd)


def _delete_link(args: Args) -> None:
    from minidock._pure.links import PureLinks

    PureLinks().delete(args["name"])


def _apply_rules(args: Args) -> None:
    """Hand one transaction to ``nft -f -``."""
    import subprocess

    # an ordinary user's PATH often lacks the last two
    env = {**os.environ, "PATH": os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"}
    with failing("nft.apply", "start nft"):
        rules = args["rules"].encode()
        done = subprocess.run(["nft", "-f", "-"], input=rules, capture_output=True, check=False, env=env)
    if done.returncode:
        words = done.stderr.decode(errors="replace").splitlines() or ["no reason given"]
        raise StepFailed("nft.apply", 0, f"nft refused: {words[0]}")


def _remove(args: Args) -> None:
    """Remove a file, or a tree without following a link out of it."""
    import shutil

    path = args["path"]
    with failing("store.remove", f"remove {path}"):
        try:
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)
        except FileNotFoundError:
            return


STEPS: dict[str, Callable[[Args], None]] = {
    "cgroup.create": lambda a: _cgroups.create(a["dirs"]),
    "cgroup.limit": lambda a: _cgroups.limit(a["file"], a["value"]),
    "cgroup.devices": lambda a: _cgroups.devices(a["dir"], a["mode"], a["rules"]),
    "cgroup.kill": lambda a: _cgroups.kill(a["dirs"]),
    "cgroup.delete": lambda a: _cgroups.delete(a["dirs"]),
    "mount.overlay": lambda a: _mounts.overlay(
        a["target"], a["lower"], a.get("upper"), a.get("work"), a.get("options", [])
    ),
    "mount.bind": lambda a: _mounts.bind(a["source"], a["target"], a.get("options", [])),
    "mount.unmount": lambda a: _mounts.unmount(a["target"]),
    "ns.unpin": lambda a: _mounts.unpin_network(a["path"]),
    "link.delete": _delete_link,
    "nft.apply": _apply_rules,
    "store.remove": _remove,
}
