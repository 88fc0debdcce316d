"""The ``Layers`` port in Python: read it from the bytes upwards.

::

    file ──▶ stream.py   read, uncompress, two digests on the way
               │
               ▼
             header.py   one header block          pax.py, sparse.py   what does not fit into it
               │
               ▼
             reader.py   entry after entry, strictly
               │
               ▼
             names.py    what an entry's name means, whiteouts among them
               │
               ▼
             apply.py    files and folders, by way of tree.py (finding folders), attributes.py, whiteout.py

    make.py goes the other way, with encode.py for the header blocks.

A *blob* is the file as it travels, the *diff* the tar inside; *entry*, *header*, *block* are tar's words.
"""

from __future__ import annotations

import hashlib

from minidock._pure.layers.apply import apply_layer
from minidock._pure.layers.listing import list_entries
from minidock._pure.layers.make import make_layer
from minidock._pure.layers.stream import deflate, inflate
from minidock.kernel.limits import LIMITS, LayerLimits
from minidock.kernel.ports import Applied
from minidock.oci.digest import Digest


class PureLayers:
    """Archives of file trees, in one thread and in order."""

    def __init__(self, limits: LayerLimits = LIMITS) -> None:
        self._limits = limits

    def apply(self, source: str, target: str, compression: str, whiteouts: str) -> Applied:
        return apply_layer(source, target, compression, whiteouts, self._limits)

    def entries(self, source: str, compression: str) -> bytes:
        return list_entries(source, compression, self._limits)

    def make(self, upper: str, target: str, compression: str, whiteouts: str) -> Applied:
        return make_layer(upper, target, compression, whiteouts)

    def digest(self, data: bytes | bytearray | memoryview) -> Digest:
        return Digest.from_hex(hashlib.sha256(data).hexdigest())

    def digest_file(self, path: str) -> Digest:
        with open(path, "rb") as file:
            return Digest.from_hex(hashlib.file_digest(file, "sha256").hexdigest())

    def inflate(self, data: bytes, compression: str, limit: int) -> bytes:
        return inflate(data, compression, limit)

    def deflate(self, data: bytes, compression: str) -> bytes:
        return deflate(data, compression)
