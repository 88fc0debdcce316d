"""The port Layers, both twins: the same results, trees, lists and error classes, on random archives and trees."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.hostile_archives import FAST, hostile_archives, lab
from tests.support.tarlab import (
    CHAR,
    FIFO,
    FILE,
    FOLDER,
    HARDLINK,
    SYMLINK,
    Fact,
    archive,
    differences,
    entry,
    facts,
    gnu_long,
    gz,
)

from minidock._pure.layers import PureLayers
from minidock.errors import InvalidArgument, MinidockError, StepFailed, Unsupported
from minidock.kernel.native.layers import NativeLayers
from minidock.kernel.ports import Layers

pytestmark = pytest.mark.root

NATIVE, PURE = NativeLayers(), PureLayers()
TWINS: dict[str, Layers] = {"native": NATIVE, "pure": PURE}
RANDOM = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(params=sorted(TWINS))
def port(request: pytest.FixtureRequest) -> Layers:
    return TWINS[request.param]


@contextmanager
def folder() -> Iterator[Path]:
    top = Path(tempfile.mkdtemp(prefix="layers-", dir=FAST))
    try:
        yield top
    finally:
        shutil.rmtree(top)


# Few names, so that entries meet; links among them, so that paths cross links.
part = st.sampled_from(["a", "b", "c"])
path = st.lists(part, min_size=1, max_size=4).map("/".join)
target = st.one_of(path, path.map(lambda p: "/" + p), st.sampled_from([".", "..", "../a", "../../b", "/"]))
modes = st.sampled_from([0o644, 0o755, 0o4755, 0o1777, 0])
numbers = {"mode": modes, "uid": st.integers(0, 2), "mtime": st.integers(0, 2**33 - 1)}
extra = st.sampled_from(
    [{}, {}, {}, {"mtime": "1.25"}, {"mtime": "-3.5"}, {"SCHILY.xattr.user.k": b"\0v"}, {"uid": "3000000"},
     {"SCHILY.xattr.trusted.overlay.opaque": "y"}, {"SCHILY.xattr.odd": "x"}]
)  # fmt: skip
entries = st.one_of(
    st.builds(entry, path, st.just(FILE), st.binary(max_size=600), pax=extra, **numbers),
    st.builds(entry, path, st.just(FOLDER), pax=extra, **numbers),
    st.builds(entry, path, st.just(SYMLINK), link=target),
    st.builds(entry, path, st.just(HARDLINK), link=path),
    st.builds(entry, path, st.sampled_from([FIFO, CHAR]), device=st.just((1, 3)), **numbers),
    st.builds(lambda p, n: entry(f"{p}/.wh.{n}"), path, part),
    st.builds(lambda n: entry(f".wh.{n}"), part),
    st.builds(lambda p: entry(f"{p}/.wh..wh..opq"), path),
    st.builds(lambda p: gnu_long(p.encode() + b"x" * 150) + entry("x", data=b"long"), path),
)
layers = st.lists(entries, max_size=12).map(lambda parts: archive(*parts))


def outcome(port: Layers, blob: bytes, below: list[bytes], whiteouts: str) -> object:
    """Apply layers below and then *blob*; return what came back or was raised, and the tree."""
    with folder() as top:
        root = top / "root"
        root.mkdir()
        source = top / "blob"
        for lower in below:
            source.write_bytes(lower)
            try:
                port.apply(str(source), str(root), "auto", "delete")
            except MinidockError:
                return "below"
        source.write_bytes(blob)
        try:
            result: object = port.apply(str(source), str(root), "auto", whiteouts)
        except MinidockError as error:
            return type(error), getattr(error, "errno", 0)
        return result, without_implied_times(facts(root))


def without_implied_times(tree: dict[bytes, Fact]) -> dict[bytes, Fact]:
    """Leave out the root's time unless an entry set it: it is that of the test."""
    root = tree[b"."]
    started = time.time_ns() - 10**12
    return tree if int(str(root[3])) < started else {**tree, b".": (*root[:3], *root[4:])}


