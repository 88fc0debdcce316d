"""Content by digest: ``blobs/sha256/<hex>``, whose name says what its bytes must be.

A blob comes in through *ingest*. Its bytes go to ``ingest/<hex>.part``, which its writer keeps locked; a second process
that wants the same blob waits for the lock, and then finds the blob there, or goes on where the first one died::

    ingest/<hex>.part   locked, written, hashed on the way
          │  commit: size and digest are right → fsync, rename, fsync of the folder
          ▼
    blobs/sha256/<hex>  never changes any more

A ``.part`` whose writer died or lost its connection stays, so that the rest can be asked for (HTTP Range).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from types import TracebackType
from typing import BinaryIO, TypeVar

from minidock.errors import (
    DigestMismatch,
    InvalidArgument,
    MinidockError,
    NotFound,
    StoreDamaged,
    SystemFault,
    Unsupported,
)
from minidock.oci import codec
from minidock.oci.digest import Digest
from minidock.store.disk import Disk, failing_as, write_all
from minidock.store.layout import Layout
from minidock.store.leases import Lease
from minidock.store.locks import lock_file

T = TypeVar("T")

_CHUNK = 1 << 20


class Blobs:
    """All blobs of one root.

    :param dry: keep what is ingested in memory (small documents only), and write nothing.
    """

    def __init__(self, layout: Layout, disk: Disk, dry: bool = False) -> None:
        self._layout = layout
        self._disk = disk
        self._dry: dict[Digest, bytes] | None = {} if dry else None

    def has(self, digest: Digest) -> bool:
        """Say whether the blob is there. Only a lease makes the answer last."""
        return (self._dry is not None and digest in self._dry) or os.path.exists(self._layout.blob(digest))

    def path(self, digest: Digest) -> str:
        """Return the path of the blob's file.

        :raises NotFound: the blob is not there.
        """
        path = self._layout.blob(digest)
        if not os.path.exists(path):
            raise NotFound(f"blob {digest} is not in the store", "pull the image again")
        return path

    def size(self, digest: Digest) -> int:
        """Return the blob's size in bytes.

        :raises NotFound: the blob is not there.
        """
        if self._dry is not None and digest in self._dry:
            return len(self._dry[digest])
        return os.stat(self.path(digest)).st_size

    def open(self, digest: Digest) -> BinaryIO:
        """Open the blob's file for reading; its bytes are not verified.

        :raises NotFound: the blob is not there.
        """
        return open(self.path(digest), "rb")

    def read(self, digest: Digest, limit: int = codec.LIMIT) -> bytes:
        """Return all bytes of a small blob, verified.

        :raises NotFound: the blob is not there.
        :raises InvalidArgument: it has more than *limit* bytes.
        :raises StoreDamaged: its bytes are not what its digest says.
        """
        if self._dry is not None and digest in self._dry:
            return self._dry[digest]
        with self.open(digest) as file:
            data = file.read(limit + 1)
        if len(data) > limit:
            raise InvalidArgument(f"blob {digest} has more than {limit} bytes")
        if hashlib.sha256(data).hexdigest() != digest.hex:
            raise StoreDamaged(f"blob {digest} is damaged", "run `minidock system check --repair`, then pull again")
        return data

    def read_json(self, digest: Digest, kind: type[T], what: str, error: type[MinidockError] = StoreDamaged) -> T:
        """Return a small JSON blob as a value of *kind*, verified.

        :param what: what it is, for the message of *error*, which is raised for JSON of another shape.
        """
        return codec.decode(self.read(digest), kind, what, error=error)

    def add(self, lease: Lease, data: bytes) -> Digest:
        """Store *data* as a blob and return its digest. Idempotent."""
        digest = Digest.from_hex(hashlib.sha256(data).hexdigest())
        ingest = self.ingest(lease, digest, len(data))
        if ingest is not None:
            with ingest:
                ingest.restart()
                ingest.write(data)
                ingest.commit()
        return digest

    def ingest(self, lease: Lease, digest: Digest, size: int | None) -> Ingest | None:
        """Begin, or go on, to bring a blob in; return ``None`` if it is there already.

        Waits while another process, or thread, brings in the same blob.

        :param lease: keeps the blob until something refers to it.
        :param size: the size in bytes, ``None`` if it is not known.
        """
        lease.keep_blob(digest)
        if self._is_whole(digest, size):
            return None
        if self._dry is not None:
            return Ingest(digest, size, -1, "", self._layout.blob(digest), self._disk, self._dry)
        part = f"{self._layout.ingest}/{digest.hex}.part"
        with failing_as("store.write", part):
            fd = lock_file(part, os.O_RDWR | os.O_CREAT, fcntl.LOCK_EX)
        if self._is_whole(digest, size):  # it came while we waited
            os.unlink(part)
            os.close(fd)
            return None
        return Ingest(digest, size, fd, part, self._layout.blob(digest), self._disk, {})

    def _is_whole(self, digest: Digest, size: int | None) -> bool:
        """Whether it is there with this size: a file that was cut off is replaced by a new one."""
        return self.has(digest) and size in (None, self.size(digest))


class Ingest:
    """A blob on its way in. Leaving its ``with`` block without :meth:`commit` keeps what came so far.

    ``offset`` says how many bytes are there: the next :meth:`write` goes on from it.
    """

    def __init__(
        self, digest: Digest, size: int | None, fd: int, part: str, target: str, disk: Disk, dry: dict[Digest, bytes]
    ) -> None:
        self.digest = digest
        self.size = size
        self.offset = 0
        self._fd = fd
        self._part = part
        self._target = target
        self._disk = disk
        self._dry = dry
        self._memory = bytearray()
        self._hash = hashlib.sha256()
        if fd >= 0:
            self._hash_what_is_there()

    def write(self, data: bytes | memoryview) -> None:
        """Append bytes.

        :raises DigestMismatch: these are more than the blob has; nothing is kept.
        :raises StepFailed: the disk is full, or broken; what was written stays.
        """
        if self.size is not None and self.offset + len(data) > self.size:
            self.restart()
            raise DigestMismatch(f"blob of {self.size} bytes", self.digest, "more bytes than that")
        if self._fd >= 0:
            with failing_as("store.write", self._part):
                write_all(self._fd, data)
        elif self.offset + len(data) > codec.LIMIT:
            raise Unsupported(f"blob {self.digest} is too large to be read in a dry run")
        else:
            self._memory += data
        self._hash.update(data)
        self.offset += len(data)

    def restart(self) -> None:
        """Forget what is there and begin with the first byte: a server did not want to go on in the middle."""
        self.offset = 0
        self._memory.clear()
        self._hash = hashlib.sha256()
        if self._fd >= 0:
            with failing_as("store.write", self._part):
                os.ftruncate(self._fd, 0)
                os.lseek(self._fd, 0, os.SEEK_SET)

    def commit(self) -> None:
        """Verify the bytes and give the blob its name.

        :raises DigestMismatch: they are too few, or not what the digest says; then they are thrown away.
        """
        if self.size is not None and self.offset != self.size:
            raise DigestMismatch(f"blob of {self.size} bytes", self.digest, f"only {self.offset} bytes")
        found = self._hash.hexdigest()
        if found != self.digest.hex:
            self.restart()
            raise DigestMismatch("blob", self.digest, f"sha256:{found}")
        # Not to be undone: by its content the blob is the same for all, and another pull may count on it already.
        self._disk.publish(self._part or f"{self._target}.part", self._target, undo=False)
        if self._fd < 0:
            self._dry[self.digest] = bytes(self._memory)
        self.close()

    def close(self) -> None:
        """Let the blob go; what came so far stays for the next try. Idempotent."""
        fd, self._fd = self._fd, -2
        if fd >= 0:
            os.close(fd)

    def _hash_what_is_there(self) -> None:
        with failing_as("store.write", self._part):
            while chunk := os.read(self._fd, _CHUNK):
                self._hash.update(chunk)
                self.offset += len(chunk)
        if self.size is not None and self.offset > self.size:
            self.restart()

    def __enter__(self) -> Ingest:
        if self._fd == -2:
            raise SystemFault(f"the ingest of {self.digest} has ended")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()
