"""The reader: header after header, each with what its extra entries said.

::

    [header block][data, padded to 512] [header][data] ... [zero block][zero block] anything

What a header cannot hold (long names, big numbers, xattrs, holes) comes in extra entries before it: PAX records (``x``
for the next entry, ``g`` for all that follow) or GNU's ``L`` and ``K``. Readers of this format have disagreed about
sizes, and archives were made that show one tree to a scanner and another to an extractor. So whatever is ambiguous is
refused: a size in PAX that contradicts the header's, two headers for one thing, a record with a wrong length.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from minidock._pure.layers import sparse as sparse_files
from minidock._pure.layers.header import Header, text, time
from minidock._pure.layers.pax import Pax
from minidock._pure.layers.stream import BLOCK, Tar
from minidock.errors import InvalidArchive

MAX_EXTRA = 1 << 20
#: What an octal size field can hold; a PAX size is needed only above it.
MAX_OCTAL = 0o77777777777
MAX_ID = 0xFFFFFFFE

KINDS = {
    b"\0": "file", b"0": "file", b"7": "file", b"S": "file", b"1": "hardlink", b"2": "symlink",
    b"3": "char", b"4": "block", b"5": "dir", b"6": "fifo",
}  # fmt: skip


class Entry(msgspec.Struct):
    """One entry; ``mtime`` is (seconds, nanoseconds), ``spans`` where a sparse file's data belong."""

    name: bytes
    kind: str
    mode: int
    uid: int
    gid: int
    size: int
    mtime: tuple[int, int]
    link: bytes
    device: tuple[int, int]
    xattrs: list[tuple[bytes, bytes]]
    spans: list[tuple[int, int]] | None
    offset: int


class Reader:
    """Iterates over the entries of *tar*; each one's data must be taken before the next entry, or are passed over.

    :raises InvalidArchive: from the iterator, at the first thing that is wrong.
    """

    def __init__(self, tar: Tar) -> None:
        self._tar = tar
        self._global = Pax()
        self._left = 0
        self._padding = 0

    def __iter__(self) -> Iterator[Entry]:
        extra: dict[bytes, bytes | Pax] = {}
        while (header := self._header()) is not None:
            if header.flag in (b"x", b"g", b"L", b"K"):
                self._extra(header, extra)
                continue
            yield self._entry(header, extra)
            extra = {}
            self._tar.skip(self._left + self._padding)
        if extra:
            raise InvalidArchive("the archive ends after an extra header")

    def data(self) -> Iterator[memoryview]:
        """Yield the stored data of the current entry in pieces."""
        while self._left:
            piece = self._tar.piece(self._left)
            self._left -= len(piece)
            yield piece

    def _header(self) -> Header | None:
        block = self._tar.block()
        if block is None or block.strip(b"\0"):
            return None if block is None else Header(block)
        second = self._tar.block()
        if second is not None and second.strip(b"\0"):
            raise InvalidArchive("a header follows a zero block")
        return None

    def _extra(self, header: Header, extra: dict[bytes, bytes | Pax]) -> None:
        size = header.size
        if size > MAX_EXTRA:
            raise InvalidArchive(f"an extra header is larger than {MAX_EXTRA} bytes")
        data = self._tar.read(size)
        self._tar.skip(-size % BLOCK)
        if header.flag == b"g":
            self._global.merge_global(Pax(data))
            return
        if header.flag in extra:
            raise InvalidArchive("two extra headers say the same thing")
        if header.flag == b"x":
            extra[b"x"] = Pax(data)
            return
        name = text(data)
        if not name or data[len(name) :].strip(b"\0"):
            raise InvalidArchive("a GNU long name is malformed")
        extra[header.flag] = name

    def _entry(self, header: Header, extra: dict[bytes, bytes | Pax]) -> Entry:
        local = extra.get(b"x")
        pax = (local if isinstance(local, Pax) else Pax()).over(self._global)
        name = _one_of(pax.get("path"), extra.get(b"L"), header.name)
        kind = _kind(header, name)
        link = _one_of(pax.get("linkpath"), extra.get(b"K"), header.link)
        stored = _stored_size(header, pax)
        if kind != "file" and stored:
            raise InvalidArchive(f"{name[:200]!r} is no file and has data")
        self._tar.expect(stored)
        if header.flag == b"S":
            if header.dialect != "gnu":
                raise InvalidArchive("a sparse header is not GNU's")
            sparse: sparse_files.Sparse | None = sparse_files.old_gnu(header, self._tar)
        else:
            sparse = sparse_files.from_pax(pax, self._tar, stored)
        if sparse is not None:
            if kind != "file":
                raise InvalidArchive("a sparse entry is no file")
            sparse.check(stored)
            name = sparse.name or name
        self._left = stored - (sparse.map_size if sparse else 0)
        self._padding = -stored % BLOCK
        major, minor = header.device if kind in ("char", "block") else (0, 0)
        stated_uid, stated_gid = pax.number("uid"), pax.number("gid")
        return Entry(
            name=name,
            kind=kind,
            mode=header.mode,
            uid=_id("uid", header.uid if stated_uid is None else stated_uid),
            gid=_id("gid", header.gid if stated_gid is None else stated_gid),
            size=sparse.size if sparse else stored,
            mtime=_mtime(header, pax),
            link=link if kind in ("hardlink", "symlink") else b"",
            device=(_id("major", major), _id("minor", minor)),
            xattrs=pax.xattrs(),
            spans=sparse.spans if sparse else None,
            offset=self._tar.offset,
        )


def _one_of(pax: bytes | None, gnu: bytes | Pax | None, plain: bytes) -> bytes:
    """PAX, GNU or the header: the first two never together."""
    if pax is not None and gnu is not None:
        raise InvalidArchive("an entry has a PAX name and a GNU name")
    return pax or (gnu if isinstance(gnu, bytes) else plain)


def _kind(header: Header, name: bytes) -> str:
    if header.flag == b"\0" and name.endswith(b"/"):
        return "dir"  # V7 had no flag for folders
    if header.flag in (b"0", b"7") and name.endswith(b"/"):
        raise InvalidArchive(f"{name[:200]!r} is a file named like a folder")
    kind = KINDS.get(header.flag)
    if kind is None:
        raise InvalidArchive(f"{name[:200]!r} has the unknown type {header.flag!r}")
    return kind


def _stored_size(header: Header, pax: Pax) -> int:
    """Return the stored size. A PAX size that the header's field could have held must be what the field holds."""
    stated = pax.number("size")
    if stated is not None and stated > MAX_OCTAL:
        return stated
    if stated is not None and stated != header.size:
        raise InvalidArchive("a PAX size contradicts its header")
    return header.size


def _id(what: str, value: int) -> int:
    """A user's, group's or device's number; the highest means "none" to the kernel."""
    if value > MAX_ID:
        raise InvalidArchive(f"{what} {value} is out of range")
    return value


def _mtime(header: Header, pax: Pax) -> tuple[int, int]:
    stated = pax.get("mtime")
    mtime = (header.mtime, 0) if stated is None else time(stated)
    if mtime is None:
        raise InvalidArchive("PAX record 'mtime' is no time")
    if abs(mtime[0]) > 1 << 53:
        raise InvalidArchive("an mtime is out of range")
    return mtime
