"""A stream becomes a plain file that can be read at any place: the archive, uncompressed, in a file without a name.

The file is made with ``O_TMPFILE`` (open(2)): no name, so nothing can be left behind, whatever happens. Runs of zeros
become holes, so that an archive with gigabytes of zeros behind its end costs no disk. An archive that already is a
plain file on the disk is used as it stands: what is read from it later is checked by digest anyway.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from types import TracebackType
from typing import BinaryIO

from minidock.errors import StepFailed
from minidock.images.archive.inflate import inflate, sniff

_CHUNK = 1 << 20
_ZEROS = bytes(_CHUNK)


class Spool:
    """A plain file by its descriptor *fd*; closing it is its end."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    @property
    def path(self) -> str:
        """A path for ports that open files themselves (proc(5))."""
        return f"/proc/self/fd/{self.fd}"

    @property
    def size(self) -> int:
        return os.fstat(self.fd).st_size

    def chunks(self) -> Iterator[bytes]:
        """Yield all bytes, from the first on."""
        at = 0
        while data := os.pread(self.fd, _CHUNK, at):
            yield data
            at += len(data)

    def cut(self, size: int) -> None:
        """Forget all bytes after *size*; never called for a file that is not ours."""
        os.ftruncate(self.fd, size)

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        os.close(self.fd)


def spool(archive: BinaryIO, folder: str, *, own: bool = False) -> Spool:
    """Read *archive* to its end, through its decompressor.

    :param folder: where the file lives; it needs as much room as the plain archive.
    :param own: make a file of our own even where the archive is a plain file.
    :raises InvalidArchive: the compressed data are broken, cut, or a bomb.
    :raises StepFailed: the disk is full.
    """
    head = archive.read(_CHUNK)
    compression = sniff(head)
    if compression == "none" and not own and (fd := _plain_file(archive)) is not None:
        return Spool(fd)
    target = Spool(os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600))
    try:
        _fill(target.fd, inflate(_chunks(head, archive), compression))
    except OSError as error:
        os.close(target.fd)
        raise StepFailed("store.write", error.errno or errno.EIO, "spooling the archive") from error
    except BaseException:
        os.close(target.fd)
        raise
    return target


def _chunks(head: bytes, archive: BinaryIO) -> Iterator[bytes]:
    while head:
        yield head
        head = archive.read(_CHUNK)


def _fill(fd: int, pieces: Iterator[bytes]) -> None:
    at = 0
    for piece in pieces:
        if piece != _ZEROS[: len(piece)]:
            view = memoryview(piece)
            done = 0
            while done < len(view):
                done += os.pwrite(fd, view[done:], at + done)
        at += len(piece)
    os.ftruncate(fd, at)


def _plain_file(archive: BinaryIO) -> int | None:
    """Return a new descriptor of the regular file behind *archive*, if it was at its beginning; else ``None``."""
    try:
        fd = archive.fileno()
        regular = stat.S_ISREG(os.fstat(fd).st_mode) and archive.tell() <= _CHUNK
        started_at_zero = regular and archive.tell() == min(_CHUNK, os.fstat(fd).st_size)
    except OSError:  # io.UnsupportedOperation is one: a stream in memory, or a pipe
        return None
    if not started_at_zero:
        return None
    return os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC)