@RANDOM
@given(blob=layers, whiteouts=st.sampled_from(["overlay", "userxattr", "delete"]), packed=st.booleans())
def test_random_archives(blob: bytes, whiteouts: str, packed: bool) -> None:
    blob = gz(blob) if packed else blob
    native = outcome(NATIVE, blob, [], whiteouts)
    assert native == outcome(PURE, blob, [], whiteouts)
    assert listing(NATIVE, blob) == listing(PURE, blob)


@RANDOM
@given(lower=layers, upper=layers)
def test_random_layers_on_a_copy(lower: bytes, upper: bytes) -> None:
    native, pure = (outcome(port, upper, [lower], "delete") for port in (NATIVE, PURE))
    assert undated(native) == undated(pure)


def undated(result: object) -> object:
    """Folders of the copy that only had files added keep no stated time."""
    if isinstance(result, tuple) and isinstance(result[1], dict):
        return result[0], {name: (*fact[:3], *fact[4:]) for name, fact in result[1].items()}
    return result


@RANDOM
@given(blob=layers, at=st.integers(0, 10**6), byte=st.integers(0, 255))
def test_damaged_archives(blob: bytes, at: int, byte: int) -> None:
    damaged = bytearray(blob)
    damaged[at % len(blob)] = byte
    assert outcome(NATIVE, bytes(damaged), [], "delete") == outcome(PURE, bytes(damaged), [], "delete")
    assert listing(NATIVE, bytes(damaged)) == listing(PURE, bytes(damaged))


def listing(port: Layers, blob: bytes) -> object:
    with folder() as top:
        source = top / "blob"
        source.write_bytes(blob)
        try:
            return port.entries(str(source), "auto")
        except MinidockError as error:
            return type(error)


@pytest.mark.parametrize("case", hostile_archives(), ids=lambda case: case.name)
def test_hostile_archives(case: object) -> None:
    from tests.hostile_archives import Hostile

    assert isinstance(case, Hostile)
    if case.number == 12:
        pytest.skip("large; each twin's outcome is tested beside the table")
    results = []
    for port in (NATIVE, PURE):
        with lab() as at:
            *below, blob = (b.replace(str(at.victim).encode(), b"/victim") for b in case.layers(at))
        results.append((outcome(port, blob, below, "delete"), listing(port, blob)))
    assert undated(results[0][0]) == undated(results[1][0])
    assert results[0][1] == results[1][1]


# --- making ---


@RANDOM
@given(blob=layers, whiteouts=st.sampled_from(["overlay", "userxattr", "delete"]))
def test_made_layers_are_equal_and_come_back(blob: bytes, whiteouts: str) -> None:
    with folder() as top:
        first, again = top / "first", top / "again"
        first.mkdir()
        again.mkdir()
        (top / "blob").write_bytes(blob)
        try:
            NATIVE.apply(str(top / "blob"), str(first), "none", whiteouts)
        except MinidockError:
            return
        native = NATIVE.make(str(first), str(top / "native"), "none", whiteouts)
        pure = PURE.make(str(first), str(top / "pure"), "none", whiteouts)
        assert native == pure
        assert (top / "native").read_bytes() == (top / "pure").read_bytes()
        for compression in ("gzip", "zstd"):
            for name, port in TWINS.items():
                packed = port.make(str(first), str(top / (name + compression)), compression, whiteouts)
                assert packed.diff_id == native.diff_id
                assert packed.blob == port.digest_file(str(top / (name + compression)))
        applied = PURE.apply(str(top / "nativezstd"), str(again), "auto", whiteouts)
        assert (applied.diff_id, applied.entries, applied.size) == (native.diff_id, native.entries, native.size)
        # the root has no entry: its own attributes stay behind
        assert not differences(facts(first), facts(again), ignore=[b"."])


def test_what_no_layer_can_hold(port: Layers, tmp_path: Path) -> None:
    upper = tmp_path / "upper"
    upper.mkdir()
    (upper / ".wh.x").touch()
    with pytest.raises(Unsupported, match="begins with"):
        port.make(str(upper), str(tmp_path / "1"), "none", "overlay")
    (upper / ".wh.x").unlink()
    os.mknod(upper / "gone", 0o020000, 0)
    with pytest.raises(Unsupported, match="whiteout"):
        port.make(str(upper), str(tmp_path / "2"), "none", "delete")
    (upper / "gone").unlink()
    (upper / "moved").mkdir()
    os.setxattr(upper / "moved", "trusted.overlay.redirect", b"/old")
    with pytest.raises(Unsupported, match="elsewhere"):
        port.make(str(upper), str(tmp_path / "3"), "none", "overlay")


