"""Copying a tree of files, for hosts on which overlay cannot be used: what ``cp -a`` does.

Kept: owners, modes (set-user-ID bits too), times to the nanosecond, extended attributes, symbolic links as they are,
hard links among the copied files, devices, fifos, and holes. Contents are shared where the file system can (reflink,
by copy_file_range(2)).
"""

from __future__ import annotations

import os
import stat

from minidock.store.tree import Cursor


def copy_tree(source: str, target: str) -> None:
    """Copy the folder *source* to the new folder *target*.

    :raises OSError: what the kernel refused; what was copied so far stays for the caller to remove.
    """
    os.mkdir(target, 0o700)
    origin, copy = Cursor(source), Cursor(target)
    top = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    links: dict[int, str] = {}
    try:
        todo = [_copy_files(origin.fd, copy.fd, top, "", links)]
        names: list[str] = []
        while todo:
            if todo[-1]:
                names.append(todo[-1].pop())
                os.mkdir(names[-1], 0o700, dir_fd=copy.fd)
                origin.down(names[-1])
                copy.down(names[-1])
                todo.append(_copy_files(origin.fd, copy.fd, top, "/".join(names) + "/", links))
                continue
            todo.pop()
            _copy_attributes(f"/proc/self/fd/{origin.fd}", f"/proc/self/fd/{copy.fd}", os.fstat(origin.fd), True)
            if todo:
                origin.up()
                copy.up()
                names.pop()
    finally:
        origin.close()
        copy.close()
        os.close(top)


def _copy_files(source: int, target: int, top: int, where: str, links: dict[int, str]) -> list[str]:
    """Copy all that is no folder from one open folder to another; return the names of the folders.

    :param where: the path of *target* below *top*, ending in ``/``.
    :param links: inode → path below *top* of what was copied of it, for files with several names.
    """
    folders = []
    with os.scandir(source) as entries:
        for entry in entries:
            info = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(info.st_mode):
                folders.append(entry.name)
            elif info.st_ino in links:
                os.link(links[info.st_ino], entry.name, src_dir_fd=top, dst_dir_fd=target, follow_symlinks=False)
            else:
                _copy_file(source, target, entry.name, info)
                if info.st_nlink > 1:
                    links[info.st_ino] = where + entry.name
    return folders


def _copy_file(source: int, target: int, name: str, info: os.stat_result) -> None:
    if stat.S_ISREG(info.st_mode):
        _copy_contents(source, target, name, info.st_size)
    elif stat.S_ISLNK(info.st_mode):
        os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
    else:
        os.mknod(name, info.st_mode, info.st_rdev, dir_fd=target)
    _copy_attributes(f"/proc/self/fd/{source}/{name}", f"/proc/self/fd/{target}/{name}", info, False)


def _copy_contents(source: int, target: int, name: str, size: int) -> None:
    flags = os.O_NOFOLLOW | os.O_CLOEXEC
    origin = os.open(name, os.O_RDONLY | flags, dir_fd=source)
    try:
        copy = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | flags, 0o600, dir_fd=target)
        try:
            position = 0
            while (start := _next_data(origin, position, size)) < size:
                position = os.lseek(origin, start, os.SEEK_HOLE)
                while start < position:
                    moved = os.copy_file_range(origin, copy, position - start, start, start)
                    if not moved:
                        raise OSError(5, "the file shrank while it was copied", name)
                    start += moved
            os.ftruncate(copy, size)
        finally:
            os.close(copy)
    finally:
        os.close(origin)


def _next_data(fd: int, position: int, size: int) -> int:
    try:
        return os.lseek(fd, position, os.SEEK_DATA)
    except OSError as error:
        if error.errno != 6:  # ENXIO: only a hole follows
            raise
        return size


def _copy_attributes(source: str, target: str, info: os.stat_result, follow: bool) -> None:
    """Set owner, mode, attributes and times, in this order: chown(2) clears set-user-ID bits and file capabilities."""
    os.chown(target, info.st_uid, info.st_gid, follow_symlinks=follow)
    if not stat.S_ISLNK(info.st_mode):
        os.chmod(target, stat.S_IMODE(info.st_mode))
    for name in os.listxattr(source, follow_symlinks=follow):
        os.setxattr(target, name, os.getxattr(source, name, follow_symlinks=follow), follow_symlinks=follow)
    os.utime(target, ns=(info.st_atime_ns, info.st_mtime_ns), follow_symlinks=follow)
