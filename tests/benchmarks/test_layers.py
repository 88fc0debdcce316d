"""Layers: native against pure on each hot path, and a whole ``apply`` against GNU tar and umoci.

The input is a minimal Debian, some 170 MB of tar, 60 MB as ``gzip -6`` makes it. Native unpacks it on four threads: one
reads and inflates, one hashes, the caller's parses, one or two write; the pure twin does all in turn, but its inflating
and hashing are C too, so the ratio is what the threads and some 9,000 entries of Python make. Peers unpack without any
digest (tar) or in Go (umoci). All take turns in one run, each time into a fresh folder, and none removes anything
between: on some file systems that makes the next one slow.
"""

from __future__ import annotations

import gzip
import itertools
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from tests.support.debian import debian_image, debian_tar, needs_mmdebstrap
from tests.support.images import write_layout
from tests.support.ratios import compared

from minidock._pure.layers import PureLayers
from minidock.kernel.native.layers import NativeLayers
from minidock.kernel.ports import Layers

pytestmark = [pytest.mark.root, pytest.mark.slow, needs_mmdebstrap, pytest.mark.timeout(600)]

TWINS: dict[str, Callable[[], Layers]] = {"native": NativeLayers, "pure": PureLayers}
ROUNDS = 7
#: What the issue asks for, as a part of the peer's time.
TARGETS = {"tar": 0.45, "umoci": 0.35}
WHY = {
    "tar": "tar waits for gzip's pipe and writes on one thread; we inflate, hash and write side by side",
    "plain tar": "no inflating at all: one thread that reads a tar and writes files",
    "minidock and syncfs": "the same with everything forced to the disk",
    "umoci": "inflates, hashes and writes in Go, each entry in turn",
    "openssl": "both use the processor's SHA instructions",
}
MIB = 1 << 20


@pytest.fixture(params=sorted(TWINS))
def port(request: pytest.FixtureRequest) -> Layers:
    return TWINS[request.param]()


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made = tempfile.mkdtemp(prefix="minidock-bench-", dir="/dev/shm")
    yield Path(made)
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def plain(folder: Path) -> Path:
    return debian_tar(folder)


@pytest.fixture(scope="module")
def packed(folder: Path, plain: Path) -> Path:
    path = folder / "debian.tar.gz"
    path.write_bytes(gzip.compress(plain.read_bytes(), 6, mtime=0))
    return path


@pytest.fixture(scope="module")
def tree(folder: Path, packed: Path) -> Path:
    made = folder / "tree"
    made.mkdir()
    NativeLayers().apply(str(packed), str(made), "gzip", "overlay")
    return made


def fresh(folder: Path, name: str) -> Path:
    return Path(tempfile.mkdtemp(prefix=name, dir=folder))


# --- native against pure ---


@pytest.mark.benchmark(group="layers: apply a Debian layer, gzip")
def test_apply(benchmark: BenchmarkFixture, port: Layers, folder: Path, packed: Path) -> None:
    def once() -> None:
        port.apply(str(packed), str(fresh(folder, "apply-")), "auto", "overlay")

    benchmark.pedantic(once, rounds=3)  # type: ignore[no-untyped-call]


@pytest.mark.benchmark(group="layers: make a Debian layer, plain")
def test_make(benchmark: BenchmarkFixture, port: Layers, folder: Path, tree: Path) -> None:
    numbers = itertools.count()
    top = fresh(folder, "make-")

    def once() -> None:
        port.make(str(tree), str(top / str(next(numbers))), "none", "overlay")

    benchmark.pedantic(once, rounds=3)  # type: ignore[no-untyped-call]


@pytest.mark.benchmark(group="layers: make a Debian layer, zstd")
def test_make_zstd(benchmark: BenchmarkFixture, port: Layers, folder: Path, tree: Path) -> None:
    numbers = itertools.count()
    top = fresh(folder, "make-")

    def once() -> None:
        port.make(str(tree), str(top / str(next(numbers))), "zstd", "overlay")

    benchmark.pedantic(once, rounds=3)  # type: ignore[no-untyped-call]


@pytest.mark.benchmark(group="layers: list a Debian layer")
def test_entries(benchmark: BenchmarkFixture, port: Layers, packed: Path) -> None:
    benchmark.pedantic(lambda: port.entries(str(packed), "auto"), rounds=3)  # type: ignore[no-untyped-call]


@pytest.mark.benchmark(group="layers: digest of 64 MiB in memory")
def test_digest(benchmark: BenchmarkFixture, port: Layers) -> None:
    data = os.urandom(64 * MIB)
    benchmark.pedantic(lambda: port.digest(data), rounds=5)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
