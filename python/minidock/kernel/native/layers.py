"""The ``Layers`` port in Rust: ``rust/core/src/layers``, by way of ``rust/py/src/layers.rs``."""

from __future__ import annotations

from minidock import _native
from minidock.kernel.limits import LIMITS, LayerLimits
from minidock.kernel.ports import Applied
from minidock.oci.digest import Digest


class NativeLayers:
    """Archives of file trees, on several threads and without the GIL."""

    def __init__(self, limits: LayerLimits = LIMITS) -> None:
        self._limits = (limits.entries, limits.names, limits.base, limits.ratio)

    def apply(self, source: str, target: str, compression: str, whiteouts: str) -> Applied:
        return _applied(_native.layer_apply(source, target, compression, whiteouts, self._limits))

    def entries(self, source: str, compression: str) -> bytes:
        return _native.layer_entries(source, compression, self._limits)

    def make(self, upper: str, target: str, compression: str, whiteouts: str) -> Applied:
        return _applied(_native.layer_make(upper, target, compression, whiteouts))

    def digest(self, data: bytes | bytearray | memoryview) -> Digest:
        return Digest(_native.digest(data))

    def digest_file(self, path: str) -> Digest:
        return Digest(_native.digest_file(path))

    def inflate(self, data: bytes, compression: str, limit: int) -> bytes:
        return _native.inflate(data, compression, limit)

    def deflate(self, data: bytes, compression: str) -> bytes:
        return _native.deflate(data, compression)


def _applied(raw: tuple[str, int, str, int, int, int]) -> Applied:
    blob, blob_size, diff_id, tar_size, entries, size = raw
    return Applied(Digest(blob), blob_size, Digest(diff_id), tar_size, entries, size)
