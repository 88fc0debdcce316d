"""The members of an image archive, by name: of a plain tar, or of a folder.

Both forms answer the same four questions and write nothing. A tar's names are only keys of a table; a folder is walked
component by component with ``O_NOFOLLOW``, so a link in it leads nowhere.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from typing import Protocol

import msgspec

from minidock.errors import InvalidArchive
from minidock.kernel.ports import Layers

_CHUNK = 1 << 20
#: How many links may follow one another inside an archive: old ``docker save`` made one at most.
_HOPS = 4


class Source(Protocol):
    """Where an image archive's members are. Names have no ``./`` in front and no slash at the end."""

    def has(self, name: str) -> bool:
        """Say whether there is a regular file of this name."""

    def size(self, name: str) -> int:
        """Return its size in bytes. Raises InvalidArchive if there is no such file."""

    def read(self, name: str, limit: int) -> bytes:
        """Return all its bytes. Raises InvalidArchive if there is no such file, or it has more than *limit* bytes."""

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield its bytes in pieces of at most 1 MiB. Raises InvalidArchive if there is no such file."""


class Entry(msgspec.Struct, frozen=True):
    """One line of :meth:`~minidock.kernel.ports.Layers.entries`."""

    name: str
    type: str
    size: int = 0
    link: str = ""
    offset: int = 0


class TarSource:
    """The members of a plain tar.

    :param fd: the tar; it stays the caller's.
    :param entries: its entries, in their order.
    :raises InvalidArchive: a name wants to leave the archive, or stands twice.

    A member may be a link to another member, as old ``docker save`` wrote a layer that two images share; a link to
    anything else is refused when it is used.
    """

    def __init__(self, fd: int, entries: list[Entry]) -> None:
        self._fd = fd
        self._members: dict[str, Entry] = {}
        for entry in entries:
            name = clean_name(entry.name)
            old = self._members.get(name)
            if old is not None and not (old.type == entry.type == "dir"):
                raise InvalidArchive(f"the archive has two members called {name[:200]!r}")
            self._members[name] = entry

    def has(self, name: str) -> bool:
        entry = self._members.get(name)
        return entry is not None and entry.type != "dir"

    def size(self, name: str) -> int:
        return self._find(name).size

    def read(self, name: str, limit: int) -> bytes:
        return _bounded(self, name, limit)

    def chunks(self, name: str) -> Iterator[bytes]:
        entry = self._find(name)
        at, end = entry.offset, entry.offset + entry.size
        while at < end:
            data = os.pread(self._fd, min(_CHUNK, end - at), at)
            if not data:
                raise InvalidArchive(f"the archive ends inside {name[:200]!r}")
            yield data
            at += len(data)

    def _find(self, name: str) -> Entry:
        place = clean_name(name)
        for _ in range(_HOPS):
            entry = self._members.get(place)
            if entry is None:
                raise InvalidArchive(f"the archive has no member {name[:200]!r}")
            if entry.type == "file":
                return entry
            if entry.type == "symlink":
                place = clean_name(f"{os.path.dirname(place)}/{entry.link}" if os.path.dirname(place) else entry.link)
            elif entry.type == "hardlink":
                place = clean_name(entry.link)
            else:
                break
        raise InvalidArchive(f"the archive's member {name[:200]!r} is no regular file")


class FolderSource:
    """The files of an OCI image layout in the folder *path*."""

    def __init__(self, path: str) -> None:
        self._path = path

    def has(self, name: str) -> bool:
        try:
            os.close(self._open(name))
        except InvalidArchive:
            return False
        return True

    def size(self, name: str) -> int:
        fd = self._open(name)
        try:
            return os.fstat(fd).st_size
        finally:
            os.close(fd)

    def read(self, name: str, limit: int) -> bytes:
        return _bounded(self, name, limit)

    def chunks(self, name: str) -> Iterator[bytes]:
        fd = self._open(name)
        try:
            while data := os.read(fd, _CHUNK):
                yield data
        finally:
            os.close(fd)

    def _open(self, name: str) -> int:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        *folders, last = clean_name(name).split("/")
        at = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for folder in folders:
                below = os.open(folder, flags | os.O_DIRECTORY, dir_fd=at)
                os.close(at)
                at = below
            fd = os.open(last, flags | os.O_NONBLOCK, dir_fd=at)  # a fifo must not hold us up
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO):
                raise InvalidArchive(f"{self._path} has no regular file {name[:200]!r}") from error
            raise
        finally:
            os.close(at)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise InvalidArchive(f"{self._path}: {name[:200]!r} is no regular file")
        return fd


def tar_source(fd: int, path: str, layers: Layers) -> TarSource:
    """List the plain tar at *path*, open as *fd*, with the strict reader.

    :raises InvalidArchive: it breaks the format, or a name wants to leave it.
    """
    lines = layers.entries(path, "none").splitlines()
    decoder = msgspec.json.Decoder(Entry)
    return TarSource(fd, [decoder.decode(line) for line in lines])


def clean_name(name: str) -> str:
    """Return a member's name in one form: ``./a//b/`` is ``a/b``, ``a/../b`` is ``b``.

    :raises InvalidArchive: it is absolute, or leads out of the archive.
    """
    parts: list[str] = []
    for part in name.split("/"):
        if part == "..":
            if not parts:
                raise InvalidArchive(f"the archive's member {name[:200]!r} leads out of it")
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    if name.startswith("/") or "\0" in name:
        raise InvalidArchive(f"the archive's member {name[:200]!r} leads out of it")
    return "/".join(parts)


def _bounded(source: Source, name: str, limit: int) -> bytes:
    size = source.size(name)
    if size > limit:
        raise InvalidArchive(f"{name[:200]!r} has {size} bytes, more than the limit of {limit}")
    return b"".join(source.chunks(name))
