"""Sparse files: only the parts that are not zero are stored. Three dialects say where these parts lie.

Source: the GNU tar manual, "Storing Sparse Files".
"""

from __future__ import annotations

import msgspec

from minidock._pure.layers.header import Header, decimal, number
from minidock._pure.layers.pax import SPARSE, Pax
from minidock._pure.layers.stream import BLOCK, Tar
from minidock.errors import InvalidArchive

MAX_SPANS = 65_536
#: How long a sparse file may claim to be. Its holes cost nothing here, but they do wherever it is copied.
MAX_SIZE = 1 << 40


class Sparse(msgspec.Struct):
    """A sparse file: its size with the holes, its spans (offset, length), perhaps its name; ``map_size`` is how many of
    the stored bytes are the map itself.
    """

    size: int
    spans: list[tuple[int, int]] = msgspec.field(default_factory=list)
    name: bytes | None = None
    map_size: int = 0

    def add(self, offset: int | None, length: int | None) -> None:
        if offset is None or length is None or offset < 0 or length < 0:
            raise InvalidArchive("a sparse map holds what is no number")
        if len(self.spans) >= MAX_SPANS:
            raise InvalidArchive(f"a sparse map has more than {MAX_SPANS} spans")
        self.spans.append((offset, length))

    def check(self, stored: int) -> None:
        """Check that the spans ascend, fit into the file and add up to the stored bytes."""
        end = 0
        for offset, length in self.spans:
            if offset < end or offset + length > self.size:
                raise InvalidArchive("a sparse map overlaps or exceeds its file")
            end = offset + length
        if sum(length for _, length in self.spans) + self.map_size != stored:
            raise InvalidArchive("a sparse map does not add up to its data")
        if self.size > MAX_SIZE:
            raise InvalidArchive("a sparse file is too large")


def old_gnu(header: Header, tar: Tar) -> Sparse:
    """GNU's old form (type ``S``): four spans in the header, 21 in each block that follows."""
    sparse = Sparse(header.natural("real size", 483, 12))
    fields, more = header.block[386:482], header.block[482]
    while True:
        for at in range(0, len(fields), 24):
            if not fields[at]:
                break
            sparse.add(number(fields[at : at + 12]), number(fields[at + 12 : at + 24]))
        if not more:
            return sparse
        block = tar.block()
        if block is None:
            raise InvalidArchive("the archive ends inside a sparse map")
        fields, more = block[:504], block[504]


def from_pax(pax: Pax, tar: Tar, stored: int) -> Sparse | None:
    """The PAX forms 0.0, 0.1 and 1.0; ``None`` if the records speak of no sparse file."""
    version = pax.number("GNU.sparse.major"), pax.number("GNU.sparse.minor")
    if version == (1, 0):
        size = pax.number("GNU.sparse.realsize")
        if size is None:
            raise InvalidArchive("a sparse file has no real size")
        sparse = Sparse(size, name=pax.get("GNU.sparse.name"))
        _read_map(sparse, tar, stored)
        return sparse
    if version not in ((None, None), (0, 0), (0, 1)):
        raise InvalidArchive("an unknown version of sparse file")
    size = pax.number("GNU.sparse.size")
    if size is None:
        if pax.spans or any(key.startswith(SPARSE) for key in pax.records):
            raise InvalidArchive("a sparse file has no size")
        return None
    sparse = Sparse(size, name=pax.get("GNU.sparse.name"))
    stated = pax.get("GNU.sparse.map")
    numbers = stated.split(b",") if stated else [text for span in pax.spans for text in span]
    if len(numbers) % 2 or (stated and pax.spans):
        raise InvalidArchive("a sparse map is malformed")
    for offset, length in zip(numbers[::2], numbers[1::2], strict=True):
        sparse.add(decimal(offset), decimal(length))
    if pax.number("GNU.sparse.numblocks") not in (None, len(sparse.spans)):
        raise InvalidArchive("a sparse map has another length than it says")
    return sparse


def _read_map(sparse: Sparse, tar: Tar, stored: int) -> None:
    """Form 1.0 puts the map before the data: a count and pairs, one decimal number a line, padded to whole blocks."""
    buffer = b""

    def line() -> int:
        nonlocal buffer
        while b"\n" not in buffer[:21]:
            if len(buffer) > 20 or sparse.map_size + BLOCK > stored + -stored % BLOCK:
                raise InvalidArchive("a sparse map is malformed")
            block = tar.block()
            if block is None:
                raise InvalidArchive("the archive ends inside a sparse map")
            buffer += block
            sparse.map_size += BLOCK
        text, _, buffer = buffer.partition(b"\n")
        value = decimal(text)
        if value is None:
            raise InvalidArchive("a sparse map holds what is no number")
        return value

    count = line()
    if count > MAX_SPANS:
        raise InvalidArchive(f"a sparse map has more than {MAX_SPANS} spans")
    for _ in range(count):
        sparse.add(line(), line())
