"""Layers in odd places: a full disk, a user namespace with one id, a folder whose files inherit, few descriptors."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.tarlab import CHAR, FOLDER, HARDLINK, archive, entry

pytestmark = pytest.mark.root

APPLY = """
import sys
from minidock._pure.layers import PureLayers
from minidock.errors import StepFailed
from minidock.kernel.native.layers import NativeLayers
twin, source, target, whiteouts = sys.argv[1:]
port = {"native": NativeLayers, "pure": PureLayers}[twin]()
try:
    print(port.apply(source, target, "auto", whiteouts).entries)
except StepFailed as error:
    print(error.op, error.errno)
"""


@pytest.fixture(params=["native", "pure"])
def twin(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def apply(twin: str, source: Path, target: Path, whiteouts: str = "overlay", before: tuple[str, ...] = ()) -> str:
    words = [*before, sys.executable, "-c", APPLY, twin, str(source), str(target), whiteouts]
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=60).stdout.strip()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    mounted = tmp_path / "small"
    mounted.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,nr_inodes=20", "tmpfs", mounted], check=True)
    yield mounted
    subprocess.run(["umount", mounted], check=True)


@pytest.mark.parametrize(
    "blob",
    [
        archive(*(entry(f"f{n}", data=bytes(200_000)) for n in range(10))),
        archive(entry("f", data=bytes(9_000_000))),
        archive(*(entry(f"f{n}") for n in range(40))),
        archive(*(entry(f"d{n}", FOLDER) for n in range(40))),
    ],
    ids=["files", "a large file", "too many files", "too many folders"],
)
def test_a_full_disk(twin: str, blob: bytes, small_disk: Path, tmp_path: Path) -> None:
    source = tmp_path / "blob"
    source.write_bytes(blob)
    assert apply(twin, source, small_disk) == "layer.apply 28"


def test_one_id_in_a_user_namespace(twin: str, tmp_path: Path) -> None:
    """No owners but one, no devices; whiteouts and all the rest as ever."""
    source, target = tmp_path / "blob", tmp_path / "root"
    target.mkdir()
    fields: dict[str, Any] = {"uid": 33, "gid": 42, "pax": {"SCHILY.xattr.trusted.x": "y", "SCHILY.xattr.user.x": "y"}}
    source.write_bytes(
        archive(
            entry("d", FOLDER), entry("d/f", data=b"x", **fields), entry("null", CHAR, device=(1, 3)), entry("d/.wh.w")
        )
    )
    assert apply(twin, source, target, "userxattr", ("unshare", "--user", "--map-root-user")) == "4"
    info = os.stat(target / "d" / "f")
    assert (info.st_uid, info.st_gid) == (0, 0)
    assert os.listxattr(target / "d" / "f") == ["user.x"]
    assert os.stat(target / "d" / "w").st_rdev == 0
    assert not (target / "null").exists()


def test_a_folder_whose_files_inherit(twin: str, tmp_path: Path) -> None:
    """Set-group-id on the target, and a umask: the archive's owners and modes count all the same."""
    source, target = tmp_path / "blob", tmp_path / "root"
    target.mkdir()
    os.chown(target, 0, 50)
    os.chmod(target, 0o2777)
    source.write_bytes(archive(entry("d", FOLDER, mode=0o777), entry("d/f", mode=0o666), entry("i/f", mode=0o4777)))
    assert apply(twin, source, target, before=("sh", "-c", 'umask 077; exec "$@"', "sh")) == "3"
    found = {p: os.stat(target / p) for p in ("d", "d/f", "i", "i/f")}
    assert {p: (s.st_mode & 0o7777, s.st_gid) for p, s in found.items()} == {
        "d": (0o777, 0),
        "d/f": (0o666, 0),
        "i": (0o755, 0),
        "i/f": (0o4777, 0),
    }


def test_deep_and_wide_with_few_descriptors(twin: str, tmp_path: Path) -> None:
    """The deepest names, and more folders than may be open at once."""
    source, target = tmp_path / "blob", tmp_path / "root"
    target.mkdir()
    deep = "/".join(["d"] * 255)
    wide = [entry(f"w{n}/f", data=b"w") for n in range(2000)]
    again = [entry(f"w{n}/g", HARDLINK, link=f"w{1999 - n}/f") for n in range(500)]
    source.write_bytes(archive(entry(f"{deep}/f", data=b"x"), *wide, *again, entry("d", data=b"no folder any more")))
    limited = ("sh", "-c", 'ulimit -n 1024; exec "$@"', "sh")
    assert apply(twin, source, target, before=limited) == "2502"
    assert (target / "d").read_bytes() == b"no folder any more"
    assert len(os.listdir(target)) == 2001
