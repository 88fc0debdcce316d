"""The list of an archive's entries, without unpacking; and the count that both passes keep."""

from __future__ import annotations

import json

import msgspec

from minidock._pure.layers.names import clean, meaning
from minidock._pure.layers.reader import Entry, Reader
from minidock._pure.layers.stream import Blob, Tar, named, uncompressed
from minidock.errors import InvalidArchive, StepFailed
from minidock.kernel.limits import LayerLimits


class Count(msgspec.Struct):
    """What a pass has met so far; :meth:`add` refuses the entry that is too much."""

    limits: LayerLimits
    entries: int = 0
    names: int = 0
    size: int = 0

    def add(self, entry: Entry) -> None:
        self.entries += 1
        self.names += len(entry.name) + len(entry.link)
        self.size += entry.size
        if self.entries > self.limits.entries:
            raise InvalidArchive(f"more than {self.limits.entries} entries")
        if self.names > self.limits.names:
            raise InvalidArchive(f"more than {self.limits.names} bytes of names")


def open_tar(blob: Blob, compression: str, limits: LayerLimits) -> Tar:
    """Return the tar inside *blob*."""
    most = limits.base + limits.ratio * blob.file_size()
    return Tar(uncompressed(blob.read, named(compression, blob.peek())), most)


def list_entries(source: str, compression: str, limits: LayerLimits) -> bytes:
    """Return the entries as JSON lines. Bytes that are no UTF-8 are shown by a backslash, an x and hex."""
    lines = []
    count = Count(limits)
    try:
        blob = Blob(source)
        try:
            tar = open_tar(blob, compression, limits)
            for entry in Reader(tar):
                count.add(entry)
                meaning(entry)
                lines.append(_line(entry))
            tar.hexdigest()
        finally:
            blob.close()
    except OSError as error:
        raise StepFailed("layer.entries", error.errno or 0, f"read {source}") from error
    return "".join(lines).encode()


def _line(entry: Entry) -> str:
    link = entry.link
    if entry.kind == "hardlink":
        try:
            link = clean(link)
        except InvalidArchive:
            link = entry.link  # a whiteout may be a hard link to anything: its target has no meaning
    line = {
        "name": _text(clean(entry.name)) or ".",
        "type": entry.kind,
        "mode": entry.mode,
        "uid": entry.uid,
        "gid": entry.gid,
        "size": entry.size,
        "mtime": entry.mtime[0],
        "link": _text(link),
        "offset": entry.offset,
    }
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n"


def _text(data: bytes) -> str:
    return data.decode(errors="backslashreplace")
