"""No work at the end of a command: how SQLite is kept from moving and removing its write-ahead log.

When the last connection to a file closes, SQLite moves the log into the file and removes it: four more syncs at the end
of every command. It asks for an exclusive lock on the file's "shared" bytes first, and leaves all as it is if somebody
holds them; so we hold them, by an open-file-description lock (fcntl(2), F_OFD_SETLK), which, unlike SQLite's own POSIX
locks, is not the process's but a descriptor's. ``strace -e fsync,fdatasync`` of a command with one commit shows 2 syncs
with it (the log, and once in a process the log's folder), 6 without.

One trap: closing *any* descriptor of a file drops *all* POSIX locks that the process has on it, those of SQLite too. So
there is one descriptor for each file, however many connections use it, and it is closed after the last of them.
"""

from __future__ import annotations

import fcntl
import os
import struct
from _thread import RLock

import msgspec

#: SQLite's lock bytes "shared" (https://www.sqlite.org/fileformat.html, "The Lock-Byte Page").
_SHARED_FIRST, _SHARED_SIZE = 0x40000002, 510

#: A file, by device and inode.
File = tuple[int, int]


class _Kept(msgspec.Struct):
    """The descriptor of one file, and how many connections of this process use the file."""

    fd: int
    users: int


_kept: dict[File, _Kept] = {}
_guard = RLock()


def hold(path: str) -> File:
    """Before a connection to *path* is opened: open the file, or make it, empty and for us alone.

    :raises OSError: it cannot be opened.
    """
    with _guard:
        try:
            info = os.stat(path)
        except FileNotFoundError:
            pass
        else:
            if kept := _kept.get((info.st_dev, info.st_ino)):
                kept.users += 1
                return info.st_dev, info.st_ino
        fd = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        info = os.fstat(fd)
        file = (info.st_dev, info.st_ino)
        _kept.setdefault(file, _Kept(fd, 0)).users += 1
        return file


def keep_log(file: File) -> None:
    """When the connection has the file in WAL mode: from now on no closing connection moves the log."""
    # struct flock: type, whence, start, length, pid (0 for this kind of lock)
    wanted = struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, _SHARED_FIRST, _SHARED_SIZE, 0)
    fcntl.fcntl(_kept[file].fd, fcntl.F_OFD_SETLKW, wanted)


def let_go(file: File) -> None:
    """After the connection was closed: close the file if no other connection of this process uses it."""
    with _guard:
        kept = _kept[file]
        kept.users -= 1
        if not kept.users:
            del _kept[file]
            os.close(kept.fd)
