"""Layers against GNU tar: it reads what we make, and we read what it makes, in each of its formats: the same tree."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.hostile_archives import FAST
from tests.support.tarlab import differences, facts

from minidock._pure.layers import PureLayers
from minidock.kernel.native.layers import NativeLayers
from minidock.kernel.ports import Layers

pytestmark = pytest.mark.root

TWINS: dict[str, Layers] = {"native": NativeLayers(), "pure": PureLayers()}
RANDOM = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
C_LOCALE = {**os.environ, "LC_ALL": "C"}
XATTRS = ["--xattrs", "--xattrs-include=*"]

# What ends up in a file, a folder, a link: names of all lengths and bytes, sizes around a block.
name = st.one_of(
    st.text("abcé", min_size=1, max_size=5).map(os.fsencode),
    st.integers(90, 255).map(lambda length: b"n" * length),
    st.sampled_from([b"\xff\xfe", b"new\nline", b" ", b"-rf", b"back\\slash"]),
)
contents = st.one_of(st.binary(max_size=3), st.sampled_from([511, 512, 513, 9000]).map(lambda size: b"d" * size))
nodes = st.lists(
    st.tuples(
        st.lists(name, min_size=1, max_size=4),
        st.sampled_from(["file", "file", "dir", "link", "hard", "fifo", "char", "sparse"]),
        contents,
        st.sampled_from([0o644, 0o600, 0o4755, 0o2755, 0o1777]),
        st.sampled_from([0, 1, 1000, 2_097_151]),
        st.sampled_from([0, 1, 1_600_000_000, 2**33 - 1]),
    ),
    max_size=12,
)
Nodes = list[tuple[list[bytes], str, bytes, int, int, int]]


@contextmanager
def workshop() -> Iterator[Path]:
    top = Path(tempfile.mkdtemp(prefix="gnutar-", dir=FAST))
    try:
        for folder in ("tree", "ours", "theirs"):
            (top / folder).mkdir()
        yield top
    finally:
        shutil.rmtree(top)


def plant(top: Path, wanted: Nodes, fractions: bool) -> None:
    """Make the nodes that can be made; a later one may find its place taken."""
    root = os.fsencode(top)
    files: list[bytes] = []
    for parts, kind, data, mode, owner, mtime in wanted:
        path = os.path.join(root, *parts)
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            make(path, kind, data, files)
        except (FileExistsError, NotADirectoryError, OSError):
            continue
        os.chown(path, owner, owner, follow_symlinks=False)
        if kind == "file":
            files.append(path)
            os.setxattr(path, "user.note", data[:9])
        if kind != "link":
            os.chmod(path, mode)
        ns = mtime * 10**9 + (250_000_000 if fractions else 0)
        os.utime(path, ns=(ns, ns), follow_symlinks=False)
    for folder, _, _ in os.walk(root):
        os.utime(folder, ns=(10**18, 10**18))


def make(path: bytes, kind: str, data: bytes, files: list[bytes]) -> None:
    if kind == "hard" and files:
        os.link(files[len(data) % len(files)], path)
    elif kind == "dir":
        os.mkdir(path)
    elif kind == "link":
        os.symlink(data[:200].replace(b"\0", b"0") or b"x", path)
    elif kind in ("fifo", "char"):
        os.mknod(path, (0o010000 if kind == "fifo" else 0o020000) | 0o600, os.makedev(1, 3) if kind == "char" else 0)
    else:
        with open(path, "xb") as file:
            if kind == "sparse":
                file.truncate(1 << 20)
                file.seek(len(data) * 37)
            file.write(data)


def tar(*words: str | Path) -> bytes:
    return subprocess.run(["tar", *map(str, words)], check=True, capture_output=True, env=C_LOCALE).stdout


def names_by_tar(path: Path) -> list[bytes]:
    listed = tar("--list", "--quoting-style=c", "--file", path, "--absolute-names").splitlines()
    return [clean(eval(line).encode("latin-1")) for line in listed]  # a C string is a Python string here


def clean(path: bytes) -> bytes:
    return b"/".join(part for part in path.split(b"/") if part not in (b"", b".")) or b"."


def names_by(port: Layers, path: Path) -> list[bytes]:
    import json

    lines = port.entries(str(path), "auto").splitlines()
    return [json.loads(line)["name"].encode() for line in lines]


def shown(path: bytes) -> bytes:
    return path.decode(errors="backslashreplace").encode()


@pytest.mark.parametrize("twin", sorted(TWINS))
@pytest.mark.parametrize("form", ["gnu", "pax", "ustar", "v7", "sparse-gnu", "sparse-0.0", "sparse-0.1", "sparse-1.0"])
@RANDOM
@given(wanted=nodes)
def test_we_read_what_gnu_tar_writes(twin: str, form: str, wanted: Nodes) -> None:
    options = {
        "sparse-gnu": ["--format=gnu", "--sparse"],
        "sparse-0.0": ["--format=pax", "--sparse", "--sparse-version=0.0", *XATTRS],
        "sparse-0.1": ["--format=pax", "--sparse", "--sparse-version=0.1", *XATTRS],
        "sparse-1.0": ["--format=pax", "--sparse", "--sparse-version=1.0", *XATTRS],
        "pax": ["--format=pax", *XATTRS],
    }.get(form, [f"--format={form}"])
    with workshop() as top:
        plant(top / "tree", wanted, fractions="pax" in options[0])
        packed = top / "layer.tar.gz"
        # The old formats cannot hold every name: tar says so, leaves it out and exits with 2.
        subprocess.run(
            ["tar", "--create", "--gzip", *options, "--file", packed, "--directory", top / "tree", "."],
            capture_output=True,
        )
        tar("--extract", "--file", packed, "--directory", top / "theirs", "--same-permissions", *XATTRS)
        TWINS[twin].apply(str(packed), str(top / "ours"), "auto", "overlay")
        assert not differences(facts(top / "theirs"), facts(top / "ours"))
        assert [shown(name) for name in names_by_tar(packed)] == names_by(TWINS[twin], packed)


@pytest.mark.parametrize("twin", sorted(TWINS))
@RANDOM
@given(wanted=nodes, compression=st.sampled_from(["none", "gzip", "zstd"]))
def test_gnu_tar_reads_what_we_make(twin: str, wanted: Nodes, compression: str) -> None:
    with workshop() as top:
        plant(top / "tree", wanted, fractions=True)
        packed = top / "layer"
        made = TWINS[twin].make(str(top / "tree"), str(packed), compression, "overlay")
        words = {"none": [], "gzip": ["--gzip"], "zstd": ["--zstd"]}[compression]
        tar("--extract", *words, "--file", packed, "--directory", top / "theirs", "--same-permissions", *XATTRS)
        assert not differences(facts(top / "tree"), facts(top / "theirs"), ignore=[b"."])
        assert made.entries == len(names_by_tar(packed) if compression == "none" else names_by(TWINS[twin], packed))


@pytest.mark.parametrize("twin", sorted(TWINS))
def test_capabilities_are_kept(twin: str, tmp_path: Path) -> None:
    """``security.capability``, in the form that setcap(8) writes: revision 2, CAP_NET_RAW, effective."""
    raw = bytes.fromhex("0100000200200000000000000000000000000000")
    for folder in ("upper", "ours"):
        (tmp_path / folder).mkdir()
    ping = tmp_path / "upper" / "ping"
    ping.write_bytes(b"#!")
    os.setxattr(ping, "security.capability", raw)
    TWINS[twin].make(str(tmp_path / "upper"), str(tmp_path / "layer"), "gzip", "overlay")
    TWINS[twin].apply(str(tmp_path / "layer"), str(tmp_path / "ours"), "auto", "overlay")
    assert os.getxattr(tmp_path / "ours" / "ping", "security.capability") == raw
