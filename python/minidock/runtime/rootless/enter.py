"""Join the holder's namespaces: from here on this process is root of a small world of its own.

The order is the kernel's: the user namespace first, since it gives the right to enter the others; and before the first
thread, since a process with threads is not let in (setns(2)). What is left of the user outside is remembered here:
inside, ``geteuid()`` is 0, and whoever asks for the *user's* folders must ask :func:`real_user`.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable

from minidock._pure import syscalls
from minidock.errors import Conflict, Forbidden, MinidockError, SystemFault, Unsupported
from minidock.runtime.rootless.holder import Held, Holders, RealHolders, read_held, start_holder
from minidock.runtime.rootless.network import NetworkThread
from minidock.runtime.rootless.outward import end_pasta
from minidock.store.layout import Layout
from minidock.store.store import make_folders
from minidock.trace.recorder import Recorder, recorded


class Rootless:
    """A process as a member of a holder's namespaces; *uid* is its user outside."""

    def __init__(self, layout: Layout, held: Held, uid: int) -> None:
        self.layout = layout
        self.held = held
        self.uid = uid
        self.network = NetworkThread(held.namespace("net"))


#: A process joins at most one holder, and never comes back.
_joined: list[Rootless] = []


def real_user() -> int:
    """Return the user outside: of a process that has joined a holder, the one it was before."""
    return _joined[0].uid if _joined else os.geteuid()


def enter(layout: Layout, recorder: Recorder, dry: bool, command: Callable[[], list[str]]) -> Rootless | None:
    """Join the holder of *layout*; start one if there is none. Return ``None`` for root, and for a dry run without one.

    :param command: the program that is a holder; called only if one must be started.
    :raises Unsupported: user namespaces are not allowed here; this process has threads, or another root.
    :raises Forbidden: the runtime folder belongs to somebody else.
    """
    if _joined:
        if _joined[0].layout != layout:
            raise Unsupported(
                f"this process works on {_joined[0].layout.root} already, and without root a process has one root only",
                "open the other root in a process of its own",
            )
        return _joined[0]
    uid = os.geteuid()
    if uid == 0:
        return None
    held = read_held(layout.run) if dry else _find_or_start(layout, recorder, command)
    if held is None:
        return None
    _join(held)
    _joined.append(Rootless(layout, held, uid))
    return _joined[0]


def release(rootless: Rootless, recorder: Recorder, running: int) -> None:
    """End the holder, and with it the bridge and the way out. The engine can do nothing more after this.

    :raises Conflict: containers are running.
    """
    if running:
        raise Conflict(f"{running} containers are running", "remove them first: `minidock rm -f`")
    holders: Holders = recorded(RealHolders([]), Holders, recorder)  # type: ignore[type-abstract]
    os.unlink(f"{rootless.layout.run}/holder.json")
    holders.release(rootless.held.pid)
    end_pasta(rootless.layout.run)


def _find_or_start(layout: Layout, recorder: Recorder, command: Callable[[], list[str]]) -> Held:
    held = read_held(layout.run)
    if held is not None:
        return held
    make_folders(layout)
    _check_owner(layout.run)
    with open(f"{layout.run}/holder.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        held = read_held(layout.run)  # somebody else may have been first
        if held is None:
            end_pasta(layout.run)  # of a holder that was killed
            holders: Holders = recorded(RealHolders(command()), Holders, recorder)  # type: ignore[type-abstract]
            held = start_holder(layout.run, holders, os.geteuid(), os.getegid())
        return held


def _check_owner(path: str) -> None:
    """Refuse a runtime folder that another user could exchange: it may be below ``/tmp``."""
    while path != "/":
        info = os.lstat(path)
        shared = info.st_mode & 0o022 and not info.st_mode & 0o1000
        if info.st_uid not in (0, os.geteuid()) or shared:
            raise Forbidden(
                f"the runtime folder is not safe: others can change {path}",
                "set XDG_RUNTIME_DIR to a folder of your own",
            )
        path = os.path.dirname(path)


def _join(held: Held) -> None:
    if len(os.listdir("/proc/self/task")) > 1:
        raise Unsupported(
            "a process with threads cannot enter a user namespace, which minidock needs without root",
            "open the engine before anything starts a thread",
        )
    folder = _current_folder()
    try:
        for kind, flag in (("user", "user"), ("mnt", "mount")):
            fd = os.open(held.namespace(kind), os.O_RDONLY | os.O_CLOEXEC)
            try:
                syscalls.setns(fd, syscalls.CLONE[flag])
            finally:
                os.close(fd)
        # the groups of the user outside have no name inside; a container's process gets its own
        if not held.identities.why_single:
            os.setgroups([0])
    except OSError as error:
        raise _cannot_join(held, error) from error
    if folder is not None and os.path.isdir(folder):
        os.chdir(folder)  # entering a mount namespace leads to its root


def _current_folder() -> str | None:
    try:
        return os.getcwd()
    except FileNotFoundError:
        return None


def _cannot_join(held: Held, error: OSError) -> MinidockError:
    if held.alive:
        return SystemFault(f"cannot join the namespaces of process {held.pid}: {error.strerror}")
    return Conflict("the process that holds this user's namespaces has just ended", "try again")