def test_overlay_marks_become_whiteouts(port: Layers, tmp_path: Path) -> None:
    upper = tmp_path / "upper"
    (upper / "d").mkdir(parents=True)
    os.mknod(upper / "d" / "gone", 0o020000, 0)
    os.setxattr(upper / "d", "trusted.overlay.opaque", b"y")
    port.make(str(upper), str(tmp_path / "layer"), "none", "overlay")
    names = [line.split(b'"')[3] for line in port.entries(str(tmp_path / "layer"), "none").splitlines()]
    assert names == [b"d", b"d/.wh..wh..opq", b"d/.wh.gone"]


def test_sockets_stay_behind(port: Layers, tmp_path: Path) -> None:
    import socket

    (tmp_path / "upper").mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "upper" / "s"))
        assert port.make(str(tmp_path / "upper"), str(tmp_path / "layer"), "none", "overlay").entries == 0


def test_a_target_is_never_overwritten(port: Layers, tmp_path: Path) -> None:
    (tmp_path / "layer").write_text("old")
    with pytest.raises(StepFailed) as failed:
        port.make(str(tmp_path), str(tmp_path / "layer"), "none", "overlay")
    assert failed.value.errno == 17
    assert failed.value.op == "layer.make"


# --- buffers ---


@RANDOM
@given(data=st.binary(max_size=5000), compression=st.sampled_from(["gzip", "zstd", "none"]), cut=st.integers(0, 40))
def test_buffers(data: bytes, compression: str, cut: int) -> None:
    assert len({str(p.digest(d)) for p in TWINS.values() for d in (data, bytearray(data), memoryview(data))}) == 1
    for port in TWINS.values():
        packed = port.deflate(data, compression)
        assert packed == port.deflate(data, compression)
        for other in TWINS.values():
            assert other.inflate(packed, compression, len(data)) == data
            assert other.inflate(packed + packed, compression, 2 * len(data)) == data + data
        for broken in (packed[: len(packed) - cut], packed[cut:], packed + bytes(cut), packed + b"x" * cut):
            assert attempt(NATIVE, broken, compression) == attempt(PURE, broken, compression)


def attempt(port: Layers, data: bytes, compression: str) -> object:
    try:
        return port.inflate(data, compression, 20_000)
    except MinidockError as error:
        return type(error)


def test_digests_of_odd_views(port: Layers) -> None:
    data = bytes(range(256)) * 5000
    assert port.digest(memoryview(data).cast("I")) == port.digest(data)
    assert port.digest(memoryview(data)[7:-9]) == port.digest(data[7:-9])


def test_wrong_words(port: Layers, tmp_path: Path) -> None:
    blob = tmp_path / "blob"
    blob.write_bytes(archive())
    calls = (
        lambda: port.apply(str(blob), str(tmp_path), "bzip2", "overlay"),
        lambda: port.apply(str(blob), str(tmp_path), "auto", "aufs"),
        lambda: port.entries(str(blob), "xz"),
        lambda: port.make(str(tmp_path), str(tmp_path / "x"), "auto", "overlay"),
        lambda: port.make(str(tmp_path), str(tmp_path / "x"), "gzip", "aufs"),
        lambda: port.inflate(b"", "lz4", 1),
        lambda: port.deflate(b"", "auto"),
    )
    for call in calls:
        with pytest.raises(InvalidArgument):
            call()


def test_refusals_of_the_kernel_carry_their_number(port: Layers, tmp_path: Path) -> None:
    blob = tmp_path / "blob"
    blob.write_bytes(archive(entry("a", data=b"x")))
    for source, into in ((str(tmp_path / "none"), str(tmp_path)), (str(blob), str(tmp_path / "none"))):
        with pytest.raises(StepFailed) as failed:
            port.apply(source, into, "auto", "overlay")
        assert (failed.value.op, failed.value.errno) == ("layer.apply", 2)
    with pytest.raises(FileNotFoundError):
        port.digest_file(str(tmp_path / "none"))
