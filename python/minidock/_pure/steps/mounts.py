"""The mounts of a container, from its root to its masked files.

A mount that others rely on is looked at again after it was made, through a descriptor: what is there must be what was
meant (CVE-2025-31133, CVE-2025-52565, CVE-2025-52881).
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Any

from minidock._pure import syscalls
from minidock._pure.options import Options, spread
from minidock._pure.overlay import new_overlay
from minidock._pure.steps import paths
from minidock._pure.steps.inside import Inside
from minidock._pure.syscalls import AT_FDCWD, O_PATH

Args = dict[str, Any]
RDONLY = 0x01
PROC_MAGIC, TMPFS_MAGIC = 0x9FA0, 0x01021994


def propagation(_: Inside, args: Args) -> None:
    """``mount.propagation``: mounts made from here on do not spread to the host."""
    flag, recursive = spread(args["mode"])
    syscalls.mount_setattr(AT_FDCWD, args["target"], propagation=flag, recursive=recursive)


def overlay(_: Inside, args: Args) -> None:
    """``mount.overlay``: layers and a writable folder become one tree."""
    mount = new_overlay(args["lower"], args["upper"], args["work"], args["options"])
    with_fd(mount, lambda mount: attach_at(mount, args["target"]))


def bind(_: Inside | None, args: Args) -> None:
    """``mount.bind``: a file or folder of the host appears at a second place."""
    source = os.open(args["source"], O_PATH)
    options = Options(args["options"])
    if options.data:
        raise OSError(errno.EINVAL, f"option {options.data[0][0]} has no meaning for a bind mount", args["target"])
    mount = syscalls.open_tree(source, "", recursive="rbind" in args["options"])
    options.change(mount)
    if "root" in args:
        folder = stat.S_ISDIR(os.fstat(source).st_mode)
        target = paths.target(paths.open_root(args["root"]), args["target"], folder)
    else:
        target = os.open(args["target"], O_PATH)
    syscalls.move_mount(mount, target)
    close(source, mount, target)


def filesystem(_: Inside, args: Args) -> None:
    """``mount.fs``: a file system that the kernel makes up; or, with ``remount``, new attributes for a mount."""
    root = paths.open_root(args["root"])
    options = Options(args["options"])
    if "remount" in args["options"]:
        options.change(paths.find(root, args["target"], links=False))
        return
    target = paths.target(root, args["target"], folder=True)
    mount = syscalls.new_mount(args["type"], [("source", args["source"]), *options.data], options.own[0])
    options.own = (0, 0)  # they went in at the mount's making
    options.change(mount)
    syscalls.move_mount(mount, target)
    check_covered(root, args["target"], mount)
    close(root, mount, target)


def pivot(_: Inside, args: Args) -> None:
    """``root.pivot``: the container's tree becomes ``/``, the host's tree is let go."""
    os.chdir(args["root"])
    syscalls.pivot_root(".", ".")  # the old root lies on top of the new one now, at the same place
    syscalls.mount_setattr(AT_FDCWD, ".", propagation=syscalls.MS_SLAVE, recursive=True)
    syscalls.umount(".")
    os.chdir("/")


def root_readonly(_: Inside, __: Args) -> None:
    """``root.readonly``: the root takes no more changes; what is mounted below it is as it was."""
    syscalls.mount_setattr(AT_FDCWD, "/", set=RDONLY)


def readonly(_: Inside, args: Args) -> None:
    """``mount.readonly``: each path that exists is bound on itself, read-only."""
    root = paths.open_root("/")
    for path in args["paths"]:
        found = _kernel_path(root, path)
        if found is not None:
            mount = syscalls.open_tree(found, "", recursive=True)
            syscalls.mount_setattr(mount, set=RDONLY)
            syscalls.move_mount(mount, found)
            check_covered(root, path, mount)
            close(mount, found)
    close(root)


def mask(_: Inside, args: Args) -> None:
    """``mount.mask``: a folder is covered with an empty one, a file with ``/dev/null``."""
    root = paths.open_root("/")
    nothing = [("source", "tmpfs"), ("size", "0"), ("nr_inodes", "1"), ("mode", "755")]
    null = None
    for path in args["paths"]:
        found = _kernel_path(root, path)
        if found is None:
            continue
        is_folder = stat.S_ISDIR(os.fstat(found).st_mode)
        if is_folder:
            cover = syscalls.new_mount("tmpfs", nothing, 0x0F)  # ro, nosuid, nodev, noexec
        else:
            if null is None:
                null = paths.find(root, "/dev/null", links=False)
                check_null(null)
            cover = syscalls.open_tree(null, "", recursive=False)
        syscalls.move_mount(cover, found)
        check_covered(root, path, cover)
        if not is_folder:
            check_null(cover)
        close(cover, found)
    close(root)


def _kernel_path(root: int, path: str) -> int | None:
    """Open *path* if it exists; what should be in /proc must be: a forged folder there would stay uncovered."""
    found = paths.find_if_there(root, path)
    if found is None or not path.startswith("/proc/"):
        return found
    if syscalls.file_system_of(found) not in (PROC_MAGIC, TMPFS_MAGIC):
        raise OSError(errno.EXDEV, "not in the kernel's /proc", path)
    return found


def check_null(fd: int) -> None:
    """Raise unless *fd* is the null device: anything else would be mounted over the kernel's files instead."""
    found = os.fstat(fd)
    if not stat.S_ISCHR(found.st_mode) or found.st_rdev != os.makedev(1, 3):
        raise OSError(errno.EXDEV, "not the null device", "/dev/null")


def check_covered(root: int, path: str, mount: int) -> None:
    """Look again: at *path* there must now be *mount*."""
    seen = paths.find(root, path)
    if not paths.same(seen, mount):
        raise OSError(errno.EXDEV, "changed while it was being mounted on", path)
    close(seen)


def attach_at(mount: int, path: str) -> None:
    """Attach a detached mount at a path of the host."""
    with_fd(os.open(path, O_PATH), lambda target: syscalls.move_mount(mount, target))


def with_fd(fd: int, action: Any) -> None:
    """Run *action* with a descriptor, and close it."""
    try:
        action(fd)
    finally:
        os.close(fd)


def close(*fds: int) -> None:
    """Close descriptors; after a failure the process ends and the kernel does it."""
    for fd in fds:
        os.close(fd)
