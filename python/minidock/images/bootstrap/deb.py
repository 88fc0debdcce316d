r"""Debian's package format, as far as it takes to get a file out of one (deb(5), ar(5)).

::

    !<arch>\n
    ┌ 60 bytes: name[16] mtime[12] uid[6] gid[6] mode[8] size[10] "`\n" ┐
    │ debian-binary      "2.0\n"                                         │ data of an odd size is followed by
    │ control.tar.xz     what the package manager needs                  │ one byte of padding
    └ data.tar.xz        the files: a tar, which the Layers port unpacks  ┘

``apt-get`` has checked the package's signature chain before we read it; the reader is strict all the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import msgspec

from minidock.errors import InvalidArchive
from minidock.kernel.ports import Layers

_MAGIC = b"!<arch>\n"
_HEADER = 60
#: The largest uncompressed data.tar that is accepted, in bytes; that of busybox-static has 2 MiB.
DATA_LIMIT = 256 << 20
_COMPRESSION = {"": "none", ".gz": "gzip", ".zst": "zstd", ".xz": "xz"}


class Member(msgspec.Struct, frozen=True):
    """One member of an ar archive: its name, and where its bytes are."""

    name: str
    offset: int
    size: int


def ar_members(fd: int) -> Iterator[Member]:
    """Yield the members of the ar archive in the file *fd*.

    :raises InvalidArchive: it is not one, or it is cut short.
    """
    if os.pread(fd, 8, 0) != _MAGIC:
        raise InvalidArchive("not an ar archive")
    end, at = os.fstat(fd).st_size, 8
    while at < end:
        header = os.pread(fd, _HEADER, at)
        digits = header[48:58].strip()
        if len(header) != _HEADER or header[58:] != b"`\n" or not digits.isdigit():
            raise InvalidArchive(f"ar archive: broken header at byte {at}")
        size = int(digits)
        if at + _HEADER + size > end:
            raise InvalidArchive("ar archive: it ends inside a member")
        yield Member(header[:16].decode("latin-1").rstrip().removesuffix("/"), at + _HEADER, size)
        at += _HEADER + size + size % 2


def unpack_deb(deb: str, folder: str, layers: Layers) -> None:
    """Unpack the files of the package *deb* into the new folder *folder*; scratch files are made beside it.

    :raises InvalidArchive: it is no Debian package of version 2, or its files are larger than :data:`DATA_LIMIT`.
    """
    with open(deb, "rb") as file:
        members = list(ar_members(file.fileno()))
        if not members or members[0].name != "debian-binary" or os.pread(file.fileno(), 2, members[0].offset) != b"2.":
            raise InvalidArchive(f"{deb}: not a Debian package of format 2")
        data = [member for member in members if member.name.startswith("data.tar")]
        suffix = data[0].name.removeprefix("data.tar") if data else "?"
        if len(data) != 1 or suffix not in _COMPRESSION:
            raise InvalidArchive(f"{deb}: no data.tar, or one compressed in an unknown way")
        compression = _COMPRESSION[suffix]
        scratch = folder + ".tar"
        try:
            _extract(file.fileno(), data[0], scratch, xz=compression == "xz")
            os.mkdir(folder, 0o700)
            layers.apply(scratch, folder, "none" if compression == "xz" else compression, "delete")
        finally:
            if os.path.exists(scratch):
                os.unlink(scratch)


def _extract(fd: int, member: Member, target: str, *, xz: bool) -> None:
    """Copy a member's bytes into the new file *target*, through the xz decoder if asked."""
    import lzma

    decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=DATA_LIMIT) if xz else None
    written, at, end = 0, member.offset, member.offset + member.size
    with open(target, "xb") as out:
        while not decoder.eof if decoder else at < end:
            chunk = b""
            if decoder is None or decoder.needs_input:
                chunk = os.pread(fd, min(1 << 16, end - at), at)
                at += len(chunk)
                if not chunk:
                    raise InvalidArchive(f"{member.name}: the compressed data are cut short")
            try:
                plain = decoder.decompress(chunk, 1 << 20) if decoder else chunk
            except lzma.LZMAError as broken:
                raise InvalidArchive(f"{member.name}: {broken}") from broken
            written += out.write(plain)
            if written > DATA_LIMIT:
                raise InvalidArchive(f"{member.name}: more than {DATA_LIMIT} bytes")
