"""The folders of the tree, found one component at a time.

Each step opens one plain name, relative to a folder that is open already, and refuses links (``O_NOFOLLOW``). A link in
the middle of a path is read and walked as if the root were the root of all: an absolute target starts at the root,
``..`` goes back one step on our own stack and stops at the root. So no name can lead out: the kernel never sees a path,
a link or a ``..``. (path_resolution(7); openat2(2), ``RESOLVE_IN_ROOT``, gives the same result, and makes nothing.)

Open folders are kept by their real path, a bounded number of them.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

import msgspec

from minidock._pure.layers.names import MAX_DEPTH, join

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
MAX_OPEN = 128
#: How many links one path may cross, as in the kernel.
MAX_LINKS = 40


class Place(msgspec.Struct, frozen=True):
    """An open folder: its descriptor, good until the next walk, and its path without any link in it."""

    fd: int
    path: bytes


Make = Callable[[Place, bytes, bytes], bool]
"""Called with parent, name and path where no folder is; whether it made one there."""


class Tree:
    """The tree below the folder *target*. *entered* is told each folder that a path led into."""

    def __init__(self, target: str, entered: Callable[[bytes], None]) -> None:
        self._entered = entered
        self._root = Place(os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), b"")
        self._open: dict[bytes, int] = {}
        self._looked: list[int] = []

    def close(self) -> None:
        self._close_looked()
        self._close_all()
        os.close(self._root.fd)

    def _close_all(self) -> None:
        for fd in self._open.values():
            os.close(fd)
        self._open.clear()

    def _close_looked(self) -> None:
        while self._looked:
            os.close(self._looked.pop())

    def is_open(self, path: bytes) -> bool:
        return path in self._open

    def forget(self, path: bytes) -> None:
        """Close a folder that is about to be removed, and all below it."""
        for open_path in [p for p in self._open if p == path or p.startswith(path + b"/")]:
            os.close(self._open.pop(open_path))

    def find(self, path: bytes, make: Make | None, links: bool = True) -> Place:
        """Return the folder that *path* names, links resolved inside the root.

        :param make: what to do where nothing is; ``None``: nothing.
        :param links: whether links are followed at all.
        :raises OSError: there is no such folder; ELOOP, ENAMETOOLONG as in the kernel.
        """
        self._close_looked()
        if not path:
            return self._root
        if path in self._open:
            return Place(self._open[path], path)
        if len(self._open) >= MAX_OPEN:
            self._close_all()  # before a walk and not within: the parents of an open folder are open too
        stack, todo, crossed = [self._root], path.split(b"/")[::-1], 0
        while todo:
            name = todo.pop()
            if name in (b"", b"."):
                continue
            if name == b"..":
                del stack[max(1, len(stack) - 1) :]
                continue
            found = self._step(stack[-1], name, make)
            if isinstance(found, Place):
                stack.append(found)
                if len(stack) > MAX_DEPTH + 1:
                    raise OSError(errno.ENAMETOOLONG, "too deep", path)
                continue
            crossed += 1
            if crossed > MAX_LINKS or not links:
                raise OSError(errno.ELOOP if links else errno.ENOTDIR, "too many links", path)
            if found.startswith(b"/"):
                del stack[1:]
            todo.extend(found.split(b"/")[::-1])
        return stack[-1]

    def _step(self, here: Place, name: bytes, make: Make | None) -> Place | bytes:
        """Go from one folder into the next, or return the target of the link that is there instead."""
        path = join(here.path, name)
        if path in self._open:
            return Place(self._open[path], path)
        while True:
            try:
                fd = os.open(name, FOLDER, dir_fd=here.fd)
            except OSError as error:
                if error.errno in (errno.ENOTDIR, errno.ELOOP):
                    try:
                        return os.readlink(name, dir_fd=here.fd)
                    except OSError as no_link:
                        if no_link.errno != errno.EINVAL:
                            raise
                elif error.errno != errno.ENOENT:
                    raise
                if make is None or not make(here, name, path):
                    raise
                continue
            if make is None:
                self._looked.append(fd)
            else:  # what stays open is not told again, so it must be known that this archive works there
                self._open[path] = fd
                self._entered(path)
            return Place(fd, path)


def remove(folder: int, name: bytes) -> None:
    """Remove *name* and all below it, never through a link; nothing there is fine."""
    try:
        os.unlink(name, dir_fd=folder)
        return
    except FileNotFoundError:
        return
    except IsADirectoryError:
        pass
    inner = os.open(name, FOLDER, dir_fd=folder)
    try:
        for child in names_in(inner):
            remove(inner, child)
    finally:
        os.close(inner)
    os.rmdir(name, dir_fd=folder)


def names_in(folder: int) -> list[bytes]:
    """Return the names in a folder, sorted."""
    return sorted(os.fsencode(name) for name in os.listdir(folder))


def is_folder(folder: int, name: bytes) -> bool | None:
    """Whether *name* is a folder, itself and not through a link; ``None`` if there is nothing."""
    try:
        mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return None
    return mode & 0o170000 == 0o040000
