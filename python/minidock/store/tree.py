"""Whole trees of files: walking, removing and measuring them, when the files in them are hostile.

A container can leave anything behind: folders that nobody may enter (mode 0), links to ``/etc``, a hundred thousand
folders inside one another, a mount. So a tree is walked by file descriptors, never by paths; a link is never followed;
and the walk is a loop with one descriptor, whatever the depth: it goes up by ``..`` and checks that it arrives where it
came from.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

import msgspec

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Cursor:
    """A place in a tree: one open folder, and the way back up.

    :param path: the top folder; it is no link.
    :param force: give each folder that is entered mode 0700 if it lacks any of that: for trees to be removed.
    """

    def __init__(self, path: str, force: bool = False) -> None:
        self._force = force
        self.fd = _open_folder(path, None, force)
        info = os.fstat(self.fd)
        self._device = info.st_dev
        self._above: list[int] = []
        self._inode = info.st_ino

    @property
    def depth(self) -> int:
        """How many folders below the top."""
        return len(self._above)

    def down(self, name: str) -> None:
        """Go into the folder *name* of this one. Raises EBUSY if another file system is mounted there."""
        fd = _open_folder(name, self.fd, self._force)
        info = os.fstat(fd)
        if info.st_dev != self._device:
            os.close(fd)
            raise OSError(errno.EBUSY, "another file system is mounted there", name)
        os.close(self.fd)
        self._above.append(self._inode)
        self.fd, self._inode = fd, info.st_ino

    def up(self) -> None:
        """Go back to the folder above."""
        fd = os.open("..", _FOLDER, dir_fd=self.fd)
        info = os.fstat(fd)
        os.close(self.fd)
        self.fd, self._inode = fd, self._above.pop()
        if (info.st_dev, info.st_ino) != (self._device, self._inode):
            raise OSError(errno.ESTALE, "the tree was moved while it was walked")

    def close(self) -> None:
        os.close(self.fd)


def _open_folder(name: str, parent: int | None, force: bool) -> int:
    try:
        fd = os.open(name, _FOLDER, dir_fd=parent)
    except PermissionError:
        if not force:
            raise
        handle = os.open(name, os.O_PATH | _FOLDER, dir_fd=parent)
        try:
            os.chmod(f"/proc/self/fd/{handle}", 0o700)  # a folder is changed by its handle: no link can take its place
        finally:
            os.close(handle)
        fd = os.open(name, _FOLDER, dir_fd=parent)
    if force and os.fstat(fd).st_mode & 0o700 != 0o700:
        os.fchmod(fd, 0o700)
    return fd


def remove_tree(path: str) -> None:
    """Remove the file or tree at *path*; nothing there, or another command that removes it too, is fine.

    :raises OSError: EBUSY, with nothing removed, if something is mounted there; else what the kernel refused.
    """
    while True:
        try:
            _remove_once(path)
            return
        except FileNotFoundError:
            if not os.path.lexists(path):
                return  # another command was faster, here or below: each round leaves less


def _remove_once(path: str) -> None:
    info = os.lstat(path)
    if not stat.S_ISDIR(info.st_mode):
        os.unlink(path)
        return
    if below := mounts_below(path):
        raise OSError(errno.EBUSY, "is mounted", below[0])
    cursor = Cursor(path, force=True)
    try:
        todo = [_unlink_files(cursor.fd)]  # the folders of each folder on the way down that are still there
        names: list[str] = []
        while todo:
            if todo[-1]:
                names.append(todo[-1].pop())
                cursor.down(names[-1])
                todo.append(_unlink_files(cursor.fd))
            else:
                todo.pop()
                if todo:
                    cursor.up()
                    os.rmdir(names.pop(), dir_fd=cursor.fd)
    finally:
        cursor.close()
    os.rmdir(path)


def _unlink_files(fd: int) -> list[str]:
    """Unlink all that is no folder; return the names of the folders."""
    folders = []
    with os.scandir(fd) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.name)
            else:
                with suppress(FileNotFoundError):
                    os.unlink(entry.name, dir_fd=fd)
    return folders


class TreeSize(msgspec.Struct, frozen=True):
    """What a tree holds: the sum of its regular files' sizes in bytes, each hard link once, and how many inodes."""

    size: int
    inodes: int


def measure_tree(path: str) -> TreeSize:
    """Measure the tree at *path*, a folder; nothing there is an empty tree."""
    try:
        cursor = Cursor(path)
    except FileNotFoundError:
        return TreeSize(0, 0)
    seen: set[int] = set()
    size = 0
    inodes = 1
    try:
        todo: list[list[str]] = [[]]
        entering = True
        while todo:
            if entering:
                with os.scandir(cursor.fd) as entries:
                    for entry in entries:
                        info = entry.stat(follow_symlinks=False)
                        if stat.S_ISDIR(info.st_mode):
                            todo[-1].append(entry.name)
                        elif info.st_nlink > 1 and info.st_ino in seen:
                            continue
                        else:
                            seen.add(info.st_ino)
                            size += info.st_size if stat.S_ISREG(info.st_mode) else 0
                        inodes += 1
            entering = bool(todo[-1])
            if entering:
                cursor.down(todo[-1].pop())
                todo.append([])
            else:
                todo.pop()
                if todo:
                    cursor.up()
    finally:
        cursor.close()
    return TreeSize(size, inodes)


def mounts_below(path: str) -> list[str]:
    """Return the mount points at *path* or below it in our mount namespace (proc(5), ``/proc/self/mountinfo``)."""
    prefix = os.path.realpath(path)
    found = []
    with open("/proc/self/mountinfo", "rb") as table:
        for line in table:
            point = _unescape(line.split(b" ")[4])
            if point == prefix or point.startswith(prefix + "/"):
                found.append(point)
    return found


def _unescape(field: bytes) -> str:
    """Undo the octal escapes of a mount table's field: a space is a backslash and 040."""
    head, *rest = field.split(b"\\")
    return os.fsdecode(head + b"".join(bytes([int(part[:3], 8)]) + part[3:] for part in rest))
