"""Scratch folders: ``tmp/<purpose>.<random>``, for what has no name yet.

The maker holds the folder itself locked (flock(2) works on folders), so whoever finds one *unlocked* knows that nobody
will finish it, and may remove it.
"""

from __future__ import annotations

import fcntl
import os
from types import TracebackType

from minidock.store.disk import Disk
from minidock.store.layout import Layout
from minidock.store.locks import Locks


class Scratch:
    """A folder that goes when its ``with`` block ends.

    :raises StepFailed: it cannot be made.
    """

    def __init__(self, layout: Layout, disk: Disk, locks: Locks, purpose: str, dry: bool = False) -> None:
        self.path = f"{layout.tmp}/{purpose}.{os.urandom(4).hex()}"
        self._disk = disk
        self._fd = -1
        with locks.shared("gc"):  # no collector sees it between its birth and its lock
            disk.folder(self.path)
            if not dry:
                self._fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                fcntl.flock(self._fd, fcntl.LOCK_EX)

    def close(self) -> None:
        """Remove the folder, and all that is still in it. Idempotent."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            try:
                self._disk.remove(self.path)
            finally:
                os.close(fd)

    def published(self) -> None:
        """The folder has been renamed: it is no scratch any more."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Scratch:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def is_abandoned(path: str) -> bool:
    """Say whether nobody holds the scratch folder *path*."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except NotADirectoryError:
        return True  # a stray file: nobody makes those
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True
