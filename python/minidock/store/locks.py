"""Locks between processes: flock(2) on files in ``run/locks``.

The kernel drops a lock when its holder dies, however it dies; so a lock that is free says "nobody is doing this", which
a pid file never can. Three words:

*exclusive*
    one holder; others wait their turn, in the kernel, without polling.
*shared*
    many holders, none of them exclusive.
*standing*
    the few locks that everybody uses (:data:`STANDING`); their files stay. Any other lock guards one object for a short
    time: its holder removes the file while it still holds the lock, and whoever waited for that file sees that the name
    now means another file, or none, and opens it anew.

Two of them deserve a sentence. ``gc``: whoever gives something a name in the store (a blob, a snapshot's or container's
folder) holds it shared from then until the row is committed; the collector holds it exclusively while it decides, so
that a name without a row is never a thing that is just being born. ``metadata`` and ``state`` queue the writers of the
two databases; SQLite's own waiting is polling, and unfair.

Who needs several takes them in this order: an object's own, ``gc``, ``metadata``, ``state``.

All files are close-on-exec: no container inherits a lock. In a dry run nothing is locked, since nothing is changed.
"""

from __future__ import annotations

import fcntl
import os
from types import TracebackType

from minidock.errors import InvalidArgument

#: Locks whose files are never removed.
STANDING = frozenset({"gc", "metadata", "state", "root", "supervisor"})


class Lock:
    """A held lock; leaving its ``with`` block, or :meth:`release`, lets it go."""

    def __init__(self, fd: int = -1, remove: str = "") -> None:
        self._fd = fd
        self._remove = remove

    def release(self) -> None:
        """Let the lock go. Idempotent."""
        fd, self._fd = self._fd, -1
        if fd < 0:
            return
        if self._remove:
            os.unlink(self._remove)  # still ours: nobody else can have removed it
        os.close(fd)

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.release()


class Locks:
    """The locks of one engine root.

    :param folder: where the files are; it exists.
    :param dry: lock nothing.
    """

    def __init__(self, folder: str, dry: bool = False) -> None:
        self.folder = folder
        self._dry = dry

    def exclusive(self, name: str) -> Lock:
        """Wait for the lock and hold it alone."""
        return self._take(name, fcntl.LOCK_EX)

    def shared(self, name: str) -> Lock:
        """Wait until nobody holds the standing lock *name* alone, and hold it with others."""
        if name not in STANDING:
            raise InvalidArgument(f"lock {name!r} is for one holder")
        return self._take(name, fcntl.LOCK_SH)

    def try_exclusive(self, name: str) -> Lock | None:
        """Hold the lock alone if it is free; otherwise return ``None`` at once."""
        try:
            return self._take(name, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None

    def _take(self, name: str, how: int) -> Lock:
        if not name or "/" in name or name.startswith("."):
            raise InvalidArgument(f"invalid lock name {name!r}")
        if self._dry:
            return Lock()
        path = f"{self.folder}/{name}"
        fd = lock_file(path, os.O_RDWR | os.O_CREAT, how)
        return Lock(fd, "" if name in STANDING else path)


def lock_file(path: str, flags: int, how: int) -> int:
    """Open *path* and lock it with flock(2); return the descriptor.

    The file that is locked is the one that *path* names at the end: a holder may have renamed or removed the file that
    we opened while we waited.

    :raises BlockingIOError: *how* says ``LOCK_NB``, and somebody holds it.
    :raises OSError: it cannot be opened.
    """
    while True:
        fd = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, how)
            if _is_still(path, fd):
                return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


def _is_still(path: str, fd: int) -> bool:
    try:
        named = os.lstat(path)
    except FileNotFoundError:
        return False
    ours = os.fstat(fd)
    return (named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino)