@pytest.mark.benchmark(group="layers: inflate 32 MiB")
def test_inflate(benchmark: BenchmarkFixture, port: Layers, plain: Path, compression: str) -> None:
    data = port.deflate(plain.read_bytes()[: 32 * MIB], compression)
    benchmark.pedantic(lambda: port.inflate(data, compression, 32 * MIB), rounds=5)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
@pytest.mark.benchmark(group="layers: deflate 8 MiB")
def test_deflate(benchmark: BenchmarkFixture, port: Layers, plain: Path, compression: str) -> None:
    data = plain.read_bytes()[: 8 * MIB]
    benchmark.pedantic(lambda: port.deflate(data, compression), rounds=3)  # type: ignore[no-untyped-call]


# --- against peers ---


def timed(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


@contextmanager
def tmpfs(folder: Path) -> Iterator[Path]:
    yield fresh(folder, "tmpfs-")


@contextmanager
def ext4(folder: Path) -> Iterator[Path]:
    """A journaled ext4 in a file, mounted while the test runs."""
    image, mounted = folder / "ext4.img", fresh(folder, "ext4-")
    with image.open("wb") as file:
        file.truncate(8 << 30)
    subprocess.run(["mkfs.ext4", "-q", "-E", "lazy_itable_init=0", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, mounted], check=True)
    try:
        yield mounted
    finally:
        subprocess.run(["umount", mounted], check=True)
        image.unlink()


@pytest.mark.parametrize("place", [tmpfs, ext4])
def test_apply_against_peers(
    place: Callable[[Path], AbstractContextManager[Path]],
    folder: Path,
    packed: Path,
    plain: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    layout = folder / "layout"
    if not layout.exists():
        write_layout(layout, {"1": debian_image(plain)})

    layers = NativeLayers()

    def synced(into: Path) -> None:
        layers.apply(str(packed), str(into), "auto", "overlay")
        subprocess.run(["sync", "--file-system", into], check=True)

    ways: dict[str, Callable[[Path], object]] = {
        "minidock": lambda into: layers.apply(str(packed), str(into), "auto", "overlay"),
        "tar": lambda into: subprocess.run(["tar", "xzf", packed, "-C", into], check=True),
        "plain tar": lambda into: subprocess.run(["tar", "xf", plain, "-C", into], check=True),
        "minidock and syncfs": synced,
    }
    if shutil.which("umoci"):
        ways["umoci"] = lambda into: subprocess.run(
            ["umoci", "raw", "unpack", "--image", f"{layout}:1", into / "root"], check=True, capture_output=True
        )
    times: dict[str, list[float]] = {name: [] for name in ways}
    with place(folder) as where:
        for number in range(ROUNDS):
            for name, way in ways.items():
                into = where / f"{name.replace(' ', '-')}-{number}"
                into.mkdir()
                times[name].append(timed(lambda way=way, into=into: way(into)))  # type: ignore[misc]
    title = "apply a Debian layer, gzip, on " + where.name.split("-")[0]
    with capsys.disabled():
        for peer in times:
            if peer != "minidock":
                compared(title, "minidock", peer, times, TARGETS.get(peer), WHY[peer])


def test_digest_against_openssl(capsys: pytest.CaptureFixture[str]) -> None:
    """Both hash 1 MiB at a time, in turns; openssl says how many thousand bytes a second it did."""
    data, port = os.urandom(MIB), NativeLayers()
    ours, theirs = [], []
    for _ in range(5):
        count, start = 0, time.perf_counter()
        while (taken := time.perf_counter() - start) < 1:
            port.digest(data)
            count += 1
        ours.append(count * MIB / taken)
        words = ["openssl", "speed", "-seconds", "1", "-bytes", str(MIB), "-evp", "sha256", "-mr"]
        said = subprocess.run(words, check=True, capture_output=True, text=True).stdout
        found = re.search(r"^\+F:\d+:[^:]*:([\d.]+)", said, re.MULTILINE)
        assert found, said
        theirs.append(float(found[1]))
    # both as seconds for one buffer, so that less is better here as in every other row: 0.95 of the speed is 1.05
    times = {"minidock": [MIB / speed for speed in ours], "openssl speed": [MIB / speed for speed in theirs]}
    with capsys.disabled():
        compared("digest of 1 MiB in memory", "minidock", "openssl speed", times, round(1 / 0.95, 2), WHY["openssl"])
