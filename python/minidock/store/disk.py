"""The Disk port: every change of files that the engine makes outside the kernel's ports.

Two implementations: :class:`RealDisk`, and :class:`DryDisk`, which does nothing and so only gets recorded. *Publishing*
is the idea behind it: a file is written under a name that nobody looks for, forced to the disk, and renamed to its real
name; a rename is one move, so others see all of it or nothing::

    write  x.part ──▶ fsync(x.part) ──▶ rename(x.part, x) ──▶ fsync(folder)
                                           │
                                           └ the commit point: before it there is no x, after it x is whole

What a reboot clears anyway, or what can be made again from the database, is not forced to the disk.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from minidock.errors import StepFailed
from minidock.trace.recorder import op


class Disk(Protocol):
    """Files and folders of the store. All paths are absolute; all methods raise :class:`StepFailed` with the errno."""

    @op("store.write")
    def write(self, path: str, data: bytes, mode: int = 0o600, durable: bool = False) -> None:
        """Make the new file *path* with *data*; *durable* forces it to the disk (fsync).

        Raises EEXIST if there is such a file, and leaves none behind if it fails.
        """

    @op("store.folder")
    def folder(self, path: str, mode: int = 0o700, owner: Sequence[int] = ()) -> None:
        """Make the new folder *path* with exactly this *mode*. Raises EEXIST if there is one.

        :param owner: user and group id; not given: ours.
        """

    @op("store.publish")
    def publish(self, source: str, target: str, undo: bool = True) -> None:
        """Rename *source* to *target* on the same file system, atomic and durable.

        A file is forced to the disk first and replaces an older *target*. The contents of a folder are the caller's
        affair (:meth:`sync`), and *target* must be absent or empty.

        :param undo: whether crash recovery may remove *target* again; ``False`` for what is shared by its content.
        """

    @op("store.remove")
    def remove(self, path: str) -> None:
        """Remove the file or the whole tree at *path*. Idempotent; links are removed, never followed.

        Raises EBUSY, and removes nothing, if a file system is mounted on *path* or below.
        """

    @op("layer.copy")
    def copy(self, source: str, target: str) -> None:
        """Copy the tree *source* to the new folder *target*, as ``cp -a`` does."""

    def sync(self, path: str) -> None:
        """Force all that was written to the file system of *path* to the disk (syncfs(2))."""


class RealDisk:
    """The Disk port on the real disk."""

    def write(self, path: str, data: bytes, mode: int = 0o600, durable: bool = False) -> None:
        with failing_as("store.write", path):
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
            try:
                write_all(fd, data)
                os.fchmod(fd, mode)  # the umask has no say
                if durable:
                    os.fsync(fd)
            except BaseException:
                os.unlink(path)
                raise
            finally:
                os.close(fd)

    def folder(self, path: str, mode: int = 0o700, owner: Sequence[int] = ()) -> None:
        with failing_as("store.folder", path):
            os.mkdir(path, mode)
            if owner:
                os.chown(path, owner[0], owner[1])
            os.chmod(path, mode)

    def publish(self, source: str, target: str, undo: bool = True) -> None:
        with failing_as("store.publish", target):
            if os.path.isdir(source):
                sync_folder(source)
            else:
                sync_file(source)
            os.rename(source, target)  # the commit point of this file or folder
            sync_folder(os.path.dirname(target))

    def remove(self, path: str) -> None:
        from minidock.store.tree import remove_tree

        with failing_as("store.remove", path):
            remove_tree(path)

    def copy(self, source: str, target: str) -> None:
        from minidock.store.copying import copy_tree

        with failing_as("layer.copy", f"{source} to {target}"):
            copy_tree(source, target)

    def sync(self, path: str) -> None:
        import ctypes  # os has no syncfs before Python 3.14, and sync(2) would wait for every disk of the machine

        with failing_as("store.publish", path):
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                if ctypes.CDLL(None, use_errno=True).syncfs(fd):
                    raise OSError(ctypes.get_errno(), "syncfs")
            finally:
                os.close(fd)


class DryDisk:
    """The Disk port of a dry run: the recorder around it records, and nothing happens."""

    def write(self, path: str, data: bytes, mode: int = 0o600, durable: bool = False) -> None: ...

    def folder(self, path: str, mode: int = 0o700, owner: Sequence[int] = ()) -> None: ...

    def publish(self, source: str, target: str, undo: bool = True) -> None: ...

    def remove(self, path: str) -> None: ...

    def copy(self, source: str, target: str) -> None: ...

    def sync(self, path: str) -> None: ...


@contextmanager
def failing_as(operation: str, what: str) -> Iterator[None]:
    """Turn an :class:`OSError` of the block into :class:`StepFailed` of *operation*, with what to do about it."""
    import errno

    try:
        yield
    except OSError as error:
        hint = {
            errno.ENOSPC: "the disk, or its table of inodes, is full: free some space, or run `minidock gc`",
            errno.EDQUOT: "your quota is used up: free some space, or run `minidock gc`",
            errno.EROFS: "the store's file system is mounted read-only",
            errno.EBUSY: "something is still mounted there: stop the container that uses it",
        }.get(error.errno or 0)
        raise StepFailed(operation, error.errno or 0, what, hint) from error


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write all of *data*: write(2) may write less than it was given."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def sync_file(path: str) -> None:
    """Force one file's bytes to the disk. A failed fsync(2) is final: the kernel may have dropped the bytes."""
    _sync(path, os.O_RDONLY | os.O_NOFOLLOW)


def sync_folder(path: str) -> None:
    """Force a folder's list of names to the disk: only then does a rename in it survive a power cut."""
    _sync(path, os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: str, flags: int) -> None:
    fd = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
