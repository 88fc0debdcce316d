"""Plain bytes out of compressed streams, into files without names."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from minidock.errors import InvalidArchive
from minidock.images.archive.inflate import inflate, sniff
from minidock.images.archive.spool import spool
from minidock.kernel.limits import LayerLimits

DATA = os.urandom(100_000) + b"text " * 500_000
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
    "xz": lambda data: lzma.compress(data, preset=0),
    "bzip2": bz2.compress,
    "none": bytes,
}


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@pytest.mark.parametrize("size", [1000, 65536, 1 << 20])
@pytest.mark.parametrize("name", COMPRESS)
def test_every_compression(name: str, size: int) -> None:
    packed = COMPRESS[name](DATA)
    assert sniff(packed) == name
    out = list(inflate(pieces(packed, size), name))
    assert b"".join(out) == DATA
    assert max(map(len, out)) <= 1 << 20


@pytest.mark.parametrize("name", ["gzip", "zstd", "xz", "bzip2"])
def test_members_after_one_another_are_one_stream(name: str) -> None:
    packed = b"".join(COMPRESS[name](part) for part in pieces(DATA, 1_000_000))
    assert b"".join(inflate(pieces(packed, 70_000), name)) == DATA


def test_many_gzip_members() -> None:
    packed = gzip.compress(b"x", 1) * 20_000
    assert b"".join(inflate([packed], "gzip")) == b"x" * 20_000


@pytest.mark.parametrize("name", ["gzip", "zstd", "xz", "bzip2"])
def test_cut_and_broken_data(name: str) -> None:
    packed = COMPRESS[name](DATA)
    flipped = packed[:5000] + bytes([packed[5000] ^ 0xFF]) + packed[5001:]
    for bad in (packed[:-1], packed[: len(packed) // 2], packed[:7], packed + b"garbage", flipped):
        with pytest.raises(InvalidArchive):
            list(inflate(pieces(bad, 65536), name))


@pytest.mark.parametrize("name", ["gzip", "zstd", "xz", "bzip2"])
def test_a_bomb_stops_at_the_budget(name: str) -> None:
    packed = COMPRESS[name](bytes(64 << 20))
    stream = inflate(pieces(packed, 65536), name, LayerLimits(base=4 << 20, ratio=2))
    made: list[int] = []
    with pytest.raises(InvalidArchive, match="not a sane archive"):
        made.extend(map(len, stream))
    assert sum(made) < 6 << 20
    assert sum(map(len, inflate([packed], name))) == 64 << 20  # the control: by the real limits it is fine


def test_a_zstd_window_that_is_too_large() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=30, enable_ldm=True)
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    packed = stream.compress(b"x" * 1000) + stream.flush()
    with pytest.raises(InvalidArchive):
        list(inflate([packed], "zstd"))


def test_spool_leaves_no_file(tmp_path: Path) -> None:
    with spool(io.BytesIO(zlib.compress(DATA, wbits=31)), str(tmp_path)) as plain:
        assert os.listdir(tmp_path) == []
        assert plain.size == len(DATA)
        assert b"".join(plain.chunks()) == DATA


def test_spool_reads_a_plain_file_in_its_place(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(DATA)
    with open(path, "rb") as file, spool(file, str(tmp_path)) as plain:
        assert os.fstat(plain.fd).st_ino == path.stat().st_ino
    with open(path, "rb") as file, spool(file, str(tmp_path), own=True) as plain:
        assert os.fstat(plain.fd).st_ino != path.stat().st_ino
        plain.cut(10)
    assert path.read_bytes() == DATA


def test_spool_takes_what_is_left_of_a_file(tmp_path: Path) -> None:
    """A file that was read before is not at its beginning: what counts is what comes next."""
    path = tmp_path / "a.tar"
    path.write_bytes(b"head" + DATA)
    with open(path, "rb") as file:
        file.read(4)
        with spool(file, str(tmp_path)) as plain:
            assert b"".join(plain.chunks()) == DATA


def test_zeros_become_holes(tmp_path: Path) -> None:
    with spool(io.BytesIO(b"x" + bytes(64 << 20)), "/dev/shm") as plain:
        assert plain.size == (64 << 20) + 1
        assert os.fstat(plain.fd).st_blocks * 512 < 4 << 20
