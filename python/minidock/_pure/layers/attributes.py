"""Owner, mode, extended attributes and times of what was created.

Two things are left out where they cannot be had, as Docker and podman do:

* an extended attribute that this file system or this user cannot set (``EOPNOTSUPP``, ``EPERM``): ``user.*`` on a link,
  ``trusted.*`` in a user namespace;
* owners, where the user namespace maps one single id: then all files belong to it.
"""

from __future__ import annotations

import errno
import os

import msgspec

from minidock._pure.layers.names import is_overlay_xattr
from minidock._pure.layers.reader import Entry


class Attributes(msgspec.Struct):
    """What to set on a node; by default that of a folder which the archive has no entry for."""

    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    xattrs: list[tuple[bytes, bytes]] = msgspec.field(default_factory=list)


def attributes_of(entry: Entry) -> Attributes:
    """Take them out of an entry; overlay's own are stripped."""
    xattrs = [(name, value) for name, value in entry.xattrs if not is_overlay_xattr(name)]
    return Attributes(entry.mode, entry.uid, entry.gid, entry.mtime[0] * 10**9 + entry.mtime[1], xattrs)


def keeps_owners() -> bool:
    """Whether this user namespace maps more than one user and one group."""
    for table in ("/proc/self/uid_map", "/proc/self/gid_map"):
        try:
            with open(table) as file:
                words = file.read().split()
        except FileNotFoundError:
            continue  # a kernel without user namespaces
        if words[2:] == ["1"]:
            return False
    return True


def set_open(fd: int, wanted: Attributes, owners: bool) -> None:
    """Set all of it on an open file or folder. Order matters: writing and chown clear capabilities and set-id bits."""
    if owners:
        os.fchown(fd, wanted.uid, wanted.gid)
    os.fchmod(fd, wanted.mode)
    for name, value in wanted.xattrs:
        _set_xattr(fd, name, value)
    os.utime(fd, ns=(wanted.mtime, wanted.mtime))


def set_node(folder: int, name: bytes, is_link: bool, wanted: Attributes, owners: bool) -> None:
    """Set all of it on a node that cannot or must not be opened: a link, a device, a fifo."""
    if owners:
        os.chown(name, wanted.uid, wanted.gid, dir_fd=folder, follow_symlinks=False)
    if not is_link:
        os.chmod(name, wanted.mode, dir_fd=folder)  # no call here takes "do not follow"; it is no link, we made it
    for key, value in wanted.xattrs:
        _set_xattr(f"/proc/self/fd/{folder}/".encode() + name, key, value)
    os.utime(name, ns=(wanted.mtime, wanted.mtime), dir_fd=folder, follow_symlinks=False)


def _set_xattr(target: int | bytes, name: bytes, value: bytes) -> None:
    try:
        if isinstance(target, int):
            os.setxattr(target, name, value)
        else:
            os.setxattr(target, name, value, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EPERM):
            raise
