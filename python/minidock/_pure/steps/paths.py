"""Paths inside a container's root, resolved so that no link of the image leads out of it.

What exists is found by openat2(2) with RESOLVE_IN_ROOT. What is missing is made by a walk, one component at a time from
a held descriptor to the next. Whoever gets a descriptor from here mounts through it, not through the path: between the
look and the mount somebody could have changed the path (CVE-2021-30465).
"""

from __future__ import annotations

import errno
import os
import stat

from minidock._pure.syscalls import (
    O_PATH,
    RESOLVE_IN_ROOT,
    RESOLVE_NO_MAGICLINKS,
    RESOLVE_NO_SYMLINKS,
    file_system_of,
    openat2,
)

#: Folders on which the container's safety rests: below them, a symbolic link in the way is no accident.
GUARDED = ("proc", "sys", "dev")
#: The magic numbers of proc and sysfs (statfs(2)): a link of the image to there must not be mounted on, or a volume
#: would cover the kernel's files (CVE-2019-19921, CVE-2023-27561).
KERNELS_OWN = (0x9FA0, 0x62656572)


def open_root(path: str) -> int:
    """Open the folder *path* of the host as a root."""
    return os.open(path, O_PATH | os.O_DIRECTORY)


def find(root: int, path: str, flags: int = O_PATH, links: bool = True) -> int:
    """Open what *path* is inside *root*; without *links*, a symbolic link anywhere is an error (ELOOP)."""
    guard = 0 if links else RESOLVE_NO_SYMLINKS
    try:
        return openat2(root, path, flags, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | guard)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error


def find_if_there(root: int, path: str) -> int | None:
    """The same, or ``None`` if nothing is there."""
    try:
        return find(root, path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def target(root: int, path: str, folder: bool) -> int:
    """Open *path* inside *root* to mount on it; make what is missing, in the end a folder or an empty file."""
    guarded = path.strip("/").split("/")[0] in GUARDED
    found = make(root, path, folder, links=not guarded)
    if not guarded and file_system_of(found) in KERNELS_OWN:
        os.close(found)
        raise OSError(errno.EXDEV, "leads into the kernel's /proc or /sys", path)
    return found


def make(root: int, path: str, folder: bool, links: bool = True) -> int:
    """Open *path* inside *root*, and make what is missing of it."""
    try:
        return find(root, path, links=links)
    except FileNotFoundError:
        pass  # then it is made below
    left = [part for part in reversed(path.split("/")) if part not in ("", ".")]
    held = [os.dup(root)]  # the folders from the root to where we are
    budget = 40 if links else 0  # symbolic links, as many as the kernel follows: path_resolution(7)
    try:
        while left:
            name = left.pop()
            if name == "..":
                if len(held) > 1:
                    os.close(held.pop())
                continue
            held.append(_enter(held[-1], name, folder or bool(left)))
            mode = os.fstat(held[-1]).st_mode
            if stat.S_ISLNK(mode):
                if budget == 0:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                budget -= 1
                link = os.readlink("", dir_fd=held[-1])
                os.close(held.pop())  # the link itself; and all folders, if it starts again from the root
                while link.startswith("/") and len(held) > 1:
                    os.close(held.pop())
                left += [part for part in reversed(link.split("/")) if part not in ("", ".")]
            elif left and not stat.S_ISDIR(mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        return held.pop()
    finally:
        for fd in held:
            os.close(fd)


def _enter(folder: int, name: str, is_folder: bool) -> int:
    """Open *name* where we are without following it, and make it before if it is missing."""
    flags = O_PATH | os.O_NOFOLLOW
    try:
        return os.open(name, flags, dir_fd=folder)
    except FileNotFoundError:
        pass  # then it is made below
    try:
        if is_folder:
            os.mkdir(name, 0o755, dir_fd=folder)
        else:
            os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644, dir_fd=folder))
    except FileExistsError:
        pass  # somebody was quicker; opening says what it is
    return os.open(name, flags, dir_fd=folder)


def same(a: int, b: int) -> bool:
    """Say whether two descriptors are the same file on the same mounted file system."""
    first, second = os.fstat(a), os.fstat(b)
    return (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino)
