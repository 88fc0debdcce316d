"""From a file to the bytes of its tar: reading, uncompressing, and both digests in the same pass.

gzip streams may have many members one after the other (pigz, estargz), and zeros behind the last one; zstd streams may
have many frames. All of it is done piece by piece, so memory stays flat whatever the archive says of itself.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Callable, Iterator

from minidock.errors import InvalidArchive, InvalidArgument

Read = Callable[[], bytes]
"""Returns the next bytes of the compressed stream, or none at its end."""

BLOCK = 512
CHUNK = 1 << 20
#: A zstd block of four bytes can become 128 KiB: small bites keep what comes out at once below 32 MiB.
ZSTD_BITE = 1 << 10
#: What follows a gzip member is handed back as a copy: small bites keep many members cheap.
GZIP_BITE = 16 << 10
#: 2^27 bytes: what ``zstd -d`` itself allows without being asked.
MAX_WINDOW = 1 << 27
WORDS = ("none", "gzip", "zstd")


def guess(first: bytes) -> str:
    """Name the compression by the magic number; a zstd stream may begin with a skippable frame."""
    if first.startswith(b"\x1f\x8b"):
        return "gzip"
    skippable = len(first) >= 4 and 0x50 <= first[0] <= 0x5F and first[1:4] == b"\x2a\x4d\x18"
    return "zstd" if first.startswith(b"\x28\xb5\x2f\xfd") or skippable else "none"


def named(word: str, first: bytes) -> str:
    """Return the compression that the ports' word means.

    :raises InvalidArgument: no such word.
    """
    if word == "auto":
        return guess(first)
    if word not in WORDS:
        raise InvalidArgument(f"unknown compression {word!r}")
    return word


def uncompressed(read: Read, compression: str) -> Iterator[bytes]:
    """Yield the uncompressed bytes in pieces of bounded size.

    :raises InvalidArchive: the stream is broken.
    """
    if compression == "gzip":
        return _members(read)
    if compression == "zstd":
        return _frames(read)
    return iter(read, b"")


class Bites:
    """Hands a stream out in small bites, and takes back what a decoder left of the last one."""

    def __init__(self, read: Read, size: int) -> None:
        self._read = read
        self._size = size
        self._data = memoryview(b"")
        self._at = 0

    def next(self) -> memoryview:
        """Return the next bite; nothing at the end."""
        if self._at == len(self._data):
            self._data, self._at = memoryview(self._read()), 0
        bite = self._data[self._at : self._at + self._size]
        self._at += len(bite)
        return bite

    def back(self, left: bytes) -> None:
        self._at -= len(left)


def _members(read: Read) -> Iterator[bytes]:
    bites = Bites(read, GZIP_BITE)
    bite = bites.next()
    while True:
        member = zlib.decompressobj(wbits=31)  # 31: a gzip header and trailer, checked
        while not member.eof:
            try:
                out = member.decompress(bite, CHUNK)
            except zlib.error as error:
                raise InvalidArchive(f"the compressed data are broken: {error}") from error
            if not out and not bite and not member.eof:  # at the end of the stream; without output, nothing is inside
                raise InvalidArchive("the compressed data end too early")
            bites.back(member.unused_data if member.eof else member.unconsumed_tail)
            if out:
                yield out
            bite = bites.next()
        if not bite or not bite[0]:
            while bite:
                if bytes(bite).strip(b"\0"):
                    raise InvalidArchive("garbage follows the compressed data")
                bite = bites.next()
            return


def _frames(read: Read) -> Iterator[bytes]:
    import zstandard

    decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
    bites = Bites(read, ZSTD_BITE)
    bite = bites.next()
    while True:  # like gzip, a stream has one frame at least
        frame = decompressor.decompressobj()
        while not frame.eof:
            if not bite:
                raise InvalidArchive("the compressed data end too early")
            try:
                out = frame.decompress(bite)
            except zstandard.ZstdError as error:
                raise InvalidArchive(f"the compressed data are broken: {error}") from error
            if out:
                yield out
            bites.back(frame.unused_data)
            bite = bites.next()
        if not bite:
            return


class Blob:
    """A file whose bytes are hashed as they are read."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._hash = hashlib.sha256()
        self.size = 0
        self._first: bytes | None = None

    def peek(self) -> bytes:
        """Return the first bytes; :meth:`read` will return them again."""
        if self._first is None:
            self._first = self._next()
        return self._first

    def read(self) -> bytes:
        first, self._first = self._first, None
        return self._next() if first is None else first

    def _next(self) -> bytes:
        data = os.read(self._fd, CHUNK // 4)
        self._hash.update(data)
        self.size += len(data)
        return data

    def file_size(self) -> int:
        return os.fstat(self._fd).st_size

    def hexdigest(self) -> str:
        return self._hash.hexdigest()

    def close(self) -> None:
        os.close(self._fd)


class Tar:
    """The tar's bytes in order: blocks to look at, pieces to pass on. *most* is how many there may be."""

    def __init__(self, chunks: Iterator[bytes], most: int) -> None:
        self._chunks = chunks
        self._most = most
        self._rest = memoryview(b"")
        self._hash = hashlib.sha256()
        self.size = 0

    @property
    def offset(self) -> int:
        """How many bytes were taken so far."""
        return self.size - len(self._rest)

    def _more(self) -> bool:
        while not self._rest:
            chunk = next(self._chunks, b"")
            if not chunk:
                return False
            self._hash.update(chunk)
            self.size += len(chunk)
            self._rest = memoryview(chunk)
            self.expect(0)
        return True

    def expect(self, size: int) -> None:
        """Refuse an entry that is larger than all that may follow, before anything of it is written."""
        if max(self.size, self.offset + size) > self._most:
            raise InvalidArchive(f"the archive is larger than {self._most} bytes, the limit for its blob's size")

    def piece(self, most: int) -> memoryview:
        """Return between 1 and *most* bytes.

        :raises InvalidArchive: the tar ends here.
        """
        if not self._more():
            raise InvalidArchive("the archive ends inside an entry")
        piece, self._rest = self._rest[:most], self._rest[most:]
        return piece

    def read(self, count: int) -> bytes:
        """Return exactly *count* bytes, which the caller has bounded."""
        data = bytearray()
        while len(data) < count:
            data += self.piece(count - len(data))
        return bytes(data)

    def skip(self, count: int) -> None:
        while count > 0:
            count -= len(self.piece(count))

    def block(self) -> bytes | None:
        """Return the next block, or ``None`` at the end of the tar."""
        return self.read(BLOCK) if self._more() else None

    def hexdigest(self) -> str:
        """Take all that is left, and return the digest of the whole: anything may follow an archive's end."""
        while self._more():
            self._rest = self._rest[:0]
        return self._hash.hexdigest()


def inflate(data: bytes, compression: str, limit: int) -> bytes:
    """Return *data* uncompressed, at most *limit* bytes."""
    parts = [data] if data else []
    plain = bytearray()
    for piece in uncompressed(lambda: parts.pop() if parts else b"", named(compression, data)):
        plain += piece
        if len(plain) > limit:
            raise InvalidArchive(f"the data are larger than {limit} bytes")
    return bytes(plain)


class Compressor:
    """Compresses a stream: :meth:`add` and :meth:`end` return bytes of the blob."""

    def __init__(self, compression: str) -> None:
        if compression not in WORDS:
            raise InvalidArgument(f"{compression!r} is no compression to write")
        self.add: Callable[[bytes], bytes] = bytes
        self.end: Callable[[], bytes] = bytes
        if compression == "gzip":
            gzip = zlib.compressobj(6, zlib.DEFLATED, 31)  # no name, no time: equal bytes give equal bytes
            self.add, self.end = gzip.compress, gzip.flush
        elif compression == "zstd":
            import zstandard

            frame = zstandard.ZstdCompressor(level=3, write_checksum=True).compressobj()
            self.add, self.end = frame.compress, frame.flush


def deflate(data: bytes, compression: str) -> bytes:
    """Return *data* compressed."""
    compressor = Compressor(compression)
    return compressor.add(data) + compressor.end()
