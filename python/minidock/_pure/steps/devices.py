"""``/dev`` of a container: nodes, links, and the terminal as ``/dev/console``.

No part of a path below ``/dev`` may be a symbolic link, and what a node or a bind mount became is looked at again: an
image that puts a link in its place must not get something of the host (CVE-2025-52565).
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
from typing import Any

from minidock._pure import syscalls
from minidock._pure.steps import paths
from minidock._pure.steps.inside import Inside
from minidock._pure.syscalls import O_PATH

DEVPTS_MAGIC = 0x1CD1
TIOCSCTTY, TIOCSWINSZ, TIOCSPTLCK, TIOCGPTPEER = 0x540E, 0x5414, 0x40045431, 0x5441  # tty_ioctl(4), pts(4)
TYPES = {"c": stat.S_IFCHR, "b": stat.S_IFBLK, "p": stat.S_IFIFO}


def create(_: Inside, args: dict[str, Any]) -> None:
    """``dev.create``: make each node, or bind the host's where mknod(2) is not allowed."""
    root = paths.open_root(args["root"])
    for device in args["devices"]:
        if args["bind"]:
            mount = syscalls.open_tree(os.open(device["path"], O_PATH | os.O_NOFOLLOW), "", recursive=False)
            syscalls.move_mount(mount, paths.make(root, device["path"], folder=False, links=False))
        else:
            _make_node(root, device)
        _check_node(root, device)


def _make_node(root: int, device: dict[str, Any]) -> None:
    folder, name = os.path.split(device["path"])
    at = paths.make(root, folder, folder=True, links=False)
    try:
        number = os.makedev(device["major"], device["minor"])
        os.mknod(name, TYPES[device["type"]] | device["mode"], number, dir_fd=at)
    except FileExistsError:
        return  # the check says whether it is the right one
    os.chown(name, device["uid"], device["gid"], dir_fd=at, follow_symlinks=False)


def _check_node(root: int, device: dict[str, Any]) -> None:
    seen = os.fstat(paths.find(root, device["path"], links=False))
    number = os.makedev(device["major"], device["minor"])
    if stat.S_IFMT(seen.st_mode) != TYPES[device["type"]] or (device["type"] != "p" and seen.st_rdev != number):
        raise OSError(errno.EXDEV, f"not the device {device['major']}:{device['minor']}", device["path"])


def links(_: Inside, args: dict[str, Any]) -> None:
    """``dev.links``: symbolic links that programs expect."""
    root = paths.open_root(args["root"])
    for path, target in args["links"].items():
        folder, name = os.path.split(path)
        at = paths.make(root, folder, folder=True, links=False)
        try:
            os.symlink(target, name, dir_fd=at)
        except FileExistsError:
            if os.readlink(name, dir_fd=at) != target:
                raise


def console(inside: Inside, args: dict[str, Any]) -> None:
    """``dev.console``: a terminal of the container's own devpts, so that its name inside is true.

    Its slave side becomes the controlling terminal, /dev/console and the three streams; its master goes to the monitor.
    """
    root = paths.open_root(args["root"])
    master = paths.find(root, "/dev/pts/ptmx", os.O_RDWR | os.O_NOCTTY, links=False)
    if syscalls.file_system_of(master) != DEVPTS_MAGIC or os.fstat(master).st_rdev != os.makedev(5, 2):
        raise OSError(errno.EXDEV, "not the multiplexer of a devpts", "/dev/pts/ptmx")
    fcntl.ioctl(master, TIOCSPTLCK, struct.pack("i", 0))
    slave = fcntl.ioctl(master, TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    fcntl.ioctl(master, TIOCSWINSZ, struct.pack("HHHH", *inside.size, 0, 0))
    fcntl.ioctl(slave, TIOCSCTTY, 0)
    mount = syscalls.open_tree(slave, "", recursive=False)
    syscalls.move_mount(mount, paths.make(root, "/dev/console", folder=False, links=False))
    if not paths.same(paths.find(root, "/dev/console", links=False), slave):
        raise OSError(errno.EXDEV, "changed while it was being mounted on", "/dev/console")
    for stream in range(3):
        os.dup2(slave, stream)
    inside.hand_over(master)
