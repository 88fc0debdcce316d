"""Plain bytes out of compressed ones, as a stream, with a budget.

A compressed file of 10 MiB can hold 10 GiB of zeros. So the plain bytes may grow only in proportion to those that came
in, by the same limits as a layer's (:mod:`minidock.kernel.limits`): real archives stay far below, bombs do not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from minidock.errors import InvalidArchive
from minidock.kernel.limits import LIMITS, LayerLimits

#: The first bytes of each format; what begins otherwise counts as not compressed.
_MAGIC = {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd", "xz": b"\xfd7zXZ\0", "bzip2": b"BZh"}
#: The largest zstd window that is accepted (a decoder must hold it in memory), as the zstd program does.
_WINDOW = 128 << 20
_PIECE = 1 << 20
#: What a decoder is fed at once; zstd's returns all it can, and 4 bytes can stand for 128 KiB: 32 MiB for this many.
_BITE, _ZSTD_BITE = 1 << 14, 1 << 10

Data = bytes | memoryview


def sniff(head: bytes) -> str:
    """Return how the data beginning with *head* (at least 6 bytes) are compressed: a name, or ``none``."""
    return next((name for name, magic in _MAGIC.items() if head.startswith(magic)), "none")


def inflate(chunks: Iterable[bytes], compression: str, limits: LayerLimits = LIMITS) -> Iterator[bytes]:
    """Yield the plain bytes of *chunks*, in pieces of at most 1 MiB.

    Several gzip members or zstd frames after one another are one stream, as for the command line tools.

    :raises InvalidArchive: broken or cut data, a window that is too large, or a bomb.
    """
    if compression == "none":
        yield from chunks
        return
    came, made, decoder = 0, 0, None
    for bite in _bites(chunks):
        came += len(bite)
        rest = bite
        while rest or (decoder is not None and decoder.pending):
            if decoder is None:
                decoder = _decoder(compression)
            piece, rest = decoder.feed(rest)
            if decoder.ended:
                decoder = None
                if compression == "gzip":
                    rest = bytes(rest).lstrip(b"\0")  # tapes pad with zeros
            made += len(piece)
            if made > limits.base + limits.ratio * came:
                raise InvalidArchive(f"{came} bytes of {compression} hold more than {made} bytes: not a sane archive")
            yield from (piece[at : at + _PIECE] for at in range(0, len(piece), _PIECE))
    if decoder is not None:
        raise InvalidArchive(f"unexpected end of the {compression} data")


def _bites(chunks: Iterable[bytes]) -> Iterator[Data]:
    """Small bites: the decoders copy what they leave over, once for each member, and a hostile file has many."""
    for chunk in chunks:
        view = memoryview(chunk)
        yield from (view[at : at + _BITE] for at in range(0, len(view), _BITE))


class _Decoder(Protocol):
    """One member or frame. ``pending``: more output can come without input."""

    ended: bool
    pending: bool

    def feed(self, data: Data) -> tuple[bytes, Data]:
        """Return some output, and the input that is left."""


def _decoder(compression: str) -> _Decoder:
    return _Gzip() if compression == "gzip" else _Zstd() if compression == "zstd" else _Library(compression)


class _Gzip:
    ended = pending = False

    def __init__(self) -> None:
        import zlib

        self._error = zlib.error
        self._object = zlib.decompressobj(wbits=31)

    def feed(self, data: Data) -> tuple[bytes, Data]:
        try:
            piece = self._object.decompress(data, _PIECE)
        except self._error as broken:
            raise InvalidArchive(f"gzip: {broken}") from broken
        self.ended = self._object.eof
        self.pending = not self.ended and len(piece) == _PIECE
        return piece, self._object.unused_data if self.ended else self._object.unconsumed_tail


class _Zstd:
    ended = pending = False

    def __init__(self) -> None:
        import zstandard

        self._error = zstandard.ZstdError
        self._object = zstandard.ZstdDecompressor(max_window_size=_WINDOW).decompressobj()

    def feed(self, data: Data) -> tuple[bytes, Data]:
        view = memoryview(data)
        bite = view[:_ZSTD_BITE]
        try:
            piece = self._object.decompress(bite)
        except self._error as broken:
            raise InvalidArchive(f"zstd: {broken}") from broken
        self.ended = self._object.eof
        left = len(self._object.unused_data) if self.ended else 0
        return piece, view[len(bite) - left :]


class _Library:
    """xz and bzip2: the standard library's two decoders have the same methods."""

    ended = pending = False

    def __init__(self, compression: str) -> None:
        import bz2
        import lzma

        self._name = compression
        self._errors = (lzma.LZMAError, OSError, EOFError)
        self._object: Any = (
            lzma.LZMADecompressor(memlimit=2 * _WINDOW) if compression == "xz" else bz2.BZ2Decompressor()
        )

    def feed(self, data: Data) -> tuple[bytes, Data]:
        try:
            piece: bytes = self._object.decompress(data, _PIECE)
        except self._errors as broken:
            raise InvalidArchive(f"{self._name}: {broken}") from broken
        self.ended = self._object.eof
        self.pending = not self.ended and not self._object.needs_input
        return piece, self._object.unused_data if self.ended else b""
